"""The runner not running, and either process dying in the middle."""

import socket
import threading

from harness import IMAGE, Case, main, wait_until


class TestRunner(Case):
    def start_runner(self):
        self.site.runner.start()
        self.site.wait_ready()

    def cancel(self, task):
        self.assertNotEqual(self.site.task(task)["state"], "finished")
        self.site.call("DELETE", f"/v1/tasks/{task}?grace=0")
        found = self.site.finish(task)
        self.assertEqual(found["outcome"], "cancelled", found)

    def test_the_runner_not_running(self):
        self.site.runner.stop()
        try:
            self.site.wait_unready("runner")
            for method, path, body in (
                    ("POST", "/v1/tasks", {"image": IMAGE}),
                    ("GET", "/v1/tasks", None)):
                answer = self.site.call(method, path, body)
                self.assertEqual((answer.status, answer.problem),
                                 (503, "unavailable"), answer.body)
                self.assertIsNotNone(answer.headers["Retry-After"])
            # Who was revoked is the runner's to say: nobody is served. How
            # the service is can still be asked.
            self.assertEqual(self.site.call("GET", "/v1/whoami").status, 503)
            status = self.site.call("GET", "/api/status")
            self.assertFalse(status.json["ready"])
            self.assertTrue(status.json["reasons"])
        finally:
            self.start_runner()
        self.assertEqual(
            self.site.submit("echo", "back", wait=30)["stdout"], "back\n")

    def test_the_runner_dies_while_a_request_waits(self):
        task = self.site.submit("sleep", "600")["id"]
        answers = []
        waiting = threading.Thread(target=lambda: answers.append(
            self.site.call("GET", f"/v1/tasks/{task}?wait=60")))
        waiting.start()
        wait_until(lambda: self.site.task(task)["state"] == "running",
                   what="the task's start")
        self.site.runner.kill()
        waiting.join(30)
        self.assertFalse(waiting.is_alive())
        self.assertEqual((answers[0].status, answers[0].problem),
                         (503, "unavailable"))
        self.start_runner()
        # It went on meanwhile, and is ended like any other.
        self.cancel(task)

    def test_every_accepted_task_has_an_outcome_after_a_crash(self):
        made = [self.site.submit("sh", "-c", f"echo {number}; sleep 600")
                ["id"] for number in range(12)]
        wait_until(lambda: any(self.site.output(task) for task in made),
                   what="the first output")
        self.site.runner.kill()
        self.start_runner()
        # None has ended by that: they run on, or wait.
        for task in made:
            self.cancel(task)
        self.site.wait_tidy(60)
        # Each was accepted once and finished once, in the record too.
        for task in made:
            events = [record["event"] for record in self.site.audit(task)]
            self.assertEqual(events.count("task.accepted"), 1, events)
            self.assertEqual(events.count("task.finished"), 1, events)

    def test_the_runner_ends_in_order_while_tasks_run(self):
        task = self.site.submit("sleep", "600")["id"]
        wait_until(lambda: self.site.task(task)["state"] == "running",
                   what="the task's start")
        self.site.runner.stop()
        self.start_runner()
        found = self.site.finish(task)
        self.assertEqual(found["outcome"], "cancelled", found)
        self.site.wait_tidy(60)


class TestGateway(Case):
    def test_the_gateway_dies_and_its_tasks_go_on(self):
        task = self.site.submit("sh", "-c", "sleep 1; echo done")["id"]
        self.site.gateway.kill()
        self.site.gateway.start()
        self.site.wait_ready()
        self.assertEqual(self.site.finish(task)["outcome"], "succeeded")
        self.assertEqual(self.site.output(task), b"done\n")

    def test_a_client_that_goes_away_ends_neither_task_nor_gateway(self):
        def newest():
            tasks = self.site.call("GET", "/v1/tasks?limit=1").json["tasks"]
            return tasks and tasks[0]["args"][-1] == "sleep 1; echo x" \
                and tasks[0]

        with self.site.wire() as wire:
            wire.send(self.site.request_bytes(
                "POST", "/v1/tasks?wait=60",
                {"image": IMAGE, "args": ["sh", "-c", "sleep 1; echo x"]}))
            task = wait_until(newest, what="the task")
            wire.socket.shutdown(socket.SHUT_RDWR)
        self.assertEqual(self.site.finish(task["id"])["outcome"],
                         "succeeded")


if __name__ == "__main__":
    main()
