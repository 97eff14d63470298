"""Nothing starts without its record, whatever the disk does; what stops or
withdraws is done all the same and recorded later; and service goes on by
itself when the cause is gone."""

import json
import signal

from harness import IMAGE, Case, main, wait_until
from harness_disk import FaultDisk, full

SLEEP = ("sleep", "600")


class FailClosedCase(Case):
    def try_to_submit(self):
        return self.site.call("POST", "/v1/tasks?wait=30",
                              {"image": IMAGE, "args": ["echo", "x"]})

    def assert_refused(self):
        answer = self.try_to_submit()
        self.assertEqual((answer.status, answer.problem),
                         (503, "unavailable"), answer.body)
        self.assertIsNotNone(answer.headers["Retry-After"])

    def run_until_it_runs(self):
        task = self.site.submit(*SLEEP)["id"]
        wait_until(lambda: self.runs(task), what="the task's start")
        return task

    def runs(self, task):
        return self.site.runs(task)

    def metric(self, name):
        for line in self.site.operations("/metrics").body.decode() \
                .splitlines():
            if line.startswith(name + " "):
                return int(line.rpartition(" ")[2])
        raise AssertionError(f"there is no metric {name}")

    def verify(self):
        done = self.site.admin("audit", "verify", "--dir", self.site.etc,
                               "-o", "json", check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def records(self, event, task=None):
        return [record for record in self.site.audit(task)
                if record["event"] == event]

    def assert_nothing_ran_unrecorded(self):
        """Each container's task has a record of its start."""
        started = {record["object"]["container"]
                   for record in self.records("task.started")}
        for container in self.site.containers():
            if container["State"] == "running":
                self.assertIn(container["Id"], started)

    def stop_two(self, cancelled, killed):
        """Without a record: done at once, although no end is told yet."""
        answer = self.site.call("DELETE", f"/v1/tasks/{cancelled}?grace=0")
        self.assertEqual(answer.status, 202, answer.body)
        answer = self.site.call("POST", f"/v1/tasks/{killed}/signal",
                                {"signal": "KILL"})
        self.assertEqual(answer.status, 204, answer.body)
        for task in (cancelled, killed):
            wait_until(lambda: not self.runs(task), what="a task's end")

    def assert_stops_are_on_record(self, cancelled, killed):
        self.assertEqual(self.site.finish(cancelled)["outcome"], "cancelled")
        self.assertEqual(self.site.finish(killed)["outcome"], "killed")
        asked = self.records("task.cancel_asked", cancelled)
        signalled = self.records("task.signalled", killed)
        self.assertEqual((len(asked), len(signalled)), (1, 1))
        return asked + signalled


class TestSmallDisk(FailClosedCase):
    state_size = "8m"

    def test_filled_to_the_brim_it_refuses_and_goes_on_when_there_is_room(
            self):
        self.assertEqual(self.try_to_submit().status, 201)
        cancelled, killed = self.run_until_it_runs(), self.run_until_it_runs()
        with full(self.site.state):
            # The store may have a page of room left: not for long.
            wait_until(lambda: self.try_to_submit().status == 503, 60,
                       "a refusal")
            self.site.wait_unready("store and audit log: ")
            self.stop_two(cancelled, killed)
            self.assert_refused()
            self.assert_nothing_ran_unrecorded()
            # A crash meanwhile costs no more than the records of this life.
            self.verify()
        self.site.wait_ready(60)
        self.assert_stops_are_on_record(cancelled, killed)
        answer = self.try_to_submit()
        self.assertEqual((answer.status, answer.json["stdout"]),
                         (201, "x\n"), answer.body)
        self.verify()
        self.site.wait_tidy()


class TestFaults(FailClosedCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.site.stop()
        cls.disk = FaultDisk(cls.site)
        cls.site.start()

    def test_what_the_disk_answers_is_told_and_recovered_from(self):
        for name, words, fault in (
                ("ENOSPC", "the disk is full", "no_room"),
                ("EDQUOT", "the disk is full", "no_room"),
                ("EROFS", "the disk or the file is read-only", "read_only"),
                ("EIO", "the disk fails", "disk")):
            with self.subTest(name):
                self.fail_and_recover(name, words, fault)
        self.site.wait_tidy()

    def fail_and_recover(self, name, words, fault):
        cancelled, killed = self.run_until_it_runs(), self.run_until_it_runs()
        counter = f"taskgate_runner_store_failed_{fault}_total"
        part = 'taskgate_unready{part="store and audit log"}'
        before = len(self.records("store.recovered"))
        with self.disk.failing("write", name):
            self.assert_refused()
            self.site.wait_unready(f"store and audit log: {words}")
            self.assertIn(words, self.site.runner.log())
            self.assertEqual(self.metric("taskgate_ready"), 0)
            self.assertEqual(self.metric(part), 1)
            counted = self.metric(counter)
            wait_until(lambda: self.metric(counter) > counted,
                       what="the store to try again by itself")
            self.stop_two(cancelled, killed)
            self.assert_refused()
            self.assert_nothing_ran_unrecorded()
            for task in (cancelled, killed):
                self.assertNotEqual(self.site.task(task)["state"],
                                    "finished")
        self.site.wait_ready()
        self.assertEqual(self.metric(part), 0)
        for record in self.assert_stops_are_on_record(cancelled, killed):
            self.assertIs(record["late"], True, record)
        recovered = self.records("store.recovered")[before:]
        self.assertEqual(len(recovered), 1, recovered)
        self.assertIn(words, recovered[0]["object"]["reason"])
        self.assertEqual(self.try_to_submit().status, 201)
        self.verify()

    def test_a_failed_sync_ends_the_runner_and_the_next_goes_on(self):
        running = self.run_until_it_runs()
        before = self.site.audit()
        with self.disk.failing("sync", "EIO"):
            self.assert_refused()
            self.assertEqual(self.site.runner.child.wait(30),
                             -signal.SIGABRT)
            self.site.runner.child = None
            self.assertIn("fsync failed", self.site.runner.log())
            # No commit is trusted until another life has read what is there.
            self.site.wait_unready("runner: ")
        self.site.runner.start()
        self.site.wait_ready()
        self.verify()
        # Nothing that was on record before is gone; what was taken up is
        # told.
        after = self.site.audit()
        self.assertEqual([record["leaf"] for record in before],
                         [record["leaf"] for record in after[:len(before)]])
        mended = [record for record in after[len(before):]
                  if record["event"] == "store.mended"]
        self.assertEqual(len(mended), 1, json.dumps(after, indent=1))
        self.assertTrue(self.runs(running))
        self.site.call("DELETE", f"/v1/tasks/{running}?grace=0")
        self.assertEqual(self.site.finish(running)["outcome"], "cancelled")
        self.assertEqual(self.try_to_submit().status, 201)


if __name__ == "__main__":
    main()
