"""Health, readiness and metrics on the listener for operators."""

import shutil
import subprocess

from harness import Case, main, wait_until
from harness_wire import Wire, head


class TestOperations(Case):
    def metric(self, name):
        """The value of the line that begins so."""
        for line in self.site.operations("/metrics").body.decode() \
                .splitlines():
            if line.startswith(name + " "):
                return int(line.rpartition(" ")[2])
        raise AssertionError(f"no {name}")

    def test_health_and_readiness(self):
        answer = self.site.operations("/healthz")
        self.assertEqual((answer.status, answer.body), (200, b"ok\n"))
        answer = self.site.operations("/readyz")
        self.assertEqual((answer.status, answer.body), (200, b"ready\n"))

    def test_promtool_has_no_complaint(self):
        promtool = shutil.which("promtool")
        self.assertIsNotNone(promtool, "package prometheus is missing")
        # So that families with values of every kind are there.
        self.site.submit("sh", "-c", "echo x; exit 1", wait=30)
        self.site.call("GET", "/v1/nothing")
        self.site.call("GET", "/v1/whoami", token="x")
        done = subprocess.run(
            [promtool, "check", "metrics"], capture_output=True,
            input=self.site.operations("/metrics").body, check=False)
        self.assertEqual((done.returncode, done.stdout + done.stderr),
                         (0, b""))

    def test_metrics_count_what_happens(self):
        answers = ('taskgate_gateway_answers_total{route="whoami",'
                   'status="2xx"}')
        refusals = 'taskgate_gateway_refusals_total{error="not-found"}'
        handshakes = "taskgate_gateway_handshakes_failed_total"
        # What comes of a request is counted behind its answer.
        self.site.wait_alone()
        before = [self.metric(name) for name in
                  (answers, refusals, handshakes)]
        self.site.call("GET", "/v1/whoami")
        self.site.call("GET", "/nothing")
        with Wire(("127.0.0.1", self.site.port), None) as wire:
            wire.send(b"this is not TLS\r\n\r\n")
            wire.rest()
        for name, value in zip((answers, refusals, handshakes), before):
            wait_until(lambda: self.metric(name) == value + 1, what=name)

    def test_metrics_count_tasks_and_tell_readiness(self):
        accepted = "taskgate_runner_tasks_accepted_total"
        self.site.submit("true", wait=30)
        before = wait_until(lambda: self.metric(accepted), what="a count")
        self.site.submit("true", wait=30)
        wait_until(lambda: self.metric(accepted) == before + 1, what=accepted)
        self.assertEqual(self.metric("taskgate_ready"), 1)

    def test_metrics_name_neither_subjects_nor_tasks(self):
        task = self.site.submit("true", wait=30)["id"]
        text = self.site.operations("/metrics").body.decode()
        self.assertNotIn("alice", text)
        self.assertNotIn(task, text)

    def test_the_listeners_do_not_mix(self):
        for path in ("/healthz", "/readyz", "/metrics"):
            self.assertEqual(self.site.call("GET", path).status, 404)
        for path in ("/api/status", "/v1/whoami", "/v1/tasks",
                     "/openapi.json"):
            self.assertEqual(self.site.operations(path).status, 404)

    def test_the_guard_stands_there_too(self):
        for data, status in (
                (b"GET /healthz HTTP/1.0\r\n\r\n", b"400"),
                (b"GET /healthz HTTP/1.1\r\n\r\n", b"400"),
                (b"POST /healthz HTTP/1.1\r\nHost: x\r\n\r\n", b"405"),
                (b"GET /healthz HTTP/1.1\r\nHost: x\r\n"
                 b"Content-Length: 1\r\n\r\nx", b"413")):
            with self.subTest(data=data), Wire(
                    ("127.0.0.1", self.site.operations_port), None) as wire:
                wire.send(data)
                wire.socket.shutdown(1)
                self.assertEqual(wire.rest().split(b" ")[1], status)

    def test_only_loopback_by_default(self):
        self.assertTrue(
            self.site.setting("gateway.json", "operations")
            .startswith("127.0.0.1:"))

    def test_openapi_is_served_to_a_certificate_alone(self):
        answer = self.site.call("GET", "/openapi.json", token="")
        self.assertEqual(answer.status, 200)
        self.assertEqual(answer.headers["Content-Type"], "application/json")
        self.assertEqual(answer.json["openapi"], "3.1.0")
        self.assertIn("/v1/tasks/{task}/output", answer.json["paths"])

    def test_status_needs_no_token(self):
        answer = self.site.call("GET", "/api/status", token="")
        self.assertEqual(answer.status, 200)
        self.assertEqual(set(answer.json), {
            "version", "uptime_s", "ready", "reasons", "queued", "running",
            "capacity", "warm", "warming", "certificate_expires_at",
            "ca_expires_at"})
        self.assertTrue(answer.json["ready"])
        self.assertGreater(answer.json["capacity"], 0)

    def test_many_requests_on_one_plain_connection(self):
        with Wire(("127.0.0.1", self.site.operations_port), None) as wire:
            for _ in range(50):
                wire.send(head("GET", "/readyz", {"Host": "x"}))
                self.assertEqual(wire.answer().status, 200)


if __name__ == "__main__":
    main()
