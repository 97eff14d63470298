"""A gateway that somebody else has taken over: its uid speaks the private
protocol as it likes. It gets nothing that a client's credentials do not give,
and whatever it says, the runner lives."""

import contextlib
import fcntl
import os
import signal
import time

from harness import Case, main, rule, wait_until
from harness_gateway import SEALS, FalseGateway, body, memfd


class TestFalseGateway(Case):
    def gate(self, **options):
        return FalseGateway(self.site, **options)

    def dropped(self, message, *descriptors, hello=True):
        with self.gate(hello=hello) as gate:
            gate.send(message, *descriptors)
            self.assertTrue(gate.is_dropped(), message)
        self.assertTrue(self.site.runner.alive, message)

    def test_messages_out_of_turn_drop_the_connection(self):
        with self.gate() as gate:
            asks = gate.envelope()
        for message in (
                {"type": "list", **asks, "limit": 1},
                {"type": "hello", "version": 1, "role": "admin"},
                {"type": "hello", "version": 2, "role": "gateway"}):
            self.dropped(message, hello=False)
        for message in (
                {"type": "hello", "version": 1, "role": "gateway"},
                {"type": "welcome", "version": 1},
                {"type": "status", "request": 1},
                {"type": "forget", "request": 1, "more": 1},
                {"type": "get", **asks, "wait": 0,
                 "task": "../../../../../etc/passwd".rjust(36, "x")}):
            self.dropped(message)

    def test_text_that_is_no_strict_json_drops_the_connection(self):
        for message in (
                b"\x00", b"[]", b'{"a":' * 40 + b"1" + b"}" * 40,
                b'{"type":"forget","type":"forget","request":1}',
                b'{"type":"forget","request":99999999999999999999}',
                b'{"type":"forget","request":1} {}',
                b'{"type":"forget","request":1' + b" " * 65536 + b"}"):
            self.dropped(message)

    def test_a_body_must_be_one_sealed_memfd(self):
        with self.gate() as gate:
            submit = {"type": "submit", **gate.envelope(), "wait": 0}
        reading, writing = os.pipe()
        made = [reading, writing, memfd(body("true"), 0),
                memfd(body("true"), SEALS & ~fcntl.F_SEAL_WRITE),
                memfd(b" " * (1024 * 1024 + 1)), memfd(body("true"))]
        good = made[-1]
        try:
            self.dropped(submit)
            for wrong in made[:-1]:
                self.dropped(submit, wrong)
            for count in (2, 3, 200):
                self.dropped(submit, *[good] * count)
            self.dropped({**submit, "type": "forget", "request": 1}, good)
            with self.gate() as gate:
                self.dropped({"type": "list", **gate.envelope(), "limit": 1},
                             good)
        finally:
            for number in made:
                os.close(number)

    def test_what_the_gateway_reports_is_strings_and_a_count(self):
        refusal = {"type": "refusal", "code": "denied", "count": 1,
                   "address": "x", "untrusted": {}}
        for value in (1.5, 1, None, [], {"a": 1.5}):
            self.dropped({**refusal, "untrusted": {"path": value}})
        most = 10 ** 9
        for count in (0, most + 1, 2 ** 63 - 1):
            self.dropped({**refusal, "count": count})
        task = {"request_sha256": "0" * 64, "signed": False}
        for role in ("", "A", "-a", "a b", "a\n", "\u202e", "a" * 33, 1):
            self.dropped({**refusal, "task": {**task, "roles": [role]}})
        with self.gate() as gate:
            for _ in range(300):
                gate.send({**refusal, "count": most})
            self.assertEqual(gate.ask("list", limit=1)[0]["type"], "reply")
        wait_until(lambda: [r for r in self.site.audit() if
                            r["event"] == "request.refused" and
                            r["object"].get("count") == most],
                   what="the sum of refusals")

    def test_nobody_is_who_the_gateway_says(self):
        with self.gate() as gate:
            bob = gate.envelope("bob")["token"]
            for forged in ({"token": bob}, {"token": ""},
                           {"certificate": "AAAA"}, {"certificate": ""}):
                answer, _ = gate.ask("list", limit=1, **forged)
                self.assertEqual(answer.get("error"), "unauthenticated",
                                 forged)
            task = gate.submit("sleep", "30")["id"]
            for name, members in (
                    ("get", {"wait": 0}), ("cancel", {"grace": 0}),
                    ("signal", {"signal": "KILL"}),
                    ("output", {"stream": "stdout", "offset": 0,
                                "follow": True})):
                answer, came = gate.ask(name, who="bob", task=task, **members)
                self.assertEqual((answer.get("error"), came),
                                 ("not-found", []), name)
            gate.ask("cancel", task=task, grace=0)

    def test_without_descriptors_an_answer_fails_and_the_runner_lives(self):
        runner = self.site.runner
        usual = runner.arguments
        runner.stop()
        runner.arguments = ["prlimit", "--nofile=64:64", *usual]
        runner.start()
        self.site.wait_ready()
        try:
            with contextlib.ExitStack() as stack:
                gate = stack.enter_context(self.gate())
                for _ in range(2):
                    gate.submit("true", "x" * 20000, wait=60)
                # What goes of them gives descriptors back.
                self.site.wait_tidy()
                for _ in range(64):
                    stack.enter_context(self.gate(hello=False))
                wait_until(lambda: len(runner.descriptors()) == 64,
                           what="the last descriptor")
                # One that comes free is soon taken by who waits for it.
                wait_until(lambda: self.list_error(gate) == "unavailable",
                           what="an answer that fails")
            with self.gate() as gate:
                self.assertIsNone(self.list_error(gate))
        finally:
            runner.arguments = usual
            self.site.restart(runner)

    def list_error(self, gate):
        """What a list is refused for; None: it came."""
        answer, came = gate.ask("list", limit=10)
        for number in came:
            os.close(number)
        if "error" not in answer:
            self.assertTrue(answer.get("sealed"), answer)
        return answer.get("error")

    def test_a_reader_that_does_not_read_holds_up_no_stop(self):
        with self.gate() as gate:
            task = gate.submit("sh", "-c", "yes | head -c 1000000")["id"]
            _, came = gate.ask("output", task=task, stream="stdout", offset=0,
                               follow=True)
            self.assertEqual(len(came), 1)
            gate.ask("get", task=task, wait=60)
            begun = time.monotonic()
            self.site.runner.stop()
            self.assertLess(time.monotonic() - begun, 50)
            os.close(came[0])
        self.site.runner.start()
        self.site.wait_ready()


class TestTightenedPolicy(Case):
    runner_settings = {"running_max": 1}

    def test_what_waits_keeps_no_grant_that_a_new_policy_takes_away(self):
        generous = rule("generous", ["alice"], user={"uid": 0, "gid": 0})
        plain, other = rule("plain", ["alice"]), rule("other", ["bob"])
        self.site.write_policy({"version": 1, "rules": [generous, other]})
        self.site.restart(self.site.runner, self.site.gateway)
        first = self.site.submit("sleep", "30", who="bob")["id"]
        waiting = self.site.submit("id", "-u")
        self.assertEqual((waiting["state"], waiting["rule"]),
                         ("queued", "generous"))
        self.site.write_policy({"version": 1, "rules": [plain, other]})
        log = self.site.runner.log().count("policy.loaded")
        self.site.runner.send(signal.SIGHUP)
        wait_until(lambda: self.site.runner.log().count("policy.loaded") > log,
                   what="the new policy")
        self.site.call("DELETE", f"/v1/tasks/{first}?grace=0", who="bob")
        ended = self.site.finish(waiting["id"])
        self.assertEqual(ended["outcome"], "cancelled", ended)
        self.assertIn("policy", ended["detail"])
        self.assertNotIn("started_at", ended)
        # Asked for anew, it runs as nobody in particular.
        again = self.site.submit("id", "-u", wait=60)
        self.assertEqual(again["stdout"], f"{self.site.task_uid}\n")


if __name__ == "__main__":
    main()
