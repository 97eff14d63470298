"""A disk that is full: no record, no task; and all is well again by itself
when there is room."""

import hashlib
import os

from harness import IMAGE, Case, main, rule, wait_until
from harness_body import post_blob, store_blob
from harness_disk import full


class TestDiskFull(Case):
    policy = {"version": 1, "rules": [rule("test", ["alice"], inputs=1)]}
    state_size = "48m"  # of which 8 MiB are the store's reserve

    def submit(self):
        return self.site.call("POST", "/v1/tasks?wait=30",
                              {"image": IMAGE, "args": ["echo", "x"]})

    def test_no_room_means_no_task_and_room_again_means_work_again(self):
        self.assertEqual(self.submit().status, 201)
        before = len(self.site.audit())
        with full(self.site.state):
            def refused():
                answer = self.submit()
                self.assertIn(answer.status, (201, 503), answer.body)
                return answer if answer.status == 503 else None
            # The store may have a page of room left: not for long.
            answer = wait_until(refused, 60, "a refusal")
            self.assertEqual(answer.problem, "unavailable")
            self.assertIsNotNone(answer.headers["Retry-After"])
            self.site.wait_unready("audit")
        self.site.wait_ready(60)
        answer = self.submit()
        self.assertEqual(answer.status, 201, answer.body)
        self.assertEqual(answer.json["stdout"], "x\n")
        # Every record is whole, and none is missing in between.
        numbers = [record["seq"] for record in self.site.audit()]
        self.assertGreater(len(numbers), before)
        self.assertEqual(numbers, list(range(numbers[0],
                                             numbers[0] + len(numbers))))
        self.site.wait_tidy()

    def test_output_without_room_is_not_passed_off_as_complete(self):
        # Output stops early enough that the task's end can be written.
        task = self.site.submit("head", "-c", "60000000", "/dev/zero",
                                wait=60, limits={"output": "64MiB"})
        self.assertEqual(task["state"], "finished", task)
        self.assertTrue(task["output"]["truncated"], task)
        self.assertEqual(len(self.site.output(task["id"])),
                         task["output"]["stdout"])
        self.site.wait_tidy()

    def test_an_end_that_cannot_be_written_is_held_until_there_is_room(self):
        task = self.site.submit("sh", "-c", "trap 'exit 4' USR1; "
                                "echo ready; while :; do sleep 1 & wait; "
                                "done")["id"]
        wait_until(lambda: self.site.output(task) == b"ready\n",
                   what="the task's first line")
        self.assertTrue(self.site.runs(task))
        with full(self.site.state):
            wait_until(lambda: self.submit().status == 503, 60, "a refusal")
            # What only stops is done at once, record or not.
            self.site.call("DELETE", f"/v1/tasks/{task}?grace=0")
            wait_until(lambda: not self.site.runs(task),
                       what="the end of the task's container")
            self.assertNotEqual(self.site.task(task)["state"], "finished")
        self.assertEqual(self.site.finish(task)["outcome"], "cancelled")
        self.site.wait_ready(60)
        self.site.wait_tidy()

    def uploads(self):
        """What there is of any, whole or not."""
        return [path for path in (self.site.state / "blobs").rglob("*")
                if path.is_file()]

    def test_an_upload_that_finds_no_room_leaves_nothing(self):
        data = os.urandom(4 << 20)
        half = len(data) // 2
        for length in (len(data), None):
            with self.subTest(length=length), \
                    post_blob(self.site, data, length) as body:
                body.send(data[:half])
                wait_until(lambda: self.uploads() and self.uploads()[0]
                           .stat().st_size > half // 2, what="half of it")
                with full(self.site.state):
                    answer = body.finish(data[half:])
                    self.assertEqual((answer.status, answer.problem),
                                     (503, "unavailable"), answer.body)
                    wait_until(lambda: not self.uploads(),
                               what="nothing left of it")
        self.site.wait_ready(60)
        blob = store_blob(self.site, data)
        task = self.site.submit("sha256sum", "/tmp/in", wait=30,
                                inputs={"in": blob["sha256"]})
        self.assertEqual(task["stdout"].split()[0],
                         hashlib.sha256(data).hexdigest(), task)
        self.site.wait_tidy()


if __name__ == "__main__":
    main()
