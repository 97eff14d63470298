"""A lot of output, to nowhere: how fast, and in how much memory."""

import os
import statistics
import subprocess
import threading
import time

from bench import (BUSYBOX, Row, alternate, plain_rule, show, show_bytes,
                   status_bytes)
from bench_tasks import DockerRun, settle
from harness import environment
from harness_engine import EngineError


class Peaks:
    """The largest resident size of each process, by name."""

    def __init__(self):
        self.bytes = {}

    def add(self, name, size):
        self.bytes[name] = max(size, self.bytes.get(name, 0))


def watch_init(site, peaks, over):
    """task-init has no more status once it has ended: looked at meanwhile."""
    while not over.wait(0.1):
        for entry in site.containers():
            try:
                pid = site.engine.inspect(entry["Id"])["State"]["Pid"]
                peaks.add("task-init", status_bytes(pid, "VmHWM"))
            except (OSError, KeyError, EngineError):
                pass  # not started yet, or gone


def run_process(process):
    """Waits; the most that it had resident, in bytes."""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, process.args
    return usage.ru_maxrss * 1024


def output(bench):
    size = bench.count(2 ** 30, 2 ** 24)
    limits = plain_rule()["limits"]
    limits["output"] = {"default": size, "max": size}
    limits["timeout"] = {"default": "10m", "max": "10m"}
    site = bench.site([plain_rule(limits=limits)])
    docker = DockerRun(site)
    command = ("head", "-c", str(size), "/dev/zero")
    peaks = Peaks()
    env = environment(HOME=str(site.home),
                      TASKGATE_CONTEXT=str(site.members["alice"].folder))

    def ours():
        over = threading.Event()
        watcher = threading.Thread(target=watch_init,
                                   args=(site, peaks, over))
        watcher.start()
        before = time.perf_counter()
        process = subprocess.Popen(
            [site.bin / "taskgate", "run", BUSYBOX, "--", *command],
            stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
            user=site.client_uid, group=site.client_uid, extra_groups=[],
            cwd="/", env=env)
        peaks.add("client", run_process(process))
        taken = time.perf_counter() - before
        over.set()
        watcher.join()
        return taken

    def theirs():
        before = time.perf_counter()
        run_process(docker.start(*command, stdout=subprocess.DEVNULL))
        return time.perf_counter() - before

    try:
        times = alternate(bench.count(3, 1), ours, theirs,
                          between=lambda: settle(site, 0))
        for process in (site.gateway, site.runner):
            peaks.add(process.name, status_bytes(process.pid, "VmHWM"))
    finally:
        site.tear_down()
    rates = [size / statistics.median(values) for values in times]
    value = rates[0] / rates[1]
    bench.table.add(Row(
        f"output, {show_bytes(size)}", f"{show_bytes(rates[0])}/s",
        f"{show_bytes(rates[1])}/s", value, f"{show(value)}×", at_least=0.5,
        aim=1))
    for name in ("gateway", "runner", "client", "task-init"):
        most = peaks.bytes[name]
        bench.table.add(Row(f"  most resident meanwhile: {name}",
                            show_bytes(most), "", most / 2 ** 20,
                            f"{most / 2 ** 20:.1f} MiB"))
