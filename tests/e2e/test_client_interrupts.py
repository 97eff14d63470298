"""A terminal as standard input of `taskgate run -i`: what is typed goes to the
task, and ^C to us."""

import time

from harness import IMAGE, Case, main, rule
from harness_client import Terminal, newest


class TestInterrupts(Case):
    policy = {"version": 1, "rules": [rule(
        "test", ["alice"], stdin="stream",
        limits={**rule("", [])["limits"],
                "stdin": {"default": "1MiB", "max": "1MiB"}})]}

    # Says so when it runs, and when it has read a line.
    READER = ("sh", "-c", "echo begun; while read line; do "
              "echo \"got <$line>\"; done; echo over")

    def test_what_is_typed_reaches_the_task_until_its_end(self):
        with Terminal(self.site, "run", "-i", IMAGE, "--",
                      *self.READER) as terminal:
            terminal.wait_for(b"begun")
            terminal.type(b"one\n")
            terminal.wait_for(b"got <one>")
            terminal.type(b"\x04")
            terminal.wait_for(b"over")
            self.assertEqual(terminal.finish(), 0)

    def test_the_interrupt_key_cancels_the_task(self):
        with Terminal(self.site, "run", "-i", IMAGE, "--",
                      *self.READER) as terminal:
            terminal.wait_for(b"begun")
            terminal.type(b"\x03")
            terminal.wait_for(b"once more to kill it at once")
            self.assertEqual(terminal.finish(), 130)
            self.assertNotIn(b"over", terminal.seen)
        self.assertEqual(newest(self.site)["outcome"], "cancelled")

    def test_a_second_interrupt_kills_a_task_that_ignores_the_first(self):
        with Terminal(self.site, "run", "-i", IMAGE, "--", "sh", "-c",
                      "trap '' TERM; echo begun; "
                      "while :; do sleep 0.1; done") as terminal:
            terminal.wait_for(b"begun")
            began = time.time()
            terminal.type(b"\x03")
            terminal.wait_for(b"once more to kill it at once")
            terminal.type(b"\x03")
            self.assertEqual(terminal.finish(), 130)
        # The grace of the first.
        self.assertLess(self.site.finish_time(newest(self.site)["id"]),
                        began + 10)


if __name__ == "__main__":
    main()
