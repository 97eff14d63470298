"""One small task: warm and cold, beside `docker run` and beside the bare
sequence of API calls."""

import concurrent.futures
import http.client
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import time
import urllib.parse

from bench import (BUSYBOX, Caller, Row, alternate, plain_rule, ratio_row,
                   show, timed)
from harness import environment, wait_until
from harness_engine import UnixConnection

COMMAND = ("echo", "hello")
EXPECTED = b"hello\n"
AT_A_TIME = 8


# -- what we are compared with

class DockerRun:
    """`docker run`, as hardened as a task of ours."""

    def __init__(self, site, **more):
        limits = {"memory": "64m", "cpus": "1", "pids": "64", "tmp": "16m",
                  **more}
        self.program = find_docker()
        self.words = [
            self.program, "--host", site.engine.url, "run", "--rm",
            "--network", "none", "--read-only", "--cap-drop", "ALL",
            "--security-opt", "no-new-privileges",
            "--security-opt", f"seccomp={site.bin / 'seccomp.json'}",
            "--user", f"{site.task_uid}:{site.task_uid}",
            "--memory", limits["memory"], "--memory-swap", limits["memory"],
            "--cpus", limits["cpus"], "--pids-limit", limits["pids"],
            "--tmpfs", f"/tmp:rw,nosuid,nodev,noexec,size={limits['tmp']}",
            "--shm-size", "64m", "--ipc", "private", "--cgroupns", "private",
            "--ulimit", "core=0", "--log-driver", "none", BUSYBOX]

    def start(self, *command, stdout=subprocess.PIPE):
        return start_program([*self.words, *command], environment(),
                             stdout=stdout)

    def run(self):
        assert_prints(self.start(*COMMAND))


def start_program(words, env, stdout=subprocess.PIPE):
    """Both sides in the same way: as who we are, because to become another
    user Python forks, which takes it 1.7 ms longer than vfork."""
    return subprocess.Popen(words, stdout=stdout, stdin=subprocess.DEVNULL,
                            cwd="/", env=env)


def assert_prints(process):
    out, _ = process.communicate()
    assert (process.returncode, out) == (0, EXPECTED), (
        process.returncode, out)


def find_docker():
    """The distribution's, which fits its engine, before any other."""
    found = shutil.which("docker", path="/usr/bin:/bin:/usr/local/bin")
    assert found, "the docker command is not installed (docker.io)"
    return found


class BareCalls:
    """create, start, wait, logs, remove on one connection, as a client of
    Docker would write it."""

    def __init__(self, engine):
        self.connection = UnixConnection(engine.path, 120)
        self.connection.connect()

    def close(self):
        self.connection.close()

    def call(self, method, path, body=None):
        self.connection.request(
            method, path, body=None if body is None else json.dumps(body),
            headers={} if body is None
            else {"Content-Type": "application/json"})
        response = self.connection.getresponse()
        data = response.read()
        assert response.status < 300, (method, path, response.status, data)
        return data

    def run(self):
        made = json.loads(self.call("POST", "/containers/create", {
            "Image": BUSYBOX, "Cmd": list(COMMAND),
            "HostConfig": {"NetworkMode": "none"}}))
        path = f"/containers/{made['Id']}"
        self.call("POST", f"{path}/start")
        end = json.loads(self.call("POST", f"{path}/wait"))
        logs = self.call("GET", f"{path}/logs?stdout=1")
        self.call("DELETE", path)
        # A header of eight bytes before each frame.
        assert (end["StatusCode"], logs[8:]) == (0, EXPECTED), (end, logs)


# -- ours

def fresh_client(site, who="alice"):
    """`taskgate run` from a process of its own. Files that hold secrets must
    be their reader's, so it has a copy of the context that is."""
    words = [str(site.bin / "taskgate"), "run", BUSYBOX, "--", *COMMAND]
    context = pathlib.Path(shutil.copytree(
        site.members[who].folder, site.folder / f"fresh-{who}"))
    for path in (context, *context.iterdir()):
        os.chown(path, os.geteuid(), os.getegid())
    env = environment(HOME=str(context), TASKGATE_CONTEXT=str(context))
    return lambda: assert_prints(start_program(words, env))


def settle(site, warm):
    """Nothing is left of what ran, and as many wait as should; twice in a row,
    since a container runs a moment before it is ready."""
    looks = 0

    def is_settled():
        nonlocal looks
        containers = site.containers()
        settled = (len(containers) == warm and
                   len(site.control_folders()) == warm and
                   all(entry["State"] == "running" for entry in containers))
        looks = looks + 1 if settled else 0
        return looks >= 2
    wait_until(is_settled, 60, "a full pool and nothing else")


def sign_on(caller):
    return lambda: (caller.sign(*COMMAND),)


def run_on(caller, start):
    """A task to its result, which has to have started so; signed before its
    time is taken, or within it."""
    def run(signed=None):
        task = caller.run(signed or caller.sign(*COMMAND))
        assert task["stdout"].encode() == EXPECTED, task
        assert task.get("start", "cold") == start, task
    return run


# -- benchmarks

def cold(bench):
    site = bench.site()
    caller, bare = Caller(site), BareCalls(bench.engine)
    try:
        ours, theirs = alternate(
            bench.count(40, 2),
            timed(run_on(caller, "cold"), sign_on(caller)),
            timed(bare.run), between=lambda: settle(site, 0))
    finally:
        caller.close()
        bare.close()
        site.tear_down()
    bench.table.add(ratio_row(
        "cold task beside bare API calls", ours, theirs, at_most=0.55,
        aim=0.4))


def throughput(bench):
    """Rounds of many, several at a time."""
    tasks = bench.count(64, 8)
    site = bench.site(runner={"running_max": AT_A_TIME})
    callers = [Caller(site) for _ in range(AT_A_TIME)]
    bares = [BareCalls(bench.engine) for _ in range(AT_A_TIME)]

    def many(workers):
        def run():
            left = iter(range(tasks))

            def work(worker):
                for _ in left:
                    worker()
            with concurrent.futures.ThreadPoolExecutor(AT_A_TIME) as pool:
                for done in [pool.submit(work, worker)
                             for worker in workers]:
                    done.result()
        return run

    try:
        ours, theirs = alternate(
            bench.count(5, 1),
            timed(many([run_on(caller, "cold") for caller in callers])),
            timed(many([bare.run for bare in bares])),
            between=lambda: settle(site, 0))
    finally:
        for end in (*callers, *bares):
            end.close()
        site.tear_down()
    rates = [tasks / statistics.median(times) for times in (ours, theirs)]
    value = rates[0] / rates[1]
    bench.table.add(Row(
        f"cold tasks a second, {AT_A_TIME} at a time", f"{rates[0]:.1f}/s",
        f"{rates[1]:.1f}/s", value, f"{show(value)}×", at_least=1.4, aim=2))


def warm(bench):
    ready = 2
    site = bench.site([plain_rule(warm={"min": ready, "max": ready,
                                        "max_age": "1h"})])
    docker = DockerRun(site)
    caller = Caller(site)
    fresh = fresh_client(site)
    try:
        on_open, in_process, theirs = alternate(
            bench.count(60, 2),
            timed(run_on(caller, "warm"), sign_on(caller)), timed(fresh),
            timed(docker.run), between=lambda: settle(site, ready))
        assert_warm(caller)
    finally:
        caller.close()
        site.tear_down()
    bench.table.add(ratio_row(
        "warm task beside docker run", on_open, theirs, faster=True,
        at_least=60, aim=100))
    bench.table.add(ratio_row(
        "the same by a fresh taskgate run", in_process, theirs, faster=True,
        at_least=20, aim=30))


def assert_warm(caller):
    """The client's tasks too: it does not say how they started."""
    tasks = caller.call("GET", "/v1/tasks?limit=100").json["tasks"]
    cold_ones = [task["id"] for task in tasks if task["start"] != "warm"]
    assert not cold_ones, f"started cold: {cold_ones}"
