"""Standard input that is streamed: it reaches its task as it was sent, at the
task's pace, and goes on where it broke off."""

import hashlib
import os
import socket
import threading

from harness import ALL_SCOPES, Case, main, rule, wait_until
from harness_body import (BYTES, Body, chunk, outlast_body_timeout, put_stdin,
                          received, resident, wait_received)

MIB = 1 << 20
STREAM = {"stream": True}
LIMITS = {**rule("", [])["limits"],
          "output": {"default": "64MiB", "max": "64MiB"},
          "stdin": {"default": "2GiB", "max": "4GiB"}}


def digest(data):
    return hashlib.sha256(data).hexdigest()


class StdinCase(Case):
    policy = {"version": 1, "rules": [
        rule("test", ["alice", "bob"], stdin="stream", limits=LIMITS)]}

    def read(self, *args, **members):
        """A task that reads its standard input."""
        return self.site.submit(*(args or ("cat",)), stdin=STREAM,
                                **members)["id"]

    def put(self, task, data=b"", length=None, **more):
        with put_stdin(self.site, task, length, **more) as body:
            return body.finish(data)

    def let_in(self, task, length=None, *, at=None):
        """A body from there to the end of the input, or from where it stands
        without an end, once the one before is known to be gone."""
        def begun():
            query = f"?offset={at}" if at is not None else (
                f"?offset={received(self.site, task)}&more=1")
            body = put_stdin(self.site, task, length, query=query,
                             headers={"Expect": "100-continue"})
            if body.wire.socket.recv(1024).startswith(b"HTTP/1.1 100 "):
                return body
            body.wire.close()
            return None
        return wait_until(begun, what="a place for the body")

    def finish(self, task, data):
        """The task succeeded, and has copied exactly this."""
        done = self.site.finish(task)
        self.assertEqual(done["outcome"], "succeeded", done)
        self.assertEqual(done["output"]["stdout"], len(data))
        self.assertEqual(digest(self.site.output(task)), digest(data))
        self.assertEqual(done["stdin"]["mode"], "stream")
        self.assertEqual((done["stdin"]["received"], done["stdin"]["ended"]),
                         (len(data), True))
        return done

    def refused(self, answer, status, problem):
        self.assertEqual((answer.status, answer.problem), (status, problem),
                         answer.body)
        return answer


class TestStream(StdinCase):
    def test_a_body_with_a_length_is_what_the_task_reads(self):
        data, task = os.urandom(3 * MIB + 7), self.read()
        answer = self.put(task, data, len(data))
        self.assertEqual((answer.status, answer.json),
                         (200, {"received": len(data), "ended": True}))
        self.finish(task, data)

    def test_a_chunked_body_is_what_the_task_reads(self):
        data, task = os.urandom(MIB + 3), self.read()
        with put_stdin(self.site, task) as body:
            at = 0
            for size in (1, 2, 4095, 4096, 4097, 16384, 65537, 300000):
                body.send(data[at:at + size])
                at += size
            answer = body.finish(data[at:])
        self.assertEqual(answer.json, {"received": len(data), "ended": True})
        self.finish(task, data)

    def test_chunks_may_be_cut_anywhere_on_the_way(self):
        data, task = b"0\r\n\r\n" * 20, self.read()
        with put_stdin(self.site, task) as body:
            for byte in chunk(data[:50]) + chunk(data[50:]) + b"0\r\n\r\n":
                body.wire.send(bytes([byte]))
            self.assertEqual(body.answer().status, 200)
        self.finish(task, data)

    def test_an_empty_body_ends_the_input(self):
        for length in (0, None):
            with self.subTest(length=length):
                task = self.read()
                answer = self.put(task, b"", length)
                self.assertEqual(answer.json, {"received": 0, "ended": True})
                self.finish(task, b"")

    def test_several_bodies_one_after_the_other(self):
        task = self.read()
        answer = self.put(task, b"one ", 4, query="?more=1")
        self.assertEqual(answer.json, {"received": 4, "ended": False})
        answer = self.put(task, b"two ", query="?offset=4&more=1")
        self.assertEqual(answer.json, {"received": 8, "ended": False})
        self.assertFalse(self.site.task(task)["stdin"]["ended"])
        answer = self.put(task, b"three", 5, query="?offset=8")
        self.assertEqual(answer.json, {"received": 13, "ended": True})
        self.finish(task, b"one two three")

    def test_the_connection_serves_the_next_request(self):
        task = self.read()
        with put_stdin(self.site, task) as body:
            self.assertEqual(body.finish(b"x").status, 200)
            body.wire.send(self.site.request_bytes("GET", "/v1/whoami"))
            self.assertEqual(body.wire.answer().json["subject"], "alice")
        self.finish(task, b"x")

    def test_what_was_sent_is_read_before_the_rest_comes(self):
        task = self.read()
        with put_stdin(self.site, task) as body:
            for number in range(3):
                body.send(b"line\n")
                wait_until(lambda: len(self.site.output(task)) ==
                           5 * (number + 1), what="the line copied")
            self.assertEqual(body.finish().status, 200)
        self.finish(task, b"line\n" * 3)

    def test_one_that_is_queued_takes_its_input_later(self):
        blocker = [self.site.submit("sleep", "600")["id"] for _ in range(
            self.site.call("GET", "/api/status").json["capacity"])]
        task = self.read()
        self.assertEqual(self.site.task(task)["state"], "queued")
        with put_stdin(self.site, task) as body:
            body.send(b"early")
            body.end()
            for found in blocker:
                self.site.call("DELETE", f"/v1/tasks/{found}?grace=0")
            self.assertEqual(body.answer().json,
                             {"received": 5, "ended": True})
        self.finish(task, b"early")

    def test_a_task_that_closes_its_end_does_not_hold_the_client(self):
        task = self.read("sh", "-c", "head -c 3; exec <&-; read x < /tmp/y;"
                         " while [ ! -e /tmp/y ]; do sleep 0.1; done")
        data = b"x" * (4 * MIB)
        answer = self.put(task, data, len(data))
        self.assertEqual(answer.json, {"received": len(data), "ended": True})
        wait_until(lambda: self.site.task(task)["stdin"]["closed"],
                   what="the closed end")
        self.site.call("DELETE", f"/v1/tasks/{task}?grace=0")
        self.site.finish(task)
        self.assertEqual(self.site.output(task), b"xxx")

    def test_a_task_that_ends_before_all_was_sent(self):
        task = self.read("true")
        with put_stdin(self.site, task) as body:
            self.assertEqual(self.site.finish(task)["outcome"], "succeeded")
            answer = self.refused(body.answer(), 409, "conflict")
            self.assertIn("ended", answer.detail)
        self.refused(self.put(task, b"x", 1), 409, "conflict")


class TestExpect(StdinCase):
    EXPECT = {"Expect": "100-continue"}

    def test_continue_is_said_once_the_body_may_come(self):
        task = self.read()
        with put_stdin(self.site, task, 5, headers=self.EXPECT) as body:
            interim = body.wire.socket.recv(1024)
            self.assertEqual(interim, b"HTTP/1.1 100 Continue\r\n\r\n")
            self.assertEqual(body.finish(b"hello").status, 200)
        self.finish(task, b"hello")

    def test_nobody_is_asked_for_a_body_that_is_refused(self):
        ended = self.site.submit("true", wait=30)["id"]
        unknown = "01932f0e-6f0a-7c3e-8a55-3f1f0c1b2a11"
        for task, status in ((ended, 409), (unknown, 404)):
            with self.subTest(status=status), put_stdin(
                    self.site, task, MIB, headers=self.EXPECT) as body:
                reply = body.wire.rest()
                self.assertTrue(reply.startswith(b"HTTP/1.1 %d " % status),
                                reply[:200])


class TestConflicts(StdinCase):
    def test_a_second_body_at_the_same_time(self):
        task = self.read()
        with put_stdin(self.site, task) as first:
            first.send(b"first")
            wait_received(self.site, task, 5)
            answer = self.refused(self.put(task, b"x", 1, query="?offset=5"),
                                  409, "conflict")
            self.assertEqual(answer.json["received"], 5)
            self.assertEqual(first.finish(b"!").status, 200)
        self.finish(task, b"first!")

    def test_another_offset_than_where_it_stands(self):
        task = self.read()
        self.put(task, b"12345", 5, query="?more=1")
        for offset in (0, 4, 6, 1 << 40):
            answer = self.refused(
                self.put(task, b"x", 1, query=f"?offset={offset}"), 409,
                "conflict")
            self.assertEqual(answer.json["received"], 5)
        self.assertEqual(self.put(task, b"", 0, query="?offset=5").status,
                         200)
        answer = self.refused(self.put(task, b"x", 1, query="?offset=5"),
                              409, "conflict")
        self.assertEqual(answer.json["received"], 5)
        self.finish(task, b"12345")

    def test_a_task_without_a_stream(self):
        for more in ({}, {"stdin": {"text": "inline"}}):
            with self.subTest(more=more):
                task = self.site.submit("sleep", "600", **more)["id"]
                self.refused(self.put(task, b"x", 1), 409, "conflict")
                self.site.call("DELETE", f"/v1/tasks/{task}?grace=0")

    def test_anothers_task_whatever_the_scopes(self):
        self.site.enroll("carol", scopes=(*ALL_SCOPES, "tasks:read:all"))
        task = self.read()
        self.assertEqual(self.site.task(task, who="carol")["id"], task)
        for who in ("bob", "carol"):
            answer = self.refused(self.put(task, b"x", 1, who=who), 404,
                                  "not-found")
            self.assertIn("no such task of yours", answer.detail)
        self.put(task, b"mine", 4)
        self.finish(task, b"mine")

    def test_a_token_without_the_scope(self):
        self.site.enroll("dora", scopes=("tasks:read",))
        task = self.read()
        self.refused(self.put(task, b"x", 1, who="dora"), 403,
                     "insufficient-scope")
        self.site.call("DELETE", f"/v1/tasks/{task}?grace=0")

    def test_more_than_the_limit_ends_the_task(self):
        for length in (None, 3000):
            with self.subTest(length=length):
                task = self.read(limits={"stdin": 2000})
                with put_stdin(self.site, task, length) as body:
                    body.send(b"x" * 3000)
                    self.refused(body.answer(), 413, "too-large")
                done = self.site.finish(task)
                self.assertEqual(done["outcome"], "cancelled")
                self.assertIn("limit stdin", done["detail"])

    def test_as_much_as_the_limit_does_not(self):
        task = self.read(limits={"stdin": 2000})
        self.assertEqual(self.put(task, b"x" * 2000).status, 200)
        self.finish(task, b"x" * 2000)


class TestBackPressure(StdinCase):
    def test_a_task_that_does_not_read_holds_the_client_and_no_memory(self):
        task = self.read("sleep", "600")
        wait_until(lambda: self.site.task(task)["state"] == "running")
        before = [resident(p) for p in (self.site.gateway, self.site.runner)]
        with put_stdin(self.site, task, 1 << 30) as body:
            taken = body.offer(1 << 30)
            after = [resident(p) for p in
                     (self.site.gateway, self.site.runner)]
            # What the kernel holds for two sockets and two pipes.
            self.assertLess(taken, 32 * MIB)
            self.assertLess(received(self.site, task), MIB)
            for was, now in zip(before, after):
                self.assertLess(now - was, 8 * MIB)
            # Others are served meanwhile, and the end is told.
            self.assertEqual(self.site.submit("true", wait=30)["outcome"],
                             "succeeded")
            self.site.call("DELETE", f"/v1/tasks/{task}?grace=0")
            body.wire.socket.settimeout(30)
            self.refused(body.answer(), 409, "conflict")

    def test_a_client_that_vanishes_while_it_is_held_lets_go(self):
        task = self.read("sh", "-c", "while [ ! -e /tmp/go ]; do sleep 0.1;"
                         " done; cat > /dev/null")
        for length in (1 << 30, None, 1):
            with self.subTest(length=length):
                body = self.let_in(task, length)
                if length != 1:
                    body.offer(1 << 30)
                body.vanish()
        self.site.call("DELETE", f"/v1/tasks/{task}?grace=0")


class TestBroken(StdinCase):
    gateway_settings = {"body_timeout": 1}

    def test_a_body_that_breaks_off_goes_on_where_it_stands(self):
        for length in (3 * MIB, None):
            with self.subTest(length=length):
                data, task = os.urandom(3 * MIB), self.read()
                with put_stdin(self.site, task, length) as body:
                    body.send(data[:MIB])
                    wait_received(self.site, task, MIB)
                    body.vanish()
                with self.let_in(task, at=MIB) as body:
                    self.assertEqual(body.finish(data[MIB:]).status, 200)
                self.finish(task, data)

    def test_half_a_chunk_is_not_the_end(self):
        task = self.read()
        with put_stdin(self.site, task) as body:
            body.wire.send(b"a\r\nhello")
            wait_received(self.site, task, 5)
            body.wire.socket.shutdown(socket.SHUT_WR)
            body.wire.rest()
        self.assertFalse(self.site.task(task)["stdin"]["ended"])
        with self.let_in(task, at=5) as body:
            self.assertEqual(body.finish(b" world").status, 200)
        self.finish(task, b"hello world")

    def test_somebody_may_think_for_longer_than_a_body_may_take(self):
        task = self.read()
        with put_stdin(self.site, task) as body:
            body.send(b"slowly ")
            outlast_body_timeout(self.site, 3)
            self.assertEqual(body.finish(b"typed").status, 200)
        self.finish(task, b"slowly typed")

    def test_the_gateway_dies_while_a_client_sends(self):
        data, task = os.urandom(2 * MIB), self.read()
        with put_stdin(self.site, task) as body:
            body.send(data[:MIB])
            wait_received(self.site, task, MIB)
            self.site.gateway.kill()
        self.site.gateway.start()
        self.site.wait_ready()
        self.assertFalse(self.site.task(task)["stdin"]["ended"])
        with self.let_in(task, at=MIB) as body:
            self.assertEqual(body.finish(data[MIB:]).status, 200)
        self.finish(task, data)

    def test_the_runner_dies_while_a_client_sends(self):
        data, task = os.urandom(2 * MIB), self.read()
        with put_stdin(self.site, task) as body:
            body.send(data[:MIB])
            wait_received(self.site, task, MIB)
            self.site.runner.kill()
            self.refused(body.answer(), 503, "unavailable")
        self.site.runner.start()
        self.site.wait_ready()
        wait_until(lambda: self.site.task(task)["stdin"]["received"] == MIB,
                   what="the task taken up again")
        with self.let_in(task, at=MIB) as body:
            self.assertEqual(body.finish(data[MIB:]).status, 200)
        self.finish(task, data)


class TestBadRequests(StdinCase):
    def test_what_the_route_does_not_take(self):
        task = self.read()
        path = f"/v1/tasks/{task}/stdin"
        cases = (
            (415, {"Content-Type": "application/json",
                   "Content-Length": "1"}, ""),
            (415, {"Content-Type": None, "Content-Length": "1"}, ""),
            (415, {"Content-Encoding": "gzip", "Content-Length": "1"}, ""),
            (411, {}, ""),
            (422, {"Content-Length": "1"}, "?offset=-1"),
            (422, {"Content-Length": "1"}, "?offset=x"),
            (422, {"Content-Length": "1"}, "?more=2"),
            (422, {"Content-Length": "1"}, "?offset=0&offset=0"),
            (422, {"Content-Length": "1"}, "?all=1"),
        )
        for status, headers, query in cases:
            with self.subTest(status=status, headers=headers, query=query):
                answer = self.site.call("PUT", path + query, headers={
                    "Content-Type": BYTES, **headers})
                self.assertEqual(answer.status, status, answer.body)
        self.assertEqual(self.put(task, b"x", 1).status, 200)
        self.finish(task, b"x")

    def test_nothing_is_smuggled_behind_or_within_a_chunked_body(self):
        smuggled = self.site.request_bytes("GET", "/v1/whoami")
        both = {"Content-Length": "4", "Transfer-Encoding": "chunked"}
        framings = (
            (both, b"0\r\n\r\n"),
            ({"Transfer-Encoding": "chunked, chunked"}, b"0\r\n\r\n"),
            ({"Transfer-Encoding": "identity"}, b""),
            ({"Transfer-Encoding": "chunked"}, b"g\r\n"),
            ({"Transfer-Encoding": "chunked"}, b"-1\r\n"),
            ({"Transfer-Encoding": "chunked"}, b"0x4\r\nabcd\r\n0\r\n\r\n"),
            ({"Transfer-Encoding": "chunked"},
             b"10000000000000004\r\nabcd\r\n0\r\n\r\n"),
            ({"Transfer-Encoding": "chunked"}, b"4;a=b\r\nabcd\r\n0\r\n\r\n"),
            ({"Transfer-Encoding": "chunked"}, b"4\nabcd\n0\n\n"),
            ({"Transfer-Encoding": "chunked"}, b"04\r\nabcd\r\n0\r\n\r\n"),
            ({"Transfer-Encoding": "chunked"}, b"3\r\nabcd\r\n0\r\n\r\n"),
            ({"Transfer-Encoding": "chunked"},
             b"4\r\nabcd\r\n0\r\nX: y\r\n\r\n"),
            ({"Transfer-Encoding": "chunked"},
             b"4\r\nabcd\r\n0\r\nContent-Length: 5\r\n\r\nabcde"),
        )
        for headers, body in framings:
            with self.subTest(headers=headers, body=body):
                task = self.read()
                with self.site.wire() as wire:
                    wire.send(self.site.request_bytes(
                        "PUT", f"/v1/tasks/{task}/stdin",
                        headers={"Content-Type": BYTES, **headers}) + body +
                        smuggled)
                    reply = wire.rest()
                self.assertEqual(reply.count(b"HTTP/1.1 "), 1, reply)
                self.assertTrue(reply.startswith(b"HTTP/1.1 400 "), reply)
                self.assertFalse(self.site.task(task)["stdin"]["ended"])
                self.site.call("DELETE", f"/v1/tasks/{task}?grace=0")

    def test_two_lengths(self):
        task = self.read()
        head = self.site.request_bytes(
            "PUT", f"/v1/tasks/{task}/stdin",
            headers={"Content-Type": BYTES, "Content-Length": "1"})
        with self.site.wire() as wire:
            wire.send(head.replace(b"Content-Length: 1\r\n",
                                   b"Content-Length: 1\r\n" * 2) + b"x")
            self.assertTrue(wire.rest().startswith(b"HTTP/1.1 400 "))
        self.site.call("DELETE", f"/v1/tasks/{task}?grace=0")

    def test_chunks_only_where_a_body_is_passed_on(self):
        for method, path in (("POST", "/v1/tasks"), ("GET", "/v1/whoami"),
                             ("GET", "/v1/tasks")):
            with self.subTest(path=path), Body(
                    self.site, method, path,
                    headers={"Content-Type": "application/json"}) as body:
                body.wire.send(b"2\r\n{}\r\n0\r\n\r\n" +
                               self.site.request_bytes("GET", "/v1/whoami"))
                reply = body.wire.rest()
                self.assertTrue(reply.startswith(b"HTTP/1.1 411 "), reply)
                self.assertEqual(reply.count(b"HTTP/1.1 "), 1, reply)

    def test_many_bodies_at_once_are_bounded(self):
        task = self.read()
        answers = []

        def try_it():
            answers.append(self.put(task, b"x", 1).status)
        threads = [threading.Thread(target=try_it) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(sorted(answers), [200] + [409] * 19)
        self.finish(task, b"x")


if __name__ == "__main__":
    main()
