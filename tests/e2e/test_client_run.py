"""`taskgate run`: a task as if it were a local program."""

import json
import signal
import subprocess
import time

from harness import (IMAGE, POLICY, Case, environment, main, rule,
                     wait_until)
from harness_client import Terminal, newest

# An image that may be run, and is not there.
ABSENT = "taskgate-test/absent"
RULES = [*POLICY["rules"], {**POLICY["rules"][0], "id": "absent",
                            "image": ABSENT}]


class TestExits(Case):
    """Streams and exit codes."""

    policy = {**POLICY, "rules": RULES}

    def run_task(self, *words, options=(), image=IMAGE, **more):
        return self.site.client("run", *options, image, "--", *words, **more)

    def assert_ends(self, done, code, out="", err=None):
        self.assertEqual(done.returncode, code, (done.stdout, done.stderr))
        self.assertEqual(done.stdout, out)
        if err is not None:
            self.assertEqual(done.stderr, err)

    def test_both_streams_and_the_tasks_own_exit_code(self):
        done = self.run_task("sh", "-c", "echo out; echo err >&2; exit 7")
        self.assert_ends(done, 7, "out\n", "err\n")

    def test_success_says_nothing_of_its_own(self):
        self.assert_ends(self.run_task("echo", "hello"), 0, "hello\n", "")

    def test_a_task_killed_by_a_signal(self):
        self.assert_ends(self.run_task("sh", "-c", "kill -9 $$"), 137)
        self.assert_ends(self.run_task("sh", "-c", "kill -SEGV $$"), 139)

    def test_a_missing_command(self):
        done = self.run_task("no-such-command")
        self.assert_ends(done, 127)
        self.assertIn("not started", done.stderr)

    def test_a_command_that_cannot_be_executed(self):
        self.assert_ends(self.run_task("/etc"), 126)

    def test_a_task_over_its_time(self):
        done = self.run_task("sh", "-c", "echo begun; sleep 60",
                             options=("--timeout", "3s"))
        self.assert_ends(done, 124, "begun\n")
        self.assertIn("timed out", done.stderr)

    def test_a_task_over_its_memory(self):
        done = self.run_task(
            "dd", "if=/dev/zero", "of=/dev/null", "bs=256M", "count=1",
            options=("-m", "16MiB"))
        self.assert_ends(done, 137)
        self.assertIn("out of memory", done.stderr)

    def test_a_denied_task_names_rule_condition_and_whom_to_ask(self):
        done = self.run_task("true", options=("--timeout", "29d"))
        self.assert_ends(done, 125)
        self.assertIn("does not allow", done.stderr)
        self.assertIn("rule:      test", done.stderr)
        self.assertIn("condition: limits.timeout", done.stderr)
        self.assertIn("ask the operator", done.stderr)

    def test_an_image_that_no_rule_names(self):
        done = self.run_task("true", image="somebody/elses")
        self.assert_ends(done, 125)
        self.assertIn("somebody/elses", done.stderr)

    def test_an_image_that_is_not_there(self):
        done = self.run_task("true", image=ABSENT)
        self.assert_ends(done, 125)
        self.assertIn("not started", done.stderr)

    def test_a_wrong_command_line_is_ours_and_not_the_tasks(self):
        for words in (("run",), ("run", "--no-such", "x"), ("-o", "json", "run"),
                      ("run", "-m", "64m", "x"), ("run", "-e", "1=2", "x"),
                      ("run", "-o", "xml", "x"), ("run", "-o", "id", "x")):
            done = self.site.client(*words)
            self.assertEqual(done.returncode, 125, (words, done.stderr))
            self.assertTrue(done.stderr)

    def test_a_command_without_the_dashes_is_explained(self):
        done = self.site.client("run", IMAGE, "sh", "-c", "exit 7")
        self.assert_ends(done, 125)
        self.assertIn('put "--" before them', done.stderr)

    def test_a_stream_that_is_closed_gets_nothing_of_ours(self):
        env = {"TASKGATE_CONTEXT": str(self.site.members["alice"].folder)}
        for closed in ("1>&-", "2>&-", "0<&-", "0<&- 1>&- 2>&-"):
            done = subprocess.run(
                ["sh", "-c", f'exec "$@" {closed}', "sh",
                 self.site.bin / "taskgate", "run", IMAGE, "--", "sh", "-c",
                 "echo out; echo err >&2; exit 7"], env=environment(**env),
                user=self.site.client_uid, group=self.site.client_uid,
                extra_groups=[], capture_output=True, text=True, timeout=60,
                check=False)
            self.assertEqual(done.returncode, 7 if closed == "0<&-" else 125,
                             (closed, done.stderr))

    def test_a_task_that_exits_with_2_or_125_is_the_tasks_own(self):
        for code in (2, 125):
            self.assert_ends(
                self.run_task("sh", "-c", f"exit {code}"), code, "", "")

    def test_output_comes_through_byte_for_byte(self):
        # Every byte there is, and more than is carried inline.
        script = ("i=0; while [ $i -lt 256 ]; do printf \"\\\\$(printf %o $i)\";"
                  " i=$((i+1)); done; head -c 300000 /dev/zero")
        done = self.run_task("sh", "-c", script, text=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout, bytes(range(256)) + bytes(300000))

    def test_output_beyond_its_limit_is_told(self):
        done = self.run_task("head", "-c", "200000", "/dev/zero",
                             options=("--output-limit", "100000"), text=False)
        self.assertEqual(done.stdout, bytes(100000))
        self.assertIn(b"more than its output limit", done.stderr)

    def test_environment_goes_along_without_being_an_argument(self):
        done = self.run_task(
            "sh", "-c", "echo \"$GREETING|$PASSWORD\"", options=(
                "-e", "GREETING=a b", "-e", "PASSWORD"),
            env={"PASSWORD": "from here"})
        self.assert_ends(done, 0, "a b|from here\n")

    def test_the_same_key_is_the_same_task(self):
        key = ("--idempotency-key", "once")
        first = self.run_task("sh", "-c", "echo $HOSTNAME; cat /proc/uptime",
                              options=key)
        second = self.run_task("sh", "-c", "echo $HOSTNAME; cat /proc/uptime",
                               options=key)
        self.assertEqual(first.returncode, 0, first.stderr)
        self.assertEqual(second.stdout, first.stdout)
        other = self.run_task("true", options=key)
        self.assert_ends(other, 125)


class TestDocuments(Case):
    """`-o json` is one valid document in every case."""

    def run_json(self, *words, options=(), image=IMAGE):
        done = self.site.client("run", "-o", "json", *options, image, "--",
                                *words)
        return done.returncode, json.loads(done.stdout), done.stderr

    def test_a_task_with_its_output(self):
        code, document, err = self.run_json(
            "sh", "-c", "echo out; echo err >&2; exit 7")
        self.assertEqual((code, err), (7, ""))
        self.assertEqual(document["outcome"], "failed")
        self.assertEqual(document["exit_code"], 7)
        self.assertEqual(document["client_exit_code"], 7)
        self.assertEqual(document["stdout"], "out\n")
        self.assertEqual(document["stderr"], "err\n")

    def test_output_that_is_no_text_is_base64(self):
        _, document, _ = self.run_json("printf", r"\377\000x")
        self.assertEqual(document["stdout_base64"], "/wB4")
        self.assertNotIn("stdout", document)
        self.assertEqual(document["stderr"], "")

    def test_output_larger_than_a_reply_carries_inline(self):
        _, document, _ = self.run_json(
            "sh", "-c", "i=0; while [ $i -lt 9000 ]; do echo line $i;"
            " i=$((i+1)); done")
        self.assertEqual(document["stdout"],
                         "".join(f"line {i}\n" for i in range(9000)))

    def test_each_end_that_is_not_the_tasks_own(self):
        for words, options, image, expected in (
                (("sh", "-c", "kill -9 $$"), (), IMAGE, (137, "killed")),
                (("no-such-command",), (), IMAGE, (127, "not_started")),
                (("sleep", "60"), ("-t", "1s"), IMAGE, (124, "timed_out"))):
            code, document, _ = self.run_json(
                *words, options=options, image=image)
            self.assertEqual((code, document["outcome"]), expected)
            self.assertEqual(document["client_exit_code"], code)

    def test_a_denial_with_rule_and_reason(self):
        code, document, err = self.run_json("true", options=("-t", "29d"))
        self.assertEqual(code, 125)
        self.assertEqual(document["type"], "urn:taskgate:error:denied")
        self.assertEqual(document["rule"], "test")
        self.assertEqual(document["condition"], "limits.timeout")
        self.assertEqual(document["client_exit_code"], 125)
        self.assertIn("limits.timeout", err)

    def test_a_server_that_is_not_there_and_a_context_that_is_not(self):
        for context in ("/nowhere/at/all", "nobody"):
            done = self.site.client("run", "-o", "json", "--context", context, "x")
            self.assertEqual(done.returncode, 125)
            self.assertEqual(json.loads(done.stdout)["type"],
                             "urn:taskgate:error:context")

    def test_a_wrong_limit(self):
        code, document, _ = self.run_json("true", options=("-m", "64m"))
        self.assertEqual(code, 125)
        self.assertEqual(document["type"], "urn:taskgate:error:usage")

    def test_one_line_when_asked_for_lines(self):
        done = self.site.client("run", "-o", "jsonl", IMAGE, "--", "true")
        self.assertEqual(done.stdout.count("\n"), 1)
        self.assertEqual(json.loads(done.stdout)["outcome"], "succeeded")


class TestSignals(Case):
    """^C and its relatives."""

    # Says so when it runs, and ends only when it is killed.
    STUBBORN = ("sh", "-c", "trap '' TERM; echo begun; "
                "while :; do sleep 0.1; done")

    def begin(self, *words):
        process = self.site.client_start("run", IMAGE, "--", *words)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.assertEqual(process.stdout.readline(), "begun\n")
        return process

    def newest(self):
        answer = self.site.call("GET", "/v1/tasks?limit=1")
        return answer.json["tasks"][0]

    def test_the_first_cancels_with_term(self):
        process = self.begin(
            "sh", "-c", "trap 'echo bye; exit 3' TERM; echo begun; "
            "while :; do sleep 0.1; done")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
        self.assertEqual(process.returncode, 130)
        self.assertEqual(out, "bye\n")
        self.assertIn("cancelled", err)
        self.assertEqual(self.newest()["outcome"], "cancelled")

    def test_terminating_the_client_cancels_too(self):
        process = self.begin("sh", "-c", "echo begun; sleep 60")
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
        self.assertEqual(process.returncode, 130)
        self.assertEqual(self.newest()["outcome"], "cancelled")

    def test_the_second_kills_at_once(self):
        process = self.begin(*self.STUBBORN)
        began = time.time()
        process.send_signal(signal.SIGINT)
        # Two that come before it has looked would be one.
        task = self.newest()["id"]
        wait_until(lambda: "task.cancel_asked" in [
            record["event"] for record in self.site.audit(task)],
            what="the first to be heard")
        with self.assertRaises(subprocess.TimeoutExpired):
            process.wait(0.5)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
        self.assertEqual(process.returncode, 130)
        # The grace of the first.
        self.assertLess(self.site.finish_time(self.newest()["id"]),
                        began + 10)

    def test_the_third_leaves_it_to_the_server(self):
        with Terminal(self.site, "run", IMAGE, "--",
                      *self.STUBBORN) as terminal:
            terminal.wait_for(b"begun")
            # The runner cannot answer: neither of the first two gets through.
            self.site.runner.send(signal.SIGSTOP)
            try:
                for words in (b"once more to kill", b"once more to leave",
                              b"taskgate status"):
                    terminal.process.send_signal(signal.SIGINT)
                    terminal.wait_for(words)
                self.assertEqual(terminal.finish(), 130)
            finally:
                self.site.runner.send(signal.SIGCONT)
        self.site.call("DELETE", f"/v1/tasks/{self.newest()['id']}?grace=0")
        self.site.wait_tidy()

    def test_other_signals_are_the_tasks(self):
        for name in ("USR1", "USR2", "HUP", "QUIT"):
            process = self.begin(
                "sh", "-c", f"trap 'exit 5' {name}; echo begun; "
                "while :; do sleep 0.1; done")
            process.send_signal(getattr(signal, f"SIG{name}"))
            process.communicate(timeout=30)
            self.assertEqual(process.returncode, 5, name)

    def test_one_that_comes_before_the_task_is_known_is_kept(self):
        # Its creation waits a second for its end, while the task runs.
        for name in ("USR1", "USR2", "HUP", "QUIT"):
            mark = f"mark-{name}"
            process = self.site.client_start(
                "run", IMAGE, "--", "sh", "-c", f"trap 'exit 5' {name}; "
                "echo begun; while :; do sleep 0.1; done", mark)
            self.addCleanup(process.kill)
            wait_until(lambda mark=mark: self.is_heard(mark), what=mark)
            process.send_signal(getattr(signal, f"SIG{name}"))
            out, err = process.communicate(timeout=30)
            self.assertEqual((process.returncode, out), (5, "begun\n"),
                             (name, err))
            # The shell may say which signal ended its `sleep`.
            self.assertNotIn("taskgate", err)

    def is_heard(self, mark):
        task = self.newest()
        return task["args"][-1] == mark and task["output"]["stdout"] > 0

    def test_a_reader_that_goes_away_ends_the_task(self):
        process = self.site.client_start("run", IMAGE, "--", "yes")
        process.stdout.readline()
        process.stdout.close()
        self.assertEqual(process.wait(30), 141)
        self.assertEqual(process.stderr.read(), "")
        process.stderr.close()
        wait_until(lambda: self.newest()["state"] == "finished")
        self.assertEqual(self.newest()["outcome"], "cancelled")

    def test_a_slow_reader_of_one_stream_does_not_hold_up_the_other(self):
        process = self.site.client_start(
            "run", IMAGE, "--", "sh", "-c",
            "head -c 2000000 /dev/zero; echo done >&2")
        # Nobody reads stdout yet, and its pipe holds 64 KiB.
        self.assertEqual(process.stderr.readline(), "done\n")
        out, _ = process.communicate(timeout=30)
        self.assertEqual(len(out), 2000000)
        self.assertEqual(process.returncode, 0)

    def test_a_reader_that_stands_still_does_not_keep_us_from_cancelling(self):
        process = self.site.client_start("run", IMAGE, "--", "yes")
        wait_until(lambda: self.newest()["state"] == "running" and
                   self.newest()["output"]["stdout"] > 500000)
        process.send_signal(signal.SIGINT)
        wait_until(lambda: self.newest()["state"] == "finished")
        process.stdout.read()
        self.assertEqual(process.wait(30), 130)
        process.stdout.close()
        process.stderr.close()


class TestSignalsBeforeTheStart(Case):
    """What is signalled to a task that waits for its turn."""

    policy = {"version": 1, "rules": [
        rule("one", ["alice"], concurrency={"total": 1})]}

    def test_a_signal_that_goes_nowhere_is_told(self):
        first = self.site.submit("sleep", "600")["id"]
        for options, told in (
                ((), ["taskgate: USR1 was not passed on: the task does not "
                      "run\n"]),
                (("--quiet",), [])):
            process = self.site.client_start(
                "run", *options, IMAGE, "--", "echo", *options)
            self.addCleanup(process.kill)
            wait_until(lambda: newest(self.site)["id"] != first and
                       newest(self.site)["state"] == "queued")
            process.send_signal(signal.SIGUSR1)
            if told:
                self.assertEqual(process.stderr.readline(), told[0])
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=30)
            self.assertEqual(process.returncode, 130)
            self.assertNotIn("USR1", err)
        self.site.call("DELETE", f"/v1/tasks/{first}?grace=0")


class TestTerminals(Case):
    """What a person sees."""

    def test_output_is_shown_as_it_comes(self):
        with Terminal(self.site, "run", IMAGE, "--", "sh", "-c",
                      "echo begun; sleep 60") as terminal:
            terminal.wait_for(b"begun")
            terminal.process.send_signal(signal.SIGINT)
            terminal.wait_for(b"once more to kill it")
            self.assertEqual(terminal.finish(), 130)

    def test_a_tasks_output_is_shown_raw(self):
        with Terminal(self.site, "run", IMAGE, "--", "printf",
                      r"\033[1mbold\033[0m") as terminal:
            self.assertEqual(terminal.finish(), 0)
            self.assertEqual(terminal.seen, b"\x1b[1mbold\x1b[0m")

    def test_what_a_stranger_wrote_does_not_steer_the_terminal(self):
        hostile = "x\x1b]0;owned\x07\u202e\x9b2J"
        with Terminal(self.site, "run", hostile) as terminal:
            self.assertEqual(terminal.finish(), 125)
            seen = terminal.seen.replace(b"\x1b[1;31m", b"").replace(
                b"\x1b[0m", b"")
            self.assertNotIn(b"\x1b", seen)
            self.assertNotIn(b"\x07", seen)
            self.assertNotIn("\u202e".encode(), seen)
            self.assertNotIn("\x9b".encode(), seen)
        self.site.client("submit", IMAGE, "--", "echo", hostile)
        for words in (("ps", "--all"), ("ps", "-a", "-o", "json")):
            with Terminal(self.site, *words) as terminal:
                self.assertEqual(terminal.finish(), 0)
                self.assertIn(b"echo", terminal.seen)
                self.assertNotIn(b"\x1b", terminal.seen)
                self.assertNotIn("\u202e".encode(), terminal.seen)
                self.assertNotIn("\x9b".encode(), terminal.seen)

    def test_colours_are_for_terminals_that_want_them(self):
        with Terminal(self.site, "run", "no/such") as terminal:
            terminal.finish()
            self.assertIn(b"\x1b[1;31m", terminal.seen)
        with Terminal(self.site, "run", "no/such",
                      env={"NO_COLOR": "1"}) as terminal:
            terminal.finish()
            self.assertNotIn(b"\x1b", terminal.seen)


if __name__ == "__main__":
    main()
