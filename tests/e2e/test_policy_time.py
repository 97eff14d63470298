"""Rules that hold at times, that end, and that only watch."""

import datetime
import hashlib
import signal

from harness import IMAGE, Case, main, rule, wait_until

NOW = datetime.datetime.now(datetime.timezone.utc)


def window(begin, end):
    """Of every day, in hours from now."""
    def clock(hours):
        return f"{NOW + datetime.timedelta(hours=hours):%H:%M}"
    return [{"from": clock(begin), "to": clock(end)}]


def moment(days):
    return f"{NOW + datetime.timedelta(days=days):%Y-%m-%dT%H:%M:%SZ}"


def policy(*rules):
    return {"version": 1, "rules": list(rules)}


class TestTimes(Case):
    runner_settings = {"running_max": 1}
    policy = policy(
        rule("open", ["alice"], task="open", args=["echo", "open"],
             hours=window(-6, 6), expires=moment(1)),
        rule("closed", ["alice"], task="closed", args=["echo", "closed"],
             hours=window(6, 18), warm={"min": 1},
             user={"uid": 2345, "gid": 2345}),
        rule("ended", ["alice"], task="ended", args=["echo", "ended"],
             expires=moment(-1)),
        rule("next", ["alice"], args=[{"enum": ["true", "false"]}],
             mode="shadow"),
        rule("next-echo", ["role:dev"], args=["echo"], mode="shadow"),
        rule("any", ["alice"], args=[
            {"enum": ["true", "echo", "sleep"]},
            {"rest": {"pattern": "**"}, "max": 1}]),
    )

    def ask(self, **body):
        return self.site.call("POST", "/v1/tasks?wait=30", body)

    def records(self, word):
        """Accepted and denied calls whose record has the word."""
        return wait_until(lambda: [
            record for record in self.site.audit()
            if record["event"] in ("task.accepted", "task.denied",
                                   "request.refused")
            and word in str(record)], what=f"the record of {word}")

    turns = 0

    def put_in_force(self, new):
        TestTimes.turns += 1
        self.site.write_policy({"//": self.turns, **new})
        digest = hashlib.sha256(
            (self.site.etc / "policy.json").read_bytes()).hexdigest()
        for process in (self.site.gateway, self.site.runner):
            process.send(signal.SIGHUP)
            wait_until(lambda process=process: digest in process.log(),
                       what=f"the new policy in {process.name}'s log")

    def test_a_rule_holds_within_its_hours_and_until_its_end(self):
        answer = self.ask(task="open")
        self.assertEqual(answer.json["stdout"], "open\n", answer.body)
        for task, condition, words in (
                ("closed", "hours", window(6, 18)[0]["from"]),
                ("ended", "expires", moment(-1)[:19])):
            with self.subTest(task=task):
                answer = self.ask(task=task)
                self.assertEqual(answer.problem, "denied", answer.body)
                self.assertEqual(answer.json["condition"], condition)
                self.assertIn(words, answer.detail)

    def test_what_is_warm_waits_for_the_hours_of_its_rule(self):
        wait_until(lambda: self.site.call(
            "GET", "/api/status").json["warm"] == 1,
            what="a container of the rule that is closed")
        answer = self.ask(task="closed")
        self.assertEqual(answer.json["condition"], "hours", answer.body)
        rules = [one | {"hours": window(-6, 6)} if one["id"] == "closed"
                 else one for one in self.policy["rules"]]
        try:
            self.put_in_force(policy(*rules))
            # The one from before: another rule's user is not its own.
            answer = self.ask(task="closed")
            self.assertEqual((answer.json["stdout"], answer.json["start"]),
                             ("closed\n", "warm"), answer.body)
        finally:
            self.put_in_force(self.policy)

    def test_a_shadow_decides_nothing_and_is_on_record(self):
        # What the shadow alone allows is denied, and not told of it.
        denied = self.ask(image=IMAGE, args=["false", "shadow-denied"])
        self.assertEqual(denied.problem, "denied", denied.body)
        self.assertEqual(denied.json["rule"], "any")
        self.assertNotIn("next", denied.body.decode())
        self.assertEqual(
            self.records("shadow-denied")[0]["object"]["shadows"],
            [{"rule": "next", "allows": False, "condition": "args"},
             {"rule": "next-echo", "allows": False,
              "condition": "subjects"}])
        allowed = self.ask(image=IMAGE, args=["true"])
        self.assertEqual(allowed.json["rule"], "any")
        record = self.records(allowed.json["id"])[0]
        self.assertEqual(record["rule"], "any")
        self.assertEqual(record["object"]["shadows"][0],
                         {"rule": "next", "allows": True})
        self.assertNotIn("next", self.site.call(
            "GET", "/v1/catalog").body.decode())

    def test_what_waits_is_decided_again_when_its_turn_comes(self):
        site = self.site
        blocking = site.submit("sleep", "600")
        wait_until(lambda: site.task(blocking["id"])["state"] == "running",
                   what="the start of what the others wait for")
        waiting = [site.call("POST", "/v1/tasks", {"task": "open"}).json
                   for _ in range(2)]
        plain = site.submit("true")
        old = self.policy["rules"]
        try:
            self.put_in_force(policy(
                old[0] | {"expires": moment(-2)}, old[-1]))
            site.call("DELETE", f"/v1/tasks/{blocking['id']}?grace=0")
            for task in waiting:
                ended = site.finish(task["id"])
                self.assertEqual(ended["outcome"], "cancelled", ended)
                self.assertIn("rule open: expires:", ended["detail"])
                self.assertNotIn("started_at", ended)
            self.assertEqual(site.finish(plain["id"])["outcome"],
                             "succeeded")
            # The same name, but another program.
            blocking = site.submit("sleep", "600")
            wait_until(
                lambda: site.task(blocking["id"])["state"] == "running",
                what="the start of what the others wait for")
            self.put_in_force(self.policy)
            changed = site.call("POST", "/v1/tasks", {"task": "open"}).json
            self.put_in_force(policy(
                old[0] | {"args": ["echo", "changed"]}, old[-1]))
            site.call("DELETE", f"/v1/tasks/{blocking['id']}?grace=0")
            ended = site.finish(changed["id"])
            self.assertEqual(ended["outcome"], "cancelled", ended)
            self.assertIn("was accepted with", ended["detail"])
        finally:
            self.put_in_force(self.policy)


if __name__ == "__main__":
    main()
