"""The operations listener: health, readiness with reasons, metrics."""

import subprocess

from harness import Case, main, wait_until


class TestOperations(Case):
    def value(self, name):
        for line in self.site.operations("/metrics").body.decode() \
                .splitlines():
            if line.startswith(f"{name} "):
                return float(line.split()[1])
        return None

    def test_health_and_readiness(self):
        self.assertEqual(self.site.operations("/healthz").status, 200)
        self.assertEqual(self.site.readiness()[0], 200)

    def test_promtool_has_no_complaint(self):
        # So that families with values of every kind are there.
        self.site.submit("sh", "-c", "echo x; exit 1", wait=30)
        self.site.call("GET", "/v1/nothing")
        self.site.call("GET", "/v1/whoami", token="x")
        answer = self.site.operations("/metrics")
        self.assertEqual(answer.status, 200)
        done = subprocess.run(["promtool", "check", "metrics"],
                              input=answer.body, capture_output=True,
                              timeout=60, check=False)
        self.assertEqual((done.returncode, done.stdout + done.stderr),
                         (0, b""))

    def test_a_task_is_counted(self):
        before = self.value("taskgate_runner_tasks_accepted_total") or 0
        self.site.submit("true", wait=30)
        wait_until(lambda: self.value(
            "taskgate_runner_tasks_accepted_total") == before + 1,
            what="the counter")

    def test_readiness_is_in_the_metrics(self):
        self.assertEqual(self.value("taskgate_ready"), 1)

    def test_the_public_listener_has_none_of_it(self):
        for path in ("/healthz", "/readyz", "/metrics"):
            self.assertEqual(self.site.call("GET", path).status, 404)

    def test_the_operations_listener_has_nothing_else(self):
        for path in ("/v1/tasks", "/api/status", "/openapi.json"):
            self.assertEqual(self.site.operations(path).status, 404)


if __name__ == "__main__":
    main()
