"""A disk that is full: no record, no task; and all is well again by itself
when there is room."""

import os
import pathlib

from harness import IMAGE, Case, main, wait_until


class TestDiskFull(Case):
    state_size = "48m"  # the store's reserve beside output is 8 MiB

    def fill(self):
        """Leaves not one block free."""
        path = pathlib.Path(self.site.state, "ballast")
        with open(path, "wb", buffering=0) as ballast:
            for size in (1 << 20, 4096, 1):
                try:
                    while True:
                        ballast.write(b"\0" * size)
                except OSError:
                    continue
        return path

    def engine_runs(self, task):
        return [container for container in self.site.engine.containers(task)
                if container["State"] == "running"]

    def submit(self):
        return self.site.call("POST", "/v1/tasks?wait=30",
                              {"image": IMAGE, "args": ["echo", "x"]})

    def test_no_room_means_no_task_and_room_again_means_work_again(self):
        self.assertEqual(self.submit().status, 201)
        before = len(self.site.audit())
        ballast = self.fill()
        try:
            def refused():
                answer = self.submit()
                self.assertIn(answer.status, (201, 503), answer.body)
                return answer if answer.status == 503 else None
            # The store may have a page of room left: not for long.
            answer = wait_until(refused, 60, "a refusal")
            self.assertEqual(answer.problem, "unavailable")
            self.assertIsNotNone(answer.headers["Retry-After"])
            self.site.wait_unready("audit")
        finally:
            os.unlink(ballast)
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
        ballast = self.fill()
        try:
            wait_until(lambda: self.submit().status == 503, 60, "a refusal")
            # What only stops is done at once, record or not.
            self.site.call("DELETE", f"/v1/tasks/{task}?grace=0")
            wait_until(lambda: not self.engine_runs(task),
                       what="the end of the task's container")
            self.assertNotEqual(self.site.task(task)["state"], "finished")
        finally:
            os.unlink(ballast)
        self.assertEqual(self.site.finish(task)["outcome"], "cancelled")
        self.site.wait_ready(60)
        self.site.wait_tidy()


if __name__ == "__main__":
    main()
