"""What the gateway refuses by itself is on record, and a flood of it does not
flood the record."""

import concurrent.futures
import json
import ssl

import harness_forge as forge
from harness import IMAGE, Case, main, many, wait_until
from harness_wire import tls_context


class TestRefusals(Case):
    gateway_settings = {"failures_per_address": 1000000,
                        "requests_per_principal": 1000000}

    def records(self, **wanted):
        """Of refusals, with these members."""
        return [record for record in self.site.audit()
                if record["event"] in ("request.refused", "task.denied")
                and all(self.member(record, name) == value
                        for name, value in wanted.items())]

    @staticmethod
    def member(record, name):
        """A member, however deep it stands."""
        if isinstance(record, dict):
            if name in record:
                return record[name]
            for value in record.values():
                found = TestRefusals.member(value, name)
                if found is not None:
                    return found
        return None

    def wait_record(self, **wanted):
        return wait_until(lambda: self.records(**wanted),
                          what=f"a record with {wanted}")[-1]

    def test_a_denied_task_is_on_record_whole(self):
        request = {"image": IMAGE, "args": ["echo", "x"],
                   "limits": {"pids": 129}, "env": {"SECRET": "hush"}}
        answer = self.site.call("POST", "/v1/tasks", request)
        self.assertEqual((answer.status, answer.problem), (403, "denied"))
        self.assertEqual(answer.json["rule"], "test")
        self.assertEqual(answer.json["condition"], "env.SECRET")
        record = self.wait_record(rule="test", subject="alice")
        self.assertEqual(record["event"], "task.denied")
        told = record["untrusted"]
        self.assertEqual([told[name] for name in ("image", "args", "limits")],
                         [request[name] for name in (
                             "image", "args", "limits")])
        self.assertEqual(set(told["env"]["SECRET"]), {"salt", "sha256"})
        self.assertEqual(record["object"]["condition"], "env.SECRET")
        self.assertIn(record["object"]["signed"], (True, False))
        self.assertNotIn("hush", json.dumps(record))

    def test_a_token_that_is_not_accepted_names_the_certificates_subject(
            self):
        token = forge.reissue(self.site, self.site.members["bob"],
                              exp=1000000000)
        answer = self.site.call("GET", "/v1/whoami", who="bob", token=token)
        self.assertEqual(answer.status, 401)
        record = self.wait_record(subject="bob")
        self.assertNotIn(token.split(".")[2], json.dumps(record))

    def test_a_handshake_that_is_refused_is_on_record(self):
        before = len(self.records())
        context = tls_context(self.site.members["alice"].ca)
        try:
            with self.site.wire(context=context) as wire:
                wire.rest()
        except (ssl.SSLError, ConnectionError):
            pass
        wait_until(lambda: len(self.records()) > before,
                   what="the record of it")

    def test_a_flood_is_summed_up(self):
        before = len(self.records())
        number = many(2000)

        def ask(_):
            return self.site.call("GET", "/flood").status
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            self.assertEqual(set(pool.map(ask, range(number))), {404})

        def total():
            return sum(self.member(record, "count") or 1
                       for record in self.records(path="/flood"))
        wait_until(lambda: total() >= number, what="all of them counted")
        self.assertEqual(total(), number)
        # Reading the audit is on record too, and not counted here.
        self.assertLess(len(self.records()) - before, number / 4)

    def test_what_was_refused_while_the_runner_was_away_comes_later(self):
        self.site.runner.stop()
        try:
            self.site.wait_unready("runner")
            for _ in range(5):
                # bob, whose refusals no other test counts.
                self.assertEqual(self.site.call(
                    "GET", "/meanwhile", who="bob").status, 404)
        finally:
            self.site.runner.start()
            self.site.wait_ready()
        wait_until(lambda: sum(
            self.member(record, "count") or 1
            for record in self.records(path="/meanwhile")) == 5,
            what="all five")

    def test_control_bytes_of_strangers_are_encoded(self):
        answer = self.site.call(
            "POST", "/v1/tasks",
            b'{"image": "x", "a\\u001b[31mb": 1}')
        self.assertEqual(answer.status, 422)
        self.assertNotIn(b"\x1b", answer.body)
        wait_until(lambda: any("[31mb" in json.dumps(record)
                               for record in self.records()),
                   what="the record of it")
        self.assertNotIn("\x1b", self.site.gateway.log())


if __name__ == "__main__":
    main()
