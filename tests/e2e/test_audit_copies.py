"""Live copies of the audit log: to a file that is rotated, on a disk that is
full, to a FIFO that nobody reads, and to standard output."""

import json
import os
import subprocess

from harness import Case, main, wait_until
from harness_disk import full


class TestCopies(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.folder = cls.site.folder / "copies"
        cls.folder.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=0700",
                        "tmpfs", cls.folder], check=True)
        cls.site.mounted.append(cls.folder)
        os.chown(cls.folder, cls.site.runner_uid, cls.site.runner_uid)
        cls.path = cls.folder / "audit.jsonl"
        cls.site.edit("runner.json", {"audit_copy": str(cls.folder),
                                      "audit_stdout": True})
        cls.site.restart(cls.site.runner)

    @staticmethod
    def records(*texts):
        """Of the lines that have come to their end."""
        return [json.loads(line) for text in texts
                for line in text.splitlines(keepends=True)
                if line.endswith("\n")]

    def last(self):
        return self.site.audit()[-1]["seq"]

    def assert_whole(self, copied):
        """Each once and in order, as the log has them."""
        numbers = [record["seq"] for record in copied]
        self.assertEqual(numbers, list(range(1, len(numbers) + 1)))
        leaves = {record["seq"]: record["leaf"]
                  for record in self.site.audit()}
        for record in copied:
            if record["seq"] in leaves:
                self.assertEqual(record["leaf"], leaves[record["seq"]])

    def wait_for(self, seq, *before):
        def copied():
            found = self.records(*before, self.path.read_text())
            return found if found and found[-1]["seq"] >= seq else None
        return wait_until(lambda: self.path.exists() and copied(),
                          what=f"record {seq} in the copy")

    def stalled(self):
        name = "taskgate_runner_audit_copy_stalled_file_total "
        return next(int(line.removeprefix(name)) for line in
                    self.site.operations("/metrics").body.decode()
                    .splitlines() if line.startswith(name))

    def work(self):
        self.assertEqual(
            self.site.submit("echo", "x", wait=30)["stdout"], "x\n")

    def test_a_file_is_caught_up_with_whatever_happens_to_it(self):
        self.work()
        self.assert_whole(self.wait_for(self.last()))
        # Rotated: what comes next goes to a new one.
        rotated = self.folder / "audit.jsonl.1"
        self.path.rename(rotated)
        self.work()
        self.wait_for(self.last(), rotated.read_text())
        # No room: nothing waits for it, and a line that was cut goes on.
        with full(self.folder):
            stalled = self.stalled()
            self.work()
            wait_until(lambda: self.stalled() > stalled, what="a stall")
            self.work()
            self.assertEqual(self.site.readiness()[0], 200)
        self.assert_whole(self.wait_for(self.last(), rotated.read_text()))
        # An orderly end: the next life goes on where this one was.
        self.site.restart(self.site.runner)
        self.work()
        self.assert_whole(self.wait_for(self.last(), rotated.read_text()))

        self.read_by_nobody(self.wait_for(self.last())[-1]["seq"])
        # And standard output had all of it meanwhile.
        seen = self.records("".join(
            line for line in
            self.site.runner.log().splitlines(keepends=True)
            if line.startswith("{")))
        numbers = sorted({record["seq"] for record in seen})
        self.assertEqual(numbers, list(range(1, len(numbers) + 1)))
        self.assertGreater(len(numbers), 30)

    def read_by_nobody(self, before):
        """A FIFO, whose reader comes late."""
        # In one step: the runner makes a file where there is none.
        fifo = self.folder / "fifo"
        os.mkfifo(fifo)
        os.chown(fifo, self.site.runner_uid, self.site.runner_uid)
        fifo.rename(self.path)
        stalled = self.stalled()
        self.work()
        wait_until(lambda: self.stalled() > stalled, what="a stall")
        self.work()
        last = self.last()
        with open(self.path, encoding="utf-8") as fifo:
            found = []
            while not found or found[-1] < last:
                found.append(json.loads(fifo.readline())["seq"])
        self.assertEqual(found, list(range(found[0], found[-1] + 1)))
        self.assertLessEqual(found[0], before + 1)


if __name__ == "__main__":
    main()
