#!/usr/bin/python3
"""The link lines that are trust lines, proved from what was built.

    check_links.py BUILD_DIRECTORY [--no-seccomp]
    check_links.py --self-test

Each rule is a function of files that gives the faults it finds; the self-test
hands each rule something that breaks it. --no-seccomp: of a build under a
sanitizer, which alone may leave it out.
"""

import os
import re
import sys

import elf

NETWORK = re.compile(
    r"^(socket|socketpair|connect|bind|listen|accept4?|getaddrinfo"
    r"|send(to|msg|mmsg)?|recv(from|msg|mmsg)?|shutdown"
    r"|(uv|curl|SSL|MHD|sqlite3)_.*|BIO_new_(connect|accept|socket))$")
CLOCK = re.compile(
    r"^(time|gettimeofday|clock_gettime|clock_(wall|boot)_ms)$")


def no_symbols(path, pattern, why):
    """Neither defined nor wanted."""
    defined, wanted = elf.symbols(path)
    return [f"{os.path.basename(path)}: {why}: {name}"
            for name in sorted(defined | wanted) if pattern.match(name)]


def no_library(path, names, why):
    return [f"{os.path.basename(path)}: {why}: {name}"
            for name in sorted(elf.needed(path) & set(names))]


def only_one_holds(archive, what, holder, others):
    """What the archive offers is in the one program and in no other."""
    offered = elf.exported(archive)
    faults = []
    if not offered & elf.symbols(holder)[0]:
        faults.append(f"{os.path.basename(holder)}: holds no {what}: has it "
                      "been stripped?")
    for path in others:
        for name in sorted(offered & elf.symbols(path)[0]):
            faults.append(f"{os.path.basename(path)}: holds {what}: {name}")
    return faults


def wants(path, name, why):
    return [] if name in elf.symbols(path)[1] else [
        f"{os.path.basename(path)}: {why}: does not call {name}"]


def is_static(path):
    faults = []
    if elf.needed(path):
        faults.append("wants shared libraries")
    if any(kind == "INTERP" for kind, _ in elf.segments(path)):
        faults.append("wants a dynamic linker")
    return [f"{os.path.basename(path)}: not static: {fault}"
            for fault in faults]


def check(build, seccomp=True):
    program = {name: os.path.join(build, "bin", name)
               for name in elf.PROGRAMS}
    archive = {name: os.path.join(build, folder, f"libtaskgate_{name}.a")
               for name, folder in (("certs", "certs"), ("issue", "certs"),
                                    ("sign", "certs"), ("signature", "certs"),
                                    ("policy", "policy"),
                                    ("guard", "gateway"),
                                    ("sandbox", "runner"))}
    missing = [path for path in (*program.values(), *archive.values())
               if not os.path.exists(path)]
    if missing:
        return [f"not built: {path}" for path in missing]
    gateway, runner = program["taskgate-gateway"], program["taskgate-runner"]
    faults = only_one_holds(
        archive["issue"], "issuing code", program["taskgate-admin"],
        [path for name, path in program.items() if name != "taskgate-admin"])
    faults += only_one_holds(
        archive["sign"], "signing code", program["taskgate"],
        [path for name, path in program.items() if name != "taskgate"])
    # task-init shares the sandbox's frames, not its client.
    faults += only_one_holds(
        archive["sandbox"], "the Docker client", runner,
        [path for name, path in program.items()
         if name not in ("taskgate-runner", "task-init")])
    faults += no_library(gateway, ["libcurl", "libsqlite3"],
                         "has a client for Docker or a store")
    faults += no_library(runner, ["libmicrohttpd", "libssl"],
                         "can serve a network")
    for path in (gateway, runner):
        faults += no_library(path, ["libsystemd"], "too much for sd_notify")
        if seccomp:
            faults += wants(path, "seccomp_load", "is not confined")
    for name in ("taskgate", "taskgate-admin"):
        faults += no_library(program[name], ["libmicrohttpd"],
                             "a tool that serves")
    # The operator's verifies the log by itself.
    faults += no_library(program["taskgate"], ["libsqlite3"],
                         "a client that stores")
    # Loading it takes longer than a warm task.
    faults += no_library(program["taskgate"], ["libcurl"], "slow to start")
    for name in ("certs", "issue", "sign", "signature", "policy", "guard"):
        faults += no_symbols(archive[name], NETWORK, "not pure")
    for name in ("sign", "signature", "policy", "guard"):
        faults += no_symbols(archive[name], CLOCK, "asks a clock")
    return faults + is_static(program["task-init"])


def self_test():
    """Each rule must find what breaks it, and only that."""
    faults = []

    def expect(what, found, fault):
        if bool(found) != fault:
            faults.append(f"self-test: {what}: {found or 'nothing found'}")

    with elf.Workshop() as shop:
        issue = shop.archive("issue.a", "int issue_it(void){return 1;}")
        plain = shop.compile("plain", "int main(void){return 0;}")
        admin = shop.compile(
            "admin", "int issue_it(void); int main(void){return issue_it();}",
            issue)
        expect("admin alone", only_one_holds(issue, "", admin, [plain]),
               False)
        expect("admin without", only_one_holds(issue, "", plain, []), True)
        expect("another issues", only_one_holds(issue, "", admin, [admin]),
               True)
        curl = shop.compile(
            "curl", "void *curl_easy_init(void);"
            "int main(void){return curl_easy_init() == 0;}", "-lcurl")
        expect("libcurl", no_library(curl, ["libcurl"], ""), True)
        expect("another library", no_library(curl, ["libssl"], ""), False)
        talks = shop.archive(
            "talks.a", "int socket(int,int,int);"
            "int f(void){return socket(1,1,0);}")
        expect("a call that is made",
               wants(curl, "curl_easy_init", ""), False)
        expect("a call that is not made",
               wants(plain, "curl_easy_init", ""), True)
        expect("an archive with sockets", no_symbols(talks, NETWORK, ""),
               True)
        expect("an archive without", no_symbols(issue, NETWORK, ""), False)
        loops = shop.archive(
            "loops.a", "int uv_run(void*,int);"
            "int f(void){return uv_run(0,0);}")
        expect("an archive with a loop", no_symbols(loops, NETWORK, ""), True)
        ticks = shop.archive(
            "ticks.a", "long time(long*); long f(void){return time(0);}")
        expect("an archive with a clock", no_symbols(ticks, CLOCK, ""), True)
        expect("a dynamic program", is_static(plain), True)
        static = shop.compile("static", "int main(void){return 0;}",
                              "-static-pie")
        expect("a static program", is_static(static), False)
        expect("nothing built", check(shop.path("none")), True)
    return faults


def main():
    arguments = [word for word in sys.argv[1:] if word != "--no-seccomp"]
    if len(arguments) != 1:
        print(__doc__)
        return 2
    if arguments[0] == "--self-test":
        return elf.report("check_links", 1, self_test())
    return elf.report("check_links", len(elf.PROGRAMS), check(
        arguments[0], "--no-seccomp" not in sys.argv))


if __name__ == "__main__":
    sys.exit(main())
