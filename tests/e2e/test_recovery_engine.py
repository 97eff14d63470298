"""The engine is killed again and again while tasks of all kinds wait and run.
What task-init reported is what happened, also while no engine was there; what
ran and was not reported is lost, and nothing else is."""

import collections
import concurrent.futures
import shutil

import harness_kinds
from harness import Case, free_id, main, many
from harness_engine import Engine
from harness_process import reachable_folder

TASKS, KILLS = many(200), many(50)
AT_A_TIME = 8


class EngineProcess:
    """To be killed as other processes are."""

    def __init__(self, engine, gid):
        self.engine, self.gid = engine, gid

    def kill(self):
        self.engine.kill()

    def start(self):
        self.engine.start(self.gid)


class TestKilledEngine(Case):
    policy = harness_kinds.policy()
    gateway_settings = {"requests_per_principal": 100000}
    runner_settings = {"running_max": AT_A_TIME}

    @classmethod
    def make_engine(cls):
        folder, gid = reachable_folder(), free_id()
        cls.addClassCleanup(shutil.rmtree, folder)
        engine = Engine.start_own(f"{folder}/engine", gid)
        cls.addClassCleanup(engine.stop)
        cls.process = EngineProcess(engine, gid)
        return engine

    def test_what_was_not_reported_is_lost_and_nothing_else(self):
        asker = harness_kinds.Asker(self.site, seconds=120 + 4 * TASKS)
        kinds = harness_kinds.make(TASKS)
        with harness_kinds.Killer(self.process, KILLS, (0.2, 3)), \
                concurrent.futures.ThreadPoolExecutor(AT_A_TIME) as pool:
            ends = list(pool.map(
                lambda kind: kind.live(asker, f"kind-{kind.number}"), kinds))
        self.site.wait_ready(90)
        for kind, task in zip(kinds, ends):
            with self.subTest(str(kind)):
                self.check_end(kind, asker, asker.task(task["id"]))
        self.site.wait_tidy(60)

    def check_end(self, kind, asker, task):
        events = collections.Counter(
            record["event"] for record in self.site.audit(task["id"]))
        self.assertEqual((events["task.accepted"], events["task.finished"]),
                         (1, 1), events)
        if task["outcome"] not in ("lost", "out_of_memory"):
            kind.check(self, asker, task)
            return
        # It ran: what never did is started again.
        self.assertEqual(events["task.started"] - events["task.returned"], 1,
                         events)
        self.assertIn("started_at", task)


if __name__ == "__main__":
    main()
