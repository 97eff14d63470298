"""The server's side of TLS, asked by openssl(1): what it offers, what it does
not, and what keeps it from starting."""

import os
import re
import socket
import ssl
import subprocess

import harness_forge as forge
from harness import Case, environment, main, wait_until
from harness_wire import head, tls_context


class TestOffer(Case):
    # Refused handshakes are what is tried here.
    gateway_settings = {"failures_per_address": 1000000}

    def s_client(self, *words, data=b"", env=None):
        member = self.site.members["alice"]
        return subprocess.run(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{self.site.port}",
             "-CAfile", member.ca, "-cert", member.certificate, "-key",
             member.key, "-ign_eof", *words], input=data,
            capture_output=True, timeout=60, check=False,
            env={**os.environ, **(env or {})})

    def connected(self, *words):
        request = head("GET", "/api/status",
                       {"Host": "x", "Connection": "close"})
        done = self.s_client(*words, data=request)
        return b"HTTP/1.1 200 OK" in done.stdout

    def test_each_group_that_is_meant_and_no_other(self):
        for group in ("X25519", "P-256", "P-384"):
            self.assertTrue(self.connected("-groups", group), group)
        for group in ("P-521", "X448", "ffdhe2048"):
            self.assertFalse(self.connected("-groups", group), group)

    def test_tls_1_3_alone(self):
        self.assertTrue(self.connected("-tls1_3"))
        for version in ("-tls1_2", "-tls1_1", "-tls1"):
            self.assertFalse(self.connected(
                version, "-cipher", "ALL:@SECLEVEL=0"), version)

    def test_no_ticket_is_given_and_none_is_taken(self):
        path = self.site.folder / "session"
        self.assertTrue(self.connected("-sess_out", path))
        # Without a ticket there is nothing to write.
        self.assertFalse(path.exists() and path.stat().st_size)

    def test_early_data_is_not_offered(self):
        done = self.s_client(data=head("GET", "/api/status", {
            "Host": "x", "Connection": "close"}))
        self.assertIn(b"Early data was not sent", done.stdout)
        self.assertNotIn(b"Max Early Data: 1", done.stdout)

    def test_only_our_ca_is_named_or_none(self):
        done = self.s_client(data=head("GET", "/api/status", {
            "Host": "x", "Connection": "close"}))
        names = re.findall(rb"Acceptable client certificate CA names\n(.*)\n",
                           done.stdout)
        self.assertLessEqual(len(names), 1)

    def test_no_alpn_and_no_renegotiation_are_needed(self):
        self.assertTrue(self.connected("-alpn", "http/1.1"))

    def test_a_certificate_chain_that_is_too_long_is_refused(self):
        # More bytes than a leaf and one intermediate can have.
        member = self.site.members["alice"]
        chain = self.site.folder / "chain.pem"
        chain.write_text(member.certificate.read_text() * 40)
        self.assertFalse(self.connected("-cert_chain", chain))

    def alert(self, certificate, key):
        """What the client is told."""
        context = tls_context(self.site.members["alice"].ca, certificate,
                              key)
        try:
            with self.site.wire(context=context) as wire:
                wire.socket.recv(1)
        except ssl.SSLError as error:
            return error.reason
        return None

    def test_the_alert_says_what_is_wrong_with_a_certificate(self):
        ours = forge.Authority.of(self.site, self.site.folder / "stolen")
        other = forge.Authority(self.site.folder / "other")
        self.assertEqual(self.alert(*ours.issue("old", start=-3, end=-1)),
                         "SSLV3_ALERT_CERTIFICATE_EXPIRED")
        self.assertEqual(self.alert(*other.issue("stranger")),
                         "TLSV1_ALERT_UNKNOWN_CA")
        self.assertIn(self.alert(None, None),
                      ("TLSV13_ALERT_CERTIFICATE_REQUIRED",
                       "TLSV1_ALERT_UNKNOWN_CA"))

    def test_a_certificate_that_ends_while_the_connection_is_open(self):
        ours = forge.Authority.of(self.site, self.site.folder / "short")
        pair = ours.issue("short", start=-1, end=6 / 86400)
        context = tls_context(self.site.members["alice"].ca, *pair)
        request = head("GET", "/api/status", {"Host": "x"})
        with self.site.wire(context=context) as wire:
            def status():
                wire.send(request)
                return wire.answer().status
            self.assertEqual(status(), 200)
            wait_until(lambda: status() == 401,
                       what="the certificate's end")
            wire.send(head("GET", "/v1/nothing", {"Host": "x"}))
            self.assertEqual(wire.answer().status, 401)

    def test_garbage_instead_of_a_handshake(self):
        for data in (b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\xff\xff",
                     b"\x80\x2e\x01\x00\x02", b"\0" * 1000, b"\x15" * 100,
                     os.urandom(5000)):
            with socket.create_connection(
                    ("127.0.0.1", self.site.port), 30) as plain:
                try:
                    plain.sendall(data)
                    plain.shutdown(socket.SHUT_WR)
                    while plain.recv(4096):
                        pass
                except ConnectionError:
                    pass
        self.assertEqual(self.site.call("GET", "/v1/whoami").status, 200)

    def test_no_configuration_of_openssl_loosens_it(self):
        path = self.site.folder / "loose.cnf"
        path.write_text("""openssl_conf = all
[all]
ssl_conf = ssl
[ssl]
system_default = loose
[loose]
MinProtocol = TLSv1
MaxProtocol = TLSv1.2
CipherString = ALL:@SECLEVEL=0
VerifyMode = None
""")
        path.chmod(0o644)
        gateway = self.site.gateway
        words = gateway.arguments
        gateway.arguments = ["/usr/bin/env", f"OPENSSL_CONF={path}", *words]
        try:
            self.site.restart(gateway)
            self.test_tls_1_3_alone()
            context = tls_context(self.site.members["alice"].ca)
            with self.assertRaises((ssl.SSLError, ConnectionError)):
                with self.site.wire(context=context) as wire:
                    wire.socket.recv(1)
        finally:
            gateway.arguments = words
            self.site.restart(gateway)


class TestStart(Case):
    """A gateway that must not start does not, and says why."""

    def run_gateway(self, *words, uid=None):
        uid = self.site.gateway_uid if uid is None else uid
        return subprocess.run(
            [self.site.bin / "taskgate-gateway", *words], user=uid, group=uid,
            extra_groups=[], capture_output=True, text=True, timeout=30,
            check=False, env=environment())

    def check(self, *more):
        return self.run_gateway("--config", self.site.etc / "gateway.json",
                                "--check", *more)

    def assert_refused(self, words):
        done = self.check()
        self.assertEqual(done.returncode, 1, done)
        self.assertIn(words, done.stderr)

    def test_what_is_in_order_is_ok(self):
        done = self.check()
        self.assertEqual((done.returncode, done.stdout), (0, "ok\n"), done)

    def test_root_is_refused(self):
        done = self.run_gateway(
            "--config", self.site.etc / "gateway.json", uid=0)
        self.assertEqual(done.returncode, 1)
        self.assertIn("root", done.stderr)

    def test_wrong_words(self):
        for words in ((), ("--nonsense",), ("x",), ("--config",)):
            self.assertEqual(self.run_gateway(*words).returncode, 2, words)
        done = self.run_gateway("--help")
        self.assertEqual(done.returncode, 0)
        self.assertIn("--config", done.stdout)
        self.assertRegex(self.run_gateway("--version").stdout,
                         r"^taskgate-gateway \d+\.\d+\.\d+\n$")

    def test_a_key_that_others_can_read(self):
        key = self.site.etc / "gateway" / "server.key"
        for mode in (0o640, 0o604, 0o660):
            key.chmod(mode)
            try:
                self.assert_refused("server.key")
            finally:
                key.chmod(0o600)

    def test_a_key_of_another_user(self):
        key = self.site.etc / "gateway" / "server.key"
        os.chown(key, self.site.client_uid, self.site.gateway_uid)
        try:
            self.assert_refused("server.key")
        finally:
            os.chown(key, self.site.gateway_uid, self.site.gateway_uid)

    def changed(self, path, text):
        """Refused with this in the file's place; then as before."""
        before = path.read_bytes()
        try:
            path.write_bytes(text)
            return self.check()
        finally:
            path.write_bytes(before)

    def test_files_that_are_not_what_they_must_be(self):
        etc = self.site.etc
        [token_key] = (etc / "token-keys").iterdir()
        for path in (etc / "ca.crt", etc / "gateway" / "server.crt",
                     etc / "gateway" / "server.key", etc / "policy.json",
                     etc / "gateway.json", token_key):
            for text in (b"", b"nonsense\n", b"\0" * 100):
                with self.subTest(path=path.name, text=text[:8]):
                    done = self.changed(path, text)
                    self.assertEqual(done.returncode, 1, done)
                    self.assertIn(path.name, done.stderr)

    def test_a_chain_whose_second_certificate_is_broken(self):
        path = self.site.etc / "gateway" / "server.crt"
        leaf = path.read_bytes()
        for second in (leaf[:len(leaf) // 2],
                       leaf.replace(b"MII", b"M?I", 1)):
            done = self.changed(path, leaf + second)
            self.assertEqual(done.returncode, 1, done)
            self.assertIn("server.crt", done.stderr)
        self.assertEqual(self.changed(path, leaf + leaf).returncode, 0)

    def test_a_key_with_a_password_is_refused_and_nobody_asked_for_it(self):
        path = self.site.etc / "gateway" / "server.key"
        locked = forge.openssl("pkey", "-aes128", "-passout", "pass:1234",
                               "-in", path)
        # A terminal of its own: whoever asks there waits for an answer.
        master, slave = os.openpty()
        try:
            before = path.read_bytes()
            path.write_bytes(locked)
            done = subprocess.run(
                ["setsid", "--ctty", "--wait",
                 self.site.bin / "taskgate-gateway", "--check", "--config",
                 self.site.etc / "gateway.json"], stdin=slave,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                timeout=30, check=False, env=environment(),
                user=self.site.gateway_uid, group=self.site.gateway_uid)
        finally:
            path.write_bytes(before)
            os.close(master)
            os.close(slave)
        self.assertEqual(done.returncode, 1, done)
        self.assertIn("server.key", done.stderr)

    def test_a_key_of_another_certificate(self):
        path = self.site.etc / "gateway" / "server.key"
        other = forge.make_key(self.site.folder / "other.key")
        done = self.changed(path, other.read_bytes())
        self.assertEqual(done.returncode, 1)
        self.assertIn("server.key", done.stderr)

    def test_an_unknown_setting_is_named(self):
        path = self.site.etc / "gateway.json"
        text = path.read_bytes().replace(b'"workers"', b'"wrokers"', 1)
        if text == path.read_bytes():
            text = text.replace(b"{", b'{"wrokers": 1,', 1)
        done = self.changed(path, text)
        self.assertEqual(done.returncode, 1)
        self.assertIn("wrokers", done.stderr)

    def test_a_port_that_is_taken(self):
        # The operations port is not shared; a second gateway says so.
        done = self.run_gateway("--config", self.site.etc / "gateway.json")
        self.assertEqual(done.returncode, 1)
        self.assertIn(str(self.site.operations_port), done.stderr)


class TestExpiry(Case):
    def test_readiness_is_red_before_our_own_certificate_ends(self):
        etc = self.site.etc
        authority = forge.Authority.of(self.site, self.site.folder / "server")
        paths = (etc / "gateway" / "server.crt",
                 etc / "gateway" / "server.key")
        before = [path.read_bytes() for path in paths]
        pair = authority.issue(
            "server", end=0.9, extendedKeyUsage="serverAuth",
            subjectAltName="IP:127.0.0.1")
        try:
            for path, source in zip(paths, pair):
                path.write_bytes(source.read_bytes())
            self.site.gateway.stop()
            self.site.gateway.start()
            self.site.wait_unready("expires")
            self.assertEqual(self.site.call("GET", "/v1/whoami").status, 200)
        finally:
            for path, text in zip(paths, before):
                path.write_bytes(text)
            self.site.restart(self.site.gateway)


if __name__ == "__main__":
    main()
