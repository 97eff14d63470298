"""Credentials are replaced while the service runs: nothing is cut off, both
old and new are good for as long as the operator wants, and a file that cannot
be read changes nothing."""

import contextlib
import json
import signal

import harness_forge as forge
from harness import POLICY, Case, main, wait_until

GARBAGE = "-----BEGIN CERTIFICATE-----\nnot base64!\n"


class RotationCase(Case):
    def reload(self, code=0):
        """By the verb; {process: (result, reason)}."""
        done = self.site.admin("reload", "--dir", self.site.etc, "-o", "json",
                               check=False)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return {one["process"]: (one["result"], one.get("reason", ""))
                for one in json.loads(done.stdout)}

    def both_done(self):
        self.assertEqual(self.reload(), {"runner": ("done", ""),
                                         "gateway": ("done", "")})

    def events(self, event):
        return [one for one in self.site.audit() if one["event"] == event]

    @contextlib.contextmanager
    def replaced(self, name, content):
        """The same file, owner and mode; put back in the end."""
        path = self.site.etc / name
        old = path.read_bytes()
        path.write_bytes(content if isinstance(content, bytes)
                         else content.encode())
        try:
            yield path
        finally:
            path.write_bytes(old)

    def runs(self):
        self.assertEqual(
            self.site.submit("echo", "on", wait=30)["stdout"], "on\n")


class TestReload(RotationCase):
    def bad_files(self):
        """Name, content, and who is to refuse it."""
        both = {"gateway", "runner"}
        other = forge.make_key(self.site.folder / "other.key")
        return (
            ("gateway/server.crt", GARBAGE, {"gateway"}),
            ("gateway/server.crt", "", {"gateway"}),
            ("gateway/server.key", GARBAGE, {"gateway"}),
            # A key, but not this certificate's.
            ("gateway/server.key", other.read_bytes(), {"gateway"}),
            ("ca.crt", GARBAGE, both),
            ("ca.crt", "", both),
            (self.token_key(), GARBAGE, both),
            (self.token_key(), "", both),
            (self.token_key(), other.read_bytes(), both),
            ("policy.json", '{"version": 1, "rules": [}', both),
            ("runner/audit.key", GARBAGE, {"runner"}),
            # Not Ed25519.
            ("runner/audit.key", other.read_bytes(), {"runner"}),
        )

    def token_key(self):
        path, = (self.site.etc / "token-keys").iterdir()
        return str(path.relative_to(self.site.etc))

    def check_log(self, process, path, before):
        log = process.log()[before:]
        self.assertIn("reload_failed", log)
        self.assertIn(str(path), log)

    def test_a_bad_file_keeps_what_is_in_force_and_is_told(self):
        processes = {"gateway": self.site.gateway,
                     "runner": self.site.runner}
        with self.site.wire() as open_before:
            for name, content, refusing in self.bad_files():
                with self.subTest(name, content=content[:30]):
                    logs = {one: len(processes[one].log())
                            for one in refusing}
                    before = len(self.events("reload.refused"))
                    with self.replaced(name, content) as path:
                        said = self.reload(1)
                        self.runs()
                        open_before.send(
                            self.site.request_bytes("GET", "/v1/whoami"))
                        self.assertEqual(open_before.answer().status, 200)
                    for one in processes:
                        result, reason = said[one]
                        self.assertEqual(
                            result == "refused", one in refusing, said)
                        if one in refusing:
                            self.assertIn(str(path), reason)
                            self.check_log(processes[one], path, logs[one])
                    records = self.events("reload.refused")[before:]
                    self.assertEqual(
                        {one["object"]["process"] for one in records},
                        refusing)
                    for one in records:
                        told = one["untrusted"] if (
                            one["object"]["process"] == "gateway"
                        ) else one["object"]
                        self.assertIn(str(path), told["reason"])
                        self.assertEqual(one["principal"], {"uid": 0})
        self.both_done()
        self.runs()

    def test_a_signal_does_the_same_as_the_verb(self):
        for process, name in ((self.site.gateway, "gateway"),
                              (self.site.runner, "runner")):
            with self.subTest(name):
                for event, content in (("reload.refused", GARBAGE),
                                       ("reload.done", None)):
                    before = len(self.events(event))
                    with contextlib.ExitStack() as stack:
                        if content:
                            stack.enter_context(
                                self.replaced("ca.crt", content))
                        process.send(signal.SIGHUP)
                        wait_until(
                            lambda: len(self.events(event)) > before,
                            what=event)
                        self.runs()
                    record = self.events(event)[-1]
                    self.assertEqual(record["object"]["process"], name)
                    self.assertNotIn("principal", record)

    def test_a_key_that_others_can_read_is_refused(self):
        for name, process in (("gateway/server.key", "gateway"),
                              ("runner/audit.key", "runner")):
            path = self.site.etc / name
            path.chmod(0o644)
            try:
                result, reason = self.reload(1)[process]
            finally:
                path.chmod(0o600)
            self.assertEqual(result, "refused")
            self.assertIn("chmod 600", reason)
        self.both_done()

    def test_all_of_a_process_or_nothing(self):
        # The policy alone would be good; it does not come into force.
        other = {"version": 1, "rules": [
            {**POLICY["rules"][0], "subjects": ["bob"]}]}
        with self.replaced("policy.json", json.dumps(other)):
            with self.replaced("ca.crt", GARBAGE):
                self.reload(1)
                self.runs()
            self.both_done()
            answer = self.site.call("POST", "/v1/tasks",
                                    {"image": "demo/busybox"})
            self.assertEqual(answer.problem, "denied")
        self.both_done()
        self.runs()


class TestReloadWithoutTheOther(RotationCase):
    def tearDown(self):
        for process in (self.site.gateway, self.site.runner):
            if not process.alive:
                process.start()
        self.site.wait_ready()
        super().tearDown()

    def test_without_a_gateway_the_runner_reloads_alone(self):
        self.site.gateway.stop()
        wait_until(lambda: self.events("gateway.disconnected"),
                   what="the gateway's end")
        done = self.site.admin("reload", "--dir", self.site.etc)
        self.assertIn("no gateway is connected", done.stderr)
        self.assertEqual(done.stdout.split()[-2:], ["runner", "done"])

    def test_without_a_runner_the_tool_says_what_helps(self):
        self.site.runner.stop()
        done = self.site.admin("reload", "--dir", self.site.etc, check=False)
        self.assertEqual(done.returncode, 8)
        self.assertIn("is taskgate-runner running?", done.stderr)
        self.assertIn("SIGHUP", done.stderr)

    def test_what_the_gateway_did_meanwhile_is_on_record_afterwards(self):
        self.site.runner.stop()
        log = len(self.site.gateway.log())
        with self.replaced("gateway/server.crt", GARBAGE) as path:
            self.site.gateway.send(signal.SIGHUP)
            wait_until(lambda: "reload_failed" in
                       self.site.gateway.log()[log:], what="the refusal")
        self.site.runner.start()
        self.site.wait_ready()
        wait_until(lambda: any(
            str(path) in one.get("untrusted", {}).get("reason", "")
            for one in self.events("reload.refused")), what="the record")

    def test_a_gateway_that_does_not_answer_is_told_of(self):
        self.site.gateway.send(signal.SIGSTOP)
        try:
            said = self.reload(1)
        finally:
            self.site.gateway.send(signal.SIGCONT)
        self.assertEqual(said["runner"], ("done", ""))
        self.assertEqual(said["gateway"], ("silent", ""))
        wait_until(lambda: self.reload()["gateway"][0] == "done",
                   what="the gateway's answer")


if __name__ == "__main__":
    main()
