"""The operator's view of a runner at work: its state and its records."""

import json
import os
import pty
import subprocess

from harness import Case, main, wait_until

EVENTS = ["task.accepted", "task.started", "task.finished"]


class TestAudit(Case):

    def words(self, *words, code=0):
        done = self.site.admin(*words, "--dir", self.site.etc, check=False)
        self.assertEqual(done.returncode, code, done.stderr)
        return done

    def records(self, *words):
        return [json.loads(line) for line in self.words(
            *words, "-o", "jsonl").stdout.splitlines()]

    def test_status_shows_a_runner_that_is_ready(self):
        shown = json.loads(self.words("status", "-o", "json").stdout)
        self.assertIs(shown["ready"], True)
        self.assertGreater(shown["audit_seq"], 0)
        self.assertIn("Ready", self.words("status").stdout)

    def test_records_of_a_task_are_shown_in_order(self):
        task = self.site.submit("true", wait=30)["id"]
        wait_until(lambda: len(self.records("audit", "show", task)) >= 3,
                   what="the records of the task")
        records = self.records("audit", "show", task)
        self.assertEqual([one["event"] for one in records], EVENTS)
        self.assertEqual(records, sorted(records, key=lambda one: one["seq"]))
        lines = self.words("audit", "show", task).stdout.splitlines()
        self.assertEqual(len(lines), 3)
        for line in lines:
            self.assertIn("subject=alice", line)
            self.assertIn(f"task={task}", line)
        self.assertEqual(self.records("audit", "tail", "--task", task),
                         records)

    def test_one_record_is_shown_whole(self):
        task = self.site.submit("true", wait=30)["id"]
        first = self.records("audit", "show", task)[0]
        self.assertEqual(self.records("audit", "show", first["seq"]), [first])
        self.assertEqual(
            json.loads(self.words("audit", "show", first["seq"]).stdout),
            first)

    def test_tail_gives_the_newest_oldest_first(self):
        for _ in range(3):
            self.site.submit("true", wait=30)
        numbers = [one["seq"]
                   for one in self.records("audit", "tail", "-n", "4")]
        self.assertEqual(numbers,
                         list(range(numbers[0], numbers[0] + 4)))
        newest = json.loads(self.words("status", "-o", "json").stdout)
        # Reading is on record itself.
        self.assertGreaterEqual(newest["audit_seq"], numbers[-1])

    def test_a_denial_is_shown_with_its_reason(self):
        answer = self.site.call("POST", "/v1/tasks", {"image": "not/allowed"})
        self.assertEqual(answer.problem, "denied")
        wait_until(lambda: f"why={answer.detail}" in self.words(
            "audit", "tail", "-n", "200").stdout,
            what="the denial's reason")

    def test_what_is_not_there_is_told(self):
        self.assertIn("no record of", self.words(
            "audit", "show", "999999999", code=3).stderr)
        self.assertIn("no record of", self.words(
            "audit", "show", "01932f0e-6f0a-7c3e-8a55-3f1f0c1b2a11",
            code=3).stderr)
        self.words("audit", "show", "nonsense", code=1)

    def test_follow_goes_on_and_does_not_feed_itself(self):
        with subprocess.Popen(
                [self.site.bin / "taskgate-admin", "audit", "tail", "-f",
                 "-n", "1", "-o", "jsonl", "--dir", self.site.etc],
                stdout=subprocess.PIPE, text=True) as follower:
            try:
                last = json.loads(follower.stdout.readline())["seq"]
                task = self.site.submit("true", wait=30)["id"]
                seen = []
                while len(seen) < 3:
                    record = json.loads(follower.stdout.readline())
                    last += 1
                    self.assertEqual(record["seq"], last)
                    if record.get("object", {}).get("task") == task:
                        seen.append(record["event"])
                self.assertEqual(seen, EVENTS)
                before = self.state("audit_seq")
                uptime = self.state("uptime_s")
                wait_until(lambda: self.state("uptime_s") >= uptime + 2)
                self.assertEqual(self.state("audit_seq"), before)
            finally:
                follower.terminate()

    def state(self, member):
        return json.loads(self.words("status", "-o", "json").stdout)[member]

    def test_what_a_stranger_wrote_moves_no_cursor(self):
        """Its control bytes, on a terminal, in every format."""
        self.site.submit("echo", "\x1b[2J\x07\u202e\u009b31m", wait=30)
        wait_until(lambda: "2J" in self.words(
            "audit", "tail", "-o", "jsonl").stdout,
            what="the record of what was written")
        for words in ((), ("-o", "json"), ("-o", "jsonl")):
            text = self.on_terminal("audit", "tail", "-n", "20", *words)
            for byte in ("\x1b", "\x07", "\u202e", "\u009b"):
                self.assertNotIn(byte, text, words)

    def on_terminal(self, *words):
        ours, theirs = pty.openpty()
        with subprocess.Popen(
                [self.site.bin / "taskgate-admin", *words, "--dir",
                 self.site.etc], stdout=theirs) as child:
            os.close(theirs)
            data = b""
            while True:
                try:
                    piece = os.read(ours, 65536)
                except OSError:  # EIO: the other side is closed
                    break
                if not piece:
                    break
                data += piece
            os.close(ours)
            self.assertEqual(child.wait(30), 0)
        self.assertTrue(data)
        return data.decode()

    def test_socket_is_closed_to_others(self):
        done = subprocess.run(
            [self.site.bin / "taskgate-admin", "status", "--dir",
             self.site.etc], user=self.site.client_uid,
            group=self.site.client_uid, extra_groups=[], check=False,
            capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 5, done.stderr)
        self.assertIn("run this as root", done.stderr)


if __name__ == "__main__":
    main()
