"""What a warm sandbox costs while nobody wants it."""

import signal

from bench import Row, plain_rule, private_bytes, show_bytes, status_bytes
from bench_tasks import settle


def idle(bench):
    """The runner's private memory with many sandboxes and with few: the
    difference, for each."""
    few, many = 2, bench.count(62, 6)

    def policy(ready):
        limits = plain_rule()["limits"]
        limits["memory"] = {"default": "16MiB", "max": "256MiB"}
        return {"version": 1, "rules": [plain_rule(
            limits=limits,
            warm={"min": ready, "max": ready, "max_age": "1d"})]}

    site = bench.site(policy(few)["rules"], runner={"warm_max": 100})
    try:
        settle(site, few)
        before = private_bytes(site.runner.pid)
        site.write_policy(policy(many))
        for process in (site.runner, site.gateway):
            process.send(signal.SIGHUP)
        settle(site, many)
        after = private_bytes(site.runner.pid)
        inits = [status_bytes(
            bench.engine.inspect(entry["Id"])["State"]["Pid"], "VmRSS")
            for entry in site.containers()]
    finally:
        site.tear_down()
    each = (after - before) / (many - few)
    bench.table.add(Row(
        "idle warm sandbox, in the runner", show_bytes(each),
        f"{show_bytes(before)} with {few}", each / 1024,
        f"{each / 1024:.1f} KiB", at_most=64))
    most = max(inits)
    bench.table.add(Row(
        "idle task-init, resident", show_bytes(most), "", most / 2 ** 20,
        f"{most / 2 ** 20:.2f} MiB", at_most=2))
