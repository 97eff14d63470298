"""The runner's life: how it starts, reloads, stops, and what it leaves."""

import json
import os
import signal
import subprocess
import time

from harness import IMAGE, POLICY, Case, environment, main, wait_until


class TestStop(Case):
    runner_settings = {"running_max": 1}

    def tearDown(self):
        if not self.site.runner.alive:
            self.site.runner.start()
            self.site.wait_ready()
        super().tearDown()

    def running(self, *words):
        task = self.site.submit(*words)["id"]
        wait_until(lambda: self.site.task(task)["state"] == "running",
                   what="the start")
        return task

    def test_what_runs_may_end_by_itself_and_who_waits_hears_of_it(self):
        with self.site.wire() as wire:
            wire.send(self.site.request_bytes(
                "POST", "/v1/tasks?wait=30", {"image": IMAGE, "args": [
                    "sh", "-c", "trap 'echo x; exit 0' USR1; echo ready; "
                    "while :; do sleep 1 & wait; done"]}))
            task = wait_until(self.find_ready, what="the task's first line")
            self.site.runner.send(signal.SIGINT)
            self.site.wait_unready("stopped")
            self.assertEqual(self.site.call(
                "POST", f"/v1/tasks/{task}/signal",
                {"signal": "USR1"}).status, 204)
            answer = wire.answer("POST")
        self.assertEqual(answer.status, 201, answer.body)
        self.assertEqual(answer.json["stdout"], "ready\nx\n")
        self.assertEqual(answer.json["outcome"], "succeeded")
        self.site.runner.stop()

    def find_ready(self):
        """The task that has said so, and runs."""
        return next((task["id"] for task in self.site.call(
            "GET", "/v1/tasks?state=running").json["tasks"]
            if self.site.output(task["id"]) == b"ready\n"), None)

    def test_what_runs_too_long_is_ended_and_what_waits_is_kept(self):
        long = self.running("sleep", "600")
        waiting = self.site.submit("echo", "later")["id"]
        self.assertEqual(self.site.task(waiting)["state"], "queued")
        self.site.runner.stop()
        self.assertEqual(self.site.containers(), [])
        self.assertEqual(self.site.control_folders(), [])
        self.site.runner.start()
        self.site.wait_ready()
        ended = self.site.finish(long)
        self.assertEqual(ended["outcome"], "cancelled")
        self.assertEqual(ended["detail"], "the runner stopped")
        self.assertEqual(self.site.finish(waiting)["outcome"], "succeeded")
        self.assertEqual(self.site.output(waiting), b"later\n")
        events = [record["event"] for record in self.site.audit()]
        self.assertIn("runner.stopped", events)
        self.assertLess(events.index("runner.stopped"),
                        len(events) - 1 - events[::-1].index(
                            "runner.started"))

    def test_while_it_stops_nothing_is_taken_on(self):
        task = self.running("sleep", "600")
        self.site.runner.send(signal.SIGINT)
        self.site.wait_unready("stopped")
        answer = self.site.call("POST", "/v1/tasks",
                                {"image": IMAGE, "args": ["true"]})
        self.assertEqual(answer.problem, "unavailable")
        self.assertEqual(self.site.call(
            "DELETE", f"/v1/tasks/{task}?grace=0").status, 202)
        self.site.runner.stop()

    def test_a_second_signal_does_not_wait(self):
        task = self.running("sleep", "600")
        began = time.time()
        self.site.runner.send(signal.SIGINT)
        self.site.wait_unready("stopped")
        self.site.runner.stop()
        self.site.runner.start()
        self.site.wait_ready()
        # By the first alone it would have been given ten seconds.
        self.assertLess(self.site.finish_time(task), began + 10)


class TestReload(Case):
    def tearDown(self):
        self.site.write_policy(POLICY)
        self.reload("policy.loaded")
        super().tearDown()

    def reload(self, event):
        """Both, until the runner says so."""
        seen = self.site.runner.log().count(f"event={event}")
        for process in (self.site.runner, self.site.gateway):
            process.send(signal.SIGHUP)
        wait_until(lambda: self.site.runner.log().count(
            f"event={event}") > seen, what=event)

    def submit(self):
        return self.site.call("POST", "/v1/tasks?wait=30",
                              {"image": IMAGE, "args": ["true"]})

    def test_another_policy_comes_into_force_whole(self):
        self.assertEqual(self.submit().status, 201)
        self.site.write_policy({"version": 1, "rules": [
            {**POLICY["rules"][0], "subjects": ["bob"]}]})
        self.reload("policy.loaded")
        wait_until(lambda: self.submit().status == 403, what="a denial")
        loaded = [record for record in self.site.audit()
                  if record["event"] == "policy.loaded"]
        self.assertNotEqual(loaded[-1]["policy_sha256"],
                            loaded[-2]["policy_sha256"])

    def test_a_broken_one_leaves_the_old_in_force(self):
        self.site.write_policy('{"version": 1, "rules": [{}]}')
        self.reload("runner.reload_failed")
        self.assertEqual(self.submit().status, 201)


class TestWaitingUnderAnotherPolicy(Case):
    runner_settings = {"running_max": 1}

    def test_what_waits_is_judged_again_before_it_starts(self):
        first = self.site.submit("sleep", "600")["id"]
        waiting = self.site.submit("echo", "never")["id"]
        self.site.write_policy({"version": 1, "rules": [
            {**POLICY["rules"][0], "subjects": ["bob"]}]})
        self.site.runner.send(signal.SIGHUP)
        wait_until(lambda: self.site.runner.log().count(
            "event=policy.loaded") > 1, what="the reload")
        self.site.call("DELETE", f"/v1/tasks/{first}?grace=0")
        ended = self.site.finish(waiting)
        self.assertEqual(ended["outcome"], "cancelled", ended)
        self.assertIn("policy", ended["detail"])
        self.assertNotIn("started_at", ended)
        self.assertEqual(self.site.output(waiting), b"")
        self.site.wait_tidy()


class TestStart(Case):
    def run_runner(self, *words, uid=None):
        return subprocess.run(
            [self.site.bin / "taskgate-runner", *map(str, words)],
            capture_output=True, text=True, timeout=30, check=False,
            user=self.site.runner_uid if uid is None else uid,
            group=self.site.runner_uid, extra_groups=[], cwd="/",
            env=environment())

    def variant(self, **changes):
        """runner.json changed, in a file of its own."""
        document = json.loads((self.site.etc / "runner.json").read_text())
        document.update(changes)
        path = self.site.etc / "variant.json"
        path.write_text(json.dumps(document))
        self.addCleanup(path.unlink, missing_ok=True)
        return path

    def test_a_second_runner_on_the_same_state_is_refused(self):
        done = self.run_runner("--config", self.site.etc / "runner.json")
        self.assertEqual(done.returncode, 1)
        self.assertIn("another taskgate-runner", done.stderr)
        # The first serves on.
        self.assertEqual(
            self.site.submit("true", wait=30)["outcome"], "succeeded")

    def test_check_says_that_all_is_in_order(self):
        done = self.run_runner("--check", "--config",
                               self.site.etc / "runner.json")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("1 rule", done.stdout)

    def test_check_says_what_is_wrong(self):
        for changes, words in (
                ({"polici": "x"}, "polici"),
                ({"policy": "nowhere.json"}, "nowhere.json"),
                ({"ca": "policy.json"}, "policy.json"),
                ({"task_uid": 0}, "task_uid")):
            with self.subTest(changes):
                done = self.run_runner("--check", "--config",
                                       self.variant(**changes))
                self.assertEqual(done.returncode, 1)
                self.assertIn(words, done.stderr)

    def test_a_state_that_others_can_enter_is_refused(self):
        folder = self.site.folder / "open"
        folder.mkdir()
        os.chown(folder, self.site.runner_uid, self.site.runner_uid)
        folder.chmod(0o755)
        done = self.run_runner("--config", self.variant(state=str(folder)))
        self.assertEqual(done.returncode, 1)
        self.assertIn("0700", done.stderr)

    def test_a_wrong_command_line_is_a_usage_error(self):
        for words in ((), ("--config",), ("--what",)):
            done = self.run_runner(*words)
            self.assertEqual(done.returncode, 2, words)
            self.assertIn("Usage", done.stderr)
        self.assertEqual(self.run_runner("--help").returncode, 0)
        self.assertIn("taskgate-runner",
                      self.run_runner("--version").stdout)


if __name__ == "__main__":
    main()
