"""One connection: requests one after the other, pieces of any size, clients
that go away, half or whole."""

import http.client
import os
import pathlib
import re
import socket
import ssl
import uuid

from harness import IMAGE, ROOT, Case, main, many, wait_same, wait_until
from harness_wire import Wire

SECURITY_FIELDS = ("Cache-Control", "Content-Security-Policy",
                   "Referrer-Policy", "Strict-Transport-Security",
                   "X-Content-Type-Options", "X-Frame-Options")


class Split:
    """TLS by hand, so that close_notify and the socket's end can be told
    apart."""

    def __init__(self, site, who="alice"):
        self.plain = socket.create_connection(("127.0.0.1", site.port), 30)
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = site.members[who].tls().wrap_bio(
            self.incoming, self.outgoing, server_hostname="127.0.0.1")
        self.run(self.tls.do_handshake)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.plain.close()

    def flush(self):
        if data := self.outgoing.read():
            self.plain.sendall(data)

    def run(self, function, *words):
        while True:
            try:
                return function(*words)
            except ssl.SSLWantReadError:
                self.flush()
                data = self.plain.recv(65536)
                if data:
                    self.incoming.write(data)
                else:
                    self.incoming.write_eof()
            finally:
                self.flush()

    def send(self, data):
        self.run(self.tls.write, data)

    def say_close(self):
        """close_notify alone: the socket stays open both ways."""
        try:
            self.tls.unwrap()
        except ssl.SSLWantReadError:
            pass
        self.flush()

    def rest(self):
        data = b""
        try:
            while piece := self.run(self.tls.read, 65536):
                data += piece
        except (ssl.SSLError, ConnectionError):
            pass
        return data


class TestConnection(Case):
    # As many as a soak sends are not too many here.
    gateway_settings = {"requests_per_principal": 100000}

    def get(self, path, **headers):
        return self.site.request_bytes("GET", path, headers=headers)

    def statuses(self, reply):
        return [int(code) for code in
                re.findall(rb"HTTP/1\.1 (\d{3}) ", reply)]

    def descriptors(self):
        return len(self.site.gateway.descriptors())

    def settled(self):
        """How many, once what earlier connections had is closed."""
        self.site.wait_alone()
        return wait_same(self.descriptors, "descriptors that stay the same")

    def wait_descriptors(self, number):
        wait_until(lambda: self.descriptors() <= number,
                   what=f"{number} descriptors or fewer")

    def test_many_requests_on_one_connection(self):
        with self.site.wire() as wire:
            for _ in range(many(1000)):
                wire.send(self.get("/v1/whoami"))
                answer = wire.answer()
                self.assertEqual(answer.json["subject"], "alice")

    def test_every_answer_has_an_id_of_its_own_and_the_security_fields(self):
        seen = set()
        with self.site.wire() as wire:
            for data in (self.get("/api/status"), self.get("/nothing"),
                         self.get("/v1/whoami", Authorization="Bearer x"),
                         self.site.request_bytes("PUT", "/v1/tasks"),
                         b"nonsense\r\n\r\n"):
                wire.send(data)
                answer = wire.answer()
                seen.add(uuid.UUID(answer.headers["X-Request-Id"]))
                for name in SECURITY_FIELDS:
                    self.assertIn(name, answer.headers, data)
                self.assertNotIn("Server", answer.headers)
        self.assertEqual(len(seen), 5)
        self.assertEqual({found.version for found in seen}, {7})

    def test_a_refusal_does_not_end_a_connection_that_is_in_order(self):
        with self.site.wire() as wire:
            for path, status in (("/v1/nothing", 404), ("/v1/whoami", 200),
                                 ("/v1/tasks?wait=1", 422),
                                 ("/api/status", 200)):
                wire.send(self.get(path))
                self.assertEqual(wire.answer().status, status)

    def test_a_request_byte_by_byte(self):
        body = b'{"signal": "HUP"}'
        data = self.site.request_bytes(
            "POST", f"/v1/tasks/{uuid_seven()}/signal", body)
        with self.site.wire() as wire:
            for at in range(len(data)):
                wire.send(data[at:at + 1])
            answer = wire.answer("POST")
        self.assertEqual((answer.status, answer.problem),
                         (404, "not-found"))

    def test_pieces_of_any_size_make_the_same_request(self):
        data = self.site.request_bytes(
            "POST", "/v1/tasks", {"image": IMAGE, "args": ["true"] * 500,
                                  "x": 1})
        for size in (2, 7, 100, 1000, len(data) - 1):
            with self.subTest(size=size), self.site.wire() as wire:
                for at in range(0, len(data), size):
                    wire.send(data[at:at + size])
                answer = wire.answer("POST")
                self.assertEqual(answer.status, 422, answer.body)
                self.assertIn("x", answer.detail)

    def test_a_body_as_large_as_the_route_takes(self):
        fixed = b'{"image": "%s", "x": ""}' % IMAGE.encode()
        for more, status in ((0, 422), (1, 413)):
            filler = b"y" * ((1 << 20) - len(fixed) + more)
            body = fixed.replace(b'""', b'"' + filler + b'"')
            answer = self.site.call("POST", "/v1/tasks", body)
            self.assertEqual(answer.status, status)

    def test_expect_100_continue(self):
        body = b'{"image": "nothing/here"}'
        with self.site.wire() as wire:
            wire.send(self.site.request_bytes("POST", "/v1/tasks", headers={
                "Content-Type": "application/json",
                "Content-Length": str(len(body)),
                "Expect": "100-continue"}))
            self.assertEqual(wire.socket.recv(25),
                             b"HTTP/1.1 100 Continue\r\n\r\n")
            wire.send(body)
            self.assertEqual(wire.answer("POST").status, 403)

    def test_expect_100_continue_where_the_head_is_refused_already(self):
        with self.site.wire() as wire:
            wire.send(self.site.request_bytes(
                "POST", "/v1/tasks", token="", headers={
                    "Content-Type": "application/json",
                    "Content-Length": "100", "Expect": "100-continue"}))
            self.assertEqual(self.statuses(wire.rest()), [401])

    def test_methods_that_other_servers_take_for_something_special(self):
        with self.site.wire() as wire:
            for method in ("HEAD", "OPTIONS", "TRACE", "CONNECT", "PATCH",
                           "PRI", "PROPFIND", "x"):
                wire.send(self.site.request_bytes(method, "/api/status"))
                answer = wire.answer(method)
                self.assertEqual(answer.status, 405, method)
                self.assertEqual(answer.headers["Allow"], "GET")
                self.assertIn("X-Request-Id", answer.headers)

    def test_a_second_request_that_does_not_wait_its_turn(self):
        with self.site.wire() as wire:
            wire.send(self.get("/v1/whoami") * 3)
            self.assertEqual(self.statuses(wire.rest()), [200, 400])

    def test_a_second_request_hidden_behind_a_body(self):
        body = b'{"image": "nothing/here"}'
        data = self.site.request_bytes("POST", "/v1/tasks", body)
        with self.site.wire() as wire:
            wire.send(data + self.get("/v1/whoami"))
            reply = wire.rest()
        self.assertEqual(self.statuses(reply), [403, 400])
        self.assertNotIn(b'"subject"', reply)

    def test_connection_close_is_kept_to(self):
        with self.site.wire() as wire:
            wire.send(self.get("/v1/whoami", Connection="close"))
            reply = wire.rest()
        self.assertEqual(self.statuses(reply), [200])
        self.assertIn(b"Connection: close\r\n", reply)

    def test_a_half_closed_client_gets_its_answer(self):
        with Split(self.site) as client:
            client.send(self.get("/v1/whoami"))
            client.say_close()
            self.assertEqual(self.statuses(client.rest()), [200])

    def test_a_half_closed_client_in_the_middle_of_a_head(self):
        with Split(self.site) as client:
            client.send(b"GET /v1/whoami HTTP/1.1\r\n")
            client.say_close()
            self.assertEqual(self.statuses(client.rest()), [400])

    def test_a_half_closed_client_in_the_middle_of_a_body(self):
        with Split(self.site) as client:
            client.send(self.site.request_bytes("POST", "/v1/tasks", headers={
                "Content-Type": "application/json", "Content-Length": "100"})
                + b'{"image": ')
            client.say_close()
            self.assertEqual(self.statuses(client.rest()), [400])

    def test_an_end_without_close_notify_is_no_end_of_a_body(self):
        before = len(self.site.call("GET", "/v1/tasks").json["tasks"])
        body = b'{"image": "%s"}' % IMAGE.encode()
        with Split(self.site) as client:
            client.send(self.site.request_bytes("POST", "/v1/tasks", headers={
                "Content-Type": "application/json",
                "Content-Length": str(len(body) + 1)}) + body)
            client.plain.shutdown(socket.SHUT_WR)
            self.assertEqual(client.rest(), b"")
            after = len(self.site.call("GET", "/v1/tasks").json["tasks"])
            self.assertEqual(before, after)

    def test_a_client_that_asks_nothing_and_goes(self):
        before = self.descriptors()
        for _ in range(many(200)):
            self.site.wire().close()
        self.wait_descriptors(before)

    def test_clients_that_vanish_while_they_wait(self):
        task = self.site.submit("sleep", "600")["id"]
        before = self.settled()
        wires = []
        for number in range(many(100)):
            wire = self.site.wire()
            wires.append(wire)
            wire.send(self.get(f"/v1/tasks/{task}?wait=60" if number % 2
                               else f"/v1/tasks/{task}/output?follow=1"))
        wait_until(lambda: self.descriptors() >= before + 3 * len(wires),
                   what="all of them to wait")
        for number, wire in enumerate(wires):
            if number % 3 == 0:  # a reset, no close_notify
                wire.socket.setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            wire.close()
        self.wait_descriptors(before)
        answer = self.site.call("DELETE", f"/v1/tasks/{task}?grace=0")
        self.assertIn(answer.status, (200, 202))

    def test_a_slow_reader_gets_all_and_holds_up_nobody(self):
        task = self.site.submit("seq", "1", "900000", wait=60)["id"]
        expected = b"".join(b"%d\n" % n for n in range(1, 900001))
        with self.site.wire() as slow:
            slow.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            slow.send(self.get(f"/v1/tasks/{task}/output"))
            response = slow.response()
            got = response.read(1000)
            for _ in range(20):
                self.assertEqual(
                    self.site.call("GET", "/v1/whoami").status, 200)
                got += response.read(1000)
            got += response.read()
        self.assertEqual(got, expected)

    def test_a_client_that_stops_reading_in_the_middle(self):
        task = self.site.submit("seq", "1", "900000", wait=60)["id"]
        before = self.descriptors()
        with self.site.wire() as wire:
            wire.send(self.get(f"/v1/tasks/{task}/output"))
            wire.response().read(100)
        self.wait_descriptors(before)


class TestRunnerDies(Case):
    def test_output_that_is_cut_off_does_not_look_complete(self):
        task = self.site.submit(
            "sh", "-c", "echo one; exec sleep 600")["id"]
        try:
            with self.site.wire() as wire:
                wire.send(self.site.request_bytes(
                    "GET", f"/v1/tasks/{task}/output?follow=1"))
                response = wire.response()
                self.assertEqual(response.read(4), b"one\n")
                self.site.runner.kill()
                with self.assertRaises((http.client.IncompleteRead,
                                        ConnectionError, ssl.SSLError)):
                    rest = response.read()
                    self.fail(f"it ended in order: {rest!r}")
        finally:
            if not self.site.runner.alive:
                self.site.runner.start()
            self.site.wait_ready()
        self.site.finish(task)


class TestSlowBody(Case):
    gateway_settings = {"body_timeout": 1, "idle_timeout": 1}

    def test_a_body_that_never_comes_after_100_continue(self):
        with self.site.wire() as wire:
            wire.send(self.site.request_bytes("POST", "/v1/tasks", headers={
                "Content-Type": "application/json", "Content-Length": "100",
                "Expect": "100-continue"}))
            codes = re.findall(rb"HTTP/1\.1 (\d{3}) ", wire.rest())
            self.assertEqual(codes, [b"100", b"408"])

    def test_waiting_for_a_task_is_not_being_idle(self):
        for path in ("?wait=30", "/output?follow=1"):
            with self.subTest(path=path):
                task = self.site.submit("sleep", "3")["id"]
                answer = self.site.call("GET", f"/v1/tasks/{task}{path}")
                self.assertEqual(answer.status, 200)
                self.assertEqual(self.site.task(task)["state"], "finished")

    def test_a_client_that_does_not_take_its_answer_is_let_go(self):
        task = self.site.submit("seq", "1", "3000000", wait=60,
                                limits={"output": "64MiB"})["id"]
        before = len(self.site.gateway.descriptors())
        with self.site.wire() as wire:
            wire.send(self.site.request_bytes(
                "GET", f"/v1/tasks/{task}/output"))
            wire.response().read(1)
            wait_until(
                lambda: len(self.site.gateway.descriptors()) <= before,
                what="the end of it")


class TestVectors(Case):
    """Whole requests that others wrote, over TLS. Whatever comes of them, one
    answer at a time and the gateway none the worse."""

    # Most of them are refused, which is what puts an address off.
    gateway_settings = {"failures_per_address": 1000000,
                        "head_timeout": 1, "body_timeout": 1,
                        "idle_timeout": 1}

    def reply_to(self, data):
        with self.site.wire(timeout=60) as wire:
            wire.send(data)
            return wire.rest()

    def assert_answered_once(self, name, data, refused):
        reply = self.reply_to(data)
        codes = [int(code) for code in
                 re.findall(rb"HTTP/1\.1 (\d{3}) ", reply)]
        final = [code for code in codes if code != 100]
        self.assertTrue(final, (name, reply))
        # The second at most says that it came too early.
        self.assertLessEqual(len(final), 2, (name, reply))
        self.assertIn(final[1:], ([], [400]), (name, reply))
        if refused:
            self.assertIn(final, ([400], [408], [411], [413], [431]), name)

    def test_the_guards_own_corpus(self):
        folder = ROOT / "tests" / "corpus" / "guard"
        cases = sorted((folder / "reject").iterdir())
        self.assertTrue(cases)
        for case in cases:
            with self.subTest(case=case.name):
                [data] = [path.read_bytes() for path in case.iterdir()
                          if path.name == "head.bin"]
                self.assert_answered_once(case.name, data, True)
        self.assertEqual(self.site.call("GET", "/v1/whoami").status, 200)

    def test_llhttps_requests(self):
        vectors = os.environ.get("TASKGATE_VECTORS")
        if not vectors:
            # Not a skip: the suite runs them wherever they are given.
            return
        path = pathlib.Path(vectors) / "http" / "llhttp-request.json"
        for case, data in llhttp_cases(path):
            with self.subTest(case=case["id"]):
                refused = case["type"] != "request" or \
                    case["expect"] == "reject"
                self.assert_answered_once(
                    case["id"], data, refused and not begins_well(data))
        self.assertEqual(self.site.call("GET", "/v1/whoami").status, 200)


def llhttp_cases(path):
    import base64
    import json
    for case in json.loads(path.read_text())["cases"]:
        yield case, base64.b64decode(case["raw_b64"])


def begins_well(data):
    """Whether the first head may stand on its own, so that what is wrong is
    behind it."""
    head = data.partition(b"\r\n\r\n")[0].lower()
    return b" http/1.1\r\n" in head + b"\r\n"


def uuid_seven():
    return "01932f0e-6f0a-7c3e-8a55-3f1f0c1b2a11"


if __name__ == "__main__":
    main()
