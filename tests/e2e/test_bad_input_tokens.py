"""Tokens that must not be accepted. Every one is 401 with the challenge of
RFC 6750 and ends neither connection nor process."""

import pathlib
import time

import harness_forge as forge
from harness import Case, main, wait_until


class TestTokens(Case):
    def assert_refused(self, token, **call):
        answer = self.site.call("GET", "/v1/whoami", token=token, **call)
        self.assertEqual((answer.status, answer.problem),
                         (401, "unauthenticated"), answer.body)
        self.assertTrue(
            answer.headers["WWW-Authenticate"].startswith("Bearer"))
        # A short one may be part of the request's id by chance.
        signature = token.rpartition(".")[2]
        if token.count(".") == 2 and len(signature) > 20:
            self.assertNotIn(signature, answer.body.decode())
        # What is refused to read is refused to run, too.
        answer = self.site.call(
            "POST", "/v1/tasks", {"image": "x"}, token=token, **call)
        self.assertEqual(answer.status, 401)
        return answer

    def reissued(self, **changes):
        return forge.reissue(self.site, self.site.members["alice"],
                             **changes)

    def test_the_forgers_way_makes_good_tokens_too(self):
        # Otherwise the refusals below would say nothing.
        answer = self.site.call("GET", "/v1/whoami",
                                token=self.reissued(jti="forged-1"))
        self.assertEqual(answer.status, 200, answer.body)
        self.assertEqual(answer.json["token"]["id"], "forged-1")

    def test_no_token(self):
        self.assert_refused("")

    def test_an_empty_token(self):
        self.assert_refused("", headers={"Authorization": "Bearer "})

    def test_another_scheme(self):
        token = self.site.members["alice"].token
        self.assert_refused("", headers={"Authorization": f"Basic {token}"})

    def test_an_expired_token(self):
        now = int(time.time())
        self.assert_refused(self.reissued(
            iat=now - 7200, nbf=now - 7200, exp=now - 3600))

    def test_a_token_that_is_not_valid_yet(self):
        now = int(time.time())
        self.assert_refused(self.reissued(
            iat=now + 3600, nbf=now + 3600, exp=now + 7200))

    def test_a_token_that_lives_too_long(self):
        now = int(time.time())
        self.assert_refused(self.reissued(exp=now + 400 * 86400))

    def test_somebody_elses_token(self):
        self.assert_refused(self.site.members["bob"].token)

    def test_ones_own_name_in_a_token_bound_to_another_certificate(self):
        _, claims = forge.parts(self.site.members["bob"].token)
        self.assert_refused(self.reissued(cnf=claims["cnf"]))

    def test_ones_own_certificate_under_another_name(self):
        self.assert_refused(self.reissued(sub="bob"))

    def test_a_token_bound_to_nothing(self):
        self.assert_refused(self.reissued(cnf=None))

    def test_each_claim_that_is_missing(self):
        for name in ("iss", "sub", "aud", "exp", "nbf", "iat", "jti",
                     "scope"):
            with self.subTest(claim=name):
                self.assert_refused(self.reissued(**{name: None}))

    def test_another_issuer_and_another_audience(self):
        self.assert_refused(self.reissued(iss="somebody"))
        self.assert_refused(self.reissued(aud="another-installation"))

    def test_a_token_signed_by_another_key(self):
        key = forge.make_key(self.site.folder / "other.key")
        header, claims = forge.parts(self.site.members["alice"].token)
        self.assert_refused(forge.token(
            header, claims, lambda text: forge.es256(key, text)))

    def test_a_signature_cut_off_or_changed(self):
        token = self.site.members["alice"].token
        signed, signature = token.rsplit(".", 1)
        self.assert_refused(f"{signed}.")
        self.assert_refused(signed)
        other = "B" if signature[0] == "A" else "A"
        self.assert_refused(f"{signed}.{other}{signature[1:]}")

    def test_the_algorithm_none(self):
        _, claims = forge.parts(self.site.members["alice"].token)
        header, _ = forge.parts(self.site.members["alice"].token)
        for name in ("none", "None", "NONE", ""):
            with self.subTest(algorithm=name):
                self.assert_refused(forge.token(
                    {**header, "alg": name}, claims, lambda _: b""))

    def test_an_hmac_keyed_with_the_public_key(self):
        header, claims = forge.parts(self.site.members["alice"].token)
        folder = pathlib.Path(self.site.etc, "token-keys")
        secret = (folder / f"{header['kid']}.pem").read_bytes()
        self.assert_refused(forge.token(
            {**header, "alg": "HS256"}, claims,
            lambda text: forge.hs256(secret, text)))

    def test_the_right_algorithm_written_otherwise(self):
        self.assert_refused(self.reissued(header={"alg": "es256"}))

    def test_an_unknown_key_id_and_one_that_is_a_path(self):
        self.assert_refused(self.reissued(header={"kid": "unknown"}))
        self.assert_refused(self.reissued(
            header={"kid": "../token-keys/x"}))

    def test_headers_that_bring_a_key_along(self):
        for name in ("jku", "jwk", "x5u", "x5c"):
            with self.subTest(member=name):
                self.assert_refused(self.reissued(
                    header={name: "https://127.0.0.1/key"}))
        self.assert_refused(self.reissued(header={"crit": ["exp"]}))

    def test_a_token_of_three_hundred_thousand_bytes(self):
        # More than a head may have: it never gets as far as a token.
        token = "A" * 300000
        with self.site.wire() as wire:
            wire.send(self.site.request_bytes("GET", "/v1/whoami",
                                              token=token))
            self.assertIn(b" 431 ", wire.rest().split(b"\r\n")[0])

    def test_a_token_of_more_than_four_kibibytes(self):
        self.assert_refused("A" * 5000)

    def test_parts_that_are_not_base64url_or_not_json(self):
        for token in ("a.b", "a.b.c.d", "...", "e30.e30.e30", "!!!.???.###",
                      "bm90.anNvbg.AA"):
            with self.subTest(token=token):
                self.assert_refused(token)

    def test_a_scope_that_does_not_suffice_is_403(self):
        token = self.reissued(scope="tasks:read")
        answer = self.site.call("POST", "/v1/tasks", {"image": "x"},
                                token=token)
        self.assertEqual((answer.status, answer.problem),
                         (403, "insufficient-scope"))
        challenge = answer.headers["WWW-Authenticate"]
        self.assertIn('error="insufficient_scope"', challenge)
        self.assertIn("tasks:run", challenge)

    def test_a_refusal_is_on_record(self):
        self.assert_refused(self.reissued(sub="bob"))
        # Refusals are summed up for a moment before they are sent.
        wait_until(lambda: any(
            record["event"] == "request.refused"
            for record in self.site.audit()), 90, "the record")

    def test_the_client_says_what_to_do(self):
        folder = self.site.members["alice"].folder
        kept = (folder / "token").read_text()
        now = int(time.time())
        (folder / "token").write_text(self.reissued(
            iat=now - 7200, nbf=now - 7200, exp=now - 3600) + "\n")
        try:
            done = self.site.client("whoami")
        finally:
            (folder / "token").write_text(kept)
        self.assertEqual(done.returncode, 4, done.stderr)
        self.assertIn("taskgate-admin", done.stderr)


if __name__ == "__main__":
    main()
