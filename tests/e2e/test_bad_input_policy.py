"""What the policy does not allow: refused with the rule and the reason where
the caller may know them, and on record."""

import signal

from harness import IMAGE, Case, main, rule, wait_until

POLICY = {"version": 1, "rules": [
    rule("words", ["alice"], args=[
        {"enum": ["echo", "sh"]}, {"integer": {"min": 1, "max": 10}}]),
]}


class TestDenied(Case):
    policy = POLICY

    def assert_denied(self, condition, who="alice", **members):
        answer = self.site.call("POST", "/v1/tasks",
                                {"image": IMAGE, **members}, who=who)
        self.assertEqual((answer.status, answer.problem), (403, "denied"),
                         answer.body)
        if condition is None:
            self.assertNotIn("rule", answer.json)
            self.assertNotIn("condition", answer.json)
        else:
            self.assertEqual(answer.json["rule"], "words")
            self.assertEqual(answer.json["condition"], condition)
        return answer

    def test_what_the_rule_allows_runs(self):
        self.assertEqual(
            self.site.submit("echo", "7", wait=30)["stdout"], "7\n")

    def test_an_argument_that_is_not_in_the_list(self):
        answer = self.assert_denied("args[0]", args=["rm", "1"])
        # Told what would pass.
        for word in ("rm", "echo", "sh"):
            self.assertIn(word, answer.detail)

    def test_an_integer_out_of_its_range_or_written_oddly(self):
        for value in ("0", "11", "01", "+1", " 1", "1 ", "1.0", "", "9" * 30):
            with self.subTest(value=value):
                self.assert_denied("args[1]", args=["echo", value])

    def test_too_few_and_too_many_arguments(self):
        self.site.call("POST", "/v1/tasks", {"image": IMAGE})
        for args in ([], ["echo"], ["echo", "1", "2"]):
            with self.subTest(args=args):
                answer = self.site.call(
                    "POST", "/v1/tasks", {"image": IMAGE, "args": args})
                self.assertEqual(answer.problem, "denied")
                self.assertTrue(answer.json["condition"].startswith("args"))

    def test_a_variable_that_the_rule_does_not_name(self):
        self.assert_denied("env.LD_PRELOAD", args=["echo", "1"],
                           env={"LD_PRELOAD": "/tmp/x.so"})

    def test_a_limit_above_its_maximum(self):
        for name, value in (("memory", "257MiB"), ("cpus", "2.5"),
                            ("pids", 129), ("timeout", "11m"),
                            ("output", "65MiB"), ("tmp", "33MiB")):
            with self.subTest(limit=name):
                answer = self.assert_denied(
                    f"limits.{name}", args=["echo", "1"],
                    limits={name: value})
                self.assertIn("at most", answer.detail)

    def test_an_image_that_no_rule_names(self):
        for image in ("other/image", f"{IMAGE}:other", f"{IMAGE}x",
                      f"x/{IMAGE}", f"localhost/{IMAGE}",
                      f"{IMAGE}@sha256:{'0' * 64}"):
            with self.subTest(image=image):
                self.assert_denied(None, image=image, args=["echo", "1"])

    def test_whom_no_rule_names_learns_nothing_of_the_rules(self):
        answer = self.assert_denied(None, who="bob", args=["rm"])
        for word in ("words", "echo", "alice"):
            self.assertNotIn(word, answer.body.decode())

    def test_a_denial_is_on_record_with_what_was_asked_apart(self):
        self.assert_denied("args[0]", args=["denied-for-the-record", "1"])

        def record():
            return [found for found in self.site.audit()
                    if "denied-for-the-record" in str(found)]
        found = wait_until(record, what="the record")[0]
        self.assertIn(found["event"], ("task.denied", "request.refused"))
        without = {name: value for name, value in found.items()
                   if name != "untrusted"}
        self.assertNotIn("denied-for-the-record", str(without))

    def test_the_client_says_rule_and_reason_and_exits_125(self):
        done = self.site.client("run", IMAGE, "--", "rm", "1")
        self.assertEqual(done.returncode, 125, done.stderr)
        for word in ("words", "args[0]", "rm", "echo"):
            self.assertIn(word, done.stderr)
        self.assertEqual(done.stdout, "")


class TestNoPolicy(Case):
    policy = {"version": 1, "rules": []}
    unready = "policy"

    def test_an_empty_policy_allows_nothing(self):
        answer = self.site.call("POST", "/v1/tasks",
                                {"image": IMAGE, "args": ["true"]})
        self.assertEqual((answer.status, answer.problem), (403, "denied"))

    def test_a_broken_policy_does_not_start_and_says_where(self):
        good = (self.site.etc / "policy.json").read_text()
        processes = self.site.gateway, self.site.runner
        self.site.stop()
        try:
            for text, words in (
                    ("{", ":1:"),
                    ("{\n  \"rules\": [],\n  \"rule\": 1\n}", ":3:"),
                    ('{"version": 1, "rules": [], "rules": []}', "rules")):
                self.site.write_policy(text)
                for process in processes:
                    with self.subTest(text=text, process=process.name):
                        said = self.fail_to_start(process)
                        self.assertIn("policy.json", said)
                        self.assertIn(words, said)
        finally:
            self.site.write_policy(good)
            self.site.start(self.unready)

    def fail_to_start(self, process):
        """What it said before it ended by itself."""
        before = len(process.log())
        process.start()
        code = process.child.wait(30)
        process.child = None
        self.assertNotEqual(code, 0)
        return process.log()[before:]

    def test_a_broken_policy_keeps_the_one_in_force_on_reload(self):
        good = (self.site.etc / "policy.json").read_text()
        self.site.write_policy("{")
        before = len(self.site.gateway.log())
        try:
            self.site.gateway.send(signal.SIGHUP)
            wait_until(
                lambda: "policy.json" in self.site.gateway.log()[before:],
                what="the reason in the log")
            answer = self.site.call("POST", "/v1/tasks",
                                    {"image": IMAGE, "args": ["true"]})
            self.assertEqual(answer.problem, "denied")
        finally:
            self.site.write_policy(good)


if __name__ == "__main__":
    main()
