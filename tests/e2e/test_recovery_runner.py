"""The runner is killed again and again while tasks of all kinds wait and run:
each comes to its right end, once, and nothing is lost or left."""

import collections
import concurrent.futures

import harness_kinds
from harness import Case, main, many

TASKS, KILLS = many(200), many(50)
AT_A_TIME = 12


class TestKilledRunner(Case):
    policy = harness_kinds.policy()
    gateway_settings = {"requests_per_principal": 100000}
    runner_settings = {"running_max": AT_A_TIME}

    def test_each_task_comes_to_its_right_end_once(self):
        asker = harness_kinds.Asker(self.site, seconds=60 + 3 * TASKS)
        kinds = harness_kinds.make(TASKS)
        with harness_kinds.Killer(self.site.runner, KILLS), \
                concurrent.futures.ThreadPoolExecutor(AT_A_TIME) as pool:
            ends = list(pool.map(
                lambda kind: kind.live(asker, f"kind-{kind.number}"), kinds))
        self.site.wait_ready()
        for kind, task in zip(kinds, ends):
            with self.subTest(str(kind)):
                kind.check(self, asker, asker.task(task["id"]))
                self.assert_recorded_once(task["id"])
        self.assertEqual(len({task["id"] for task in ends}), TASKS)
        self.site.wait_tidy(60)

    def assert_recorded_once(self, task):
        events = collections.Counter(
            record["event"] for record in self.site.audit(task))
        self.assertEqual((events["task.accepted"], events["task.finished"]),
                         (1, 1), events)


if __name__ == "__main__":
    main()
