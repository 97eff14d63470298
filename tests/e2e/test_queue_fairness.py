"""A subject with a full queue does not keep another waiting, and those who
wait are told where they stand."""

from harness import IMAGE, Case, main, many, wait_until

WAITING = many(1000)
QUICK = {"image": IMAGE, "args": ["true"]}


class TestFairness(Case):
    gateway_settings = {"requests_per_principal": 10000}
    runner_settings = {"running_max": 1, "queued_per_subject": WAITING}

    def submit_many(self, count):
        """On one connection; the last reply."""
        with self.site.wire() as wire:
            for _ in range(count):
                wire.send(self.site.request_bytes("POST", "/v1/tasks",
                                                  QUICK))
                answer = wire.answer("POST")
                self.assertEqual(answer.status, 201, answer.body)
        return answer

    def starts_after(self, task):
        """Whose tasks were started after the end of this one, in order."""
        records = self.site.audit()
        end = next(at for at, record in enumerate(records)
                   if record["event"] == "task.finished" and
                   record["object"]["task"] == task)
        return [record["principal"]["subject"] for record in records[end:]
                if record["event"] == "task.started"]

    def test_a_full_queue_of_one_delays_another_by_one_turn(self):
        site = self.site
        first = site.submit(*QUICK["args"], wait=30)
        self.assertNotIn("place", first)
        blocking = site.submit("sleep", "600")
        wait_until(lambda: site.task(blocking["id"])["state"] == "running",
                   what="the start of what all others wait for")
        last = self.submit_many(WAITING).json
        self.assertEqual(last["place"], WAITING - 1)
        self.assertGreater(last["estimate_s"], 0)
        refused = site.call("POST", "/v1/tasks", QUICK)
        self.assertEqual(refused.problem, "busy")
        self.assertIn(f"{WAITING} tasks of alice", refused.detail)
        self.assertIn(int(refused.headers["Retry-After"]), range(1, 3601))

        # alice's next has its turn first, and bob's the one after it.
        bobs = site.submit(*QUICK["args"], who="bob")
        self.assertIn(bobs["place"], (0, 1))
        self.assertLessEqual(bobs["estimate_s"], last["estimate_s"])
        site.call("DELETE", f"/v1/tasks/{blocking['id']}?grace=0")
        self.assertEqual(
            site.finish(bobs["id"], who="bob")["outcome"], "succeeded")
        self.assertIn("bob", self.starts_after(blocking["id"])[:2])


if __name__ == "__main__":
    main()
