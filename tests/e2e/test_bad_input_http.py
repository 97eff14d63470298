"""Bytes that are not HTTP/1.1 as the guard reads it. Each gets one plain
answer and a closed connection, and nothing behind it is taken for another
request."""

from harness import Case, main
from harness_wire import Wire

SMUGGLED = b"GET /v1/whoami HTTP/1.1\r\nHost: x\r\n\r\n"


class TestHttp(Case):
    def exchange(self, data):
        with self.site.wire() as wire:
            wire.send(data)
            return wire.rest()

    def assert_refused(self, data, *statuses):
        """One answer of an expected status, then the end."""
        reply = self.exchange(data)
        self.assertIn(int(reply.split(b" ")[1] if reply else 0), statuses,
                      (data[:80], reply[:200]))
        self.assertEqual(reply.count(b"HTTP/1.1 "), 1, reply)

    def fields(self):
        return (f"Host: 127.0.0.1:{self.site.port}\r\n"
                f"Authorization: Bearer {self.site.members['alice'].token}"
                "\r\n").encode()

    def head(self, line=b"GET /v1/whoami HTTP/1.1", more=b""):
        return line + b"\r\n" + self.fields() + more + b"\r\n"

    def test_a_good_head_is_answered(self):
        # Otherwise the refusals below would say nothing.
        reply = self.exchange(self.head(more=b"Connection: close\r\n"))
        self.assertIn(b" 200 ", reply.split(b"\r\n")[0])

    def test_what_is_not_http_at_all(self):
        for data in (b"\x16\x03\x01\x02\x00" + b"A" * 40 + b"\r\n\r\n",
                     b"hello\r\n\r\n", b"\r\n\r\n\r\n\r\n", b"\0" * 64):
            with self.subTest(data=data[:10]):
                self.assert_refused(data, 400)

    def test_request_lines(self):
        for line in (b"GET /v1/whoami HTTP/1.0", b"GET /v1/whoami HTTP/2.0",
                     b"GET  /v1/whoami HTTP/1.1", b"GET /v1/whoami",
                     b"get /v1/whoami http/1.1", b"GET v1/whoami HTTP/1.1",
                     b"GET http://x/v1/whoami HTTP/1.1",
                     b"GET /v1/%77hoami HTTP/1.1",
                     b"GET /v1/who\x00ami HTTP/1.1",
                     b"GET /v1/who\xffami HTTP/1.1"):
            with self.subTest(line=line):
                self.assert_refused(self.head(line), 400)

    def test_fields_that_two_readers_could_read_differently(self):
        for more in (b"X : y\r\n", b" folded: y\r\n", b"X: a\r\n b\r\n",
                     b"X: a\rb\r\n", b"X: a\0b\r\n", b"X\x01: y\r\n",
                     b": y\r\n", b"X\r\n", b"X: y\n",
                     b"Host: other\r\n", b"Authorization: Bearer x\r\n",
                     b"Content-Length: 1\r\nContent-Length: 2\r\n",
                     b"Content-Length: 1, 1\r\n", b"Content-Length: -1\r\n",
                     b"Content-Length: +1\r\n", b"Content-Length: 0x1\r\n",
                     b"Content-Length: 18446744073709551617\r\n"):
            with self.subTest(more=more):
                self.assert_refused(self.head(more=more), 400)

    def test_no_host(self):
        self.assert_refused(b"GET /api/status HTTP/1.1\r\n\r\n", 400)

    def test_length_and_transfer_coding_together_are_no_way_in(self):
        self.assert_refused(
            self.head(b"POST /v1/tasks HTTP/1.1",
                      b"Content-Type: application/json\r\n"
                      b"Content-Length: 4\r\n"
                      b"Transfer-Encoding: chunked\r\n")
            + b"0\r\n\r\n" + SMUGGLED, 400, 411)

    def test_a_chunked_body_and_unknown_codings(self):
        for coding in (b"chunked", b"gzip", b"identity", b"chunked, gzip"):
            with self.subTest(coding=coding):
                self.assert_refused(
                    self.head(b"POST /v1/tasks HTTP/1.1",
                              b"Content-Type: application/json\r\n"
                              b"Transfer-Encoding: " + coding + b"\r\n")
                    + b"0\r\n\r\n" + SMUGGLED, 400, 411)

    def test_a_body_without_a_length(self):
        answer = self.site.call(
            "POST", "/v1/tasks", headers={"Content-Type": "application/json"})
        self.assertEqual((answer.status, answer.problem),
                         (411, "length-required"))

    def test_a_head_that_is_too_large(self):
        self.assert_refused(
            self.head(more=b"X: " + b"y" * 8192 + b"\r\n"), 431)

    def test_too_many_fields(self):
        self.assert_refused(
            self.head(more=b"".join(b"X%d: y\r\n" % n for n in range(70))),
            431)

    def test_a_body_behind_a_request_that_takes_none(self):
        reply = self.exchange(self.head(more=b"Content-Length: 70\r\n")
                              + SMUGGLED.ljust(70))
        self.assertEqual(reply.count(b"HTTP/1.1 "), 1, reply)
        self.assertNotIn(b" 200 ", reply.split(b"\r\n")[0])

    def test_a_second_request_before_the_first_is_answered(self):
        # It waits its turn or is refused; it never mixes with the first.
        reply = self.exchange(
            self.head() + self.head(more=b"Connection: close\r\n"))
        lines = [line for line in reply.split(b"\r\n")
                 if line.startswith(b"HTTP/1.1 ")]
        self.assertIn(b" 200 ", lines[0])
        self.assertLessEqual(len(lines), 2)

    def test_an_unknown_path_and_an_unknown_method(self):
        answer = self.site.call("GET", "/v1/nothing")
        self.assertEqual((answer.status, answer.problem),
                         (404, "not-found"))
        answer = self.site.call("PUT", "/v1/tasks", b"{}")
        self.assertEqual((answer.status, answer.problem),
                         (405, "method-not-allowed"))
        self.assertEqual({word.strip() for word in
                          answer.headers["Allow"].split(",")},
                         {"GET", "POST"})

    def test_answers_tell_nothing_of_the_inside(self):
        reply = self.exchange(b"GET /x\x01 HTTP/1.1\r\n\r\n")
        for word in (b"microhttpd", b"OpenSSL", b".c:", b"/home", b"\x01"):
            self.assertNotIn(word, reply)


class TestSlow(Case):
    # Time enough for what is in order, on a slow machine too.
    gateway_settings = {"head_timeout": 2, "body_timeout": 2,
                        "handshake_timeout": 2, "idle_timeout": 2}

    def test_a_head_that_never_ends(self):
        with self.site.wire() as wire:
            wire.send(b"GET /v1/whoami HTTP/1.1\r\nX: ")
            reply = wire.rest()
            self.assertIn(reply[:12], (b"HTTP/1.1 408", b""))

    def test_a_body_that_never_comes(self):
        with self.site.wire() as wire:
            wire.send(self.site.request_bytes(
                "POST", "/v1/tasks", None, headers={
                    "Content-Type": "application/json",
                    "Content-Length": "100"}))
            self.assertEqual(wire.rest()[:12], b"HTTP/1.1 408")

    def test_a_handshake_that_never_comes(self):
        with Wire(("127.0.0.1", self.site.port), None) as wire:
            self.assertEqual(wire.rest(), b"")

    def test_a_connection_that_asks_for_nothing(self):
        with self.site.wire() as wire:
            self.assertIn(wire.rest()[:12], (b"HTTP/1.1 408", b""))


if __name__ == "__main__":
    main()
