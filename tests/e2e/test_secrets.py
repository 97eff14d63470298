"""Secrets: a task finds what its rule names in a tmpfs of its own, and nobody
finds it anywhere else. What must not be used is refused, when it is loaded and
when it is wanted."""

import contextlib
import hashlib
import os
import pathlib
import secrets
import signal

from harness import Case, main, rule, wait_until

VALUE = secrets.token_hex(32)
KEY = secrets.token_bytes(64 * 1024)  # as long as a secret can be

# Nothing of what it reads is printed: the output is kept.
LOOK = ("sha256sum /run/secrets/* | sed 's/ .*//'; "
        "stat -c '%a %u' /run/secrets /run/secrets/token; "
        "grep ' /run/secrets ' /proc/mounts | cut -d' ' -f3,4; "
        "env | grep -c \"$(cat /run/secrets/token)\"; "
        "tr '\\0' '\\n' </proc/self/environ | wc -l; "
        "touch /run/secrets/new 2>&1; id -u")
GIVEN = {"token": "api-token", "long.key": "key"}
FILES = {"api-token": VALUE.encode(), "key": KEY}


def digest(data):
    return hashlib.sha256(data).hexdigest()


class TestSecrets(Case):
    policy = {"version": 1, "rules": [
        rule("absent", ["alice"], args=["true"], secrets={"pin": "absent"}),
        rule("cold", ["alice"], secrets=GIVEN),
        rule("warm", ["bob"], secrets=GIVEN, warm={"min": 1}),
        rule("none", ["carol"]),
    ]}
    runner_settings = {"secrets": "secrets"}

    @classmethod
    def prepare(cls):
        cls.site.enroll("carol")
        cls.folder = cls.site.etc / "secrets"
        cls.folder.mkdir(mode=0o700)
        cls.own(cls.folder)
        for name, data in FILES.items():
            cls.write(name, data)

    @classmethod
    def own(cls, path):
        os.chown(path, cls.site.runner_uid, cls.site.runner_uid,
                 follow_symlinks=False)

    @classmethod
    def write(cls, name, data, mode=0o600):
        """Beside, then renamed: as it should be done."""
        path = cls.folder / f".{name}"
        path.write_bytes(data)
        path.chmod(mode)
        cls.own(path)
        path.rename(cls.folder / name)

    @contextlib.contextmanager
    def as_it_was(self, name):
        try:
            yield self.folder / name
        finally:
            (self.folder / name).unlink(missing_ok=True)
            self.write(name, FILES[name])
            self.folder.chmod(0o700)

    def check_look(self, task, uid):
        self.assertEqual(task["outcome"], "succeeded", task)
        said = task["stdout"].splitlines()
        # By the names' order: long.key, token.
        self.assertEqual(said[:2], [digest(KEY), digest(VALUE.encode())])
        self.assertEqual(said[2:4], [f"500 {uid}", f"400 {uid}"])
        self.assertTrue(said[4].startswith("tmpfs rw,nosuid,nodev,noexec"))
        self.assertEqual(said[5], "0")
        self.assertIn("Permission denied", said[7])
        self.assertEqual(said[8], str(uid))

    def started(self, task):
        return next(record for record in self.site.audit(task)
                    if record["event"] == "task.started")

    def test_a_cold_task_has_them(self):
        # No warm one has such a /tmp.
        task = self.site.submit("sh", "-c", LOOK, wait=60,
                                limits={"tmp": "17MiB"})
        self.assertEqual(task["start"], "cold")
        self.check_look(task, self.site.task_uid)
        self.assertEqual(
            self.started(task["id"])["object"]["secrets"], GIVEN)

    def test_a_warm_task_has_them(self):
        def warm():
            task = self.site.submit("sh", "-c", LOOK, who="bob", wait=60)
            self.check_look(task, self.site.task_uid)
            return task if task["start"] == "warm" else None
        task = wait_until(warm, what="a warm start")
        self.assertEqual(
            self.started(task["id"])["object"]["secrets"], GIVEN)

    def test_without_the_member_there_are_none(self):
        task = self.site.submit("ls", "/run/secrets", who="carol", wait=60)
        self.assertEqual(task["outcome"], "failed", task)

    def test_nobody_else_finds_them_anywhere(self):
        self.site.submit("true", who="carol", wait=60)
        task = self.site.submit("sleep", "600")["id"]
        wait_until(lambda: self.site.task(task)["state"] == "running",
                   what="the start")
        container = self.started(task)["object"]["container"]
        inspection = str(self.site.engine.inspect(container))
        self.assertIn("/run/secrets", inspection)
        top = self.site.engine.call("GET", f"/containers/{container}/top")
        for where, text in (("inspection", inspection), ("arguments", top),
                            ("task", self.site.task(task)),
                            ("audit", self.site.audit())):
            with self.subTest(where=where):
                self.assertNotIn(VALUE, str(text))
        kept = dict(self.read_all_kept())
        self.assertGreater(len(kept), 3)
        for path, data in kept.items():
            for value in (VALUE.encode(), KEY[:64]):
                self.assertNotIn(value, data, path)
        # Neither in the memory of the two processes that passed it on.
        self.assertTrue(self.is_in_memory(os.getpid(), VALUE.encode()))
        pids = [self.site.runner.child.pid]
        pids += [int(entry[1]) for entry in top["Processes"]]
        for pid in pids:
            with self.subTest(process=pid):
                self.assertFalse(self.is_in_memory(pid, VALUE.encode()))
        self.site.call("DELETE", f"/v1/tasks/{task}")
        self.site.finish(task)

    def read_all_kept(self):
        """Files and what is in them, but for what goes while we look: that of
        a container that was used before."""
        paths = [pathlib.Path(folder, name)
                 for folder, _, files in os.walk(self.site.state)
                 for name in files]
        for path in (*paths, *self.site.folder.glob("*.log")):
            with contextlib.suppress(FileNotFoundError):
                if path.is_file():
                    yield path, path.read_bytes()

    @staticmethod
    def is_in_memory(pid, value):
        with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
            for line in pathlib.Path(
                    f"/proc/{pid}/maps").read_text().splitlines():
                place, mode = line.split()[:2]
                start, end = (int(part, 16) for part in place.split("-"))
                # The shadow that a sanitizer keeps takes terabytes of room.
                if "w" not in mode or end - start > 2 ** 32:
                    continue
                memory.seek(start)
                with contextlib.suppress(OSError):
                    if value in memory.read(end - start):
                        return True
        return False

    def assert_not_started(self, *words):
        task = self.site.submit("sh", "-c", LOOK, wait=60)
        self.assertEqual((task["outcome"], task["reason"]),
                         ("not_started", "secret"), task)
        self.assertRegex(task["detail"], 'the secret "(token|long.key)"')
        # Where it lies and why it cannot be had is the operator's to know.
        for word in (str(self.folder), "api-token"):
            self.assertNotIn(word, task["detail"])
        end = self.site.audit(task["id"])[-1]
        self.assertEqual((end["event"], end["outcome"]),
                         ("task.finished", "not_started"))
        for word in words:
            self.assertIn(word, self.site.runner.log())

    def test_one_that_is_not_there_stops_its_tasks_alone(self):
        task = self.site.submit("true", wait=60)
        self.assertEqual((task["rule"], task["outcome"], task["reason"]),
                         ("absent", "not_started", "secret"))
        self.assertIn('"pin" is not there', task["detail"])
        self.assertIn("policy.not_there", self.site.runner.log())
        task = self.site.submit("true", who="carol", wait=60)
        self.assertEqual(task["outcome"], "succeeded")
        # Without a reload.
        self.write("absent", b"1234\n")
        task = self.site.submit("true", wait=60)
        self.assertEqual(task["outcome"], "succeeded")
        (self.folder / "absent").unlink()

    def break_by_mode(self, path):
        path.chmod(0o640)
        return "mode 0640 lets others in"

    def break_by_owner(self, path):
        os.chown(path, self.site.gateway_uid, -1)
        return "Permission denied"

    def break_by_link(self, path):
        path.rename(self.folder / ".elsewhere")
        path.symlink_to(".elsewhere")
        return "a symbolic link"

    def break_by_fifo(self, path):
        path.unlink()
        os.mkfifo(path, 0o600)
        self.own(path)
        return "not a regular file"

    def break_by_folder(self, path):
        path.unlink()
        path.mkdir(mode=0o700)
        self.own(path)
        return "not a regular file"

    def break_by_size(self, path):
        path.write_bytes(b"x" * (64 * 1024 + 1))
        return "65537 bytes"

    def break_by_emptiness(self, path):
        path.write_bytes(b"")
        return "0 bytes"

    def break_the_folder(self, _):
        self.folder.chmod(0o770)
        return "mode 0770 lets others"

    def test_what_must_not_be_used_is_refused_at_reload_and_at_use(self):
        for wrong in (self.break_by_mode, self.break_by_owner,
                      self.break_by_link, self.break_by_fifo,
                      self.break_by_folder, self.break_by_size,
                      self.break_by_emptiness, self.break_the_folder):
            with self.subTest(wrong=wrong.__name__), \
                    self.as_it_was("api-token") as path:
                before = self.site.runner.log().count(
                    "runner.reload_failed")
                said = wrong(path)
                self.assert_not_started(said)
                self.site.runner.send(signal.SIGHUP)
                wait_until(lambda: self.site.runner.log().count(
                    "runner.reload_failed") > before, what="the refusal")
                line = [line for line in self.site.runner.log().splitlines()
                        if "runner.reload_failed" in line][-1]
                self.assertIn(said, line)
                if path.is_dir() and not path.is_symlink():
                    path.rmdir()
        # The policy that was in force still is.
        self.check_look(self.site.submit("sh", "-c", LOOK, wait=60),
                        self.site.task_uid)

    def test_they_outlive_the_runner_and_are_given_by_the_next(self):
        running = self.site.submit(
            "sh", "-c", "until [ -e /tmp/go ]; do usleep 20000; "
            "[ $((n=n+1)) -gt 100 ] && touch /tmp/go; done; " + LOOK)["id"]
        wait_until(lambda: self.site.task(running)["state"] in (
            "running", "finished"), what="the start")
        waiting = [self.site.submit("sh", "-c", LOOK)["id"]
                   for _ in range(4)]
        self.site.runner.kill()
        self.site.runner.start()
        self.site.wait_ready()
        for task in (running, *waiting):
            self.site.finish(task)
            found = self.site.task(task)
            found["stdout"] = self.site.output(task).decode()
            self.check_look(found, self.site.task_uid)


if __name__ == "__main__":
    main()
