"""Whoever has taken the gateway over has its uid, its socket, and all that
passes through it: bodies, certificates, tokens, signatures. With all that it
starts nothing that a client has not signed, and nothing twice; and whatever
it tries is on record. What it can do is in SECURITY.md."""

import concurrent.futures
import contextlib
import dataclasses
import fcntl
import json
import os
import re
import ssl
import subprocess
import time
import uuid

import harness_forge as forge
from harness import (ALL_SCOPES, Case, environment, main, rule,
                     wait_until)
from harness_gateway import SEALS, FalseGateway, body, memfd
from harness_process import ROOT
from harness_sign import Signer

TASK_EVENTS = ("task.accepted", "task.started")


@dataclasses.dataclass
class Seen:
    """One request as it passed through, and the task that came of it."""
    data: bytes
    members: dict
    task: str


def revoke(site, kind, value, **more):
    """What the command says. A gateway that was taken over confirms nothing:
    the command waits ten seconds for it, and ends with 1."""
    done = site.admin("revoke", kind, value, "--dir", site.etc, "-o", "json",
                      check=False, **more)
    assert done.returncode == 1, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert report["confirmed"] == report["gateways"] - 1, report
    assert report["recorded"] and report["still_running"] == 0, report
    return report


class Captured(Case):
    policy = {"version": 1, "rules": [rule("test", ["alice", "bob", "dave"],
                                           stdin="stream"),
                                      rule("careful", ["erin"], approval={
                                          "by": ["carol"]})]}

    def setUp(self):
        self.gate = self.enterContext(FalseGateway(self.site))

    def see(self, *args, who="alice", **changes):
        """A client's request on its way through the gateway that is there."""
        member = self.site.members[who]
        data, token, key = body(*args), member.token, uuid.uuid4().hex
        fields = member.signer.sign(token, data, key, **changes)
        answer = self.site.call("POST", "/v1/tasks", data, who=who,
                                headers=fields)
        self.assertEqual(answer.status, 201, answer.body)
        return Seen(data, {
            "certificate": self.gate.envelope(who)["certificate"],
            "token": token, "idempotency_key": key,
            "signature_input": fields["Signature-Input"],
            "signature": fields["Signature"]}, answer.json["id"])

    def signed(self, data, who="alice", token=None, **changes):
        """What a client would have signed so, as `submit` carries it."""
        member = self.site.members[who]
        token = token or member.token
        fields = member.signer.sign(token, data, uuid.uuid4().hex, **changes)
        return {"token": token,
                "certificate": self.gate.envelope(who)["certificate"],
                "idempotency_key": fields["Idempotency-Key"],
                "signature_input": fields["Signature-Input"],
                "signature": fields["Signature"]}

    def submit(self, data, members, gate=None):
        """The answer to these members and no others."""
        members = {name: value for name, value in members.items()
                   if value is not None}
        return (gate or self.gate).ask_submit(data, **members)

    def events(self):
        """How many tasks there were; how many refusals of the runner's."""
        records = self.site.audit()
        tasks = sum(record["event"] in TASK_EVENTS for record in records)
        refused = sum(record["object"].get("count", 1) for record in records
                      if record["event"] == "request.refused" and
                      record["object"].get("by") == "runner")
        return tasks, refused

    def refused(self, name, data, members, error="unauthenticated"):
        """Nothing comes of it, and it is on record."""
        tasks, before = self.events()
        answer = self.submit(data, members)
        self.assertEqual((answer["type"], answer.get("error")),
                         ("failure", error), (name, answer))
        wait_until(lambda: self.events()[1] > before,
                   what=f"a record of {name}")
        self.assertEqual(self.events()[0], tasks, name)


class TestForgeries(Captured):
    """Made of what was seen, or with what the gateway could make itself."""

    def setUp(self):
        super().setUp()
        self.one = self.see("true")
        self.other = self.see("echo", "other", lifetime=121)
        for seen in (self.one, self.other):
            self.site.finish(seen.task)

    def test_another_body(self):
        for name, data in (
                ("of another request", self.other.data),
                ("one byte longer", self.one.data + b" "),
                ("other arguments", body("sh", "-c", "true")),
                ("another program", self.one.data.replace(b"true",
                                                          b"yes "))):
            self.refused(name, data, self.one.members)

    def test_another_key(self):
        for name, key in (("fresh", uuid.uuid4().hex), ("none", None),
                          ("of the other", self.other.members[
                              "idempotency_key"])):
            self.refused(f"key: {name}", self.one.data,
                         {**self.one.members, "idempotency_key": key})

    def test_no_signature_or_half_of_one(self):
        fresh = uuid.uuid4().hex
        for name, without in (
                ("signature", {"signature": None}),
                ("input", {"signature_input": None}),
                ("both", {"signature": None, "signature_input": None}),
                ("both, fresh key", {"signature": None,
                                     "signature_input": None,
                                     "idempotency_key": fresh}),
                ("all", {"signature": None, "signature_input": None,
                         "idempotency_key": None}),
                ("empty", {"signature": "", "signature_input": ""})):
            self.refused(f"without {name}", self.one.data,
                         {**self.one.members, **without})

    def test_another_signature(self):
        other = self.other.members
        text = self.one.members["signature"]
        for name, changes in (
                ("the other's", {"signature": other["signature"]}),
                ("the other's input",
                 {"signature_input": other["signature_input"]}),
                ("the other's, all of it",
                 {name: other[name] for name in
                  ("signature", "signature_input")}),
                ("doubled", {"signature": f"{text}, {text}"}),
                ("cut", {"signature": text[:-6] + ":"}),
                ("of zeros", {"signature": "taskgate=:" + "A" * 86 +
                              "==:"})):
            self.refused(f"signature: {name}", self.one.data,
                         {**self.one.members, **changes})

    def test_other_parameters(self):
        given = self.one.members["signature_input"]
        expires = given.split("expires=")[1].split(";")[0]
        for name, other in (
                ("a longer life", given.replace(
                    f"expires={expires}", f"expires={int(expires) + 60}")),
                ("doubled", f"{given}, {given}"),
                ("another algorithm", given.replace("ecdsa-p256-sha256",
                                                    "hmac-sha256")),
                ("another tag", given.replace("taskgate\"", "other\"")),
                ("fewer components", given.replace(' "content-digest"', "")),
                ("none", "taskgate=()")):
            self.assertNotEqual(given, other)
            self.refused(f"parameters: {name}", self.one.data,
                         {**self.one.members, "signature_input": other})

    def test_another_owner(self):
        bob = self.see("true", who="bob")
        self.site.finish(bob.task, who="bob")
        bobs = bob.members
        self.site.admin("token", "issue", "alice", "--dir", self.site.etc,
                        "--cert", self.site.members["alice"].certificate,
                        "--out", self.site.folder / f"{uuid.uuid4()}.token")
        later = max(self.site.folder.glob("*.token"), key=os.path.getmtime)
        for name, changes in (
                ("bob's certificate", {"certificate": bobs["certificate"]}),
                ("bob's token", {"token": bobs["token"]}),
                ("bob's both", {"certificate": bobs["certificate"],
                                "token": bobs["token"]}),
                ("alice's next token",
                 {"token": later.read_text().strip()}),
                ("no token", {"token": ""}),
                ("no certificate", {"certificate": ""})):
            self.refused(f"owner: {name}", self.one.data,
                         {**self.one.members, **changes})

    def test_what_was_signed_for_something_else(self):
        data, now = body("true"), int(time.time())
        for name, changes in (
                ("another method", {"method": "PUT"}),
                ("another path", {"path": "/v1/blobs"}),
                ("a query", {"path": "/v1/tasks?wait=1"}),
                ("a cancellation", {"method": "DELETE",
                                    "path": f"/v1/tasks/{self.one.task}"}),
                ("long ago, and withheld", {"created": now - 500}),
                ("a while ahead", {"created": now + 300}),
                ("half an hour", {"lifetime": 1800}),
                ("as DER", {"raw": False})):
            self.refused(f"signed for {name}", data,
                         self.signed(data, **changes))

    def test_what_was_signed_for_another_installation(self):
        data = body("true")
        token = forge.reissue(self.site, self.site.members["alice"],
                              aud="urn:uuid:another")
        self.refused("another installation", data,
                     self.signed(data, token=token))

    def test_keys_that_are_not_the_certificates(self):
        folder = self.site.folder / f"forger-{uuid.uuid4()}"
        own, own_key = forge.self_signed(folder / "own")
        alice = self.site.members["alice"]
        for name, certificate in (
                ("a key of its own under alice's certificate",
                 alice.certificate),
                ("a certificate of its own", own)):
            self.refused_of(name, certificate, own_key, alice.token)

    def test_certificates_that_the_ca_made_for_something_else(self):
        """The key has signed, and the token is bound to it: all is in order
        but the certificate."""
        authority = forge.Authority.of(
            self.site, self.site.folder / f"ca-{uuid.uuid4()}")
        for name, options in (
                ("of a server", {"extendedKeyUsage": "serverAuth"}),
                ("of anything", {"extendedKeyUsage": "anyExtendedKeyUsage"}),
                ("of nothing", {"extendedKeyUsage": None}),
                ("of a CA", {"basicConstraints": "critical,CA:TRUE"}),
                ("that signs nothing", {"keyUsage":
                                        "critical,keyAgreement"}),
                ("of nobody", {"subjectAltName": "DNS:alice"}),
                ("that has ended", {"start": -2, "end": -1}),
                ("that is not valid yet", {"start": 1, "end": 2})):
            certificate, key = authority.issue(name.replace(" ", "-"),
                                               **options)
            self.refused_of(f"a certificate {name}", certificate, key,
                            self.bound(certificate, key))

    def test_a_token_that_has_ended(self):
        now = int(time.time())
        alice = self.site.members["alice"]
        data = body("true")
        self.refused("a token that has ended", data, self.signed(
            data, token=forge.reissue(self.site, alice, iat=now - 3700,
                                      nbf=now - 3700, exp=now - 100)))

    def bound(self, certificate, key):
        """A token of alice's for this one."""
        return forge.reissue(
            self.site, self.site.members["alice"],
            cnf={"x5t#S256": Signer(certificate, key).thumbprint})

    def refused_of(self, name, certificate, key, token):
        data = body("true")
        fields = Signer(certificate, key).sign(token, data, uuid.uuid4().hex)
        self.refused(name, data, {
            "token": token,
            "certificate": self.certificate_of(certificate),
            "idempotency_key": fields["Idempotency-Key"],
            "signature_input": fields["Signature-Input"],
            "signature": fields["Signature"]})

    def certificate_of(self, path):
        return forge.base64url(ssl.PEM_cert_to_DER_cert(path.read_text()))

    def test_hosts_whose_clocks_are_nearly_a_minute_apart(self):
        """Not a forgery: it must pass."""
        for ahead in (55, -115):
            data = body("true")
            answer = self.submit(data, self.signed(
                data, created=int(time.time()) + ahead, lifetime=60))
            self.assertEqual(answer["type"], "reply", answer)
            # The next test counts what starts.
            self.site.finish(answer["body"]["id"])


class TestApprovals(Captured):
    """Nothing that it has, sees or makes approves a task; what carol signed
    approves the one that she was shown, once."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.site.enroll("erin")
        cls.site.enroll("carol", scopes=(*ALL_SCOPES, "tasks:approve"))

    def setUp(self):
        super().setUp()
        self.task, self.other = self.waiting("true"), self.waiting("false")
        self.addCleanup(self.end, self.task, self.other)

    def waiting(self, *args):
        task = self.site.submit(*args, who="erin")
        self.assertEqual(task["state"], "waiting_approval")
        return task["id"]

    def end(self, *tasks):
        for task in tasks:
            self.site.call("DELETE", f"/v1/tasks/{task}", who="erin")
            self.site.finish(task, who="erin")

    def shown(self, task):
        """What carol sees of it, as the body that approves it."""
        approval = self.site.task(task, who="carol")["approval"]
        return json.dumps({"decision": "approve",
                           "request": approval["request"]}).encode()

    def words(self, task, data, who="carol", path=None, **changes):
        """What somebody would have signed so."""
        return {**self.signed(
            data, who, path=path or f"/v1/tasks/{task}/approval", **changes)}

    def decided(self):
        return [record["object"]["task"] for record in self.site.audit()
                if record["event"] in ("approval.given", "approval.denied")]

    def refused(self, name, data, members, error="unauthenticated",
                task=None):
        _, before = self.events()
        decided = self.decided()
        answer = self.gate.ask_approval(task or self.task, data, **{
            member: value for member, value in members.items()
            if value is not None})
        self.assertEqual((answer["type"], answer.get("error")),
                         ("failure", error), (name, answer))
        wait_until(lambda: self.events()[1] > before,
                   what=f"a record of {name}")
        self.assertEqual(self.decided(), decided, name)
        for waits in (self.task, self.other):
            self.assertEqual(self.site.task(waits, who="erin")["state"],
                             "waiting_approval", name)

    def test_what_was_signed_for_another_task_or_another_thing(self):
        data = self.shown(self.task)
        for name, changes in (
                ("the other task", {"path":
                                    f"/v1/tasks/{self.other}/approval"}),
                ("a submission", {"path": "/v1/tasks"}),
                ("a cancellation", {"method": "DELETE",
                                    "path": f"/v1/tasks/{self.task}"}),
                ("another method", {"method": "PUT"}),
                ("long ago, and withheld", {"created":
                                            int(time.time()) - 500}),
                ("half an hour", {"lifetime": 1800})):
            self.refused(f"signed for {name}", data,
                         self.words(self.task, data, **changes))

    def test_what_was_rewritten_on_its_way(self):
        data, denial = self.shown(self.task), b'{"decision":"deny"}'
        members = self.words(self.task, data)
        self.refused("a denial made an approval", data,
                     self.words(self.task, denial))
        for name, changes in (
                ("no signature", {"signature": None}),
                ("no input", {"signature_input": None}),
                ("neither", {"signature": None, "signature_input": None}),
                ("nothing", {"signature": None, "signature_input": None,
                             "idempotency_key": None}),
                ("another key", {"idempotency_key": uuid.uuid4().hex}),
                ("of zeros", {"signature":
                              "taskgate=:" + "A" * 86 + "==:"})):
            self.refused(name, data, {**members, **changes})
        self.refused("one byte longer", data + b" ", members)

    def test_what_another_has_signed(self):
        data = self.shown(self.task)
        for who, error in (("erin", "insufficient-scope"),
                           ("alice", "insufficient-scope")):
            self.refused(f"signed by {who}", data,
                         self.words(self.task, data, who), error)
            carols = self.words(self.task, data)
            self.refused(f"carol's certificate, signed by {who}", data, {
                **self.words(self.task, data, who),
                "certificate": carols["certificate"],
                "token": carols["token"]})
            self.refused(f"signed by carol, as {who}", data, {
                **carols, "token": self.site.members[who].token,
                "certificate": self.gate.envelope(who)["certificate"]})

    def test_what_was_withheld_until_it_was_not_the_approvers_any_more(self):
        """Token by token, so that carol can go on."""
        token = self.site.admin(
            "token", "issue", "carol", "--dir", self.site.etc, "--cert",
            self.site.members["carol"].certificate,
            "--scope=tasks:approve").stdout.strip()
        data = self.shown(self.task)
        members = self.words(self.task, data, token=token)
        revoke(self.site, "token", "-", stdin=token)
        self.refused("after its token was revoked", data, members, "revoked")

    def test_what_was_shown_in_place_of_another(self):
        """The gateway showed carol the one, and sends what she signed of it
        for the other."""
        data = self.shown(self.other)
        self.refused("another task's request", data,
                     self.words(self.task, data), "conflict")
        changed = json.loads(self.shown(self.task))
        changed["request"]["args"] = ["true", "harmless"]
        data = json.dumps(changed).encode()
        self.refused("other arguments", data,
                     self.words(self.task, data), "conflict")

    def test_one_that_holds_counts_once_and_for_one_task(self):
        data = self.shown(self.task)
        members = self.words(self.task, data)
        self.refused("for the other task", data, members, task=self.other)
        for _ in range(3):
            answer = self.gate.ask_approval(self.task, data, **members)
            self.assertEqual(answer["type"], "reply", answer)
        self.assertEqual(self.site.finish(self.task, who="erin")["outcome"],
                         "succeeded")
        self.site.restart(self.site.runner)
        with FalseGateway(self.site) as gate:
            answer = gate.ask_approval(self.task, data, **members)
            self.assertEqual(answer["body"]["state"], "finished")
            self.assertEqual(gate.ask_approval(
                self.other, data, **members)["error"], "unauthenticated")
        self.assertEqual(self.decided().count(self.task), 1)
        self.assertEqual(
            [record["event"] for record in self.site.audit(self.task)].count(
                "task.started"), 1)
        self.assertNotIn(self.other, self.decided())


class TestReplay(Captured):
    """The same request again is the same task again."""

    def again(self, seen, gate=None):
        answer = self.submit(seen.data, seen.members, gate)
        self.assertEqual(answer["type"], "reply", answer)
        self.assertEqual((answer["status"], answer["body"]["id"]),
                         (200, seen.task))

    def same(self, seen, act):
        tasks, _ = self.events()
        act()
        self.again(seen)
        self.assertEqual(self.events()[0], tasks)

    def test_while_it_runs_and_when_it_has_ended(self):
        seen = self.see("sleep", "2")
        wait_until(lambda: self.site.task(seen.task)["state"] == "running",
                   what="a running task")
        self.same(seen, lambda: self.again(seen))
        self.site.finish(seen.task)
        self.same(seen, lambda: self.again(seen))

    def test_when_it_was_cancelled(self):
        seen = self.see("sleep", "60")
        self.site.call("DELETE", f"/v1/tasks/{seen.task}?grace=0")
        self.assertEqual(self.site.finish(seen.task)["outcome"], "cancelled")
        self.same(seen, lambda: self.again(seen))

    def test_many_at_once_over_many_connections(self):
        seen = self.see("true")
        self.site.finish(seen.task)
        tasks, _ = self.events()
        with contextlib.ExitStack() as stack:
            gates = [stack.enter_context(FalseGateway(self.site))
                     for _ in range(8)]
            with concurrent.futures.ThreadPoolExecutor(8) as pool:
                list(pool.map(lambda gate: [self.again(seen, gate)
                                            for _ in range(5)], gates))
        self.assertEqual(self.events()[0], tasks)

    def test_a_withheld_request_makes_one_task_however_it_is_sent(self):
        data = body("true")
        members = self.signed(data)
        with contextlib.ExitStack() as stack:
            gates = [stack.enter_context(FalseGateway(self.site))
                     for _ in range(8)]
            with concurrent.futures.ThreadPoolExecutor(8) as pool:
                answers = list(pool.map(
                    lambda gate: self.submit(data, members, gate), gates))
        self.assertEqual(len({answer["body"]["id"] for answer in answers}), 1)
        self.assertEqual(sorted(answer["status"] for answer in answers),
                         [200] * 7 + [201])
        # The next test counts what starts.
        self.site.finish(answers[0]["body"]["id"])

    def test_after_a_restart_of_the_runner(self):
        seen = self.see("true")
        self.site.finish(seen.task)
        tasks, _ = self.events()
        self.site.restart(self.site.runner)
        with FalseGateway(self.site) as gate:
            self.again(seen, gate)
        self.assertEqual(self.events()[0], tasks)


class TestWithheld(Captured):
    """It can wait with what a client has signed: not until that client is
    gone."""

    def test_its_owner_is_revoked(self):
        self.site.enroll("dave")
        running = self.see("sleep", "600", who="dave")
        wait_until(lambda: self.site.task(running.task, who="dave")["state"]
                   == "running", what="a running task")
        data = body("true")
        withheld = self.signed(data, "dave")
        report = revoke(self.site, "subject", "dave")
        self.assertEqual(report["running"], 1, report)
        self.assertFalse(self.site.runs(running.task))
        self.refused("withheld until its owner was revoked", data, withheld,
                     "revoked")
        self.refused("what is there already", running.data, running.members,
                     "revoked")
        answer, _ = self.gate.ask("get", who="dave", task=running.task,
                                  wait=0)
        self.assertEqual(answer.get("error"), "revoked", answer)

    def test_its_token_is_revoked(self):
        token = self.site.admin(
            "token", "issue", "bob", "--dir", self.site.etc, "--cert",
            self.site.members["bob"].certificate,
            "--scope=tasks:run").stdout.strip()
        data = body("true")
        withheld = self.signed(data, "bob", token=token)
        revoke(self.site, "token", "-", stdin=token)
        self.refused("withheld until its token was revoked", data, withheld,
                     "revoked")

    def test_the_policy_does_not_allow_it(self):
        """Signed as it must be, and forwarded by a gateway that asks no
        policy."""
        data = json.dumps({"image": "nobody/allows-this"}).encode()
        tasks, _ = self.events()
        answer = self.submit(data, self.signed(data))
        self.assertEqual(answer.get("error"), "denied", answer)
        wait_until(lambda: any(
            record["event"] == "task.denied" and
            record["object"]["by"] == "runner" and
            record["principal"]["subject"] == "alice"
            for record in self.site.audit()), what="a record of it")
        self.assertEqual(self.events()[0], tasks)


# Says hello, and what becomes of it.
GREET = """
import socket, sys
sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
sock.settimeout(30)
sock.connect(sys.argv[1])
try:
    sock.send(b'{"type":"hello","version":1,"role":"gateway"}')
    answer = sock.recv(65536)
except ConnectionError:
    answer = b""
print(answer or "closed")
"""


class TestReach(Captured):
    """What else it can say to the runner."""

    def refusals(self):
        """Who was refused on a private socket: (uid, socket, reason)."""
        return [tuple(record["object"][name]
                      for name in ("uid", "socket", "reason"))
                for record in self.site.audit()
                if record["event"] == "peer.refused"]

    def dropped(self, message, *descriptors, hello=True):
        """So that nothing comes of it, and it is on record."""
        tasks, _ = self.events()
        before = self.refusals()
        with FalseGateway(self.site, hello=hello) as gate:
            gate.send(message, *descriptors)
            self.assertTrue(gate.is_dropped(), message)
        wait_until(lambda: len(self.refusals()) > len(before),
                   what=f"a record of {message!r:.200}")
        self.assertEqual(self.refusals()[len(before):], [
            (self.site.gateway_uid, "gateway", "what it sent")])
        self.assertEqual(self.events()[0], tasks)

    def test_the_operators_messages_are_not_the_gateways(self):
        table = (ROOT / "lib" / "messages.def").read_text()
        names = re.findall(r"TO_RUNNER\((\w+), ROLE_ADMIN,", table)
        self.assertGreaterEqual(set(names), {"revoke", "restore", "reload"})
        for name in names:
            self.dropped({"type": name, "request": 1})
        self.dropped({"type": "restore", "request": 1, "kind": "subject",
                      "value": "dave"})

    def test_what_makes_no_sense(self):
        asks = self.gate.envelope()
        for message in (
                b"\0", b"[]", b"{}", b'{"type":"nothing"}',
                b'{"type":"forget","type":"forget","request":1}',
                b'{"type":"forget","request":1}' + b" " * 65536,
                {"type": "hello", "version": 1, "role": "gateway"},
                {"type": "welcome", "version": 1, "runner": "x"},
                {"type": "revoked", "change": 2 ** 62, "closed": 0},
                {"type": "approval", **asks, "task": "x" * 36},
                {"type": "submit", **asks, "wait": 0, "signed": True},
                {"type": "submit", **asks, "wait": 61}):
            self.dropped(message)
        for message in (
                {"type": "list", **asks, "limit": 1},
                {"type": "hello", "version": 1, "role": "admin"},
                {"type": "hello", "version": 2, "role": "gateway"}):
            self.dropped(message, hello=False)

    def test_bodies_that_are_none_or_could_still_change(self):
        data = body("true")
        submit = {"type": "submit", "wait": 0, **self.gate.envelope(),
                  **self.signed(data)}
        reading, writing = os.pipe()
        path = self.site.folder / "body"
        path.write_bytes(data)
        made = [reading, writing, os.open(path, os.O_RDONLY), memfd(data, 0),
                *(memfd(data, SEALS & ~seal) for seal in (
                    fcntl.F_SEAL_WRITE, fcntl.F_SEAL_GROW,
                    fcntl.F_SEAL_SHRINK, fcntl.F_SEAL_SEAL)),
                memfd(b" " * (1024 * 1024 + 1)), memfd(data)]
        try:
            for wrong in made[:-1]:
                self.dropped(submit, wrong)
            self.dropped(submit)
            self.dropped(submit, made[-1], made[-1])
        finally:
            for number in made:
                os.close(number)
        # The same in a memfd that is sealed is a task.
        answer = self.submit(data, self.signed(data))
        self.assertEqual(answer["type"], "reply", answer)
        self.site.finish(answer["body"]["id"])

    def test_the_socket_is_the_gateways_alone(self):
        """Root opens any socket, and a group may have members: neither is
        anybody there."""
        other = self.site.client_uid
        for uid, gid in ((0, 0), (other, self.site.gateway_uid)):
            before = len(self.refusals())
            done = subprocess.run(
                ["/usr/bin/python3", "-B", "-c", GREET,
                 str(self.site.run / "gateway.sock")], user=uid, group=gid,
                extra_groups=[], env=environment(), cwd="/", text=True,
                capture_output=True, timeout=60, check=False)
            self.assertEqual((done.returncode, done.stdout), (0, "closed\n"),
                             done.stderr)
            wait_until(lambda: len(self.refusals()) > before,
                       what="a record of it")
            self.assertEqual(self.refusals()[before:],
                             [(uid, "gateway", "its uid")])

    def test_what_it_can_do_it_can_do_with_what_it_saw(self):
        """Watch, and end: not more. Each has its row in SECURITY.md."""
        seen = self.see("sh", "-c", "echo secret; sleep 60")
        wait_until(lambda: self.site.output(seen.task) == b"secret\n",
                   what="output")
        envelope = {name: seen.members[name]
                    for name in ("certificate", "token")}
        found, _ = self.gate.ask("get", task=seen.task, wait=0, **envelope)
        self.assertEqual(found["body"]["id"], seen.task)
        self.gate.ask("cancel", task=seen.task, grace=0, **envelope)
        self.assertEqual(self.site.finish(seen.task)["outcome"], "cancelled")
        wait_until(lambda: any(record["event"] == "task.cancel_asked"
                               for record in self.site.audit(seen.task)),
                   what="a record of it")


if __name__ == "__main__":
    main()
