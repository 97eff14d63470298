"""Tasks that run only once somebody else has agreed: asked for and decided
with the user's tool, over restarts, by whom the policy names and by nobody
else; all of it on record."""

import json

from harness import ALL_SCOPES, IMAGE, Case, main, rule, wait_until
from harness_client import Terminal

APPROVER = ("tasks:read", "tasks:approve")


class TestApprovals(Case):
    policy = {"version": 1, "rules": [
        rule("free", ["alice"]),
        rule("careful", ["bob", "carol", "frank"],
             approval={"by": ["carol", "role:lead"], "ttl": "1h"}),
        rule("brief", ["erin"], approval={"ttl": "1s"})]}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.site.enroll("carol", scopes=(*ALL_SCOPES, *APPROVER[1:]))
        cls.site.enroll("dave", scopes=APPROVER, roles=["lead"])
        cls.site.enroll("erin", scopes=(*ALL_SCOPES, *APPROVER[1:]))
        cls.site.enroll("frank")

    def client(self, *words, who, code=0, **more):
        done = self.site.client(*words, who=who, **more)
        self.assertEqual(done.returncode, code,
                         (words, done.stdout, done.stderr))
        return done

    def submit(self, *args, who="bob"):
        done = self.client("submit", "-o", "json", IMAGE, "--", *args,
                           who=who)
        task = json.loads(done.stdout)
        self.assertEqual(task["state"], "waiting_approval")
        return task["id"]

    def events(self, task):
        """What became of it; not who looked."""
        return [record["event"] for record in self.site.audit(task)
                if record["event"] != "task.read_by_other"]

    def lists(self, who, *words):
        done = self.client("ps", *words, "-o", "id", who=who)
        return done.stdout.split()

    def test_it_waits_for_another_and_then_runs(self):
        task = self.submit("echo", "agreed")
        self.assertEqual(self.site.containers(), [])
        for who in ("bob", "carol", "dave"):
            self.assertIn(task, self.lists(who))
        for who in ("alice", "erin"):
            self.assertNotIn(task, self.lists(who))
        self.assertIn(task, self.lists("dave", "--state", "waiting_approval"))
        self.assertIn("careful", self.client("status", task,
                                             who="dave").stdout)
        # Killed while it waits, and killed once it was approved.
        self.site.runner.kill()
        self.site.restart(self.site.runner)
        self.assertEqual(self.site.task(task, who="bob")["state"],
                         "waiting_approval")
        done = self.client("approve", task, "--yes", "--reason", "as planned",
                           who="dave")
        self.assertIn('["echo","agreed"]', done.stdout)
        self.site.runner.kill()
        self.site.restart(self.site.runner)
        found = self.site.finish(task, who="bob")
        self.assertEqual(found["outcome"], "succeeded")
        self.assertEqual(
            {name: found["approval"][name]
             for name in ("decision", "decided_by", "reason")},
            {"decision": "approved", "decided_by": "dave",
             "reason": "as planned"})
        self.assertEqual(self.site.output(task, who="bob"), b"agreed\n")
        self.assertEqual(
            self.events(task)[:3],
            ["task.accepted", "approval.asked", "approval.given"])
        given = next(record for record in self.site.audit(task)
                     if record["event"] == "approval.given")
        self.assertEqual(given["principal"]["subject"], "dave")
        self.assertEqual(given["object"]["subject"], "bob")

    def test_who_is_asked_sees_it_before_answering(self):
        task = self.submit("echo", "\x1b[31mred")
        done = self.client("approve", task, who="dave", code=2, stdin="y\n")
        self.assertIn("--yes", done.stderr)
        for answer, code in ((b"n\n", 1), (b"y\n", 0)):
            with Terminal(self.site, "approve", task, who="dave") as terminal:
                terminal.wait_for(b"Approve this task? [y/N]")
                self.assertIn(b"echo", terminal.seen)
                self.assertNotIn(b"\x1b[31m", terminal.seen)
                terminal.type(answer)
                self.assertEqual(terminal.finish(), code, terminal.seen)
        self.assertEqual(self.site.finish(task, who="bob")["outcome"],
                         "succeeded")

    def test_a_denial_ends_it_and_run_says_why(self):
        run = self.site.client_start("run", IMAGE, "--", "true", who="bob")
        found = []

        def waits():
            found[:] = self.lists("carol", "--state", "waiting_approval")
            return len(found) == 1
        wait_until(waits, what="a task that waits")
        self.client("deny", found[0], "--reason", "not on a Friday",
                    who="carol")
        _, err = run.communicate(timeout=60)
        self.assertEqual(run.returncode, 125)
        self.assertIn("rejected: denied by carol: not on a Friday", err)
        self.assertEqual(self.events(found[0]), [
            "task.accepted", "approval.asked", "approval.denied",
            "task.finished"])
        done = self.client("approve", found[0], "--yes", who="dave", code=6)
        self.assertIn("does not wait", done.stderr)

    def test_nobody_approves_their_own_by_any_certificate(self):
        task = self.submit("true", who="carol")
        first = self.site.members["carol"]
        for again in (False, True):
            if again:
                self.site.enroll(
                    "carol", folder=self.site.home / "carol.again",
                    scopes=(*ALL_SCOPES, *APPROVER[1:]))
            done = self.client("approve", task, "--yes", who="carol", code=5)
            self.assertIn("task of their own", done.stderr)
        self.site.members["carol"] = first
        refused = [record["principal"]["subject"]
                   for record in self.site.audit(task)
                   if record["event"] == "request.refused"]
        self.assertEqual(refused, ["carol", "carol"])
        # Nor does whom the rule does not name, whatever the token says.
        self.client("approve", task, "--yes", who="erin", code=3)
        self.assertEqual(self.site.task(task, who="carol")["state"],
                         "waiting_approval")
        self.client("cancel", task, who="carol")

    def test_what_nobody_answers_lapses(self):
        task = self.submit("true", who="erin")
        found = self.site.finish(task, who="erin")
        self.assertEqual((found["outcome"], found["approval"]["decision"]),
                         ("rejected", "lapsed"))
        self.assertIn("approval.lapsed", self.events(task))
        self.assertNotIn("task.started", self.events(task))

    def test_revoking_who_submitted_ends_it(self):
        task = self.submit("true", who="frank")
        done = self.site.admin("revoke", "subject", "frank", "--dir",
                               self.site.etc, "-o", "json")
        self.assertEqual(json.loads(done.stdout)["queued"], 1, done.stdout)
        self.client("approve", task, "--yes", who="dave", code=6)
        self.assertIn("task.finished", self.events(task))
        self.assertNotIn("approval.given", self.events(task))


if __name__ == "__main__":
    main()
