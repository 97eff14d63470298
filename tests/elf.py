"""What binutils say of an ELF file; used by the checks of built programs."""

import os
import re
import subprocess
import tempfile

PROGRAMS = ("taskgate", "taskgate-admin", "taskgate-gateway",
            "taskgate-runner", "task-init")


def run(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True,
                          env={**os.environ, "LC_ALL": "C"}, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


def symbols(path):
    """Names by kind: those defined (with their weak ones), those wanted."""
    defined, wanted = set(), set()
    for line in run("nm", path).splitlines():
        fields = line.split()
        if len(fields) == 3 and fields[1] in "TtWwVvDdBbRr":
            defined.add(fields[2])
        elif len(fields) == 2 and fields[0] in "Uwv":
            wanted.add(fields[1].split("@")[0])
    return defined, wanted


def exported(archive):
    """Functions that an archive offers to others."""
    return {line.split()[2] for line in run("nm", "-g", archive).splitlines()
            if len(line.split()) == 3 and line.split()[1] == "T"}


def dynamic(path):
    """The dynamic section's entries as (tag, value)."""
    return re.findall(r"^ 0x[0-9a-f]+ \((\w+)\)\s+(.*)$",
                      run("readelf", "-dW", path), re.MULTILINE)


def needed(path):
    """Shared libraries by name, without their version."""
    return {re.search(r"\[(lib[^]]+?)\.so", value).group(1)
            for tag, value in dynamic(path)
            if tag == "NEEDED" and "[lib" in value}


def segments(path):
    """Program headers as (type, flags)."""
    return re.findall(
        r"^  (\w+) +0x[0-9a-f]+ 0x[0-9a-f]+ 0x[0-9a-f]+ 0x[0-9a-f]+ "
        r"0x[0-9a-f]+ ([RWE ]{3})", run("readelf", "-lW", path), re.MULTILINE)


class Workshop:
    """Small programs that break a rule, to see that a check finds it."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="taskgate-")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.folder.cleanup()

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def compile(self, name, source, *flags):
        with open(self.path("source.c"), "w", encoding="ascii") as file:
            file.write(source)
        run("cc", self.path("source.c"), "-o", self.path(name), *flags)
        return self.path(name)

    def archive(self, name, source, *flags):
        member = self.compile("member.o", source, "-c", *flags)
        run("ar", "rcs", self.path(name), member)
        return self.path(name)


def report(name, checked, faults):
    """Prints what was found; the exit status."""
    for fault in faults:
        print(f"{name}: {fault}")
    print(f"{name}: {checked} looked at, {len(faults)} faults")
    return 1 if faults or checked == 0 else 0
