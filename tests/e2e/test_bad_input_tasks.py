"""Tasks that the policy allows and that still cannot do what they ask."""

import hashlib
import json

from harness import IMAGE, Case, main, rule

MISSING = "taskgate-test/missing"


class TestTasks(Case):
    policy = {"version": 1, "rules": [
        rule("test", ["alice"]),
        rule("missing", ["alice"], image=MISSING),
    ]}

    def tearDown(self):
        self.site.wait_tidy()
        super().tearDown()

    def client_json(self, *words):
        done = self.site.client("run", "-o", "json", *words)
        return done.returncode, json.loads(done.stdout), done.stderr

    def test_an_image_that_does_not_exist(self):
        task = self.site.submit("true", image=MISSING, wait=30)
        self.assertEqual(task["outcome"], "not_started")
        self.assertEqual(task["reason"], "image")
        self.assertIn(MISSING, task["detail"])
        # Nothing is pulled: the operator has to put it there.
        self.assertIn("operator", task["detail"])
        self.assertNotIn("started_at", task)

    def test_the_client_about_an_image_that_does_not_exist(self):
        done = self.site.client("run", MISSING, "--", "true")
        self.assertEqual(done.returncode, 125, done.stderr)
        self.assertIn(MISSING, done.stderr)
        code, task, _ = self.client_json(MISSING, "--", "true")
        self.assertEqual((code, task["outcome"]), (125, "not_started"))

    def test_a_command_that_is_not_in_the_image(self):
        task = self.site.submit("no-such-command", wait=30)
        self.assertEqual(task["outcome"], "not_started")
        self.assertEqual(task["reason"], "command")
        self.assertEqual(task["errno"], "ENOENT")
        self.assertIn("no-such-command", task["detail"])

    def test_the_client_about_a_missing_command(self):
        done = self.site.client("run", IMAGE, "--", "no-such-command")
        self.assertEqual(done.returncode, 127, done.stderr)
        self.assertIn("no-such-command", done.stderr)
        code, task, _ = self.client_json(IMAGE, "--", "no-such-command")
        self.assertEqual((code, task["errno"]), (127, "ENOENT"))

    def test_a_file_that_is_no_command(self):
        task = self.site.submit("/etc/passwd", wait=30)
        self.assertEqual(task["outcome"], "not_started")
        self.assertEqual((task["reason"], task["errno"]),
                         ("command", "EACCES"))
        done = self.site.client("run", IMAGE, "--", "/etc/passwd")
        self.assertEqual(done.returncode, 126, done.stderr)

    def test_output_over_its_limit_is_cut_and_said_to_be(self):
        task = self.site.submit(
            "sh", "-c", "head -c 300000 /dev/zero; echo end >&2", wait=30,
            limits={"output": "100KiB"})
        self.assertEqual(task["outcome"], "succeeded", task)
        self.assertTrue(task["output"]["truncated"])
        kept = self.site.output(task["id"])
        self.assertEqual(set(kept), {0})
        self.assertLessEqual(
            len(kept) + task["output"]["stderr"], 100 * 1024)
        self.assertGreater(len(kept), 50 * 1024)

    def test_a_task_that_fills_its_output_forever_ends_at_its_time(self):
        task = self.site.submit("yes", wait=60, limits={
            "output": "100KiB", "timeout": "2s"})
        self.assertEqual(task["outcome"], "timed_out")
        self.assertTrue(task["output"]["truncated"])

    def test_no_output_at_all_is_a_limit_too(self):
        task = self.site.submit("echo", "x", wait=30, limits={"output": 0})
        self.assertEqual(task["outcome"], "succeeded")
        nothing = hashlib.sha256(b"").hexdigest()
        self.assertEqual(task["output"],
                         {"stdout": 0, "stdout_sha256": nothing,
                          "stderr": 0, "stderr_sha256": nothing,
                          "truncated": True})

    def test_the_client_says_that_output_was_cut(self):
        done = self.site.client(
            "run", "--output-limit", "1KiB", IMAGE, "--",
            "head", "-c", "5000", "/dev/zero")
        self.assertLessEqual(len(done.stdout), 1024)
        self.assertIn("output", done.stderr)

    def test_a_task_over_its_time_from_the_client(self):
        done = self.site.client("run", "--timeout", "1s", IMAGE, "--",
                                "sleep", "60")
        self.assertEqual(done.returncode, 124, done.stderr)


if __name__ == "__main__":
    main()
