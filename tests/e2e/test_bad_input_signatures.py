"""Signatures that nobody should take: none makes a task, whether they come by
HTTP, where the gateway refuses them, or from a gateway that somebody has taken
over and that passes them on; and what was signed once makes one task."""

import base64
import concurrent.futures
import time
import uuid

from harness import IMAGE, Case, main, rule
from harness_forge import Authority, openssl, reissue, self_signed
from harness_gateway import FalseGateway, body
from harness_sign import COMPONENTS, Signer, content_digest
from harness_wire import head, tls_context

FIELDS = ("Content-Digest", "Idempotency-Key", "Signature-Input",
          "Signature")
UNSIGNED = "taskgate-test/unsigned"
POLICY = {"version": 1, "rules": [
    rule("test", ["alice", "bob"]),
    {**rule("open", ["alice"], unsigned=True), "image": UNSIGNED}]}


class SignatureCase(Case):
    policy = POLICY

    @property
    def alice(self):
        return self.site.members["alice"]

    def sign(self, data=None, **changes):
        """(body, header fields): in order, but for what is changed."""
        data = body("true") if data is None else data
        changes.setdefault("token", self.alice.token)
        changes.setdefault("key", uuid.uuid4().hex)
        return data, self.alice.signer.sign(body=data, **changes)

    def tasks(self):
        return {task["id"] for task in self.site.call(
            "GET", "/v1/tasks?limit=200").json["tasks"]}

    def refused(self, data, fields, words, **more):
        """By the gateway, and by the runner itself."""
        before = self.tasks()
        self.refused_by_gateway(data, fields, words, **more)
        self.refused_by_runner(data, fields, words)
        self.assertEqual(self.tasks(), before)

    def refused_by_gateway(self, data, fields, words, status=401, **more):
        answer = self.site.call("POST", "/v1/tasks", data, headers=fields,
                                signed=False, **more)
        self.assertEqual(answer.status, status, answer.body)
        self.assertEqual(answer.problem, "unauthenticated")
        self.assertIn(words, answer.detail)

    def refused_by_runner(self, data, fields, words, **more):
        members = {member: fields[name] for member, name in (
            ("idempotency_key", "Idempotency-Key"),
            ("signature_input", "Signature-Input"),
            ("signature", "Signature")) if fields.get(name) is not None}
        with FalseGateway(self.site) as gate:
            answer = gate.ask_submit(data, **members, **more)
        self.assertEqual(answer.get("error"), "unauthenticated", answer)
        self.assertIn(words, answer["detail"])


class TestForged(SignatureCase):
    def test_none_at_all(self):
        for fields in ({}, {"Idempotency-Key": "k"}):
            self.refused(body("true"), fields, "must be signed")
        refusals = [record for record in self.site.audit()
                    if record["event"] == "request.refused"]
        self.assertIn("alice", [record["principal"].get("subject")
                                for record in refusals])

    def test_half_of_one(self):
        data, fields = self.sign()
        for name in ("Signature-Input", "Signature"):
            self.refused(data, {**fields, name: None}, "come together")
        self.refused(data, {**fields, "Idempotency-Key": None},
                     "needs an Idempotency-Key")

    def test_another_body(self):
        data, fields = self.sign()
        other = body("false")
        self.refused_by_gateway(other, fields, "Content-Digest")
        self.refused(other, {**fields,
                             "Content-Digest": content_digest(other)},
                     "does not verify")
        # What means the same is not the same.
        self.refused_by_runner(data + b" ", fields, "does not verify")

    def test_another_digest_than_the_bodys(self):
        data, fields = self.sign()
        for value in (None, content_digest(b""), fields[
                "Content-Digest"].replace("sha-256", "sha-512"),
                      fields["Content-Digest"] + ", md5=:AAAA:"):
            self.refused_by_gateway(
                data, {**fields, "Content-Digest": value}, "Content-Digest")

    def test_another_path_method_token_or_key(self):
        for changes in ({"path": "/v1/blobs"}, {"path": "/v1/tasks/"},
                        {"path": "/v1/tasks?wait=0"}, {"method": "PUT"},
                        {"token": reissue(self.site, self.alice, jti="x")}):
            self.refused(*self.sign(**changes), "does not verify")
        data, fields = self.sign()
        self.refused(data, {**fields, "Idempotency-Key": "another"},
                     "does not verify")

    def test_another_key_than_the_certificates(self):
        bob = self.site.members["bob"].signer
        data = body("true")
        self.refused(data, bob.sign(self.alice.token, data, "k"), "keyid")
        self.refused(data, bob.sign(self.alice.token, data, "k",
                                    keyid=self.alice.signer.thumbprint),
                     "does not verify")

    def test_one_that_has_expired_or_is_not_made_yet(self):
        now = int(time.time())
        self.refused(*self.sign(created=now - 400), "expired")
        self.refused(*self.sign(created=now + 90), "future")
        self.refused(*self.sign(lifetime=301), "longer")
        self.refused(*self.sign(lifetime=-5), "before it was created")

    def test_der_in_place_of_two_numbers(self):
        self.refused(*self.sign(raw=False), "does not verify")

    def test_another_order_or_fewer_components(self):
        for components in (COMPONENTS[::-1], COMPONENTS[1:], COMPONENTS[:-1],
                           (*COMPONENTS, "@method"), ()):
            self.refused(*self.sign(components=components), "form")

    def test_what_stands_behind_it(self):
        data, fields = self.sign()
        for name, words in (("Signature-Input", "form"),
                            ("Signature", "BASE64")):
            self.refused(data, {**fields, name: fields[name] + ";a=1"}, words)
            self.refused(data, {**fields, name: f"{fields[name]}, "
                                f"{fields[name]}"}, words)

    def test_another_algorithm_or_tag(self):
        self.refused(*self.sign(alg="hmac-sha256"), "alg")
        self.refused(*self.sign(alg="ed25519"), "alg")
        self.refused(*self.sign(tag="another"), "form")

    def test_a_field_that_comes_twice(self):
        data, fields = self.sign()
        for name in FIELDS:
            with self.site.wire() as wire:
                request = self.site.request_bytes(
                    "POST", "/v1/tasks", data, headers=fields, signed=False)
                line = f"{name.lower()}: {fields[name]}\r\n".encode()
                first, rest = request.split(b"\r\n", 1)
                wire.send(first + b"\r\n" + line + rest)
                answer = wire.answer("POST")
            self.assertEqual((answer.status, answer.problem),
                             (400, "malformed"), name)
            self.assertIn("twice", answer.detail)

    def test_a_bad_one_is_refused_where_none_is_needed(self):
        data = body("true").replace(IMAGE.encode(), UNSIGNED.encode())
        self.refused(*self.sign(data, tag="x"), "form")
        answer = self.site.call("POST", "/v1/tasks", data, signed=False)
        self.assertEqual(answer.status, 201, answer.body)
        self.assertEqual(answer.json["rule"], "open")

    def test_one_for_another_installation(self):
        """Signed as it must be, with a token of there."""
        token = reissue(self.site, self.alice, aud="urn:taskgate:elsewhere")
        data, fields = self.sign(token=token)
        self.refused_by_gateway(data, fields, "token", token=token)
        self.refused_by_runner(data, fields, "token", token=token)

    def test_a_certificate_that_lacks_the_profile(self):
        """Chains, and holds the key that has signed; only the runner sees
        it, since TLS would have ended before."""
        forger = Authority.of(self.site, self.site.folder / "forger")
        certificates = [
            forger.issue("server", extendedKeyUsage="serverAuth"),
            forger.issue("none", extendedKeyUsage=None),
            forger.issue("ca", basicConstraints="critical,CA:TRUE"),
            forger.issue("ended", start=-2, end=-1),
            self_signed(self.site.folder / "self")]
        for certificate, key in certificates:
            signer = Signer(certificate, key)
            token = reissue(self.site, self.alice,
                            cnf={"x5t#S256": signer.thumbprint})
            data = body("true")
            der = openssl("x509", "-in", certificate, "-outform", "DER")
            self.refused_by_runner(
                data, signer.sign(token, data, "k"), "certificate",
                token=token, certificate=base64.urlsafe_b64encode(
                    der).decode().rstrip("="))


class TestClocksAndKeys(SignatureCase):
    def accepted(self, data, fields, **more):
        answer = self.site.call("POST", "/v1/tasks", data, headers=fields,
                                signed=False, **more)
        self.assertEqual(answer.status, 201, answer.body)
        return answer.json["id"]

    def test_clocks_may_be_a_minute_apart(self):
        """Less a moment, which the request takes."""
        for ahead in (59, -120 - 55):
            self.accepted(*self.sign(created=int(time.time()) + ahead))

    def test_each_kind_of_key_that_a_certificate_may_have(self):
        forger = Authority.of(self.site, self.site.folder / "kinds")
        for name, options in (
                ("p384", ("EC", "-pkeyopt", "ec_paramgen_curve:P-384")),
                ("ed25519", ("ED25519",)),
                ("rsa", ("RSA", "-pkeyopt", "rsa_keygen_bits:2048"))):
            key = forger.folder / f"{name}.key"
            openssl("genpkey", "-algorithm", *options, "-out", key)
            certificate, _ = forger.issue(name, key=key)
            signer = Signer(certificate, key)
            token = reissue(self.site, self.alice,
                            cnf={"x5t#S256": signer.thumbprint})
            data = body("true")
            fields = signer.sign(token, data, name)
            with self.site.wire(context=tls_context(
                    self.alice.ca, certificate, key)) as wire:
                wire.send(head("POST", "/v1/tasks", {
                    "Host": "x", "Authorization": f"Bearer {token}",
                    "Content-Type": "application/json",
                    "Content-Length": len(data), **fields}) + data)
                answer = wire.answer("POST")
            self.assertEqual(answer.status, 201, (name, answer.body))


class TestSentAgain(SignatureCase):
    def setUp(self):
        self.data, self.fields = self.sign(body("echo", "once"))

    def send(self):
        answer = self.site.call("POST", "/v1/tasks", self.data,
                                headers=self.fields, signed=False)
        self.assertIn(answer.status, (200, 201), answer.body)
        return answer.json["id"]

    def send_by_false_gateway(self):
        with FalseGateway(self.site) as gate:
            answer = gate.ask_submit(
                self.data, idempotency_key=self.fields["Idempotency-Key"],
                signature_input=self.fields["Signature-Input"],
                signature=self.fields["Signature"])
        self.assertEqual(answer["type"], "reply", answer)
        return answer["body"]["id"]

    def assert_one(self, ids):
        self.assertEqual(len(set(ids)), 1, ids)
        events = [record["event"] for record in self.site.audit(ids[0])]
        self.assertEqual(events.count("task.accepted"), 1)
        self.assertLessEqual(events.count("task.started"), 1)

    def test_many_at_once_are_one_task(self):
        with concurrent.futures.ThreadPoolExecutor(20) as pool:
            ids = list(pool.map(lambda _: self.send(), range(20)))
        self.assert_one(ids)

    def test_by_another_gateway_it_is_the_same_task(self):
        self.assert_one([self.send(), self.send_by_false_gateway(),
                         self.send_by_false_gateway(), self.send()])

    def test_after_a_restart_of_both_it_is_the_same_task(self):
        ids = [self.send()]
        self.site.restart(self.site.runner, self.site.gateway)
        ids += [self.send(), self.send_by_false_gateway()]
        self.site.runner.kill()
        self.site.runner.start()
        self.site.wait_ready()
        self.assert_one([*ids, self.send()])

    def test_once_it_has_ended_or_was_cancelled_it_is_the_same_task(self):
        first = self.send()
        self.site.finish(first)
        self.assert_one([first, self.send(), self.send_by_false_gateway()])
        self.data, self.fields = self.sign(body("sleep", "60"))
        second = self.send()
        self.site.call("DELETE", f"/v1/tasks/{second}?grace=0")
        self.assertEqual(self.site.finish(second)["outcome"], "cancelled")
        self.assert_one([second, self.send(), self.send_by_false_gateway()])

    def test_without_its_signature_it_is_nothing(self):
        self.send()
        self.refused(self.data, {
            "Idempotency-Key": self.fields["Idempotency-Key"]},
            "must be signed")

    def test_another_body_that_is_signed_under_the_key_is_a_conflict(self):
        self.send()
        data, fields = self.sign(body("false"),
                                 key=self.fields["Idempotency-Key"])
        answer = self.site.call("POST", "/v1/tasks", data, headers=fields,
                                signed=False)
        self.assertEqual((answer.status, answer.problem), (409, "conflict"))

    def test_the_client_signs_each_attempt_anew(self):
        """One key of the user's: the second run is the first one's task."""
        key = uuid.uuid4().hex
        runs = [self.site.client("submit", "--idempotency-key", key, IMAGE,
                                 "--", "true") for _ in range(2)]
        self.assert_one([done.stdout.strip() for done in runs])


if __name__ == "__main__":
    main()
