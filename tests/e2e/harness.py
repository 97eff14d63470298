"""What every end-to-end test stands on.

Each test class gets an installation of its own: keys, policy, ports, a runner
and a gateway as two different users that are not root, in a folder of its
own; the programs are the real ones and so is the Docker Engine.

	TASKGATE_BIN          folder of the built programs
	TASKGATE_TEST_ENGINE  unix://SOCKET of the engine (see harness_engine)
	TASKGATE_SOAK         1: the many-fold runs in full

The suite runs as root, since it starts processes as other users.
"""

import datetime
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time
import unittest
import uuid

from harness_engine import IMAGE, Engine
from harness_process import (ROOT, SOAK, Process, environment, free_id,
                             free_port, many, reachable_folder, wait_same,
                             wait_until)
from harness_sign import Signer
from harness_wire import Answer, Wire, head, tls_context

# What tests import from here.
__all__ = ["ALL_SCOPES", "ANYTHING", "IMAGE", "POLICY", "SOAK", "Case",
           "Engine", "Member", "Process", "Site", "environment", "free_id",
           "free_port", "main", "many", "rule", "wait_same", "wait_until"]

PROGRAMS = ("taskgate", "taskgate-admin", "taskgate-gateway",
            "taskgate-runner", "task-init")
ALL_SCOPES = ("tasks:run", "tasks:read", "tasks:cancel")

ANYTHING = {"pattern": "**"}


def rule(name, subjects, **members):
    """A rule that allows any arguments within generous limits."""
    return {
        "id": name, "subjects": subjects, "image": IMAGE,
        "args": [{"rest": ANYTHING}],
        "env": {"LANG": ANYTHING, "GREETING": ANYTHING,
                "PASSWORD": ANYTHING},
        "limits": {
            "memory": {"default": "64MiB", "max": "256MiB"},
            "cpus": {"default": "1", "max": "2"},
            "pids": {"default": 64, "max": 128},
            "timeout": {"default": "60s", "max": "10m"},
            "output": {"default": "10MiB", "max": "64MiB"},
            "tmp": {"default": "16MiB", "max": "32MiB"},
        },
        **members}


POLICY = {"version": 1, "rules": [rule("test", ["alice", "bob"])]}


class Member:
    """Someone who was enrolled: certificate, key and token in a folder."""

    def __init__(self, site, name, folder):
        self.site, self.name, self.folder = site, name, folder
        self.certificate = folder / "client.crt"
        self.key = folder / "client.key"
        self.ca = folder / "ca.crt"
        self.signer = Signer(self.certificate, self.key)

    @property
    def token(self):
        return (self.folder / "token").read_text().strip()

    def tls(self):
        return tls_context(self.ca, self.certificate, self.key)


class Site:
    """One installation."""

    standing = []  # those that are not torn down

    def __init__(self, engine=None, state_size=None):
        self.folder = reachable_folder()
        self.engine = engine or Engine.of_the_suite()
        self.bin = self.folder / "bin"
        self.etc = self.folder / "etc"
        self.state = self.folder / "state"
        self.run = self.folder / "run"
        self.home = self.folder / "home"
        self.port, self.operations_port = free_port(), free_port()
        self.gateway_uid, self.runner_uid = free_id(), free_id()
        self.task_uid, self.client_uid = free_id(), free_id()
        self.members = {}
        self.started = {}  # tasks: their containers
        self.mounted = []
        self.gateway = self.runner = None
        self.state_size = state_size
        Site.standing.append(self)

    # -- building up and tearing down

    def set_up(self, policy=None, gateway=None, runner=None):
        self._install_programs()
        self.engine.import_image()
        self._make_folders()
        self.admin("init", "--dir", self.etc,
                   "--gateway-uid", self.gateway_uid,
                   "--runner-uid", self.runner_uid)
        self._configure(gateway or {}, runner or {})
        self.write_policy(POLICY if policy is None else policy)
        self.gateway = Process(
            "gateway", [self.bin / "taskgate-gateway", "--config",
                        self.etc / "gateway.json"],
            self.gateway_uid, self.gateway_uid, [],
            self.folder / "gateway.log")
        self.runner = Process(
            "runner", [self.bin / "taskgate-runner", "--config",
                       self.etc / "runner.json"],
            self.runner_uid, self.runner_uid,
            [self.engine.gid, self.gateway_uid], self.folder / "runner.log",
            end=signal.SIGINT)

    def _install_programs(self):
        source = pathlib.Path(os.environ["TASKGATE_BIN"])
        self.bin.mkdir(mode=0o755)
        for name in PROGRAMS:
            shutil.copy(source / name, self.bin / name)
            (self.bin / name).chmod(0o755)
        shutil.copy(ROOT / "runner" / "seccomp.json", self.bin)
        (self.bin / "seccomp.json").chmod(0o644)

    def _make_folders(self):
        self.state.mkdir(mode=0o700)
        if self.state_size:
            subprocess.run(["mount", "-t", "tmpfs", "-o",
                            f"size={self.state_size},mode=0700", "tmpfs",
                            self.state], check=True)
            self.mounted.append(self.state)
        os.chown(self.state, self.runner_uid, self.runner_uid)
        self.run.mkdir(mode=0o750)
        os.chown(self.run, self.runner_uid, self.gateway_uid)
        self.run.chmod(0o750)
        self.home.mkdir(mode=0o700)
        os.chown(self.home, self.client_uid, self.client_uid)

    def _configure(self, gateway, runner):
        self.edit("gateway.json", {
            "listen": f"127.0.0.1:{self.port}",
            "operations": f"127.0.0.1:{self.operations_port}",
            "runner_socket": str(self.run / "gateway.sock"),
            **gateway})
        self.edit("runner.json", {
            "state": str(self.state), "run": str(self.run),
            "engine": self.engine.url,
            "task_init": str(self.bin / "task-init"),
            "seccomp": str(self.bin / "seccomp.json"),
            "task_uid": self.task_uid, "task_gid": self.task_uid,
            **runner})

    def edit(self, name, changes):
        """Members of a configuration file; None takes one away."""
        path = self.etc / name
        document = json.loads(path.read_text())
        document.update(changes)
        document = {key: value for key, value in document.items()
                    if value is not None}
        path.write_text(json.dumps(document, indent="\t"))

    def setting(self, name, key):
        return json.loads((self.etc / name).read_text())[key]

    def write_policy(self, policy):
        """Takes effect when the processes start."""
        text = policy if isinstance(policy, str) else json.dumps(
            policy, indent="\t")
        (self.etc / "policy.json").write_text(text)

    def start(self, unready=None):
        """Until all is ready, or red for a reason with these words."""
        self.runner.start()
        self.gateway.start()
        if unready is None:
            self.wait_ready()
        else:
            self.wait_unready(unready)

    def stop(self):
        for process in (self.gateway, self.runner):
            if process is not None:
                process.stop()

    def tear_down(self):
        problems = []
        for process in (self.gateway, self.runner):
            try:
                if process is not None:
                    process.stop()
            except AssertionError as error:
                problems.append(str(error))
        for process in (self.gateway, self.runner):
            for mark in ("Sanitizer", "runtime error:"):
                if process is not None and mark in process.log():
                    problems.append(f"{process.name}: see {mark} above")
        for container in self.containers() if self.gateway else []:
            self.engine.remove(container["Id"])
        if problems:
            self.show_logs()
        for folder in self.mounted:
            subprocess.run(["umount", "-l", folder], check=True)
        shutil.rmtree(self.folder)
        Site.standing.remove(self)
        assert not problems, "; ".join(problems)

    def show_logs(self):
        for process in (self.runner, self.gateway):
            if process is not None:
                lines = process.log().splitlines()[-60:]
                print(f"--- {process.name} (last {len(lines)} lines)",
                      *lines, sep="\n", file=sys.stderr)

    # -- the two processes

    def restart(self, *processes):
        for process in processes:
            process.stop()
        for process in processes:
            process.start()
        self.wait_ready()

    def operations(self, path):
        """GET on the operations listener."""
        with Wire(("127.0.0.1", self.operations_port), None) as wire:
            wire.send(head("GET", path, {
                "Host": f"127.0.0.1:{self.operations_port}",
                "Connection": "close"}))
            return wire.answer()

    def readiness(self):
        """(status, text) of readyz; (0, why) while nobody answers."""
        try:
            answer = self.operations("/readyz")
        except OSError as error:
            return 0, str(error)
        return answer.status, answer.body.decode()

    def wait_alone(self, seconds=30):
        """Until the gateway has let go of every connection of before."""
        wait_until(lambda: b"\ntaskgate_gateway_connections_open 0\n" in
                   self.operations("/metrics").body, seconds,
                   "the end of earlier connections")

    def wait_ready(self, seconds=30):
        def ready():
            for process in (self.gateway, self.runner):
                assert process.alive, f"{process.name} ended by itself"
            return self.readiness()[0] == 200
        try:
            wait_until(ready, seconds, "readiness")
        except AssertionError as error:
            raise AssertionError(
                f"{error}; readyz says {self.readiness()}") from None

    def wait_unready(self, words, seconds=30):
        """Until readyz is red and gives a reason with these words."""
        def unready():
            status, text = self.readiness()
            return status == 503 and words in text
        wait_until(unready, seconds, f"readyz naming {words!r}")

    # -- people

    def admin(self, *words, check=True, stdin=None):
        """taskgate-admin as the operator."""
        done = subprocess.run(
            [self.bin / "taskgate-admin", *map(str, words)], input=stdin,
            capture_output=True, text=True, timeout=60, check=False,
            env=environment(HOME=str(self.folder)), cwd=self.folder)
        assert not check or done.returncode == 0, (
            f"taskgate-admin {words}: {done.returncode}\n"
            f"{done.stdout}{done.stderr}")
        return done

    def enroll(self, name, *, folder=None, scopes=ALL_SCOPES, roles=(),
               more=()):
        folder = folder or self.home / f"{name}.context"
        self.admin("enroll", name, "--dir", self.etc, "--out", folder,
                   *(f"--scope={scope}" for scope in scopes),
                   *(f"--role={role}" for role in roles),
                   f"--server=https://127.0.0.1:{self.port}", *more)
        for path in (folder, *folder.iterdir()):
            os.chown(path, self.client_uid, self.client_uid)
        self.members[name] = Member(self, name, folder)
        return self.members[name]

    def client(self, *words, who="alice", stdin=None, timeout=120,
               text=True, env=None):
        """Runs `taskgate WORDS` in someone's context, as an ordinary user."""
        process = self.client_start(*words, who=who, text=text, env=env,
                                    stdin=subprocess.PIPE)
        try:
            out, err = process.communicate(stdin, timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise
        return subprocess.CompletedProcess(
            process.args, process.returncode, out, err)

    def client_start(self, *words, who="alice", text=True, env=None,
                     stdin=subprocess.DEVNULL):
        """The same, not waited for."""
        return subprocess.Popen(
            [self.bin / "taskgate", *map(str, words)], stdin=stdin,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=text,
            user=self.client_uid, group=self.client_uid, extra_groups=[],
            cwd="/", env=environment(
                HOME=str(self.home),
                TASKGATE_CONTEXT=str(self.members[who].folder),
                **(env or {})))

    # -- the wire

    def wire(self, who="alice", context=None, timeout=30):
        """A connection with someone's certificate, or any TLS context."""
        if context is None:
            context = self.members[who].tls()
        return Wire(("127.0.0.1", self.port), context, timeout)

    def call(self, method, path, body=None, *, who="alice", token=None,
             headers=None, signed=True, timeout=90) -> Answer:
        """One request on a connection of its own. `body`: bytes as they are,
        or anything else as JSON. `token`: "" sends none. A header of None is
        left out."""
        # Made first: no time of the connection's goes by meanwhile.
        data = self.request_bytes(method, path, body, who=who, token=token,
                                  headers=headers, signed=signed)
        with self.wire(who, timeout=timeout) as wire:
            wire.send(data)
            return wire.answer(method)

    def request_bytes(self, method, path, body=None, *, who="alice",
                      token=None, headers=None, signed=True):
        """What makes a task is signed, under a key of its own where there is
        none, unless `signed` says otherwise."""
        fields = {"Host": f"127.0.0.1:{self.port}"}
        if token is None:
            token = self.members[who].token
        if token:
            fields["Authorization"] = f"Bearer {token}"
        data = b""
        if body is not None:
            data = body if isinstance(body, bytes) else json.dumps(
                body).encode()
            fields["Content-Type"] = "application/json"
            fields["Content-Length"] = str(len(data))
        headers = headers or {}
        if signed and data and token and (method, path.split("?")[0]) == (
                "POST", "/v1/tasks"):
            fields.update(self.members[who].signer.sign(
                token, data, headers.get("Idempotency-Key") or
                uuid.uuid4().hex))
        fields.update(headers)
        fields = {name: value for name, value in fields.items()
                  if value is not None}
        return head(method, path, fields) + data

    def submit(self, *args, who="alice", wait=0, image=IMAGE, **members):
        """Submits and returns the task (a dict)."""
        answer = self.call("POST", f"/v1/tasks?wait={wait}",
                           {"image": image, "args": list(args), **members},
                           who=who)
        assert answer.status == 201, (answer.status, answer.body)
        return answer.json

    def task(self, task, *, who="alice", wait=0):
        answer = self.call("GET", f"/v1/tasks/{task}?wait={wait}", who=who)
        assert answer.status == 200, (answer.status, answer.body)
        return answer.json

    def finish(self, task, *, who="alice", seconds=60):
        """Waits for the end of a task and returns it."""
        deadline = time.monotonic() + seconds
        while True:
            found = self.task(task, who=who, wait=10)
            if found["state"] == "finished":
                return found
            assert time.monotonic() < deadline, found

    def finish_time(self, task, **more):
        """When it ended, by the clock of time.time()."""
        return datetime.datetime.fromisoformat(
            self.finish(task, **more)["finished_at"].replace("Z", "+00:00")
        ).timestamp()

    def output(self, task, stream="stdout", *, who="alice", offset=0,
               follow=0):
        answer = self.call(
            "GET", f"/v1/tasks/{task}/output?stream={stream}"
            f"&offset={offset}&follow={follow}", who=who)
        assert answer.status == 200, (answer.status, answer.body)
        return answer.body

    # -- what is left and what is on record

    def audit(self, task=None):
        """All records, oldest first."""
        words = ["audit", "tail", "--dir", self.etc, "-o", "jsonl",
                 "--limit", "1000"]
        if task is not None:
            words += ["--task", task]
        return [json.loads(line) for line in
                self.admin(*words).stdout.splitlines()]

    def containers(self):
        """This runner's containers, whatever their state."""
        return self.engine.containers(self.setting("runner.json", "id"))

    def runs(self, task):
        """Whether any process of it lives, as the engine says. Its container
        may stay until its end is on record, with task-init alone in it."""
        if task not in self.started:
            records = [record for record in self.audit(task)
                       if record["event"] == "task.started"]
            if not records:
                return False
            self.started[task] = records[-1]["object"]["container"]
        return self.engine.processes(self.started[task]) > 1

    def control_folders(self):
        folder = self.state / "sandboxes"
        return [path for path in folder.glob("*") if path.is_dir()]

    def wait_tidy(self, seconds=30):
        """Until no container and no control folder is left."""
        wait_until(
            lambda: not self.containers() and not self.control_folders(),
            seconds, "removal of every container and control folder")


class Case(unittest.TestCase):
    """Tests that share an installation: `self.site`, alice and bob enrolled,
    both processes ready. No test may end a process without starting it
    again."""

    policy = None
    gateway_settings = {}
    runner_settings = {}
    unready = None  # words of the reason, where it never becomes ready
    state_size = None  # such as "16m": the state on a file system that small

    @classmethod
    def make_engine(cls):
        """None: the suite's."""
        return None

    @classmethod
    def prepare(cls):
        """What else has to be there before the start."""

    @classmethod
    def setUpClass(cls):
        cls.site = Site(cls.make_engine(), cls.state_size)
        cls.addClassCleanup(cls.site.tear_down)
        try:
            cls.site.set_up(cls.policy, cls.gateway_settings,
                            cls.runner_settings)
            for name in ("alice", "bob"):
                cls.site.enroll(name)
            cls.prepare()
            cls.site.start(cls.unready)
        except BaseException:
            cls.site.show_logs()
            raise

    def run(self, result=None):
        result = result or self.defaultTestResult()
        before = len(result.failures) + len(result.errors)
        super().run(result)
        if len(result.failures) + len(result.errors) > before:
            print(f"--- {self.id()} failed", file=sys.stderr)
            self.site.show_logs()
        return result

    def tearDown(self):
        for process in (self.site.gateway, self.site.runner):
            self.assertTrue(process.alive, f"{process.name} ended by itself")


def interrupt(*_):
    raise KeyboardInterrupt


def main():
    """For `if __name__ == "__main__"` of each test file."""
    # unittest runs no class cleanups when it is interrupted.
    signal.signal(signal.SIGTERM, interrupt)
    try:
        unittest.main(verbosity=2)
    finally:
        for site in list(Site.standing):
            site.tear_down()
