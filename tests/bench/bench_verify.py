"""What verification adds to a submission in the runner."""

import json
import os
import pathlib
import subprocess

from bench import Row, show_time
from harness import Site


def verify(bench):
    program = pathlib.Path(os.environ["TASKGATE_BIN"]).parent / "tests/verify"
    site = Site(bench.engine)
    try:
        site.set_up()
        site.enroll("alice")
        times = json.loads(subprocess.run(
            [program, site.etc / "runner.json", site.members["alice"].folder,
             str(bench.count(2001, 11))], capture_output=True, text=True,
            check=True).stdout)
    finally:
        site.tear_down()
    for name, key, bound in (
            ("verifying a submission", "signed", 0.3e-3),
            ("of that, certificate and token", "unsigned", None),
            ("the same, body of 1 MiB", "largest", None),
            ("the same, never seen before", "new", None)):
        seconds = times[key]["median"] / 1e9
        bench.table.add(Row(
            name, show_time(seconds),
            f"p99 {show_time(times[key]['p99'] / 1e9)}", seconds * 1e3,
            f"{seconds * 1e3:.3g} ms",
            at_most=None if bound is None else bound * 1e3))
