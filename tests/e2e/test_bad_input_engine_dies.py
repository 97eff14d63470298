"""Docker not running, and Docker dying in the middle. The engine here is one
of the test's own, since it is killed."""

import os
import shutil

from harness import IMAGE, Case, free_id, main, wait_until
from harness_engine import Engine
from harness_process import reachable_folder


class EngineCase(Case):
    @classmethod
    def make_engine(cls):
        cls.engine_folder = reachable_folder()
        cls.engine_gid = free_id()
        engine = Engine.start_own(f"{cls.engine_folder}/engine",
                                  cls.engine_gid)
        cls.addClassCleanup(cls.remove_engine, engine)
        return engine

    @classmethod
    def remove_engine(cls, engine):
        engine.stop()
        shutil.rmtree(cls.engine_folder)

    @property
    def engine(self):
        return self.site.engine

    def start_engine(self):
        self.engine.start(self.engine_gid)
        self.site.wait_ready(90)


class TestEngine(EngineCase):
    def test_docker_not_running(self):
        self.engine.stop()
        try:
            self.site.wait_unready("engine")
            answer = self.site.call("POST", "/v1/tasks",
                                    {"image": IMAGE, "args": ["true"]})
            self.assertEqual((answer.status, answer.problem),
                             (503, "unavailable"), answer.body)
            self.assertIsNotNone(answer.headers["Retry-After"])
            done = self.site.client("run", IMAGE, "--", "true")
            self.assertEqual(done.returncode, 125, done.stderr)
        finally:
            self.start_engine()
        self.assertEqual(
            self.site.submit("echo", "again", wait=60)["stdout"], "again\n")

    def test_the_runner_starts_without_docker_and_finds_it_later(self):
        self.engine.stop()
        self.site.runner.stop()
        self.site.runner.start()
        self.site.wait_unready("engine")
        self.start_engine()
        self.assertEqual(
            self.site.submit("echo", "found", wait=60)["stdout"], "found\n")

    def test_docker_dies_while_a_task_runs(self):
        task = self.site.submit("sh", "-c", "echo begun; sleep 600")["id"]
        wait_until(lambda: self.site.output(task) == b"begun\n",
                   what="the task's first line")
        self.engine.kill()
        self.site.wait_unready("engine")
        # Reading does not need Docker.
        self.assertEqual(self.site.output(task), b"begun\n")
        self.start_engine()
        # The engine's next start ends what an engine before had started.
        ended = self.site.finish(task, seconds=90)
        self.assertEqual(ended["outcome"], "lost", ended)
        self.assertEqual(self.site.output(task), b"begun\n")
        self.site.wait_tidy(60)

    def test_docker_dies_while_tasks_are_being_started(self):
        made = [self.site.submit("echo", str(number))["id"]
                for number in range(6)]
        self.engine.kill()
        self.site.wait_unready("engine")
        self.start_engine()
        for number, task in enumerate(made):
            ended = self.site.finish(task, seconds=120)
            # What had not begun begins again.
            self.assertIn(ended["outcome"], ("succeeded", "lost"), ended)
            if ended["outcome"] == "succeeded":
                self.assertEqual(self.site.output(task),
                                 f"{number}\n".encode())
        self.site.wait_tidy(60)

    def test_a_queue_waits_for_docker_and_is_not_thrown_at_it(self):
        made = [self.site.submit("sleep", "0.2")["id"] for _ in range(60)]
        self.engine.kill()
        self.site.wait_unready("engine")
        self.start_engine()
        ended = [self.site.finish(task, seconds=120)["outcome"]
                 for task in made]
        # Those that were on their way, and no others.
        self.assertEqual(ended.count("succeeded") + ended.count("lost"),
                         60, ended)
        self.assertLessEqual(ended.count("lost"),
                             2 * 4 * os.cpu_count(), ended)
        self.site.wait_tidy(60)


if __name__ == "__main__":
    main()
