"""Certificates that must not be accepted."""

import ssl

import harness_forge as forge
from harness import Case, main
from harness_wire import Wire, head, tls_context


class TestCertificates(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.ours = forge.Authority.of(cls.site, cls.site.folder / "stolen")
        cls.other = forge.Authority(cls.site.folder / "other")

    def status_with(self, certificate=None, key=None):
        """The reply's status line, or b"" when the connection was refused."""
        context = tls_context(self.site.members["alice"].ca, certificate,
                              key)
        try:
            with self.site.wire(context=context) as wire:
                wire.send(head("GET", "/api/status", {
                    "Host": "localhost", "Connection": "close"}))
                return wire.rest().split(b"\r\n")[0]
        except (ssl.SSLError, ConnectionError):
            return b""

    def assert_refused(self, pair):
        self.assertEqual(self.status_with(*pair), b"")
        # The listener is none the worse for it.
        self.assertEqual(self.site.call("GET", "/api/status").status, 200)

    def test_the_forgers_way_makes_good_certificates_too(self):
        # Otherwise the refusals below would say nothing.
        self.assertIn(b" 200 ", self.status_with(*self.ours.issue("good")))

    def test_no_certificate(self):
        self.assert_refused((None, None))

    def test_another_cas_certificate(self):
        self.assert_refused(self.other.issue("alice"))

    def test_an_expired_certificate(self):
        self.assert_refused(self.ours.issue("expired", start=-3, end=-1))

    def test_a_certificate_that_is_not_valid_yet(self):
        self.assert_refused(self.ours.issue("early", start=1, end=3))

    def test_a_self_signed_certificate(self):
        self.assert_refused(forge.self_signed(self.site.folder / "self"))

    def test_the_cas_own_certificate(self):
        self.assert_refused((self.ours.certificate, self.ours.key))

    def test_a_leaf_that_says_it_is_a_ca(self):
        self.assert_refused(self.ours.issue(
            "ca", basicConstraints="critical,CA:TRUE",
            keyUsage="critical,digitalSignature,keyCertSign"))

    def test_the_servers_certificate(self):
        folder = self.site.etc / "gateway"
        self.assert_refused((folder / "server.crt", folder / "server.key"))

    def test_no_extended_key_usage(self):
        self.assert_refused(self.ours.issue("none", extendedKeyUsage=None))

    def test_any_extended_key_usage(self):
        self.assert_refused(self.ours.issue(
            "any", extendedKeyUsage="anyExtendedKeyUsage"))

    def test_a_servers_extended_key_usage(self):
        self.assert_refused(self.ours.issue(
            "server", extendedKeyUsage="serverAuth"))

    def test_a_name_of_another_form(self):
        self.assert_refused(self.ours.issue(
            "dns", subjectAltName="DNS:alice"))

    def test_no_name_but_the_common_name(self):
        self.assert_refused(self.ours.issue("cn", subjectAltName=None))

    def test_two_names(self):
        self.assert_refused(self.ours.issue(
            "two", subjectAltName="URI:taskgate:client:alice,"
            "URI:taskgate:client:bob"))

    def test_an_older_tls(self):
        member = self.site.members["alice"]
        context = member.tls()
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        with self.assertRaises((ssl.SSLError, ConnectionError)):
            self.site.wire(context=context).close()

    def test_plain_http(self):
        with Wire(("127.0.0.1", self.site.port), None) as wire:
            wire.send(head("GET", "/api/status", {"Host": "localhost"}))
            self.assertNotIn(b"HTTP/1.1 200", wire.rest())

    def test_a_session_cannot_be_resumed(self):
        # A resumed session would skip the certificate's verification.
        member = self.site.members["alice"]
        context = member.tls()
        sessions = []
        for _ in range(2):
            with self.site.wire(context=context) as wire:
                wire.send(head("GET", "/api/status", {
                    "Host": "localhost", "Connection": "close"}))
                wire.rest()
                self.assertFalse(wire.socket.session_reused)
                sessions.append(wire.socket.session)
        for session in sessions:
            self.assertFalse(session is not None and session.has_ticket)


if __name__ == "__main__":
    main()
