"""The commands of `taskgate` besides `run`: what they print, in each format,
and what they exit with."""

import base64
import json
import signal
import subprocess
import time
import uuid

from harness import IMAGE, Case, main, wait_until
from harness_client import run_client

SLEEP = ("sh", "-c", "echo begun; sleep 300")


class TestCommands(Case):
    def call(self, *words, code=0, **more):
        done = self.site.client(*words, **more)
        self.assertEqual(done.returncode, code, (words, done.stderr))
        return done

    def json(self, *words, code=0, **more):
        return json.loads(self.call("-o", "json", *words, code=code,
                                    **more).stdout)

    def submit(self, *words):
        return self.call("submit", IMAGE, "--", *words).stdout.strip()

    def begin(self):
        """A task that runs until it is ended; ended behind the test."""
        task = self.submit(*SLEEP)
        self.addCleanup(self.site.finish, task)
        self.addCleanup(self.site.call, "DELETE", f"/v1/tasks/{task}?grace=0")
        wait_until(lambda: self.site.output(task) == b"begun\n")
        return task

    # -- submit, status, wait

    def test_submit_prints_the_id_and_nothing_else(self):
        done = self.call("submit", IMAGE, "--", "true")
        self.assertEqual(uuid.UUID(done.stdout.strip()).version, 7)
        self.assertEqual(done.stderr, "")
        self.assertEqual(done.stdout.count("\n"), 1)
        document = self.json("submit", IMAGE, "--", "true")
        self.assertIn(document["state"], ("queued", "starting", "running"))

    def test_a_denied_submission_exits_with_5(self):
        done = self.call("submit", "no/such", code=5)
        self.assertIn("no/such", done.stderr)
        document = self.json("submit", "no/such", code=5)
        self.assertEqual(document["type"], "urn:taskgate:error:denied")
        self.assertEqual(document["client_exit_code"], 5)

    def test_status_tells_of_a_task(self):
        task = self.submit("sh", "-c", "echo x; exit 7")
        self.site.finish(task)
        text = self.call("status", task).stdout
        for words in (task, "failed (7)", "alice", IMAGE, "sh -c",
                      "memory=64MiB", "2 bytes"):
            self.assertIn(words, text)
        self.assertEqual(self.json("status", task)["exit_code"], 7)
        self.assertEqual(self.call("status", task, "-o", "id").stdout,
                         f"{task}\n")

    def test_status_tells_of_the_server(self):
        text = self.call("status").stdout
        self.assertIn("ready          yes", text)
        self.assertTrue(self.json("status")["ready"])

    def test_ids_are_taken_in_capitals_too(self):
        task = self.submit("true")
        self.assertEqual(self.json("status", task.upper())["id"], task)

    def test_an_unknown_task_exits_with_3(self):
        unknown = str(uuid.uuid4())
        unknown = unknown[:14] + "7" + unknown[15:]
        for words in (("status",), ("logs",), ("logs", "-f"), ("cancel",)):
            done = self.call(*words, unknown, code=3)
            self.assertIn("taskgate ps", done.stderr)
        self.call("signal", unknown, "HUP", code=3)
        # Its own exit codes are the tasks'.
        self.call("wait", unknown, code=125)
        self.assertEqual(self.json("status", unknown, code=3)["type"],
                         "urn:taskgate:error:not-found")

    def test_another_ones_task_is_an_unknown_one(self):
        task = self.submit("true")
        for words in (("status",), ("logs",), ("cancel",)):
            self.call(*words, task, code=3, who="bob")

    def test_what_is_no_id_exits_with_2(self):
        for words in (("status",), ("logs",), ("cancel",)):
            self.call(*words, "../../whoami", code=2)
        self.call("signal", "x", "HUP", code=2)
        self.call("wait", "x", code=125)

    def test_wait_exits_as_the_task_did(self):
        for script, code in (("exit 0", 0), ("exit 7", 7),
                             ("kill -9 $$", 137)):
            task = self.submit("sh", "-c", script)
            done = self.call("wait", task, code=code)
            self.assertTrue(done.stdout.startswith(task))
            self.assertTrue(done.stdout.endswith(f"  {code}\n"))

    def test_wait_takes_several_and_exits_with_the_first_that_failed(self):
        tasks = [self.submit("sh", "-c", f"exit {code}")
                 for code in (0, 5, 6)]
        done = self.call("wait", *tasks, code=5)
        self.assertEqual([line.split()[0] for line in
                          done.stdout.splitlines()], tasks)
        documents = self.json("wait", *tasks, code=5)
        self.assertEqual([task["id"] for task in documents], tasks)
        self.assertEqual(self.json("wait", tasks[1], code=5)["exit_code"], 5)

    def test_wait_gives_up_after_its_time(self):
        task = self.begin()
        done = self.call("wait", "--timeout", "1s", task, code=9)
        self.assertIn("within the time", done.stderr)
        self.call("wait", "--timeout", "0", task, code=9)
        self.assertEqual(
            self.json("wait", "-t", "0", task, code=9)["task"], task)

    def test_an_interrupted_wait_exits_with_130_and_leaves_the_task(self):
        task = self.begin()
        process = self.site.client_start("wait", task)
        wait_until(lambda: self.takes_interrupts(process.pid))
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
        self.assertEqual(process.returncode, 130)
        self.assertEqual(self.site.task(task)["state"], "running")

    def takes_interrupts(self, pid):
        """Whether a client is past its start: SIGINT has a handler."""
        with open(f"/proc/{pid}/status", encoding="ascii") as status:
            masks = [line.split()[1] for line in status
                     if line.startswith("SigCgt")]
        return int(masks[0], 16) & 1 << signal.SIGINT - 1

    # -- ps

    def test_ps_shows_what_has_not_ended_and_all_when_asked(self):
        ended = self.submit("true")
        self.site.finish(ended)
        running = self.begin()
        shown = self.call("ps").stdout
        self.assertIn(running, shown)
        self.assertNotIn(ended, shown)
        self.assertIn("running", shown)
        everything = self.call("ps", "--all").stdout
        self.assertIn(running, everything)
        self.assertIn(ended, everything)
        finished = self.call("ps", "--state", "finished").stdout
        self.assertNotIn(running, finished)
        self.assertIn(ended, finished)

    def test_ps_in_each_format(self):
        running = self.begin()
        self.assertEqual(self.json("ps")["tasks"][0]["id"], running)
        lines = self.call("ps", "-o", "jsonl").stdout.splitlines()
        self.assertEqual(json.loads(lines[0])["id"], running)
        self.assertIn(running, self.call("ps", "-o", "id").stdout.split())

    def test_ps_is_bounded(self):
        for _ in range(3):
            self.site.finish(self.submit("true"))
        ids = self.call("ps", "-a", "-n", "2", "-o", "id").stdout.split()
        self.assertEqual(len(ids), 2)
        self.call("ps", "-n", "0", code=2)
        self.call("ps", "-n", "many", code=2)
        self.call("ps", "--state", "a&b", code=2)
        self.call("ps", "--state", "sleeping", code=1)

    def test_ps_of_others_needs_the_scope(self):
        self.call("ps", "--subject", "bob", code=5)

    # -- logs

    def test_logs_keeps_the_streams_apart(self):
        task = self.submit("sh", "-c", "echo out; echo err >&2")
        self.site.finish(task)
        done = self.call("logs", task)
        self.assertEqual((done.stdout, done.stderr), ("out\n", "err\n"))
        done = self.call("logs", "--stream", "stderr", task)
        self.assertEqual((done.stdout, done.stderr), ("", "err\n"))
        self.assertEqual(
            self.call("logs", "--stream=stdout", "--offset=2", task).stdout,
            "t\n")
        document = self.json("logs", task)
        self.assertEqual((document["stdout"], document["stderr"]),
                         ("out\n", "err\n"))
        self.call("logs", "--stream", "stdin", task, code=2)
        self.call("logs", "--offset", "-1", task, code=2)

    def test_logs_without_following_does_not_wait_for_the_end(self):
        task = self.begin()
        self.assertEqual(self.call("logs", task).stdout, "begun\n")

    def test_logs_follows_to_the_end(self):
        task = self.submit("sh", "-c", "echo one; sleep 1; echo two; exit 4")
        done = self.call("logs", "-f", task)
        self.assertEqual(done.stdout, "one\ntwo\n")
        self.assertEqual(self.site.task(task)["state"], "finished")

    def test_an_interrupted_follow_leaves_the_task(self):
        task = self.begin()
        process = self.site.client_start("logs", "-f", task)
        self.assertEqual(process.stdout.readline(), "begun\n")
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
        self.assertEqual(process.returncode, 130)
        self.assertEqual(self.site.task(task)["state"], "running")

    # -- cancel, signal

    def test_cancel_ends_what_runs_and_says_what_had_ended(self):
        running = self.begin()
        done = self.call("cancel", running)
        self.assertEqual(done.stdout, f"{running}  cancelling\n")
        self.assertEqual(self.site.finish(running)["outcome"], "cancelled")
        done = self.call("cancel", running)
        self.assertEqual(done.stdout, f"{running}  had ended already\n")
        self.call("cancel", "--grace", "301s", running, code=2)
        self.call("cancel", "--grace", "soon", running, code=2)

    def test_cancel_takes_several_and_one_failure_does_not_stop_it(self):
        first, second = self.begin(), self.begin()
        unknown = "01932f0e-6f0a-7c3e-8a55-3f1f0c1b2a11"
        done = self.call("cancel", "-g", "0", first, unknown, second, code=3)
        self.assertIn(first, done.stdout)
        self.assertIn(second, done.stdout)
        for task in (first, second):
            self.assertEqual(self.site.finish(task)["outcome"], "cancelled")

    def test_signal_reaches_the_task(self):
        task = self.submit("sh", "-c", "trap 'exit 5' USR1; echo begun; "
                           "while :; do sleep 0.1; done")
        wait_until(lambda: self.site.output(task) == b"begun\n")
        done = self.call("signal", task, "SIGUSR1")
        self.assertEqual((done.stdout, done.stderr), ("", ""))
        self.assertEqual(self.site.finish(task)["exit_code"], 5)
        self.call("signal", task, "USR1", code=6)
        self.call("signal", task, "SEGV", code=2)

    # -- whoami, and the tool itself

    def test_whoami(self):
        text = self.call("whoami").stdout
        for words in ("alice", "tasks:run", "expires"):
            self.assertIn(words, text)
        self.assertNotIn(self.site.members["alice"].token, text)
        self.assertEqual(self.json("whoami")["subject"], "alice")
        self.assertEqual(self.call("whoami", "-o", "id").stdout, "alice\n")

    def test_whoami_tells_all_of_token_and_certificate(self):
        carol = self.site.enroll("carol", roles=("ops", "ci-2"),
                                 scopes=("tasks:read", "tasks:read:all"))
        claims = carol.token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(
            claims + "=" * (-len(claims) % 4)))
        text = subprocess.run(
            ["openssl", "x509", "-in", carol.certificate, "-noout", "-serial",
             "-enddate", "-dateopt", "iso_8601"], check=True,
            capture_output=True, text=True).stdout
        certificate = dict(line.split("=") for line in text.splitlines())
        self.assertEqual(self.site.call("GET", "/v1/whoami", who="carol").json, {
            "subject": "carol",
            "roles": ["ops", "ci-2"],
            "scopes": ["tasks:read", "tasks:read:all"],
            "token": {
                "id": claims["jti"],
                "expires_at": time.strftime(
                    "%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(claims["exp"]))},
            "certificate": {
                "thumbprint": carol.signer.thumbprint,
                "serial": certificate["serial"].lower(),
                "expires_at": certificate["notAfter"].replace(
                    " ", "T").replace("Z", ".000Z")}})
        self.site.enroll("erin", scopes=("tasks:read",))
        who = self.site.call("GET", "/v1/whoami", who="erin").json
        self.assertEqual((who["roles"], who["scopes"]), ([], ["tasks:read"]))

    def test_a_token_without_the_scope_exits_with_5(self):
        self.site.enroll("reader", scopes=("tasks:read",))
        done = self.call("submit", IMAGE, code=5, who="reader")
        self.assertIn("tasks:run", done.stderr)
        self.assertIn("--scope tasks:run", done.stderr)

    def test_help_completion_and_man_page_need_no_context(self):
        for words, said in ((("--help",), "doctor"),
                            (("help", "run"), "--memory"),
                            (("completion", "bash"), "taskgate"),
                            (("completion", "zsh"), "taskgate"),
                            (("completion", "fish"), "taskgate"),
                            (("man",), ".TH"), (("--version",), "taskgate")):
            done = run_client(self.site, *words, env={})
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn(said, done.stdout)

    def test_a_misspelt_command_is_corrected_and_exits_with_2(self):
        done = self.call("statsu", code=2)
        self.assertIn("status", done.stderr)
        self.call(code=2)
        self.call("ps", "-o", "xml", code=2)

    def test_results_that_cannot_be_written_are_no_success(self):
        env = {"TASKGATE_CONTEXT": str(self.site.members["alice"].folder)}
        for words, code in ((("ps",), 1), (("whoami", "-o", "json"), 1),
                            (("run", IMAGE, "--", "echo", "x"), 125),
                            (("run", "-o", "json", IMAGE), 125)):
            with open("/dev/full", "wb") as full:
                done = run_client(self.site, *words, env=env, stdout=full)
            self.assertEqual(done.returncode, code, (words, done.stderr))
            self.assertIn("No space left", done.stderr)

    def test_quiet_leaves_results_and_errors(self):
        task = self.submit("false")
        self.assertEqual(self.call("-q", "wait", task, code=1).stdout, "")
        done = self.call("-q", "run", "-t", "1s", IMAGE, "--", "sleep", "9",
                         code=124)
        self.assertEqual(done.stderr, "")
        self.assertTrue(self.call("-q", "run", "no/such", code=125).stderr)


class TestBusy(Case):
    """A server that has no room."""

    runner_settings = {"running_max": 1, "queued_per_subject": 1}

    def setUp(self):
        # The first runs, the second waits, and there is no room for a third.
        self.tasks = [self.site.submit(*SLEEP)["id"]]
        wait_until(
            lambda: self.site.task(self.tasks[0])["state"] == "running")
        self.tasks.append(self.site.submit("true")["id"])
        self.addCleanup(self.make_room)

    def make_room(self):
        for task in self.tasks:
            self.site.call("DELETE", f"/v1/tasks/{task}?grace=0")
        for task in self.tasks:
            self.site.finish(task)

    def test_it_is_tried_again_for_a_while_and_then_exits_with_7(self):
        done = self.site.client("-o", "json", "submit", IMAGE)
        self.assertEqual(done.returncode, 7, done.stderr)
        self.assertEqual(json.loads(done.stdout)["type"],
                         "urn:taskgate:error:busy")
        self.assertIn("the same again in", done.stderr)
        # The log may be a step behind the answer.
        wait_until(lambda: self.site.gateway.log().count("status=429") > 1,
                   what="a second try")

    def test_room_that_comes_in_time_is_taken(self):
        # By how long the tasks of before took, it would be put off for longer
        # than the client waits: a new life does not know.
        self.site.runner.kill()
        self.site.runner.start()
        self.site.wait_ready()
        before = self.site.gateway.log().count("status=429")
        process = self.site.client_start("run", IMAGE, "--", "echo", "hello")
        wait_until(
            lambda: self.site.gateway.log().count("status=429") > before)
        self.make_room()
        out, err = process.communicate(timeout=60)
        self.assertEqual((process.returncode, out, err), (0, "hello\n", ""))


if __name__ == "__main__":
    main()
