"""A month of recorded calls, decided anew."""

import json
import pathlib
import tempfile

import harness_traffic as traffic
from bench import Row, show, timed


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
