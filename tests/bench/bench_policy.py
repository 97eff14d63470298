"""Decisions: one by one, and a month of recorded calls decided anew."""

import json
import os
import pathlib
import subprocess
import tempfile

import harness_traffic as traffic
from bench import Row, show, timed


def decide(bench):
    program = pathlib.Path(os.environ["TASKGATE_BIN"]).parent / "tests/decide"
    times = json.loads(subprocess.run(
        [program, str(bench.count(101, 3))], capture_output=True, text=True,
        check=True).stdout)
    few, many = (times[name] / 1e3 for name in ("few", "many"))
    bench.table.add(Row(
        "decision by 10,000 rules beside 10", f"{show(many)} µs",
        f"{show(few)} µs", many / few, f"{show(many / few)}×", at_most=2,
        aim=1.2))
    for name, value, unit, bound in (
            ("decision of 1,000 images in turn", times["spread"] / 1e3,
             "µs", 20),
            ("dearest pattern, longest value", times["pattern"] / 1e6, "ms",
             1),
            ("reading 10,000 rules", times["load"] / 1e9, "s", 1)):
        bench.table.add(Row(name, f"{show(value)} {unit}", "", value,
                            f"{show(value)} {unit}", at_most=bound))


def replay(bench):
    count = bench.count(100000, 1000)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        traffic.record(traffic.make(count, 29, seed=1), traffic.policy(4096),
                       folder)

        def run():
            report = json.loads(traffic.replay(
                traffic.policy(1000), folder, "-o", "json").stdout)
            assert report["records"] == count, report["records"]
        seconds = min(timed(run)() for _ in range(bench.count(3, 1)))
    bench.table.add(Row(
        f"policy replay, {count} records", f"{seconds:.2f} s", "",
        seconds, f"{show(count / seconds)}/s", at_most=10))
