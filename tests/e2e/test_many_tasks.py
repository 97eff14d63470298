"""Many tasks, several at a time: each its own output, and nothing left."""

import concurrent.futures

from harness import Case, main, many, wait_same, wait_until
from harness_sockets import unix_peers

TASKS = many(200)
AT_A_TIME = 8


class TestManyTasks(Case):
    def connections_to_the_engine(self, descriptors):
        peers = unix_peers(self.site.engine.path)
        return [target for target in descriptors.values()
                if target.startswith("socket:[")
                and int(target[8:-1]) in peers]

    def counts(self):
        """Open descriptors of both processes. Of the runner's connections to
        the engine a few stay open for the next request (runner/http.c), how
        many depends on how many were needed at once: those have a bound of
        their own."""
        runners = self.site.runner.descriptors()
        return {"gateway": len(self.site.gateway.descriptors()),
                "runner": len(runners) - len(
                    self.connections_to_the_engine(runners))}

    def one(self, number):
        task = self.site.submit(
            "sh", "-c", f"echo task {number}; seq 1 {number} >&2; "
            f"exit {number % 100}", wait=60)
        return number, task

    def test_each_has_its_own_output_and_nothing_is_left(self):
        # The first ones open what stays open: worker connections, files of
        # the store.
        with concurrent.futures.ThreadPoolExecutor(AT_A_TIME) as pool:
            list(pool.map(self.one, range(AT_A_TIME)))
        self.site.wait_tidy(60)
        before = self.settled_counts()
        with concurrent.futures.ThreadPoolExecutor(AT_A_TIME) as pool:
            done = list(pool.map(self.one, range(1, TASKS + 1)))
        for number, task in done:
            self.assertEqual(task["state"], "finished", task)
            self.assertEqual(task.get("exit_code"), number % 100, task)
            self.assertEqual(task["stdout"], f"task {number}\n")
            self.assertEqual(
                task["stderr"],
                "".join(f"{n}\n" for n in range(1, number + 1)))
        self.assertEqual(len({task["id"] for _, task in done}), TASKS)
        self.site.wait_tidy(60)
        try:
            wait_until(lambda: all(
                self.counts()[name] <= count
                for name, count in before.items()), 30)
        except AssertionError:
            self.fail("more descriptors than before: " + "\n".join(
                f"{process.name} {before[process.name]} "
                f"{sorted(process.descriptors().values())}"
                for process in (self.site.runner, self.site.gateway)))
        self.assertLessEqual(len(self.connections_to_the_engine(
            self.site.runner.descriptors())), 10)

    def settled_counts(self):
        """Once connections of earlier requests are closed."""
        return wait_same(self.counts, "descriptors that stay the same")


if __name__ == "__main__":
    main()
