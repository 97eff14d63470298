"""Warm containers are used once: no two tasks ever meet in one, whoever they
are of, and nothing that one leaves is found by another."""

import concurrent.futures

from harness import Case, main, many, rule, wait_until

TASKS = many(500)
WARM = {"min": 3, "max": 6, "max_age": "10m"}
# What it finds, then what it leaves where it may write.
LOOK_AND_LEAVE = (
    "ls -A /tmp /dev/shm; ps -o comm | grep -c '[s]leep'; "
    "echo left by $1 | tee /tmp/left /dev/shm/left >/dev/null; "
    "sleep 600 >/dev/null 2>&1 &")
NOTHING = "/dev/shm:\n\n/tmp:\n0\n"


class TestWarmIsolation(Case):
    policy = {"version": 1, "rules": [rule("test", ["alice", "bob"],
                                           warm=WARM)]}
    gateway_settings = {"requests_per_principal": 100000}

    def use(self, who, enough):
        """Tasks of one subject, until enough have started warm."""
        tasks = []
        while sum(task["start"] == "warm" for task in tasks) < enough:
            task = self.site.submit("sh", "-c", LOOK_AND_LEAVE, "sh", who,
                                    who=who, wait=60)
            self.assertEqual(task["outcome"], "succeeded", task)
            self.assertEqual(task["stdout"], NOTHING, task)
            tasks.append(task)
        return tasks

    def container(self, task):
        return next(record["object"]["container"]
                    for record in self.site.audit(task)
                    if record["event"] == "task.started")

    def test_no_two_tasks_meet_in_a_container(self):
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            runs = [pool.submit(self.use, who, -(-TASKS // 2))
                    for who in ("alice", "bob")]
            tasks = [task for run in runs for task in run.result()]
        used = [self.container(task["id"]) for task in tasks]
        self.assertEqual(len(set(used)), len(tasks))
        self.assertTrue(all(used))
        # What was used goes, with what was left behind in it.
        wait_until(lambda: not set(used) & {
            entry["Id"] for entry in self.site.containers()},
            what="the removal of all that were used")


if __name__ == "__main__":
    main()
