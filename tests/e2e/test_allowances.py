"""What a rule allows over time: how many of its tasks a subject may have
accepted, over restarts and reloads, exactly; all of it as clients see it."""

import datetime
import hashlib
import signal
import threading

from harness import IMAGE, Case, main, rule, wait_until

DAY_S = 86400


def policy(*rules):
    return {"version": 1, "rules": list(rules)}


def moment(record):
    return datetime.datetime.fromisoformat(
        record["time"].replace("Z", "+00:00"))


class Allowances(Case):
    def put_in_force(self, new):
        """In both processes."""
        self.site.write_policy(new)
        digest = hashlib.sha256(
            (self.site.etc / "policy.json").read_bytes()).hexdigest()
        for process in (self.site.gateway, self.site.runner):
            process.send(signal.SIGHUP)
            wait_until(lambda process=process: digest in process.log(),
                       what=f"the new policy in {process.name}'s log")

    def ask(self, *args, who="alice", wait=0, **more):
        return self.site.call(
            "POST", f"/v1/tasks?wait={wait}",
            {"image": IMAGE, "args": list(args)}, who=who, **more)


class TestRate(Allowances):
    quota = [{"tasks": 3, "per": "1d"}, {"tasks": 2, "per": "1h"}]
    policy = policy(
        rule("quota", ["alice", "bob", "carol"], rate=quota),
        rule("brief", ["dave"], rate=[{"tasks": 1, "per": "2s"}]))

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for who in ("carol", "dave"):
            cls.site.enroll(who)

    def assert_over(self, answer, tasks, per, seconds):
        self.assertEqual((answer.status, answer.problem), (429, "over-rate"),
                         answer.body)
        self.assertEqual((answer.json["rule"], answer.json["condition"]),
                         ("quota", "rate"))
        self.assertIn(f"you have had {tasks} tasks in {per}", answer.detail)
        # Nothing of this class takes as long as ten minutes.
        self.assertTrue(seconds - 600
                        < int(answer.headers["Retry-After"]) <= seconds,
                        answer.headers)

    def test_a_place_is_taken_for_good_and_told_of(self):
        for word in ("one", "two"):
            answer = self.ask("echo", word, wait=30)
            self.assertEqual(answer.json["stdout"], word + "\n", answer.body)
            # As kill -9 leaves it.
            self.site.runner.kill()
            self.site.restart(self.site.runner)
        answer = self.ask("true")
        self.assert_over(answer, 2, "1h", 3600)
        # By another who names the same rule.
        self.assertEqual(self.ask("true", who="bob").status, 201)
        # The user's tool says it too, and at once.
        done = self.site.client("submit", IMAGE, "--", "true")
        self.assertEqual(done.returncode, 7, done.stderr)
        self.assertIn("rule quota: rate: you have had 2 tasks in 1h",
                      done.stderr)
        self.assertIn("the same again in", done.stderr)
        done = self.site.client("run", IMAGE, "--", "true")
        self.assertEqual(done.returncode, 125, done.stderr)
        shown = self.site.client("can-i", "run", IMAGE, "--", "true").stdout
        self.assertRegex(shown, "rate +3 in 1d, 2 in 1h")
        self.assertIn('"per":"1h"',
                      self.site.client("catalog", "quota").stdout)
        refused = [record for record in self.site.audit()
                   if record.get("outcome") == "over-rate"]
        self.assertEqual(
            {(record["event"], record["rule"], record["object"]["condition"],
              record["principal"]["subject"]) for record in refused},
            {("request.refused", "quota", "rate", "alice")})
        # A reload keeps the counts, also where the rule was gone meanwhile.
        longer = [{"tasks": 3, "per": "1d"}]
        self.put_in_force(policy(rule("other", ["alice"])))
        self.assertEqual(self.ask("true", wait=30).status, 201)
        self.put_in_force(policy(rule("quota", ["alice"], rate=longer)))
        self.assertEqual(self.ask("true", wait=30).status, 201)
        self.assert_over(self.ask("true"), 3, "1d", DAY_S)
        self.site.write_policy(self.policy)
        self.site.restart(self.site.runner, self.site.gateway)
        self.assert_over(self.ask("true"), 3, "1d", DAY_S)

    def test_of_many_at_once_no_more_than_the_rate_are_accepted(self):
        answers = []

        def send():
            answers.append(self.ask("true", who="carol").status)
        threads = [threading.Thread(target=send) for _ in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(sorted(answers), [201] * 2 + [429] * 10)

    def test_a_window_slides_and_the_same_request_takes_no_second_place(self):
        first = self.ask("true", who="dave",
                         headers={"Idempotency-Key": "first"})
        self.assertEqual(first.status, 201, first.body)
        again = self.ask("true", who="dave",
                         headers={"Idempotency-Key": "first"})
        self.assertEqual((again.status, again.json["id"]),
                         (200, first.json["id"]))
        later = []

        def accepted():
            later[:] = [self.ask("true", who="dave")]
            return later[0].status == 201
        wait_until(accepted, what="room in the window")
        times = [moment(next(
            record for record in self.site.audit(answer.json["id"])
            if record["event"] == "task.accepted"))
            for answer in (first, later[0])]
        self.assertGreaterEqual(times[1] - times[0],
                                datetime.timedelta(seconds=2))


if __name__ == "__main__":
    main()
