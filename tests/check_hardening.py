#!/usr/bin/python3
"""The hardening flags, verified on what was built.

    check_hardening.py BUILD_DIRECTORY [--no-fortify]
    check_hardening.py --self-test

--no-fortify: of a build without optimisation or under a sanitizer, where
_FORTIFY_SOURCE is not used.
"""

import glob
import os
import re
import sys

import elf

FOLDERS = ("admin", "certs", "client", "gateway", "lib", "policy", "runner")
# No libc gives the compiler's own counterpart of these for its own use.
FORTIFIED = re.compile(r"^__(?!stack_chk)\w+_chk$")


def is_pie(path):
    kind = re.search(r"Type:\s+(\w+)", elf.run("readelf", "-hW", path))
    flags = " ".join(value for tag, value in elf.dynamic(path)
                     if tag == "FLAGS_1")
    return kind.group(1) == "DYN" and "PIE" in flags


def has_full_relro(path):
    """The table of functions is bound at start and then read-only."""
    now = any(tag == "BIND_NOW" or (tag == "FLAGS" and "BIND_NOW" in value)
              or (tag == "FLAGS_1" and "NOW" in value.split())
              for tag, value in elf.dynamic(path))
    return now and any(kind == "GNU_RELRO" for kind, _ in elf.segments(path))


def has_plain_stack(path):
    stack = [flags for kind, flags in elf.segments(path)
             if kind == "GNU_STACK"]
    return len(stack) == 1 and "E" not in stack[0]


def has_no_writable_code(path):
    return not any(kind == "LOAD" and "W" in flags and "E" in flags
                   for kind, flags in elf.segments(path))


def has_stack_protector(path):
    defined, wanted = elf.symbols(path)
    return "__stack_chk_fail" in defined | wanted


def is_fortified(path):
    defined, wanted = elf.symbols(path)
    return any(FORTIFIED.match(name) for name in defined | wanted)


def has_cet_note(path):
    """Of an object: the distribution's start files have none, so that the
    linker leaves it out of the program."""
    notes = elf.run("readelf", "-nW", path)
    return "IBT" in notes and "SHSTK" in notes


RULES = {
    "not position independent": is_pie,
    "no full RELRO": has_full_relro,
    "executable stack": has_plain_stack,
    "memory that is writable and executable": has_no_writable_code,
    "no stack protector": has_stack_protector,
}


def check_program(path, fortify):
    rules = dict(RULES)
    if fortify:
        rules["not fortified"] = is_fortified
    return [f"{os.path.basename(path)}: {fault}"
            for fault, holds in rules.items() if not holds(path)]


def objects(build):
    return [path for folder in FOLDERS
            for path in glob.glob(f"{build}/{folder}/**/*.o", recursive=True)]


def check(build, fortify):
    faults = []
    for name in elf.PROGRAMS:
        path = os.path.join(build, "bin", name)
        if not os.path.exists(path):
            faults.append(f"not built: {path}")
            continue
        faults += check_program(path, fortify)
    found = objects(build)
    if not found:
        faults.append(f"no objects below {build}")
    faults += [f"{os.path.relpath(path, build)}: no CET note"
               for path in found if not has_cet_note(path)]
    return faults


SOURCE = """
#include <string.h>
#include <stdio.h>
#ifdef WRITABLE_CODE
__asm__(".section .both,\\"awx\\",@progbits\\n.byte 0\\n.text");
#endif
int main(int argc, char **argv)
{
	char text[16];
	strcpy(text, argv[argc - 1]);
	return puts(text);
}
"""
GOOD = ["-O2", "-fPIE", "-pie", "-fstack-protector-strong",
        "-fcf-protection=full", "-U_FORTIFY_SOURCE", "-D_FORTIFY_SOURCE=2",
        "-Wl,-z,relro", "-Wl,-z,now", "-Wl,-z,noexecstack"]
WORSE = {
    "not position independent": ["-fno-pie", "-no-pie"],
    "no full RELRO": ["-Wl,-z,lazy"],
    "executable stack": ["-Wl,-z,execstack"],
    "memory that is writable and executable": ["-DWRITABLE_CODE"],
    "no stack protector": ["-fno-stack-protector"],
    "not fortified": ["-U_FORTIFY_SOURCE"],
}


def self_test():
    faults = []
    with elf.Workshop() as shop:
        good = shop.compile("good", SOURCE, *GOOD)
        faults += check_program(good, True)
        for fault, flags in WORSE.items():
            bad = shop.compile("bad", SOURCE, *GOOD, *flags)
            if f"bad: {fault}" not in check_program(bad, True):
                faults.append(f"self-test: not found: {fault}")
        lazy = shop.compile("bad", SOURCE, *GOOD, "-Wl,-z,norelro")
        if "bad: no full RELRO" not in check_program(lazy, True):
            faults.append("self-test: not found: RELRO switched off")
        noted = shop.compile("noted.o", SOURCE, *GOOD[:5], "-c")
        plain = shop.compile("plain.o", SOURCE, "-c", "-fcf-protection=none")
        if not has_cet_note(noted) or has_cet_note(plain):
            faults.append("self-test: the CET note is not told apart")
        if not check(shop.path("none"), True):
            faults.append("self-test: an empty build passes")
    return faults


def main():
    arguments = [word for word in sys.argv[1:] if word != "--no-fortify"]
    if len(arguments) != 1:
        print(__doc__)
        return 2
    if arguments[0] == "--self-test":
        return elf.report("check_hardening", 1, self_test())
    faults = check(arguments[0], "--no-fortify" not in sys.argv)
    return elf.report("check_hardening", len(elf.PROGRAMS), faults)


if __name__ == "__main__":
    sys.exit(main())
