"""One key, one task: however many ask at once, and whoever dies meanwhile."""

import concurrent.futures
import itertools

from harness import IMAGE, Case, main, many
from harness_kinds import Asker, Killer

AT_ONCE = 100
ROUNDS = many(100)


class TestOneKey(Case):
    gateway_settings = {"requests_per_principal": 100000}

    def submit_at_once(self, key):
        """The task that all of them were given."""
        asker = Asker(self.site)
        body = {"image": IMAGE, "args": ["echo", key]}

        def submit(_):
            answer = asker.ask("POST", "/v1/tasks", body, okay=(200, 201),
                               headers={"Idempotency-Key": key})
            return answer.status, answer.json["id"]
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            replies = list(pool.map(submit, range(AT_ONCE)))
        self.assertEqual(len({task for _, task in replies}), 1, replies)
        # Who made it may not have lived to say so.
        made = [task for status, task in replies if status == 201]
        self.assertLessEqual(len(made), 1)
        return replies[0][1], len(made)

    def assert_one_task(self, task, key):
        asker = Asker(self.site)
        self.assertEqual(asker.finish(task)["outcome"], "succeeded")
        self.assertEqual(asker.output(task), key.encode() + b"\n")
        events = [record["event"] for record in self.site.audit(task)]
        for event in ("task.accepted", "task.finished"):
            self.assertEqual(events.count(event), 1, events)

    def count_tasks(self):
        count, page = 0, "/v1/tasks?limit=200"
        while page:
            found = self.site.call("GET", page).json
            count += len(found["tasks"])
            page = found.get("next") and (
                f"/v1/tasks?limit=200&before={found['next']}")
        return count

    def test_a_hundred_at_once_make_one_task(self):
        before = self.count_tasks()
        task, made = self.submit_at_once("at-once")
        self.assertEqual(made, 1)
        self.assert_one_task(task, "at-once")
        self.assertEqual(self.count_tasks(), before + 1)

    def test_also_while_the_runner_is_killed(self):
        before, tasks = self.count_tasks(), []
        keys = (f"killed-{number}" for number in itertools.count())
        with Killer(self.site.runner, ROUNDS, (0, 0.5)) as killer:
            while killer.is_alive():
                key = next(keys)
                tasks.append((self.submit_at_once(key)[0], key))
        self.site.wait_ready()
        for task, key in tasks:
            self.assert_one_task(task, key)
        self.assertEqual(self.count_tasks(), before + len(tasks))


if __name__ == "__main__":
    main()
