"""What a rule allows over time and at a time: how many of its tasks a subject
may have accepted, and how many run, over restarts and reloads, exactly; all of
it as clients see it."""

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


class TestConcurrency(Allowances):
    everybody = ["alice", "bob", "carol"]
    free = rule("free", ["alice"], task="free", args=["echo", "free"])

    @classmethod
    def of(cls, name, **bounds):
        return policy(cls.free,
                      rule(name, cls.everybody, concurrency=bounds,
                           limits={"timeout": {"default": "10m",
                                               "max": "10m"}}))

    @classmethod
    def setUpClass(cls):
        cls.policy = cls.of("few", per_subject=1, total=2)
        super().setUpClass()
        cls.site.enroll("carol")

    def submit(self, who):
        return who, self.site.submit("sleep", "600", who=who)["id"]

    def found(self, task):
        who, name = task
        return self.site.task(name, who=who)

    def wait_running(self, *tasks):
        for task in tasks:
            wait_until(lambda task=task: self.found(task)["state"] == "running",
                       what=f"{task} to run")

    def wait_held(self, name, *tasks):
        def held(task):
            found = self.found(task)
            self.assertEqual(found["state"], "queued", found)
            return found.get("waits_for") == f"concurrency of rule {name}"
        for task in tasks:
            wait_until(lambda task=task: held(task), what=f"{task} to wait")

    def end(self, *tasks):
        for who, name in tasks:
            answer = self.site.call("DELETE", f"/v1/tasks/{name}?grace=0",
                                    who=who)
            self.assertLess(answer.status, 300, answer.body)
            self.site.finish(name, who=who)

    def most_at_a_time(self, *tasks):
        """Of these, by when each began and ended: a place is free from the
        end on, which is on record a little later."""
        moments = []
        for task in tasks:
            found = self.found(task)
            moments.append((found["started_at"], 1))
            if "finished_at" in found:
                moments.append((found["finished_at"], -1))
        running = most = 0
        for _, change in sorted(moments):
            running += change
            most = max(most, running)
        return most

    def test_no_more_run_than_the_rule_lets_over_restarts_and_reloads(self):
        first = self.submit("alice")
        self.wait_running(first)
        second = self.submit("alice")
        self.wait_held("few", second)
        # It delays nobody: not its own subject's other tasks, nor others.
        answer = self.site.call("POST", "/v1/tasks?wait=60", {"task": "free"})
        self.assertEqual(answer.json["stdout"], "free\n", answer.body)
        bobs = self.submit("bob")
        self.wait_running(bobs)
        carols = self.submit("carol")
        self.wait_held("few", carols)
        shown = self.site.client("status", second[1]).stdout
        self.assertIn("queued (waits for concurrency of rule few, 0 before it)",
                      shown)
        self.assertRegex(
            self.site.client("can-i", "run", IMAGE, "--", "true").stdout,
            "at a time +1 of yours, 2 in all")
        # As kill -9 leaves it: what runs counts on.
        self.site.runner.kill()
        self.site.restart(self.site.runner)
        self.wait_running(first, bobs)
        self.wait_held("few", second, carols)
        # Two of three: each of another, since alice has one that runs.
        self.end(bobs)
        self.wait_running(carols)
        self.wait_held("few", second)
        self.end(first)
        self.wait_running(second)
        self.assertEqual(
            self.most_at_a_time(first, second, bobs, carols), 2)
        # A bound that is raised counts at once, and so does one that is
        # lowered: for what is to start.
        third, last = self.submit("bob"), self.submit("bob")
        self.wait_held("few", third, last)
        self.put_in_force(self.of("few", total=3))
        self.wait_running(third)
        self.wait_held("few", last)
        self.put_in_force(self.of("few", total=1))
        self.end(third, second)
        self.wait_held("few", last)
        self.end(carols)
        self.wait_running(last)
        self.end(last)
        self.site.write_policy(self.policy)
        self.site.restart(self.site.runner, self.site.gateway)

    def test_what_another_rule_lets_run_waits_for_that(self):
        first, bobs = self.submit("alice"), self.submit("bob")
        self.wait_running(first, bobs)
        second, carols = self.submit("alice"), self.submit("carol")
        self.wait_held("few", second, carols)
        # What runs is none of the other's, which has room for one.
        self.put_in_force(self.of("other", total=1))

        def one_runs():
            states = sorted(self.found(task)["state"]
                            for task in (second, carols))
            return states == ["queued", "running"]
        wait_until(one_runs, what="one of the two to run")
        runs, waits = (second, carols) if self.found(
            second)["state"] == "running" else (carols, second)
        self.wait_held("other", waits)
        # The next life asks the policy what all of them count for.
        self.site.runner.kill()
        self.site.restart(self.site.runner)
        self.wait_held("other", waits)
        self.end(first, bobs)
        self.wait_held("other", waits)
        self.end(runs)
        self.wait_running(waits)
        self.end(waits)
        self.site.write_policy(self.policy)
        self.site.restart(self.site.runner, self.site.gateway)


if __name__ == "__main__":
    main()
