"""Limits of the gateway: by address, by principal, and of descriptors."""

import contextlib
import json
import ssl
import time

from harness import Case, main, wait_until
from harness_wire import Wire, tls_context


class TestPrincipal(Case):
    # A second: fewer than any machine can ask one after the other.
    RATE = 3
    gateway_settings = {"requests_per_principal": RATE}

    def test_more_than_the_rate_is_429_and_passes(self):
        statuses = []
        with self.site.wire() as wire:
            while not statuses or (statuses[-1] != 429
                                   and len(statuses) < 1000):
                wire.send(self.site.request_bytes("GET", "/v1/whoami"))
                answer = wire.answer()
                statuses.append(answer.status)
            # The burst is twice the rate.
            self.assertGreaterEqual(statuses.count(200), 2 * self.RATE)
            self.assertEqual(answer.problem, "busy")
            self.assertGreaterEqual(int(answer.headers["Retry-After"]), 1)
            # The connection stays, the other principal is served.
            self.assertEqual(
                self.site.call("GET", "/v1/whoami", who="bob").status, 200)

            def passed():
                wire.send(self.site.request_bytes("GET", "/v1/whoami"))
                return wire.answer().status == 200
            wait_until(passed, what="the bucket to fill")

    def test_who_does_not_wait_is_not_read_for_a_while(self):
        statuses = []
        with self.site.wire() as wire:
            while statuses.count(200) < 4 * self.RATE:
                wire.send(self.site.request_bytes("GET", "/v1/whoami"))
                statuses.append(wire.answer().status)
            # Without the pause, as fast as 429 can be said: hundreds.
            self.assertGreater(statuses.count(429), 0)
            self.assertLess(statuses.count(429), 40, statuses)
            # Others do not wait with it, and an end does not wait for it.
            while statuses[-1] != 429:
                wire.send(self.site.request_bytes("GET", "/v1/whoami"))
                statuses.append(wire.answer().status)
            self.assertEqual(
                self.site.call("GET", "/v1/whoami", who="bob").status, 200)
            wire.send(self.site.request_bytes("GET", "/v1/whoami"))
            self.assertIn(wire.answer().status, (200, 429))

    def test_what_is_not_there_is_no_way_around_the_rate(self):
        for method, path, refusal in (("GET", "/v1/nothing", 404),
                                      ("PUT", "/v1/tasks", 405)):
            with self.subTest(path=path), self.site.wire("bob") as wire:
                statuses = []
                while statuses[-1:] != [429] and len(statuses) < 1000:
                    wire.send(self.site.request_bytes(
                        method, path, who="bob", token=""))
                    statuses.append(wire.answer().status)
                self.assertLessEqual(set(statuses), {refusal, 429})
                self.assertEqual(statuses[-1], 429)


class TestConnections(Case):
    gateway_settings = {"workers": 1, "connections_per_address": 8}

    def setUp(self):
        self.site.wait_alone()

    def test_more_connections_than_an_address_may_have(self):
        with contextlib.ExitStack() as stack:
            for _ in range(8):
                stack.enter_context(self.site.wire())
            with self.assertRaises((ConnectionError, ssl.SSLError)):
                self.site.wire().close()
            # Operators are not locked out, and can read of it.
            self.assertEqual(self.site.operations("/healthz").status, 200)
            wait_until(lambda: "too many connections" in json.dumps(
                self.site.audit()), what="the record of it")

        def again():
            try:
                return self.site.call("GET", "/v1/whoami").status == 200
            except (ConnectionError, ssl.SSLError):
                return False
        wait_until(again, what="room for another connection")

    def test_all_of_them_can_be_used(self):
        with contextlib.ExitStack() as stack:
            wires = [stack.enter_context(self.site.wire())
                     for _ in range(7)]
            for wire in wires:
                wire.send(self.site.request_bytes("GET", "/v1/whoami"))
                self.assertEqual(wire.answer().status, 200)


class TestFailures(Case):
    gateway_settings = {"workers": 1, "failures_per_address": 30}

    def fail_once(self):
        context = tls_context(self.site.members["alice"].ca)
        try:
            with self.site.wire(context=context) as wire:
                wire.rest()
        except (ssl.SSLError, ConnectionError):
            pass

    def is_put_off(self):
        """Not even a handshake is answered."""
        try:
            with Wire(("127.0.0.1", self.site.port), None, 5) as wire:
                wire.socket.settimeout(0.2)
                with contextlib.suppress(TimeoutError):
                    return wire.socket.recv(1) == b""
                return False
        except ConnectionError:
            return True

    def test_an_address_that_fails_too_often_is_put_off_for_a_while(self):
        for _ in range(60):
            self.fail_once()
            if self.is_put_off():
                break
        else:
            self.fail("60 failures in a row put nobody off")

        def again():
            try:
                return self.site.call("GET", "/v1/whoami").status == 200
            except (ConnectionError, ssl.SSLError):
                return False
        wait_until(again, what="the address to be heard again")

    def test_tokens_that_fail_count_too(self):
        def refused():
            try:
                answer = self.site.call("GET", "/v1/whoami", token="a.b.c")
                self.assertEqual(answer.status, 401)
                return False
            except (ConnectionError, ssl.SSLError):
                return True
        wait_until(refused, what="the address to be put off")
        time_limit = time.monotonic() + 30
        while time.monotonic() < time_limit:
            with contextlib.suppress(ConnectionError, ssl.SSLError):
                if self.site.call("GET", "/v1/whoami").status == 200:
                    return
        self.fail("the address was not heard again")


class TestFailuresOnOneConnection(Case):
    gateway_settings = {"workers": 1, "failures_per_address": 1000,
                        "failures_per_principal": 30}

    def try_tokens(self, who):
        """One after the other on one connection, which then ends."""
        with self.site.wire(who) as wire:
            statuses = []
            while statuses[-1:] != [429] and len(statuses) < 1000:
                wire.send(self.site.request_bytes(
                    "GET", "/v1/whoami", who=who, token="a.b.c"))
                answer = wire.answer()
                statuses.append(answer.status)
            self.assertEqual(wire.rest(), b"")
        self.assertEqual(answer.headers["Connection"], "close")
        self.assertGreaterEqual(int(answer.headers["Retry-After"]), 1)
        return statuses

    def test_tokens_cannot_be_tried_one_after_the_other(self):
        statuses = self.try_tokens("alice")
        self.assertEqual(set(statuses), {401, 429})
        self.assertLessEqual(statuses.count(401), 60)
        # Also not by the same certificate on another connection; but others
        # at the same address are served.
        self.assertEqual(
            self.site.call("GET", "/v1/whoami", who="bob").status, 200)
        wait_until(
            lambda: self.site.call("GET", "/v1/whoami").status == 200,
            what="the principal to be heard again")


class TestDescriptors(Case):
    gateway_settings = {"workers": 1, "idle_timeout": 2,
                        "handshake_timeout": 2}

    def test_running_out_of_descriptors_does_not_end_accepting(self):
        gateway = self.site.gateway
        words = gateway.arguments
        used = max(gateway.descriptors())
        # The hard limit too, since the gateway asks for all it may have.
        gateway.arguments = ["/bin/sh", "-c", 'ulimit -n "$0"; exec "$@"',
                             str(used + 8), *words]
        try:
            self.site.restart(gateway)
            with contextlib.ExitStack() as stack:
                for _ in range(40):
                    stack.enter_context(
                        Wire(("127.0.0.1", self.site.port), None))
                wait_until(
                    lambda: "no descriptor is left" in gateway.log(),
                    what="the limit to be met")
            # Those have gone; the next is served as if nothing had been.
            wait_until(self.is_served, what="an answer")
        finally:
            gateway.arguments = words
            self.site.restart(gateway)
        self.assertTrue(self.is_served())

    def is_served(self):
        try:
            return self.site.call("GET", "/v1/whoami").status == 200
        except (ConnectionError, ssl.SSLError):
            return False


if __name__ == "__main__":
    main()
