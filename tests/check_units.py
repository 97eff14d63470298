#!/usr/bin/python3
"""How exposed the systemd units leave their services, by systemd's own
measure (0 is best, 10 is worst).

    check_units.py ROOT
    check_units.py --self-test
"""

import pathlib
import re
import subprocess
import sys
import tempfile

# The gateway is on the network; the runner is in the group of Docker's socket.
BOUNDS = {"gateway/taskgate-gateway.service": 1.3,
          "runner/taskgate-runner.service": 1.0}
# What must hold besides, and does not show in the number.
LINES = ("NoNewPrivileges=yes", "LimitCORE=0")
# It would make every peer's uid that of nobody, and so the tasks'.
FORBIDDEN = "PrivateUsers=yes"


def exposure(path):
    """The number, and what systemd does not understand of the unit."""
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", path],
        capture_output=True, text=True, check=False)
    text = done.stdout + done.stderr
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", text)
    if found is None:
        raise RuntimeError(f"systemd-analyze says: {text.strip()[-300:]}")
    ignored = re.findall(r"^.*(?:ignoring|Unknown).*$", text, re.MULTILINE)
    return float(found.group(1)), ignored


def check_unit(path, bound):
    number, ignored = exposure(path)
    lines = path.read_text().splitlines()
    if number > bound:
        yield f"{path.name}: exposure {number}, more than {bound}"
    for line in ignored:
        yield f"{path.name}: not understood: {line.strip()}"
    for line in LINES:
        if line not in lines:
            yield f"{path.name}: without {line}"
    if FORBIDDEN in lines:
        yield f"{path.name}: {FORBIDDEN}"


def check(root):
    return [fault for name, bound in BOUNDS.items()
            for fault in check_unit(root / name, bound)]


def self_test():
    root = pathlib.Path(__file__).resolve().parents[1]
    with tempfile.TemporaryDirectory() as folder:
        for name, bound in BOUNDS.items():
            text = (root / name).read_text()
            path = pathlib.Path(folder, pathlib.Path(name).name)
            for change, faults in (
                    (("", ""), 0),
                    (("NoNewPrivileges=yes", ""), 1),
                    (("SystemCallFilter=@system-service",
                      "SystemCallFilter=@no-such-group"), 1),
                    (("RestrictNamespaces=yes",
                      "RestrictNamespaces=yes\n" + FORBIDDEN), 1),
                    (("CapabilityBoundingSet=", "#"), 1)):
                path.write_text(text.replace(*change))
                found = list(check_unit(path, bound))
                assert bool(found) == bool(faults), (name, change, found)


def main():
    if sys.argv[1:] == ["--self-test"]:
        self_test()
        return
    faults = check(pathlib.Path(sys.argv[1]))
    print("\n".join(faults))
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
