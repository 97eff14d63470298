"""A disk that is full: no record, no task; and all is well again by itself
when there is room."""

import os
import pathlib
import subprocess

from harness import IMAGE, Case, main, wait_until


class TestDiskFull(Case):
    state_size = "24m"

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

    def test_an_end_that_cannot_be_written_is_held_until_there_is_room(self):
        task = self.site.submit("head", "-c", "40000000", "/dev/zero",
                                limits={"output": "60MiB"})["id"]
        self.site.wait_unready("audit")
        found = self.site.task(task)
        self.assertNotEqual(found["state"], "finished", found)
        self.resize("96m")
        found = self.site.finish(task)
        # What had no room is not passed off as complete.
        self.assertTrue(found["output"]["truncated"], found)
        self.assertEqual(len(self.site.output(task)),
                         found["output"]["stdout"])
        self.site.wait_ready(60)
        self.site.wait_tidy()

    def resize(self, size):
        subprocess.run(["mount", "-o", f"remount,size={size}",
                        self.site.state], check=True)


if __name__ == "__main__":
    main()
