"""A runner that ends while tasks run, by a crash or for an upgrade: the next
one takes them up, and nobody can tell from what they left."""

import concurrent.futures
import contextlib
import hashlib
import json
import signal
import sqlite3
import time

from harness import IMAGE, Case, main, rule, wait_until
from harness_body import put_stdin
from harness_engine import EngineError

POLICY = {"version": 1, "rules": [rule(
    "test", ["alice", "bob"], stdin="stream", inputs=8, outputs=8,
    limits={"memory": {"default": "64MiB", "max": "256MiB"},
            "timeout": {"default": "60s", "max": "10m"},
            "output": {"default": "10MiB", "max": "64MiB"},
            "stdin": {"default": "1MiB", "max": "8MiB"},
            "tmp": {"default": "16MiB", "max": "32MiB"}})]}

# A line each 20 ms, and how many.
COUNT = "i=0; while [ $i -lt %d ]; do i=$((i+1)); echo $i; " \
        "echo err$i >&2; usleep 20000; done"
# And goes on until its input ends.
COUNT_AND_WAIT = COUNT + "; cat"


def counted(number, before=""):
    return "".join(f"{before}{i}\n" for i in range(1, number + 1)).encode()


def digest(data):
    return hashlib.sha256(data).hexdigest()


class Adoption(Case):
    policy = POLICY

    def tearDown(self):
        if not self.site.runner.alive:
            self.site.runner.start()
        self.site.wait_ready()
        self.site.wait_tidy()
        super().tearDown()

    def run_task(self, script, **members):
        """One that runs, or has ended by the time that we hear of it: its
        id."""
        task = self.site.submit("sh", "-c", script, **members)["id"]
        wait_until(lambda: self.site.task(task)["state"] in (
            "running", "finished"), what="the start")
        return task

    def wait_more(self, task):
        """Until it has written more, or has nothing more to write."""
        before = self.kept(task)
        wait_until(lambda: self.kept(task) > before or
                   self.site.task(task)["state"] == "finished",
                   what="output")

    def kept(self, task, stream="stdout"):
        return self.site.task(task)["output"][stream]

    def crash(self, away=0.0):
        """A runner that is killed, and another after a while."""
        self.site.runner.kill()
        until = time.monotonic() + away
        wait_until(lambda: time.monotonic() >= until, away + 10, "a while")
        self.site.runner.start()
        self.site.wait_ready()

    def wait_adopted(self, task):
        """Until the next life has taken it up: a moment after it is ready.
        """
        wait_until(lambda: any(
            "event=task.adopted" in line and task in line
            for line in self.site.runner.log().splitlines()),
            what="a task that is taken up")

    def end_input(self, task):
        with put_stdin(self.site, task, 0) as body:
            answer = body.finish()
        self.assertEqual(answer.status, 200, answer.body)

    def ends_of(self, task):
        return [record for record in self.site.audit(task)
                if record["event"] == "task.finished"]

    def check(self, task, outcome="succeeded", **members):
        """How it ended: once, on record as well."""
        found = self.site.finish(task)
        self.assertEqual(found["outcome"], outcome, found)
        for name, value in members.items():
            self.assertEqual(found[name], value, found)
        ends = self.ends_of(task)
        self.assertEqual([end["outcome"] for end in ends], [outcome])
        starts = [record for record in self.site.audit(task)
                  if record["event"] == "task.started"]
        self.assertEqual(len(starts), 1)
        return found

    def check_output(self, task, data, stream="stdout"):
        found = self.site.finish(task)
        self.assertEqual(self.site.output(task, stream), data)
        self.assertEqual(found["output"][stream], len(data))
        self.assertEqual(found["output"][f"{stream}_sha256"], digest(data))


class TestCrash(Adoption):
    def test_a_task_goes_on_writing_where_it_stood(self):
        task = self.run_task(COUNT % 200)
        for _ in range(2):
            self.wait_more(task)
            self.crash()
        self.check(task, exit_code=0)
        self.check_output(task, counted(200))
        self.check_output(task, counted(200, "err"), "stderr")

    def test_a_task_that_ends_meanwhile_is_not_lost(self):
        task = self.run_task("sleep 1; echo bye; exit 7")
        self.crash(away=2)
        self.check(task, "failed", exit_code=7)
        self.check_output(task, b"bye\n")

    def test_more_output_than_task_init_holds_waits_for_the_runner(self):
        """Its pipe and the ring are full: the task stands still."""
        data = counted(300000)
        task = self.run_task("sleep 0.5; seq 1 300000")
        self.crash(away=1.5)
        self.check(task)
        self.check_output(task, data)

    def test_a_crash_within_much_output_loses_and_repeats_nothing(self):
        task = self.run_task("seq 1 900000")
        for _ in range(3):
            self.wait_more(task)
            self.crash()
        self.check(task)
        self.check_output(task, counted(900000))

    def test_truncated_output_stays_truncated(self):
        task = self.run_task(COUNT % 100, limits={"output": 60})
        wait_until(lambda: self.site.task(task)["output"]["truncated"],
                   what="the cut")
        before = self.site.output(task)
        self.crash()
        found = self.check(task)
        self.assertTrue(found["output"]["truncated"])
        self.check_output(task, before)
        self.assertEqual(found["output"]["stdout"] +
                         found["output"]["stderr"], 60)

    def test_what_is_cut_while_nobody_looks_is_said_to_be_cut(self):
        task = self.run_task("echo a; sleep 1; seq 1 1000",
                             limits={"output": 100})
        self.crash(away=2)
        found = self.check(task)
        self.assertTrue(found["output"]["truncated"])
        self.check_output(task, (b"a\n" + counted(1000))[:100])

    def test_standard_input_goes_on_from_the_request(self):
        text = "".join(f"{i}\n" for i in range(60000))
        task = self.run_task(
            "i=0; while [ $i -lt 50 ]; do i=$((i+1)); dd bs=1000 "
            "count=1 2>/dev/null; usleep 20000; done; cat", stdin={"text": text})
        self.wait_more(task)
        self.crash()
        found = self.check(task)
        self.check_output(task, text.encode())
        self.assertEqual(found["stdin"]["received"], len(text))
        self.assertTrue(found["stdin"]["ended"])

    def test_a_cancelled_task_is_ended_at_once(self):
        """Whatever was left of its grace."""
        task = self.run_task("trap '' TERM; echo ready; "
                             "while :; do sleep 1; done")
        wait_until(lambda: self.kept(task), what="its trap")
        self.assertEqual(self.site.call(
            "DELETE", f"/v1/tasks/{task}?grace=300").status, 202)
        self.crash()
        self.check(task, "cancelled", signal="KILL")

    def test_a_task_that_was_cancelled_right_before_is_cancelled(self):
        """Its own end comes first."""
        task = self.run_task("sleep 60")
        self.assertEqual(self.site.call(
            "DELETE", f"/v1/tasks/{task}?grace=60").status, 202)
        self.crash()
        self.check(task, "cancelled")

    def test_a_deadline_that_passes_meanwhile_ends_the_task(self):
        task = self.run_task("trap '' TERM; while :; do sleep 1; done",
                             limits={"timeout": 2})
        self.crash(away=3.5)
        self.check(task, "timed_out")

    def test_a_deadline_after_the_crash_holds(self):
        task = self.run_task("while :; do sleep 1; done",
                             limits={"timeout": 10})
        self.crash()
        self.assertEqual(self.site.task(task)["state"], "running")
        found = self.check(task, "timed_out")
        self.assertLess(found["stages"]["running_us"], 30e6)

    def test_one_that_ends_before_its_deadline_has_not_timed_out(self):
        """Although it is heard of after it."""
        task = self.run_task("sleep 0.5; exit 3", limits={"timeout": 4})
        self.crash(away=5)
        self.check(task, "failed", exit_code=3)

    def test_its_files_are_taken(self):
        task = self.run_task(
            "sleep 1; seq 1 100000 >/tmp/numbers; echo x >/tmp/small",
            outputs=["numbers", "small", "none"])
        self.crash(away=1.5)
        found = self.check(task)
        data = counted(100000)
        self.assertEqual(found["outputs"], [
            {"name": "numbers", "status": "kept", "size": len(data),
             "sha256": digest(data)},
            {"name": "small", "status": "kept", "size": 2,
             "sha256": digest(b"x\n")},
            {"name": "none", "status": "missing"}])

    def test_a_signal_reaches_it_afterwards(self):
        task = self.run_task("trap 'echo got; exit 4' USR1; echo ready; "
                             "while :; do usleep 20000; done")
        wait_until(lambda: self.kept(task), what="its trap")
        self.crash()
        self.wait_adopted(task)
        answer = self.site.call("POST", f"/v1/tasks/{task}/signal",
                                {"signal": "USR1"})
        self.assertEqual(answer.status, 204, answer.body)
        self.check(task, "failed", exit_code=4)
        self.check_output(task, b"ready\ngot\n")

    def test_what_is_left_in_a_container_does_not_outlive_its_task(self):
        task = self.run_task("(sleep 600 &) ; sleep 0.5; echo end")
        self.crash(away=1)
        self.check(task)
        self.check_output(task, b"end\n")

    def test_a_task_that_does_not_run_any_more_is_lost(self):
        task = self.run_task("echo before; sleep 600")
        wait_until(lambda: self.kept(task), what="output")
        self.site.runner.kill()
        for container in self.site.containers():
            self.site.engine.remove(container["Id"])
        self.site.runner.start()
        self.site.wait_ready()
        self.check(task, "lost")
        self.check_output(task, b"before\n")

    def test_what_waits_and_what_starts_is_run_once(self):
        tasks = [self.site.submit("sh", "-c", f"echo {i}; exit {i}")["id"]
                 for i in range(1, 9)]
        self.crash()
        for i, task in enumerate(tasks, 1):
            self.check(task, "failed", exit_code=i)
            self.check_output(task, f"{i}\n".encode())


class TestUpgrade(Adoption):
    def upgrade(self):
        """Another program in the old one's place."""
        self.site.runner.stop(number=signal.SIGTERM)
        program = self.site.bin / "taskgate-runner"
        other = program.with_suffix(".new")
        other.write_bytes(program.read_bytes())
        other.chmod(0o755)
        other.rename(program)
        self.site.runner.start()
        self.site.wait_ready()

    def test_tasks_run_through_it(self):
        task = self.run_task(COUNT_AND_WAIT % 100, stdin={"stream": True})
        before = [c["Id"] for c in self.site.containers()]
        self.upgrade()
        self.wait_adopted(task)
        self.assertEqual(
            [c["Id"] for c in self.site.containers()], before)
        self.end_input(task)
        self.check(task)
        self.check_output(task, counted(100))

    def test_whoever_follows_gets_all_of_it(self):
        task = self.run_task(COUNT % 100)
        follower = self.site.client_start(
            "logs", "--follow", task, text=False)
        self.upgrade()
        out, err = follower.communicate(timeout=60)
        self.assertEqual(follower.returncode, 0, err)
        self.assertEqual(out, counted(100))
        self.check(task)

    def test_what_has_not_started_waits_again(self):
        tasks = [self.site.submit("sh", "-c", f"echo {i}")["id"]
                 for i in range(6)]
        self.upgrade()
        for i, task in enumerate(tasks):
            self.check(task)
            self.check_output(task, f"{i}\n".encode())

    def test_what_has_ended_is_on_record_before_it_goes(self):
        task = self.run_task("sleep 0.3; exit 9")
        self.site.runner.stop(number=signal.SIGTERM)
        self.site.runner.start()
        self.site.wait_ready()
        self.check(task, "failed", exit_code=9)

    def test_a_second_signal_does_not_wait(self):
        task = self.run_task("sleep 2; exit 5")
        self.site.runner.send(signal.SIGTERM)
        self.site.runner.stop(number=signal.SIGTERM)
        self.site.runner.start()
        self.site.wait_ready()
        self.check(task, "failed", exit_code=5)


class TestWarm(Adoption):
    policy = {"version": 1, "rules": [
        {**POLICY["rules"][0], "warm": {"min": 2, "max": 2}}]}

    def tearDown(self):
        if not self.site.runner.alive:
            self.site.runner.start()
        self.site.wait_ready()

    def warm(self):
        """Those that are ready: containers that no task has."""
        return [c["Id"] for c in self.site.containers()
                if c["State"] == "running"]

    def test_what_nobody_used_is_not_taken_up(self):
        wait_until(lambda: len(self.warm()) == 2, what="a full pool")
        before = set(self.warm())
        self.site.runner.kill()
        self.site.runner.start()
        self.site.wait_ready()
        wait_until(lambda: len(set(self.warm()) - before) == 2 and
                   not set(self.warm()) & before, what="a new pool")

    @contextlib.contextmanager
    def held_store(self):
        """Nobody else writes to it; seconds, or it is out of order."""
        with contextlib.closing(sqlite3.connect(
                self.site.state / "store.db", isolation_level=None)) as store:
            store.execute("BEGIN IMMEDIATE")
            try:
                yield
            finally:
                store.execute("ROLLBACK")

    def try_to_rob(self):
        """The answer to a task whose container goes before its order, and
        after its start was sent to the store. None: other tests' images made
        the pool look again, or the runner has no patience left."""
        # Counts from nothing.
        self.crash()
        self.wait_full()
        with concurrent.futures.ThreadPoolExecutor(1) as pool, \
                self.held_store():
            answer = pool.submit(self.site.call, "POST", "/v1/tasks",
                                 {"image": IMAGE, "args": ["echo", "once"]})
            wait_until(lambda: self.numbers("warm_claimed") == (1,) or
                       answer.done(), what="the claim")
            if answer.done():
                return None
            ready = self.warm()
            for container in ready:
                # One that is gone already is as good.
                with contextlib.suppress(EngineError):
                    self.site.engine.call(
                        "POST", f"/containers/{container}/kill")
            wait_until(lambda: not set(ready) & {
                c["Id"] for c in self.site.containers()},
                what="their removal")
            return answer

    def rob(self):
        """The task's id."""
        def robbed():
            future = self.try_to_rob()
            answer = future and future.result()
            return answer and answer.status == 201 and answer
        return wait_until(robbed, 120, "an accepted task").json["id"]

    def check_robbed(self, task):
        self.assertEqual(self.site.finish(task)["outcome"], "succeeded")
        self.check_output(task, b"once\n")
        events = [record for record in self.site.audit(task)
                  if record["event"].startswith("task.")]
        self.assertEqual([record["event"] for record in events], [
            "task.accepted", "task.started", "task.returned",
            "task.started", "task.finished"])
        robbed, returned, used = (record["object"]["container"]
                                  for record in events[1:4])
        self.assertEqual(robbed, returned)
        self.assertNotEqual(robbed, used)

    def test_one_whose_container_went_before_its_order_starts_again(self):
        self.check_robbed(self.rob())

    def test_one_that_waits_again_is_not_lost_with_the_runner(self):
        task = self.rob()
        with contextlib.closing(sqlite3.connect(
                self.site.state / "store.db")) as store:
            wait_until(lambda: store.execute(
                "SELECT 1 FROM audit WHERE event = 'task.returned' AND "
                "task = ?", (task,)).fetchone(), what="the return")
            self.site.runner.kill()
        self.site.runner.start()
        self.site.wait_ready()
        self.check_robbed(task)

    def run_warm(self):
        """None: other tests' images made the pool look again."""
        self.wait_full()
        task = self.run_task(COUNT_AND_WAIT % 60, stdin={"stream": True})
        if self.site.task(task)["start"] == "warm":
            return task
        self.end_input(task)
        self.site.finish(task)
        return None

    def test_a_warm_task_is_taken_up_too(self):
        task = wait_until(self.run_warm, 120, "a warm task")
        self.crash()
        self.wait_adopted(task)
        self.end_input(task)
        found = self.check(task)
        self.assertEqual(found["start"], "warm")
        self.check_output(task, counted(60))
        wait_until(lambda: self.numbers("tasks_adopted") == (1,),
                   what="what was taken up in the metrics")

    def metrics(self):
        return {name: int(value) for name, _, value in (
            line.rpartition(" ") for line in self.site.operations(
                "/metrics").body.decode().splitlines() if line[0] != "#")
                if value.isdigit()}

    def numbers(self, *names):
        """Counters of the runner's, of one moment."""
        metrics = self.metrics()
        return tuple(metrics.get(f"taskgate_runner_{name}_total", 0)
                     for name in names)

    def status(self):
        """The runner's own word: metrics may be a moment old."""
        return json.loads(self.site.admin(
            "status", "--dir", self.site.etc, "-o", "json").stdout)

    def wait_full(self):
        """Until two can be claimed: a container that runs need not be ready
        yet."""
        wait_until(lambda: self.status()["warm"] == 2, what="a full pool")

    def test_the_pool_is_in_metrics_and_status(self):
        self.wait_full()
        wait_until(lambda: self.metrics()["taskgate_warm_sandboxes"] == 2,
                   what="a full pool in the metrics")
        self.assertIn("taskgate_runner_warm_failed_total", self.metrics())
        names = ("tasks_started_warm", "warm_claimed", "warm_made")
        before = self.numbers(*names)
        self.assertGreaterEqual(before[2], 2)
        wait_until(lambda: self.site.submit("true", wait=10)["start"] ==
                   "warm", what="a warm task")
        wait_until(lambda: all(a > b for a, b in zip(
            self.numbers(*names), before)), what="what was used and made")
        wait_until(lambda: self.site.call("GET", "/api/status").json["warm"]
                   == 2, what="a full pool")
        self.assertLessEqual({"warm", "warming"}, set(self.status()))
        dropped = self.numbers("warm_dropped_policy")[0]
        self.site.write_policy(POLICY)
        self.site.runner.send(signal.SIGHUP)
        wait_until(lambda: self.numbers("warm_dropped_policy")[0] ==
                   dropped + 2, what="what was dropped")
        self.assertEqual(self.metrics()["taskgate_warm_sandboxes"], 0)
        self.site.write_policy(self.policy)
        self.site.runner.send(signal.SIGHUP)

    def commits_of_one(self):
        self.wait_full()
        before = self.status()["counters"]["store_commits"]
        found = self.site.submit("true", wait=30)
        self.assertEqual(found["state"], "finished", found)
        # Other tests' images make the pool look again in between.
        if found["start"] != "warm":
            return None
        return self.status()["counters"]["store_commits"] - before

    def test_it_is_accepted_and_started_in_one_transaction(self):
        # The store has work of its own now and then.
        costs = [self.commits_of_one() for _ in range(8)]
        self.assertEqual(min(cost for cost in costs if cost), 2)


if __name__ == "__main__":
    main()
