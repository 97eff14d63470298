"""Ten thousand tasks that have finished and a hundred thousand that wait,
beside a store that is empty. Both installations have one task that sleeps and
room for no other, so that what waits goes on waiting. All of it comes in by
the front door: what has finished was cancelled while it waited."""

import concurrent.futures
import functools
import itertools

from bench import (BUSYBOX, Caller, Row, alternate, ratio_row, show_bytes,
                   status_bytes, timed)
from harness import wait_until

AT_A_TIME = 16
ROOM = 1000000
QUICK = {"image": BUSYBOX, "args": ["true"]}


def blocked_site(bench):
    site = bench.site(runner={
        "running_max": 1, "queued_max": ROOM, "queued_per_subject": ROOM,
        "queued_per_rule": ROOM})
    sleeper = site.submit("sleep", "600", limits={"timeout": "10m"})["id"]
    wait_until(lambda: site.task(sleeper)["state"] == "running", 60,
               "the task that all others wait for")
    return site


def fill(site, count, work):
    """work(caller) so many times, several at a time."""
    numbers = itertools.count()

    def some():
        caller = Caller(site)
        while next(numbers) < count:
            work(caller)
        caller.close()
    with concurrent.futures.ThreadPoolExecutor(AT_A_TIME) as pool:
        for done in [pool.submit(some) for _ in range(AT_A_TIME)]:
            done.result()


def sign(caller):
    return caller.site.request_bytes("POST", "/v1/tasks", QUICK,
                                     who=caller.who)


def submit(caller, signed=None):
    return caller.send("POST", signed or sign(caller)).json["id"]


def submit_and_cancel(caller):
    task = submit(caller)
    caller.call("DELETE", f"/v1/tasks/{task}?grace=0")


def store(bench):
    finished, queued = bench.count(10000, 50), bench.count(100000, 200)
    rounds = bench.count(300, 3)
    empty, full = blocked_site(bench), blocked_site(bench)
    try:
        before = status_bytes(full.runner.pid, "VmRSS")
        fill(full, finished, submit_and_cancel)
        between = status_bytes(full.runner.pid, "VmRSS")
        fill(full, queued, submit)
        after = status_bytes(full.runner.pid, "VmRSS")
        callers = {site: Caller(site) for site in (empty, full)}
        for name, run, prepare in (
                ("submit", submit, lambda caller: (sign(caller),)),
                ("list", lambda caller: caller.call(
                    "GET", "/v1/tasks?limit=10"), lambda _: ()),
                ("status", lambda caller: caller.call(
                    "GET", f"/v1/tasks/{shown[caller]}"), lambda _: ())):
            shown = {caller: submit(caller) for caller in callers.values()}
            theirs, ours = alternate(rounds, *(
                timed(functools.partial(run, callers[site]),
                      functools.partial(prepare, callers[site]))
                for site in (empty, full)))
            bench.table.add(ratio_row(
                f"{name}, {finished} finished, {queued} queued", ours, theirs,
                at_most=1.2, aim=1))
        for caller in callers.values():
            caller.close()
    finally:
        for site in (empty, full):
            site.tear_down()
    bench.table.add(Row(
        "  the runner's memory meanwhile", show_bytes(after),
        f"{show_bytes(before)} empty", after / 2 ** 20,
        f"{after / 2 ** 20:.0f} MiB"))
    each = (after - between) / queued
    bench.table.add(Row("  for each task that waits", show_bytes(each), "",
                        each / 1024, f"{each / 1024:.2f} KiB"))
