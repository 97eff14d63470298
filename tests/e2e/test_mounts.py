"""Mounts: a task sees the folders that its rule names, as they are now and no
more of the host; what somebody else than root could put in their place, or
must not be shown at all, is refused when it is loaded and when it is wanted."""

import contextlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile

from harness import Case, main, rule, wait_until


def strict_folder():
    """One whose way root alone can change; the usual temporary ones are
    everybody's."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="taskgate-e2e-",
                                           dir="/var/lib"))
    folder.chmod(0o755)
    return folder


class TestMounts(Case):
    @classmethod
    def setUpClass(cls):
        cls.host = strict_folder()
        cls.addClassCleanup(shutil.rmtree, cls.host)
        cls.deep = cls.host / "deep"
        cls.pictures = cls.deep / "pictures"
        cls.out = cls.host / "out"
        cls.fresh = cls.host / "fresh"
        read = [{"source": str(cls.pictures), "target": "/pictures"},
                {"source": str(cls.host / "app"), "target": "/etc/app.conf"}]
        write = [{"source": str(cls.out), "target": "/srv/out",
                  "read_only": False}]
        warm = [{"source": str(cls.fresh), "target": "/fresh"}]
        cls.policy = {"version": 1, "rules": [
            rule("read", ["alice"], mounts=read),
            rule("write", ["bob"], mounts=write),
            rule("warm", ["carol"], mounts=warm, warm={"min": 1}),
            rule("none", ["dave"]),
        ]}
        for folder in (cls.deep, cls.pictures, cls.out, cls.fresh):
            folder.mkdir(mode=0o755)
        cls.put(cls.pictures / "a", "a picture\n")
        cls.put(cls.host / "app", "a picture\n")
        cls.put(cls.fresh / "which", "first\n")
        super().setUpClass()

    @classmethod
    def prepare(cls):
        for name in ("carol", "dave"):
            cls.site.enroll(name)
        os.chown(cls.out, cls.site.task_uid, cls.site.task_uid)

    @staticmethod
    def put(path, text):
        path.write_text(text)
        path.chmod(0o644)

    def run_task(self, script, who="alice"):
        return self.site.submit("sh", "-c", script, who=who, wait=60)

    def started(self, task):
        return next(record for record in self.site.audit(task)
                    if record["event"] == "task.started")

    def points(self, container):
        return {point["Destination"]: point for point in
                self.site.engine.inspect(container)["Mounts"]}

    def test_what_is_read_only_can_be_read_alone(self):
        inner = self.pictures / "inner"
        inner.mkdir(exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "none", inner], check=True)
        try:
            self.put(inner / "hidden", "")
            task = self.run_task(
                "cat /pictures/a /etc/app.conf; touch /pictures/b; "
                "echo x >/etc/app.conf; ls -A /pictures/inner; "
                "awk '$5 ~ /pictures|app.conf/ {print $6}' "
                "/proc/self/mountinfo")
        finally:
            subprocess.run(["umount", inner], check=True)
        self.assertEqual(task["outcome"], "succeeded", task)
        lines = task["stdout"].splitlines()
        # What else is mounted below it does not come along.
        self.assertEqual(lines[:2], ["a picture"] * 2)
        self.assertEqual(len(lines), 4, lines)
        for options in lines[2:]:
            self.assertEqual(options.split(",")[0], "ro")
        self.assertEqual(task["stderr"].count("Read-only file system"), 2)
        self.assertEqual((self.pictures / "a").read_text(), "a picture\n")

    def test_what_may_be_written_is_and_the_engine_says_so_too(self):
        task = self.site.submit(
            "sh", "-c", "echo done >/srv/out/result; sleep 600", who="bob")
        wait_until((self.out / "result").exists, what="what it writes")
        status = (self.out / "result").stat()
        self.assertEqual(status.st_uid, self.site.task_uid)
        record = self.started(task["id"])["object"]
        self.assertEqual(record["mounts"], [
            {"source": str(self.out), "target": "/srv/out",
             "read_only": False}])
        points = self.points(record["container"])
        self.assertEqual(points["/srv/out"]["Source"], str(self.out))
        self.assertIs(points["/srv/out"]["RW"], True)
        # Ours are as they always are.
        self.assertIs(points["/.taskgate/control"]["RW"], False)
        self.site.call("DELETE", f"/v1/tasks/{task['id']}", who="bob")
        self.site.finish(task["id"], who="bob")

    def test_without_the_member_nothing_of_the_host_is_there(self):
        task = self.run_task("ls -d /pictures /srv/out /fresh", who="dave")
        self.assertEqual((task["outcome"], task["stdout"]), ("failed", ""))

    def test_a_warm_one_shows_what_stands_there_now(self):
        def warm(expected):
            task = self.run_task("cat /fresh/which", who="carol")
            self.assertEqual(task["stdout"], expected, task)
            return task["start"] == "warm"
        wait_until(lambda: warm("first\n"), what="a warm start")
        # One is ready again, and shows what is about to be moved away.
        wait_until(lambda: any(
            point["Destination"] == "/fresh"
            for entry in self.site.containers()
            for point in entry["Mounts"]), what="the next one")
        self.fresh.rename(self.host / "before")
        self.fresh.mkdir(mode=0o755)
        self.put(self.fresh / "which", "second\n")
        wait_until(lambda: warm("second\n"), what="a warm start")

    @contextlib.contextmanager
    def away(self, path):
        """Something else can stand there meanwhile."""
        aside = path.with_name(path.name + ".aside")
        path.rename(aside)
        try:
            yield aside
        finally:
            if path.is_dir() and not path.is_symlink():
                path.rmdir()
            else:
                path.unlink(missing_ok=True)
            aside.rename(path)

    @contextlib.contextmanager
    def mode(self, path, mode):
        path.chmod(mode)
        try:
            yield f"mode {mode:04o} lets others"
        finally:
            path.chmod(0o755)

    @contextlib.contextmanager
    def stranger(self, path):
        os.chown(path, self.site.task_uid, 0)
        try:
            yield f"belongs to uid {self.site.task_uid}"
        finally:
            os.chown(path, 0, 0)

    @contextlib.contextmanager
    def link(self, path):
        with self.away(path) as aside:
            path.symlink_to(aside)
            yield f"{path}: a symbolic link"

    @contextlib.contextmanager
    def docker_socket(self, path):
        with self.away(path), socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
            path.chmod(0o600)
            yield "neither a folder nor a regular file"

    def test_what_must_not_be_mounted_is_refused_at_reload_and_at_use(self):
        cases = {
            "a link": self.link(self.pictures),
            "a link above": self.link(self.deep),
            "open to others": self.mode(self.pictures, 0o757),
            "open to a group": self.mode(self.pictures, 0o775),
            "open above": self.mode(self.deep, 0o777),
            "open above, sticky": self.mode(self.deep, 0o1777),
            "somebody's above": self.stranger(self.deep),
            "a socket": self.docker_socket(self.pictures),
        }
        for name, case in cases.items():
            with self.subTest(name), case as said:
                task = self.run_task("true")
                self.assertEqual((task["outcome"], task["reason"]),
                                 ("not_started", "mount"), task)
                # The host's paths are none of the client's business.
                self.assertIn("/pictures must not be", task["detail"])
                self.assertNotIn(str(self.host), task["detail"])
                self.assertIn(said, self.site.runner.log())
                before = self.site.runner.log().count("reload_failed")
                self.site.runner.send(signal.SIGHUP)
                wait_until(lambda: self.site.runner.log().count(
                    "reload_failed") > before, what="the refusal")
                line = [line for line in self.site.runner.log().splitlines()
                        if "reload_failed" in line][-1]
                self.assertIn("rule read: mounts: ", line)
                self.assertIn(said, line)
        self.assertEqual(self.run_task("true")["outcome"], "succeeded")

    def test_one_that_is_not_there_stops_its_tasks_alone(self):
        with self.away(self.pictures):
            task = self.run_task("true")
            self.assertEqual((task["outcome"], task["reason"]),
                             ("not_started", "mount"), task)
            self.assertIn("/pictures is not there", task["detail"])
            task = self.run_task("true", who="dave")
            self.assertEqual(task["outcome"], "succeeded")
            # Nothing was made in its place.
            self.assertFalse(self.pictures.exists())
        self.assertEqual(self.run_task("true")["outcome"], "succeeded")

    def test_docker_s_socket_and_the_runner_s_own_are_for_no_rule(self):
        mounted = self.host / "state"
        mounted.mkdir()
        # As a stranger's name for it.
        subprocess.run(["mount", "--bind", self.site.state, mounted],
                       check=True)
        good = (self.site.etc / "policy.json").read_text()
        try:
            for source in (mounted, mounted / "sandboxes"):
                with self.subTest(source=source):
                    before = self.site.runner.log().count("reload_failed")
                    self.site.write_policy({"version": 1, "rules": [
                        rule("bad", ["alice"], mounts=[
                            {"source": str(source), "target": "/x"}])]})
                    self.site.runner.send(signal.SIGHUP)
                    wait_until(lambda: self.site.runner.log().count(
                        "reload_failed") > before, what="the refusal")
                    self.assertIn("no task may have",
                                  self.site.runner.log()[-2000:])
        finally:
            self.site.write_policy(good)
            subprocess.run(["umount", mounted], check=True)


if __name__ == "__main__":
    main()
