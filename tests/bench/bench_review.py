"""The audit log: how fast the store takes records; and a million of them,
searched, summed up and verified."""

import functools
import json
import os
import pathlib
import subprocess
import tempfile

from bench import Row, show, show_bytes, show_time, timed

BIN = pathlib.Path(os.environ["TASKGATE_BIN"])
END = "2026-11-28T00:00:00Z"
SEARCHES = (
    ("by subject", ("--subject", "alice")),
    ("by subject and outcome", ("--subject", "bob", "--outcome", "denied")),
    ("by image and a day", ("--image", "tools/lint:2026.1", "--since",
                            "2026-11-01", "--until", "2026-11-02")),
    ("of one that is rare", ("--event", "certificate.revoked")),
)


def make(folder, days, tasks):
    subprocess.run([BIN.parent / "tests" / "make_log", folder, str(days),
                    str(tasks), END], check=True)


def admin(folder, *words):
    """What it has said, and the most memory that it had."""
    process = subprocess.Popen(
        [BIN / "taskgate-admin", "audit", *words, "--dir", folder],
        stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, words
    return usage.ru_maxrss * 1024


def count_records(folder):
    text = subprocess.run(
        [BIN / "taskgate-admin", "audit", "checkpoint", "--dir", folder],
        check=True, capture_output=True, text=True).stdout
    return int(text.splitlines()[1])


def records(bench):
    with tempfile.TemporaryDirectory() as folder:
        rates = json.loads(subprocess.run(
            [BIN.parent / "tests" / "records", folder,
             str(bench.count(21, 1))],
            capture_output=True, text=True, check=True).stdout)
    single = rates["single"]
    for size in (64, 256):
        rate = rates[f"batch_{size}"]
        bench.table.add(Row(
            f"audit records a second, {size} at a time", f"{rate:.0f}",
            f"{rates[f'mean_{size}']:.0f} in a transaction", rate, f"{rate:.0f}", at_least=10000, aim=20000))
        bench.table.add(Row(
            "  beside one transaction for each", f"{rate:.0f}",
            f"{single:.0f}", rate / single, f"{show(rate / single)}×",
            at_least=10, aim=20))
    ours, theirs = (rates[name] / 1e9 for name in
                    ("single_late", "sync_late"))
    bench.table.add(Row(
        "  one by itself, 99th percentile", show_time(ours),
        f"{show_time(theirs)} an fsync", ours / theirs,
        f"{show(ours / theirs)}×", at_most=3))


def review(bench):
    days, tasks = bench.count((100, 7400), (8, 100))
    rounds = bench.count(5, 1)
    with tempfile.TemporaryDirectory() as large, \
            tempfile.TemporaryDirectory() as small:
        make(large, days, tasks)
        # Enough to fill what SQLite keeps in memory.
        make(small, *bench.count((35, 900), (8, 100)))
        count = count_records(large)
        for name, words in SEARCHES:
            run = timed(functools.partial(admin, large, "search", *words))
            run()
            seconds = min(run() for _ in range(rounds))
            bench.table.add(Row(
                f"audit search {name}, {count} records", show_time(seconds),
                "", seconds, show_time(seconds), at_most=0.2))
        seconds = min(timed(functools.partial(admin, large, "verify"))()
                      for _ in range(bench.count(2, 1)))
        bench.table.add(Row(
            f"audit verify, {count} records", show_time(seconds), "",
            seconds, show_time(seconds), at_most=10))
        for words in (("search", "--limit", "0", "--text", "erin"),
                      ("summary", "--since", "2026-01-01"), ("export",),
                      ("verify",)):
            most, least = (admin(folder, *words)
                           for folder in (large, small))
            bench.table.add(Row(
                f"  memory of audit {words[0]}", show_bytes(most),
                f"{show_bytes(least)} of {count_records(small)} records",
                most / least, f"{most / least:.2f}×", at_most=1.5))
