"""Credentials are replaced while the service runs: nothing is cut off, both
old and new are good for as long as the operator wants, and a file that cannot
be read changes nothing."""

import contextlib
import datetime
import http.client
import json
import os
import re
import shutil
import signal
import ssl
import subprocess
import threading

import harness_forge as forge
from harness import (IMAGE, POLICY, Case, environment, main, rule,
                     wait_until)
from harness_process import ROOT

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
                                    {"image": IMAGE})
            self.assertEqual(answer.problem, "denied")
        self.both_done()
        self.runs()


class Load:
    """Somebody who goes on working, on one connection."""

    def __init__(self, site, who="alice"):
        self.site, self.who = site, who
        self.stop = threading.Event()
        self.answers = []
        self.problem = None
        self.thread = threading.Thread(target=self.run)

    def run(self):
        task = {"image": IMAGE, "args": ["true"]}
        try:
            with self.site.wire(self.who) as wire:
                while not self.stop.wait(0.02):
                    for request in (("GET", "/v1/whoami"),
                                    ("POST", "/v1/tasks", task)):
                        wire.send(self.site.request_bytes(
                            *request, who=self.who))
                        self.answers.append(wire.answer(request[0]).status)
                        if self.answers[-1] == 401:
                            return
        except (OSError, http.client.HTTPException) as error:
            self.problem = error

    def more(self):
        """Until it has had answers to what it asked from now on."""
        seen = len(self.answers)
        wait_until(lambda: len(self.answers) > seen + 3
                   or not self.thread.is_alive(), what="the load's answers")

    def __enter__(self):
        self.thread.start()
        self.more()
        return self

    def __exit__(self, *_):
        self.more()
        self.stop.set()
        self.thread.join(60)


class TestRotate(RotationCase):
    policy = {"version": 1, "rules": [
        rule("test", ["alice", "bob", "carol", "dave"])]}

    def admin(self, *words, code=0):
        done = self.site.admin(*words, "--dir", self.site.etc, "-o", "json",
                               check=False)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return json.loads(done.stdout) if done.stdout else done.stderr

    def assert_undisturbed(self, load):
        self.assertIsNone(load.problem)
        self.assertEqual(set(load.answers), {200, 201})

    def status(self, who, token=None):
        return self.site.call("GET", "/v1/whoami", who=who,
                              token=token).status

    def serial(self, who="alice"):
        with self.site.wire(who) as wire:
            return wire.socket.getpeercert()["serialNumber"].lower()

    def test_the_servers_certificate(self):
        before = self.serial()
        with Load(self.site) as load:
            made = self.admin("cert", "renew")
            # Until the reload the old one is shown.
            self.assertEqual(self.serial(), before)
            self.both_done()
            self.assertEqual(self.serial(), made["serial"])
        self.assert_undisturbed(load)
        self.assertIn("127.0.0.1", made["names"])
        self.assertEqual(
            self.admin("status")["certificate_expires_at"],
            made["expires_at"])
        # As many names as before, or those that were asked for.
        again = self.admin("cert", "renew")
        self.assertEqual(again["names"], made["names"])
        other = self.admin("cert", "renew", "--name", "127.0.0.1",
                           "--name", "gate.example.org")
        self.assertEqual(other["names"], ["127.0.0.1", "gate.example.org"])
        self.both_done()
        self.assertEqual(self.serial(), other["serial"])

    def new_token(self, who="alice"):
        return self.site.admin(
            "token", "issue", who, "--dir", self.site.etc, "--cert",
            self.site.members[who].certificate).stdout.strip()

    def test_token_keys(self):
        first = self.site.members["alice"].token
        with Load(self.site, "bob") as load:
            made = self.admin("token", "rotate")
            second = self.new_token()
            # Nobody knows the new key before the reload.
            self.assertEqual(self.status("alice", second), 401)
            self.both_done()
            for token in (first, second):
                self.assertEqual(self.status("alice", token), 200)
            self.assertEqual(
                {one["key_id"]: one["signs"]
                 for one in self.admin("token", "keys")},
                {made["key_id"]: True, made["old_key_id"]: False})
        self.assert_undisturbed(load)
        with self.site.wire() as wire:
            def ask(token):
                wire.send(self.site.request_bytes(
                    "GET", "/v1/whoami", token=token))
                return wire.answer().status
            self.assertEqual(ask(first), 200)
            # Its tokens may be valid for a day.
            said = self.admin("token", "drop", made["old_key_id"], code=6)
            self.assertIn(made["needed_until"][:16], said)
            self.admin("token", "drop", made["key_id"], "--now", code=6)
            self.admin("token", "drop", "nobody", code=3)
            self.admin("token", "drop", made["old_key_id"], "--now")
            self.assertEqual(ask(first), 200)
            self.both_done()
            self.assertEqual(ask(first), 401)
            self.assertEqual(ask(second), 200)
        for who in ("alice", "bob"):
            (self.site.members[who].folder / "token").write_text(
                self.new_token(who))
        self.runs()
        self.admin("token", "drop", made["key_id"], "--now", code=6)

    def test_the_ca_old_and_new_side_by_side(self):
        old, = self.admin("ca", "list")
        alice, bob = self.site.members["alice"], self.site.members["bob"]
        made = self.admin("ca", "rotate")
        self.site.enroll("carol")
        both = self.site.members["carol"].ca
        with Load(self.site, "bob") as load:
            # The gateway does not trust the new one yet.
            self.assertRaises((OSError, http.client.HTTPException),
                              self.status, "carol")
            self.both_done()
            for who in ("alice", "carol"):
                self.assertEqual(self.status(who), 200)
                self.assertEqual(self.site.submit(
                    "true", who=who, wait=30)["outcome"], "succeeded")
            # The user's tool takes a bundle of two.
            done = self.site.client("run", IMAGE, "--", "echo", "two",
                                    who="carol")
            self.assertEqual((done.returncode, done.stdout), (0, "two\n"),
                             done.stderr)
            # The server shows the old one's still: nobody is shut out.
            self.admin("ca", "drop", old["serial"], "--now", code=6)
            self.admin("cert", "renew")
            self.both_done()
            self.assertRaises(ssl.SSLCertVerificationError,
                              self.status, "alice")
            for member in (alice, bob):
                member.ca.write_bytes(both.read_bytes())
            for who in ("alice", "bob", "carol"):
                self.assertEqual(self.status(who), 200)
            listed = {one["serial"]: one for one in self.admin("ca", "list")}
            self.assertEqual(listed[made["serial"]]["signs"], True)
            self.assertEqual(listed[made["serial"]]["valid"], 2)
            # At least alice's and bob's.
            self.assertGreaterEqual(listed[old["serial"]]["valid"], 2)
            self.admin("ca", "drop", old["serial"], code=6)
            self.admin("ca", "drop", made["serial"], "--now", code=6)
            self.admin("ca", "drop", "0123", code=3)
            self.admin("ca", "drop", old["serial"], "--now")
            load.more()
            self.assert_undisturbed(load)
            self.both_done()
        # The connection that was open is refused, not cut off.
        self.assertIsNone(load.problem)
        self.assertEqual(load.answers[-1], 401)
        self.assertRaises((OSError, http.client.HTTPException),
                          self.status, "alice")
        self.assertEqual(self.site.submit(
            "true", who="carol", wait=30)["outcome"], "succeeded")
        self.admin("ca", "drop", made["serial"], "--now", code=6)
        for who in ("alice", "bob"):
            shutil.rmtree(self.site.members[who].folder)
            self.site.enroll(who)
            self.assertEqual(self.status(who), 200)
        # init, which makes what is missing, finds nothing to make.
        again = self.site.admin("init", "--dir", self.site.etc)
        self.assertIn("Nothing had to be made", again.stdout)

    def test_the_audit_key(self):
        public = self.site.etc / "audit.pub"
        private = self.site.etc / "runner" / "audit.key"
        before = public.read_text()
        owner = private.stat()
        kept = self.site.folder / "checkpoint"
        self.site.admin("audit", "checkpoint", "--dir", self.site.etc,
                        "--out", kept)
        with Load(self.site) as load:
            made = self.admin("audit", "rotate")
            self.assertNotEqual(
                self.admin("status")["audit_key"], made["audit_key"])
            self.both_done()
            self.assertEqual(
                self.admin("status")["audit_key"], made["audit_key"])
        self.assert_undisturbed(load)
        self.assertEqual(
            [one["object"]["audit_key"] for one in self.events("reload.done")
             if one["object"]["process"] == "runner"][-1],
            made["audit_key"])
        # The old one verifies what it signed, and the new one what is new.
        words = ("audit", "verify", "--dir", self.site.etc, "--from", kept)
        self.site.admin(*words)
        first = self.site.folder / "first.pub"
        first.write_text(public.read_text().removesuffix(before))
        self.assertNotEqual(self.site.admin(
            *words, "--key", first, check=False).returncode, 0)
        self.assertTrue(public.read_text().endswith(before))
        now = private.stat()
        self.assertEqual((now.st_uid, now.st_mode),
                         (owner.st_uid, owner.st_mode))
        self.assertEqual(
            forge.openssl("pkey", "-in", private, "-pubout").decode(),
            public.read_text().removesuffix(before))

    def test_the_procedures_of_the_manual(self):
        text = (ROOT / "docs" / "operations.md").read_text()
        section = text.split("\n## Rotate\n")[1].split("\n## ")[0]
        scripts = [re.findall(r"```sh\n(.*?)```", part, re.S)
                   for part in section.split("\n### ")[1:]]
        self.assertEqual(len(scripts), 4)
        folder = self.site.folder / "manual"
        folder.mkdir(exist_ok=True)
        # Between one block and the next is what the text says: for a token
        # key, a day.
        day = f"touch -d '25 hours ago' {self.site.etc}/operator/token.key\n"
        for blocks in scripts:
            done = subprocess.run(
                ["bash", "-euc", day.join(blocks)], cwd=folder, text=True,
                capture_output=True, timeout=120, check=False,
                env=environment(
                    PATH=f"{self.site.bin}:{os.environ['PATH']}",
                    HOME=str(folder), TASKGATE_DIR=str(self.site.etc)))
            self.assertEqual(done.returncode, 0,
                             f"{blocks}\n{done.stdout}{done.stderr}")
            self.assertNotIn("refused ", done.stdout)
        for who in ("alice", "bob"):
            shutil.rmtree(self.site.members[who].folder)
            self.site.enroll(who)
        self.runs()


class TestExpiry(RotationCase):
    gateway_settings = {"expiry_margin": "2d"}

    def test_a_certificate_that_is_about_to_end(self):
        etc = self.site.etc
        self.site.admin("cert", "renew", "--days", "1", "--dir", etc)
        self.both_done()
        status, text = self.site.readiness()
        self.assertEqual(status, 503)
        self.assertRegex(text, r"gateway: its certificate expires at 2\d{3}-")
        self.assertIn("gateway.certificate_expires", self.site.gateway.log())
        # It serves on.
        self.runs()
        shown = self.site.admin("status", "--dir", etc)
        self.assertIn("Server certificate ends", shown.stdout)
        self.assertRegex(shown.stderr, "certificate ends at .* cert renew")
        self.assertNotIn("ca list", shown.stderr)
        status = self.site.call("GET", "/api/status", token="").json
        self.assertFalse(status["ready"])
        self.assertIn(status["certificate_expires_at"], text)
        self.assertIn(status["certificate_expires_at"], shown.stdout)
        self.assertIn(status["ca_expires_at"], shown.stdout)
        metrics = self.site.operations("/metrics").body.decode()
        end = datetime.datetime.fromisoformat(
            status["ca_expires_at"].replace("Z", "+00:00"))
        self.assertIn("taskgate_gateway_ca_expiry_seconds "
                      f"{int(end.timestamp())}\n", metrics)
        self.site.admin("cert", "renew", "--dir", etc)
        self.both_done()
        self.assertEqual(self.site.readiness()[0], 200)
        self.assertEqual(self.site.admin("status", "--dir", etc).stderr, "")


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
