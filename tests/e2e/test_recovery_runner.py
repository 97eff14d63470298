"""The runner is killed again and again while tasks of all kinds wait and run:
each comes to its right end, once, and nothing is lost or left."""

import collections
import concurrent.futures
import contextlib
import sqlite3
import threading

import harness_kinds
from harness import Case, main, many, wait_until

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


class TestAskedWhileItRecovers(Case):
    """The more waits, the longer the runner reads before it knows again what
    runs; it is asked all the while."""

    policy = harness_kinds.policy()
    gateway_settings = {"requests_per_principal": 100000}
    runner_settings = {"running_max": 1}

    def test_output_that_was_shown_is_shown_again(self):
        runs = self.site.submit("sh", "-c", "echo shown; sleep 600")["id"]
        wait_until(lambda: self.site.output(runs) == b"shown\n",
                   what="output")
        waits = self.site.submit("true")["id"]
        self.site.runner.kill()
        self.multiply(waits, 20000)
        over = threading.Event()
        asker = harness_kinds.Asker(self.site, seconds=120)

        def ask():
            found = set()
            while not over.is_set():
                found.add(asker.output(runs))
            return found
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            asked = [pool.submit(ask) for _ in range(4)]
            try:
                self.site.runner.start()
                self.site.wait_ready()
            finally:
                over.set()
            for found in asked:
                self.assertEqual(found.result(), {b"shown\n"})

    def multiply(self, task, times):
        """As if so many had been submitted like it."""
        with contextlib.closing(sqlite3.connect(
                self.site.state / "store.db")) as store, store:
            store.row_factory = sqlite3.Row
            row, = store.execute("SELECT * FROM task WHERE id = ?", (task,))
            names, values = row.keys(), list(row)
            place = names.index("id")
            # Its own number may be one of those.
            others = [other for number in range(times)
                      if (other := f"{task[:-6]}{number:06x}") != task]
            store.executemany(
                f"INSERT INTO task ({', '.join(names)}) VALUES "
                f"({', '.join('?' * len(names))})",
                (values[:place] + [other] + values[place + 1:]
                 for other in others))


if __name__ == "__main__":
    main()
