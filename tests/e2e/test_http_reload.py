"""Signals to the gateway: an orderly end, and reading its files again."""

import signal
import ssl
import threading

import harness_forge as forge
from harness import POLICY, Case, main, many, rule, wait_until


class TestDrain(Case):
    def setUp(self):
        if not self.site.gateway.alive:
            self.site.gateway.start()
        self.site.wait_ready()

    def tearDown(self):
        self.setUp()
        super().tearDown()

    def end(self):
        """What the process ends with."""
        code = self.site.gateway.child.wait(60)
        self.site.gateway.child = None
        return code

    def test_what_is_under_way_is_finished(self):
        answers = []
        with self.site.wire() as idle:
            idle.send(self.site.request_bytes("GET", "/v1/whoami"))
            self.assertEqual(idle.answer().status, 200)
            task = self.site.submit("sleep", "3")["id"]
            with self.site.wire() as wire:
                # Behind an answer nothing waits in the client's kernel.
                wire.send(self.site.request_bytes("GET", "/v1/whoami"))
                self.assertEqual(wire.answer().status, 200)
                wire.send(self.site.request_bytes(
                    "GET", f"/v1/tasks/{task}?wait=60"))
                waiting = threading.Thread(
                    target=lambda: answers.append(wire.answer()))
                waiting.start()
                # What was sent before has arrived before.
                self.site.gateway.send(signal.SIGTERM)
                # Who asks for nothing is let go at once.
                self.assertEqual(idle.rest(), b"")
                waiting.join(30)
        self.assertEqual(answers[0].status, 200)
        self.assertEqual(answers[0].json["state"], "finished")
        self.assertEqual(self.end(), 0)

    def test_nothing_new_is_taken(self):
        task = self.site.submit("sleep", "600")["id"]
        with self.site.wire() as wire:
            wire.send(self.site.request_bytes("GET", "/v1/whoami"))
            self.assertEqual(wire.answer().status, 200)
            wire.send(self.site.request_bytes(
                "GET", f"/v1/tasks/{task}?wait=60"))
            self.site.gateway.send(signal.SIGTERM)
            self.site.wait_unready("stopping")

            def refused():
                try:
                    self.site.wire().close()
                    return False
                except (ConnectionError, ssl.SSLError):
                    return True
            wait_until(refused, what="the listener's end")
        # It was the last that was waited for.
        self.assertEqual(self.end(), 0)
        self.setUp()
        self.site.call("DELETE", f"/v1/tasks/{task}?grace=0")
        self.site.finish(task)

    def test_an_answer_that_is_being_streamed_is_heard_to_its_end(self):
        task = self.site.submit(
            "sh", "-c", "echo one; sleep 2; echo two")["id"]
        with self.site.wire() as wire:
            wire.send(self.site.request_bytes(
                "GET", f"/v1/tasks/{task}/output?follow=1"))
            response = wire.response()
            self.assertEqual(response.read(4), b"one\n")
            self.site.gateway.send(signal.SIGTERM)
            self.assertEqual(response.read(), b"two\n")
        self.assertEqual(self.end(), 0)

    def test_signals_that_come_during_the_end_do_not_change_it(self):
        for _ in range(many(100)):
            self.setUp()
            child = self.site.gateway.child
            # Popen sends nothing to a process that it knows has ended.
            while child.poll() is None:
                for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
                    child.send_signal(number)
            self.assertEqual(self.end(), 0)


class TestReload(Case):
    def reload(self, event="gateway.reloaded"):
        before = self.site.gateway.log().count(event)
        self.site.gateway.send(signal.SIGHUP)
        wait_until(lambda: self.site.gateway.log().count(event) > before,
                   what=event)

    def allowed(self, wire):
        # A rule that only the gateway has yet: what it lets through, the
        # runner, which has not read it, denies by the policy of its own.
        wire.send(self.site.request_bytes(
            "POST", "/v1/tasks", {"image": "other/image"}))
        return wire.answer("POST")

    def test_a_new_policy_is_in_force_on_open_connections(self):
        with self.site.wire() as wire:
            self.assertEqual(self.allowed(wire).status, 403)
            self.site.write_policy({"version": 1, "rules": [
                *POLICY["rules"],
                {**rule("more", ["bob"]), "image": "other/image"}]})
            try:
                self.reload()
                # alice is told no more than before.
                answer = self.allowed(wire)
                self.assertEqual(answer.status, 403)
                self.assertNotIn("rule", answer.json)
            finally:
                self.site.write_policy(POLICY)
                self.reload()

    def test_a_policy_that_is_refused_leaves_the_old_in_force(self):
        self.site.write_policy('{"version": 1, "rules": [}')
        try:
            self.reload("gateway.reload_failed")
            self.assertIn("policy.json:1:", self.site.gateway.log())
            task = self.site.submit("true", wait=30)
            self.assertEqual(task["outcome"], "succeeded")
        finally:
            self.site.write_policy(POLICY)
            self.reload()

    def test_a_new_ca_is_asked_on_open_connections_too(self):
        path = self.site.etc / "ca.crt"
        ours = path.read_text()
        other = forge.Authority(self.site.folder / "other-ca")
        with self.site.wire() as wire:
            wire.send(self.site.request_bytes("GET", "/v1/whoami"))
            self.assertEqual(wire.answer().status, 200)
            try:
                path.write_text(other.certificate.read_text())
                self.reload()
                for target in ("/v1/whoami", "/api/status"):
                    wire.send(self.site.request_bytes("GET", target))
                    answer = wire.answer()
                    self.assertEqual((answer.status, answer.problem),
                                     (401, "unauthenticated"))
            finally:
                path.write_text(ours)
                self.reload()
            wire.send(self.site.request_bytes("GET", "/v1/whoami"))
            self.assertEqual(wire.answer().status, 200)

    def test_many_reloads_under_load(self):
        stop = threading.Event()
        problems, served = [], []

        def load():
            with self.site.wire() as wire:
                while not stop.is_set():
                    wire.send(self.site.request_bytes("GET", "/api/status"))
                    answer = wire.answer()
                    served.append(answer.status)
                    if answer.status not in (200, 429):
                        problems.append(answer.body)
        threads = [threading.Thread(target=load) for _ in range(4)]
        for thread in threads:
            thread.start()
        for _ in range(20):
            self.reload()
        stop.set()
        for thread in threads:
            thread.join(30)
        self.assertEqual(problems, [])
        self.assertGreater(len(served), 0)


if __name__ == "__main__":
    main()
