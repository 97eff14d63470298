#!/usr/bin/env python3
"""Stops processes of a running suite at random, each for a moment: what a test
takes for granted about who comes first then shows. For test.sh.

    pauses.py RATE MILLISECONDS PID FOLDER

RATE times a second, for MILLISECONDS at most, a descendant of PID or, as
often, a process in a container of an engine below FOLDER. The engine itself is
spared: it has races of its own. SIGTERM ends it, and nothing is left stopped.

A test that fails may also have met its time limit, have stopped that process
itself, or have had a read(2) cut short: each failure is to be read."""

import contextlib
import os
import pathlib
import random
import signal
import sys
import time

TURN = 0.005  # seconds
LOOK = 0.05  # seconds between two looks at all processes
OURS = os.readlink("/proc/self/ns/pid")


class Process:
    def __init__(self, entry):
        stat = (entry / "stat").read_text(errors="replace")
        self.pid = int(entry.name)
        self.state, parent = stat.rpartition(")")[2].split()[:2]
        self.parent = int(parent)
        self.words = (entry / "cmdline").read_bytes().split(b"\0")
        self.namespace = os.readlink(entry / "ns/pid")

    def is_shim(self, folder):
        return (b"containerd-shim" in self.words[0] and
                any(folder in word for word in self.words))

    @property
    def is_contained(self):
        return (self.namespace != OURS and
                self.words[:2] != [b"runc", b"init"])


def look():
    """All that run, by their ids."""
    found = {}
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                process = Process(entry)
                found[process.pid] = process
    return found


def descendants(found, is_ancestor):
    def descends(process):
        while process := found.get(process.parent):
            if is_ancestor(process):
                return True
        return False
    return [process for process in found.values() if descends(process)]


class Pauses:
    def __init__(self, seconds):
        self.seconds = seconds
        self.stopped = {}  # until when, by descriptor

    def begin(self, process):
        if process.state not in "RS":
            return
        with contextlib.suppress(ProcessLookupError):
            held = os.pidfd_open(process.pid)
            signal.pidfd_send_signal(held, signal.SIGSTOP)
            self.stopped[held] = time.monotonic() + min(
                self.seconds, random.expovariate(3 / self.seconds))

    def end(self, now):
        for held, until in list(self.stopped.items()):
            if until <= now:
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(held, signal.SIGCONT)
                os.close(held)
                del self.stopped[held]


def pause(rate, pauses, suite, folder):
    looked = 0
    groups = []
    while True:
        now = time.monotonic()
        pauses.end(now)
        if now - looked > LOOK:
            looked = now
            found = look()
            tasks = descendants(found, lambda each: each.is_shim(folder))
            groups = [group for group in (
                descendants(found, lambda each: each.pid == suite),
                [task for task in tasks if task.is_contained]) if group]
        if groups and random.random() < rate * TURN:
            pauses.begin(random.choice(random.choice(groups)))
        time.sleep(TURN)


def main():
    rate, milliseconds, suite = map(int, sys.argv[1:4])
    pauses = Pauses(milliseconds / 1000)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    try:
        pause(rate, pauses, suite, os.fsencode(sys.argv[4]))
    finally:
        pauses.end(float("inf"))


if __name__ == "__main__":
    main()
