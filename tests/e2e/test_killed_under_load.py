"""A runner that is killed at random moments under load: whatever was answered
is on record, and nothing of the record is damaged, at any of these moments."""

import contextlib
import random
import shutil
import sqlite3
import threading

from harness import IMAGE, Case, main, many, rule, wait_until

KILLS = many(200)
WORKERS = 4


class Load(threading.Thread):
    """Has tasks made and ended, one after the other, and keeps what it was
    told. Most never get to run, so that it is the store that is busy."""

    def __init__(self, site, enough, args):
        super().__init__(daemon=True)
        self.site, self.enough, self.args = site, enough, args
        self.accepted, self.cancelled, self.finished = [], [], []
        self.problem = None

    def call(self, method, path, body=None):
        """None: no answer, or that of a gateway without a runner."""
        try:
            answer = self.site.call(method, path, body, timeout=20)
        except (OSError, EOFError):
            return None
        if answer.status == 503:
            return None
        assert answer.status < 400, (method, path, answer.body)
        return answer

    def note(self, task):
        if task["state"] == "finished":
            self.finished.append(task["id"])

    def one(self):
        made = self.call("POST", "/v1/tasks",
                         {"image": IMAGE, "args": self.args})
        if made is None:
            self.enough.wait(0.02)
            return
        task = made.json["id"]
        self.accepted.append(task)
        self.note(made.json)
        ended = self.call("DELETE", f"/v1/tasks/{task}?grace=0")
        if ended is not None and ended.status == 202:
            self.cancelled.append(task)
            self.note(ended.json)

    def run(self):
        try:
            while not self.enough.is_set():
                self.one()
        except BaseException as error:  # for the test to tell
            self.problem = error


class TestKilledUnderLoad(Case):
    policy = {"version": 1, "rules": [rule("test", ["alice"], warm={
        "min": 1, "max": 1, "max_age": "10m"})]}
    runner_settings = {"running_max": 2}
    gateway_settings = {"requests_per_principal": 10000}

    def setUp(self):
        self.random = random.Random()
        self.copy = self.site.folder / "copy"
        self.enough = threading.Event()
        self.load = [Load(self.site, self.enough,
                          ["true"] if number == 0 else ["sleep", "600"])
                     for number in range(WORKERS)]

    def told(self):
        """What clients were told by now: event to tasks."""
        return {"task.accepted": [task for load in self.load
                                  for task in tuple(load.accepted)],
                "task.cancel_asked": [task for load in self.load
                                      for task in tuple(load.cancelled)],
                "task.finished": [task for load in self.load
                                  for task in tuple(load.finished)]}

    def look(self, told):
        """At a copy of what is on the disk, as the next life will find it."""
        shutil.rmtree(self.copy, ignore_errors=True)
        self.copy.mkdir()
        for path in self.site.state.glob("store.db*"):
            shutil.copy(path, self.copy)
        database = self.copy / "store.db"
        done = self.site.admin("audit", "verify", "--dir", self.site.etc,
                               "--database", database, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        with contextlib.closing(sqlite3.connect(database)) as connection:
            found = set(connection.execute(
                "SELECT event, task FROM audit WHERE task IS NOT NULL"))
        for event, tasks in told.items():
            missing = [task for task in tasks if (event, task) not in found]
            self.assertFalse(missing, f"no record {event} of what was "
                                      f"answered: {missing}")

    def kill_and_look(self, lives):
        """At any moment of its life, or of its start alone."""
        accepted = len(self.told()["task.accepted"])
        if lives:
            wait_until(lambda: self.problems() or
                       len(self.told()["task.accepted"]) > accepted,
                       what="a task that is accepted")
        self.enough.wait(self.random.uniform(0, 0.15))
        self.assertFalse(self.problems())
        self.site.runner.kill()
        self.look(self.told())
        self.site.runner.start()

    def problems(self):
        return [load.problem for load in self.load if load.problem]

    def end_all(self):
        """Those too whose acceptance nobody was told."""
        def unfinished():
            return [task["id"]
                    for state in ("queued", "starting", "running")
                    for task in self.site.call(
                        "GET", f"/v1/tasks?state={state}").json["tasks"]]

        def none_is_left():
            for task in unfinished():
                self.site.call("DELETE", f"/v1/tasks/{task}?grace=0")
            return not unfinished()
        wait_until(none_is_left, what="the end of all that is left")

    def test_what_was_answered_is_on_record_and_nothing_is_damaged(self):
        for load in self.load:
            load.start()
        try:
            lives = [number % 10 < 7 for number in range(KILLS)]
            self.random.shuffle(lives)
            for each in lives:
                self.kill_and_look(each)
        finally:
            self.enough.set()
            for load in self.load:
                load.join(30)
        self.assertFalse(self.problems())
        self.assertFalse([load for load in self.load if load.is_alive()])
        self.site.wait_ready()
        told = self.told()
        self.assertGreater(len(told["task.accepted"]), KILLS // 2)
        self.end_all()
        # As it stands when nobody writes.
        self.site.runner.stop()
        self.look({"task.finished": told["task.accepted"]})
        self.site.runner.start()
        self.site.wait_ready()
        # Each crash is on record as well, but those of lives that were too
        # short to write it.
        mended = [record for record in self.site.audit()
                  if record["event"] == "store.mended"]
        self.assertGreater(len(mended), 0)


if __name__ == "__main__":
    main()
