"""quickstart.sh, as a user behind sudo with a checkout in a home that is
closed to everybody else: up, up again, down; and nothing else touched."""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

import harness
from harness_engine import Engine
from harness_process import ROOT, environment, free_id, reachable_folder

LEFT_OUT = shutil.ignore_patterns("build", "demo", ".git", "__pycache__")


class TestQuickstart(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.engine = Engine.of_the_suite()
        cls.user = free_id()
        cls.home = reachable_folder()
        cls.addClassCleanup(shutil.rmtree, cls.home)
        cls.folder = cls.home / "checkout"
        shutil.copytree(ROOT, cls.folder, ignore=LEFT_OUT, symlinks=True)
        subprocess.run(["chown", "-R", f"{cls.user}:{cls.user}", cls.home],
                       check=True)
        cls.home.chmod(0o700)
        cls.addClassCleanup(cls.quickstart, "down")
        # Another checkout's demo, which is none of this one's business.
        cls.neighbour = pathlib.Path(
            tempfile.mkdtemp(prefix="taskgate-demo-", dir="/run"))
        cls.addClassCleanup(cls.neighbour.rmdir)
        cls.output = cls.quickstart()

    @classmethod
    def quickstart(cls, *words):
        done = subprocess.run(
            [cls.folder / "quickstart.sh", *words], text=True, timeout=1000,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, check=False, cwd="/",
            env=environment(DOCKER_HOST=cls.engine.url, HOME="/root",
                            SUDO_UID=str(cls.user), SUDO_GID=str(cls.user)))
        if done.returncode != 0:
            print(done.stdout, file=sys.stderr)
            raise AssertionError(f"quickstart.sh {words}: {done.returncode}")
        return done.stdout

    @staticmethod
    def traces(name):
        return [path for path in (pathlib.Path("/var/lib", name),
                                  pathlib.Path("/run", name)) if path.exists()]

    def runtime(self):
        return (self.folder / "demo" / "bin").resolve().parent

    def processes(self, folder=None):
        """The processes of the programs there: name to process id."""
        folder = folder or self.runtime()
        found = {}
        for entry in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                program = os.readlink(entry / "exe")
            except OSError:
                continue
            if program.startswith(f"{folder}/"):
                found[pathlib.Path(program).name] = int(entry.name)
        return found

    def as_the_user(self, script):
        return subprocess.run(
            ["/bin/sh", "-c", f". demo/env; {script}"], cwd=self.folder,
            user=self.user, group=self.user, extra_groups=[], text=True,
            capture_output=True, timeout=60, check=False,
            stdin=subprocess.DEVNULL, env=environment(HOME=str(self.home)))

    def test_it_shows_a_task_a_denial_and_the_records_of_both(self):
        shown = re.split(r"\n[123]\. ", self.output)
        self.assertEqual(len(shown), 4, self.output)
        self.assertRegex(shown[1], r"hello from \d+ on Linux")
        self.assertIn("exit code 0", shown[1])
        self.assertIn("rule greet", shown[2])
        self.assertIn("exit code 125", shown[2])
        for event in ("task.accepted", "task.started", "task.finished",
                      "task.denied"):
            self.assertIn(event, shown[3])
        self.assertIn("taskgate run demo/busybox -- echo hello", shown[3])

    def test_the_user_can_do_what_was_promised(self):
        done = self.as_the_user(
            "taskgate run demo/busybox -- "
            "sh -c 'echo out; echo err >&2; exit 7'")
        self.assertEqual((done.returncode, done.stdout, done.stderr),
                         (7, "out\n", "err\n"))

    def test_the_keys_are_the_users_alone(self):
        for name in ("alice", "bob"):
            folder = self.folder / "demo" / "people" / name
            for path in (folder, folder / "client.key", folder / "token"):
                found = path.stat()
                self.assertEqual(found.st_uid, self.user, path)
                self.assertEqual(found.st_mode & 0o077, 0, path)

    def test_nobody_but_root_can_change_a_program(self):
        for path in (self.runtime() / "bin").iterdir():
            for part in (path, *path.parents):
                found = part.stat()
                self.assertEqual(found.st_uid, 0, part)
                self.assertEqual(found.st_mode & 0o022, 0, part)

    def test_the_processes_are_two_users_that_are_nobody(self):
        owners = set()
        for pid in self.processes().values():
            text = pathlib.Path(f"/proc/{pid}/status").read_text()
            owners.add(re.search(r"^Uid:\t(\d+)", text, re.M).group(1))
        self.assertEqual(len(owners), 2)
        self.assertNotIn("0", owners)

    def test_the_engine_that_was_there_is_used(self):
        self.assertIn(f"the one at {self.engine.path}", self.output)
        self.assertTrue(self.engine.has_image("demo/busybox"))

    def test_run_again_it_does_no_work_twice(self):
        before = self.processes()
        self.assertEqual(set(before), {"taskgate-runner",
                                       "taskgate-gateway"})
        key = (self.runtime() / "etc" / "ca.crt").read_text()
        image = self.engine.image_id("demo/busybox")
        again = self.quickstart()
        self.assertNotIn("building", again)
        self.assertEqual(self.processes(), before)
        self.assertEqual((self.runtime() / "etc" / "ca.crt").read_text(),
                         key)
        self.assertEqual(self.engine.image_id("demo/busybox"), image)

    def test_zz_down_takes_away_what_it_made_and_nothing_else(self):
        # The last one: the others need what stands.
        runner = re.search(r'"id": "([^"]+)"', (
            self.runtime() / "etc" / "runner.json").read_text()).group(1)
        task = self.as_the_user(
            "taskgate submit -o id demo/busybox -- sleep 600")
        self.assertEqual(task.returncode, 0, task.stderr)
        folder = self.runtime()
        self.assertEqual(len(self.traces(folder.name)), 2)
        self.quickstart("down")
        self.assertEqual(self.traces(folder.name), [])
        self.assertTrue(self.neighbour.exists())
        self.assertFalse((self.folder / "demo").exists())
        self.assertEqual(self.processes(folder), {})
        self.assertEqual(self.engine.containers(runner), [])
        self.assertTrue(self.engine.has_image("demo/busybox"))
        self.assertIn("Nothing", self.quickstart("down"))


if __name__ == "__main__":
    harness.main()
