#!/usr/bin/python3
"""The operator's tool by itself: certificates, keys and tokens that it issues,
rotates and hands over."""

import base64
import fcntl
import json
import os
import socket
import ssl
import stat
import threading
import unittest

from harness_admin import (GATEWAY_UID, KEYS, AdminCase, on_terminal, openssl,
                           snapshot)


class Rotate(AdminCase):
    """What a crash between two files leaves is good, and goes on."""

    def setUp(self):
        super().setUp()
        self.init()

    def changed(self, *words):
        """The files that a command has written."""
        before = snapshot(self.etc)
        result = self.run_json(*words)
        return result, {
            name for name, now in snapshot(self.etc).items()
            if before.get(name) != now and stat.S_ISREG(now[1])}

    def test_each_rotation_writes_its_files_and_no_other(self):
        made, files = self.changed("cert", "renew")
        self.assertEqual(files, {
            "gateway/server.crt", "gateway/server.key",
            f"operator/issued/{made['serial']}.pem"})
        made, files = self.changed("token", "rotate")
        self.assertEqual(files, {
            "operator/token.key", f"token-keys/{made['key_id']}.pem"})
        made, files = self.changed("ca", "rotate")
        self.assertEqual(files, {"operator/ca.key", "ca.crt"})
        made, files = self.changed("audit", "rotate")
        self.assertEqual(files, {"runner/audit.key", "audit.pub"})
        for name, owner in KEYS.items():
            status = (self.etc / name).stat()
            self.assertEqual((status.st_uid, stat.S_IMODE(status.st_mode)),
                             (owner, 0o600), name)
        self.assertIn("Nothing had to be made", self.init().stdout)

    def test_a_bundle_without_its_new_key_signs_with_the_old_one(self):
        old, = self.run_json("ca", "list")
        key = (self.etc / "operator/ca.key").read_bytes()
        made = self.run_json("ca", "rotate")
        # Cut off before the key was there.
        (self.etc / "operator/ca.key").write_bytes(key)
        signs = {one["serial"]: one["signs"]
                 for one in self.run_json("ca", "list")}
        self.assertEqual(signs, {old["serial"]: True, made["serial"]: False})
        self.admin("cert", "renew", "--dir", self.etc)
        self.assertIn("Nothing had to be made", self.init().stdout)
        self.admin("ca", "drop", made["serial"], "--dir", self.etc)
        again = self.run_json("ca", "rotate")
        self.assertEqual([one["serial"] for one in self.run_json(
            "ca", "list")], [again["serial"], old["serial"]])

    def test_a_token_key_without_its_private_part_signs_nothing(self):
        key = (self.etc / "operator/token.key").read_bytes()
        made = self.run_json("token", "rotate")
        (self.etc / "operator/token.key").write_bytes(key)
        signs = {one["key_id"]: one["signs"]
                 for one in self.run_json("token", "keys")}
        self.assertEqual(signs, {made["old_key_id"]: True,
                                 made["key_id"]: False})

    def test_without_its_key_nothing_is_rotated(self):
        for name, words in (("operator/ca.key", ("ca", "rotate")),
                            ("operator/token.key", ("token", "rotate")),
                            ("runner/audit.key", ("audit", "rotate"))):
            path = self.etc / name
            kept = path.read_bytes(), path.stat()
            path.unlink()
            self.refused(*words, saying=path.name, code=3)
            path.write_bytes(kept[0])
            path.chmod(0o600)
            os.chown(path, kept[1].st_uid, kept[1].st_gid)
        self.assertIn("Nothing had to be made", self.init().stdout)

    def test_the_last_one_stays(self):
        ca, = self.run_json("ca", "list")
        key, = self.run_json("token", "keys")
        self.refused("ca", "drop", ca["serial"], "--now",
                     saying="the only CA", code=6)
        self.refused("token", "drop", key["key_id"], "--now",
                     saying="the one that signs", code=6)
        self.refused("token", "drop", "../operator/token", "--now",
                     saying="no token key", code=3)

    def test_one_at_a_time(self):
        folder = os.open(self.etc, os.O_RDONLY)
        self.addCleanup(os.close, folder)
        fcntl.flock(folder, fcntl.LOCK_EX)
        for words in (("ca", "rotate"), ("token", "rotate"),
                      ("cert", "renew"), ("audit", "rotate")):
            self.refused(*words, saying="another taskgate-admin", code=6)


class Certificates(AdminCase):

    def setUp(self):
        super().setUp()
        self.init("--server-name", "gate.example.org", "--server-name",
                  "192.0.2.7")

    def request(self, *more, key=("-newkey", "ec", "-pkeyopt",
                                  "ec_paramgen_curve:P-256")):
        path = self.folder / "request.pem"
        openssl("req", "-new", "-nodes", *key, "-keyout",
                self.folder / "request.key", "-out", path, "-subj",
                "/CN=root/O=evil", *more)
        return path

    def test_server_certificate_passes_openssl_strictly(self):
        for name in (("-verify_hostname", "gate.example.org"),
                     ("-verify_hostname", "localhost"),
                     ("-verify_ip", "192.0.2.7"), ("-verify_ip", "::1")):
            openssl("verify", "-x509_strict", "-purpose", "sslserver",
                    "-CAfile", self.etc / "ca.crt", *name,
                    self.etc / "gateway/server.crt")

    def test_request_made_by_openssl_is_signed(self):
        path = self.request("-addext",
                            "subjectAltName=URI:taskgate:client:root",
                            "-addext", "basicConstraints=CA:TRUE")
        signed = self.admin("cert", "sign", path, "--dir", self.etc,
                            "--name", "alice", "--days", 7).stdout
        (self.folder / "alice.crt").write_text(signed)
        openssl("verify", "-x509_strict", "-purpose", "sslclient", "-CAfile",
                self.etc / "ca.crt", self.folder / "alice.crt")
        shown = self.run_json("cert", "show", self.folder / "alice.crt")
        self.assertEqual(shown["names"], ["URI:taskgate:client:alice"])
        self.assertEqual(shown["profile"], "client")
        self.assertNotIn("problem", shown)
        text = openssl("x509", "-in", self.folder / "alice.crt", "-noout",
                       "-text")
        self.assertNotIn("root", text)
        self.assertNotIn("evil", text)
        self.assertIn("CA:FALSE", text)

    def test_request_from_standard_input_is_signed(self):
        text = self.request().read_text()
        self.admin("cert", "sign", "-", "--dir", self.etc, "--name", "bob",
                   "--out", self.folder / "bob.crt", stdin=text)
        self.assertIn("BEGIN CERTIFICATE",
                      (self.folder / "bob.crt").read_text())

    def test_server_profile_renews_the_server(self):
        path = self.request()
        signed = self.admin("cert", "sign", path, "--dir", self.etc,
                            "--profile", "server", "--name",
                            "new.example.org").stdout
        (self.folder / "server.crt").write_text(signed)
        openssl("verify", "-x509_strict", "-purpose", "sslserver",
                "-verify_hostname", "new.example.org", "-CAfile",
                self.etc / "ca.crt", self.folder / "server.crt")

    def test_request_with_a_broken_signature_is_refused(self):
        path = self.folder / "request.der"
        openssl("req", "-in", self.request(), "-outform", "DER", "-out", path)
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        path.write_bytes(data)
        broken = openssl("req", "-inform", "DER", "-in", path)
        self.refused("cert", "sign", "-", "--name", "alice", stdin=broken,
                     saying="not signed by its own key")

    def test_request_with_a_short_key_is_refused(self):
        path = self.request(key=("-newkey", "rsa:1024"))
        self.refused("cert", "sign", path, "--name", "alice",
                     saying="RSA key is too short")

    def test_request_must_be_given_a_name(self):
        self.refused("cert", "sign", self.request(),
                     saying="names in the request are not believed")

    def test_names_are_checked(self):
        path = self.request()
        for name in ("Alice", "a/b", "", "a,URI:taskgate:client:root",
                     "a" * 65):
            self.refused("cert", "sign", path, f"--name={name}",
                         saying="not a valid name")
        self.refused("cert", "sign", path, "--name", "a", "--name", "b",
                     saying="exactly one name")
        self.refused("cert", "sign", path, "--name", "a b", "--profile",
                     "server", saying="neither a DNS name")

    def test_list_and_show_know_what_was_signed(self):
        self.admin("enroll", "alice", "--dir", self.etc)
        listed = self.run_json("cert", "list")
        self.assertEqual(sorted(one["profile"] for one in listed),
                         ["client", "server"])
        for one in listed:
            shown = self.run_json("cert", "show", one["serial"])
            self.assertEqual(shown["serial"], one["serial"])
            self.assertGreaterEqual(len(one["serial"]), 28)
        ids = self.admin("cert", "list", "--dir", self.etc, "-o",
                         "id").stdout.split()
        self.assertEqual(sorted(ids),
                         sorted(one["serial"] for one in listed))
        self.refused("cert", "show", "00ff00ff", code=3,
                     saying="taskgate-admin cert list")

    def test_certificate_of_another_installation_shows_its_problem(self):
        other = self.folder / "other"
        self.admin("init", "--dir", other, "--gateway-uid", 1,
                   "--runner-uid", 2)
        self.admin("enroll", "alice", "--dir", other, "--out", "alice")
        shown = self.run_json("cert", "show", "alice/client.crt")
        self.assertIn("unable to get local issuer", shown["problem"])

    def test_ca_key_that_others_can_read_signs_nothing(self):
        (self.etc / "operator/ca.key").chmod(0o604)
        self.refused("cert", "sign", self.request(), "--name", "alice",
                     saying="chmod 600")
        self.refused("enroll", "alice", saying="chmod 600")
        self.assertFalse((self.folder / "alice").exists())

    def test_ca_key_of_another_user_signs_nothing(self):
        os.chown(self.etc / "operator/ca.key", GATEWAY_UID, 0)
        self.refused("enroll", "alice", saying="belongs to uid")


class Enrolment(AdminCase):

    def setUp(self):
        super().setUp()
        self.init()

    def test_folder_holds_a_whole_context(self):
        self.admin("enroll", "alice", "--dir", self.etc, "--out", "ctx",
                   "--server", "https://gate.example.org:1234")
        folder = self.folder / "ctx"
        modes = {path.name: stat.S_IMODE(path.stat().st_mode)
                 for path in folder.iterdir()}
        self.assertEqual(stat.S_IMODE(folder.stat().st_mode), 0o700)
        self.assertEqual(modes["client.key"], 0o600)
        self.assertEqual(modes["token"], 0o600)
        context = json.loads((folder / "context.json").read_text())
        self.assertEqual(context["server"], "https://gate.example.org:1234")
        self.assertEqual(context["subject"], "alice")
        for member in ("certificate", "key", "ca", "token", "audit_key"):
            self.assertIn(context[member], modes)
        self.assertEqual((folder / "token").read_text().count("\n"), 1)
        self.assertEqual((folder / "ca.crt").read_bytes(),
                         (self.etc / "ca.crt").read_bytes())

    def test_bundle_is_the_same_in_one_file(self):
        self.admin("enroll", "alice", "--dir", self.etc, "--bundle", "a.json")
        path = self.folder / "a.json"
        self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600)
        bundle = json.loads(path.read_text())
        self.assertEqual(set(bundle), {"context", "files"})
        self.assertEqual(
            set(bundle["files"]),
            {bundle["context"][name] for name in (
                "certificate", "key", "ca", "token", "audit_key")})
        self.assertIn("PRIVATE KEY", bundle["files"]["client.key"])

    def test_key_and_certificate_do_a_handshake(self):
        """With the server's own pair, both sides verifying."""
        self.admin("enroll", "alice", "--dir", self.etc)
        ours, theirs = socket.socketpair()
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.load_cert_chain(self.etc / "gateway/server.crt",
                               self.etc / "gateway/server.key")
        server.load_verify_locations(self.etc / "ca.crt")
        server.verify_mode = ssl.CERT_REQUIRED
        client = ssl.create_default_context(cafile=self.etc / "ca.crt")
        client.load_cert_chain(self.folder / "alice/client.crt",
                               self.folder / "alice/client.key")
        seen = []

        def serve():
            with server.wrap_socket(theirs, server_side=True) as stream:
                seen.append(stream.getpeercert())
                stream.sendall(b"hello")
        thread = threading.Thread(target=serve)
        thread.start()
        with client.wrap_socket(ours, server_hostname="localhost") as stream:
            stream.settimeout(30)
            self.assertEqual(stream.recv(5), b"hello")
        thread.join(30)
        self.assertEqual(seen[0]["subjectAltName"],
                         (("URI", "taskgate:client:alice"),))

    def test_nothing_is_written_over(self):
        self.admin("enroll", "alice", "--dir", self.etc)
        before = snapshot(self.folder / "alice")
        signed = len(self.run_json("cert", "list"))
        self.refused("enroll", "alice", code=6, saying="is there already")
        self.refused("enroll", "bob", "--bundle", "alice/token", code=6,
                     saying="is there already")
        self.assertEqual(snapshot(self.folder / "alice"), before)
        self.assertEqual(len(self.run_json("cert", "list")), signed)

    def test_scopes_roles_and_times_are_as_asked(self):
        self.admin("enroll", "alice", "--dir", self.etc, "--scope",
                   "audit:read", "--scope", "tasks:run", "--role", "ops",
                   "--role", "ci", "--ttl", "5m", "--days", "2")
        token = self.run_json("token", "inspect", "alice/token")
        self.assertEqual(token["scope"], "tasks:run audit:read")
        self.assertEqual(token["roles"], ["ops", "ci"])
        self.assertEqual(token["subject"], "alice")
        certificate = self.run_json("cert", "show", "alice/client.crt")
        self.assertEqual(token["thumbprint"], certificate["thumbprint"])

    def test_default_scopes_are_for_tasks(self):
        self.admin("enroll", "alice", "--dir", self.etc)
        token = self.run_json("token", "inspect", "alice/token")
        self.assertEqual(token["scope"], "tasks:run tasks:read tasks:cancel")

    def test_bad_wishes_are_refused_with_a_reason(self):
        for words, reason in (
                (("--scope", "tasks:everything"), "not one of tasks:run"),
                (("--role", "Ops"), "not a valid role"),
                (("--ttl", "25h"), "token_lifetime_max"),
                (("--ttl", "soon"), "not a duration"),
                (("--days", "0"), "days"),
                (("--server", "http://x"), "https://"),
                (("--out", "a", "--bundle", "b"), "not both")):
            self.refused("enroll", "alice", *words, saying=reason)
        for name in ("Alice", "a/../b", "", ".a", "a" * 65):
            self.refused("enroll", name, saying="not a valid name")
        self.assertEqual(len(self.run_json("cert", "list")), 1)

    def test_installation_that_is_not_there_names_the_command(self):
        self.etc = self.folder / "nowhere"
        self.refused("enroll", "alice", code=3,
                     saying="taskgate-admin init --dir")


class Tokens(AdminCase):

    def setUp(self):
        super().setUp()
        self.init()
        self.admin("enroll", "alice", "--dir", self.etc)
        self.admin("enroll", "bob", "--dir", self.etc)

    def test_token_is_bound_to_the_certificate(self):
        token = self.admin("token", "issue", "alice", "--dir", self.etc,
                           "--cert", "alice/client.crt").stdout
        shown = self.run_json("token", "inspect", stdin=token)
        self.assertTrue(shown["valid"])
        self.assertNotIn(token.strip(), json.dumps(shown))
        self.refused("token", "issue", "bob", "--cert", "alice/client.crt",
                     saying="is alice's, not bob's")
        self.refused("token", "issue", "alice", saying="--cert is missing")

    def test_token_in_a_file_is_for_its_owner(self):
        self.admin("token", "issue", "alice", "--dir", self.etc, "--cert",
                   "alice/client.crt", "--out", "t")
        path = self.folder / "t"
        self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600)
        self.assertTrue(self.run_json("token", "inspect", path)["valid"])

    def test_server_certificate_gets_no_token(self):
        self.refused("token", "issue", "alice", "--cert",
                     self.etc / "gateway/server.crt", saying="certificate:")

    def test_changed_token_is_told(self):
        token = (self.folder / "alice/token").read_text().strip()
        head, body, signature = token.split(".")
        forged = f"{head}.{body}.{'B' + signature[1:]}"
        if forged == token:
            forged = f"{head}.{body}.{'C' + signature[1:]}"
        shown = self.run_json("token", "inspect", stdin=forged, code=1)
        self.assertFalse(shown["valid"])
        self.assertIn("signature does not verify", shown["problem"])

    def test_token_of_another_installation_is_told(self):
        other = self.folder / "other"
        self.admin("init", "--dir", other, "--gateway-uid", 1,
                   "--runner-uid", 2)
        shown = json.loads(self.admin(
            "token", "inspect", "alice/token", "--dir", other, "-o", "json",
            code=1).stdout)
        self.assertIn("key is not known", shown["problem"])

    def test_what_is_no_token_is_refused(self):
        for text in ("", "x", "a.b.c", "\0" * 10, "é" * 100):
            self.refused("token", "inspect", stdin=text, saying="token:")

    def test_what_a_forger_wrote_moves_no_cursor(self):
        def part(data):
            return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
        claims = {"sub": "\x1b[2J\x07", "iss": "\u202e\u009b31m",
                  "roles": ["\x1b]0;a\x07"]}
        path = self.folder / "forged"
        path.write_text(".".join(map(part, (
            b'{"alg":"ES256","kid":"k","typ":"JWT"}',
            json.dumps(claims, ensure_ascii=False).replace(
                "\x1b", "\\u001b").encode(),
            b"\1" * 64))))
        for words in ((), ("-o", "json"), ("-o", "jsonl")):
            code, text = on_terminal("token", "inspect", path, "--dir",
                                     self.etc, *words)
            self.assertEqual(code, 1)
            self.assertIn("31m", text)
            for byte in ("\x1b", "\x07", "\u202e", "\u009b"):
                self.assertNotIn(byte, text, words)

    def test_unpublished_key_issues_nothing(self):
        for path in (self.etc / "token-keys").iterdir():
            path.rename(path.with_name("old.pem"))
        self.refused("token", "issue", "alice", "--cert", "alice/client.crt",
                     code=6, saying="no token would be accepted")

    def test_token_key_that_others_can_read_issues_nothing(self):
        (self.etc / "operator/token.key").chmod(0o644)
        self.refused("token", "issue", "alice", "--cert", "alice/client.crt",
                     saying="chmod 600")


if __name__ == "__main__":
    unittest.main()
