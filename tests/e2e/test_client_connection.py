"""The line between client and gateway: cut, refused, taken by somebody else,
or with a gateway behind it that comes and goes."""

import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import threading

import harness_forge as forge
from harness import (IMAGE, Case, environment, free_port, main,
                     wait_until)
from harness_client import Liar, Line, Terminal, copy_context, newest, through
from harness_wire import Wire

# 3000 lines, each of which says where it belongs, over a second or more.
LINES = ("i=0; while [ $i -lt 3000 ]; do echo line $i; echo error $i >&2; "
         "i=$((i+1)); [ $((i % 300)) -gt 0 ] || sleep 0.2; done; exit 3")
OUT = "".join(f"line {i}\n" for i in range(3000))
ERR = "".join(f"error {i}\n" for i in range(3000))


class TestLosses(Case):
    """A connection that is lost while a task is followed."""

    def start(self, line, name, *words):
        process = self.site.client_start(
            *through(self.site, line, name), *words)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def assert_whole(self, process):
        out, err = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 3, err[-400:])
        self.assertEqual(out, OUT)
        self.assertEqual(err, ERR)

    def test_a_line_that_is_cut_again_and_again_loses_no_byte(self):
        with Line(("127.0.0.1", self.site.port)) as line:
            process = self.start(line, "cut-often", "run", IMAGE, "--", "sh",
                                 "-c", LINES)
            stop = threading.Event()

            def cut():
                # Each time more has come through than two handshakes, or a
                # slow machine would never get on.
                carried = line.carried
                while not stop.wait(0.15):
                    if line.carried > carried + 8000:
                        carried = line.carried
                        line.cut()
            cutter = threading.Thread(target=cut)
            # The first reply is needed whole: it comes within a second.
            wait_until(lambda: line.accepted >= 2)
            cutter.start()
            try:
                self.assert_whole(process)
            finally:
                stop.set()
                cutter.join()
            self.assertGreater(line.accepted, 4)

    def test_a_line_that_is_cut_in_the_middle_of_a_stream(self):
        for size in (9000, 20000, 40001):
            with Line(("127.0.0.1", self.site.port)) as line:
                line.cut_after = size
                process = self.start(line, f"cut-at-{size}", "run", IMAGE,
                                     "--", "sh", "-c", LINES)
                self.assert_whole(process)
                self.assertIsNone(line.cut_after, "the line was never cut")

    def test_a_reply_that_is_lost_does_not_make_a_second_task(self):
        with Line(("127.0.0.1", self.site.port)) as line:
            # A handshake and the beginning of a reply; a task is longer.
            # Handshakes differ by a few bytes of their signatures.
            with Wire(("127.0.0.1", line.port),
                      self.site.members["alice"].tls()) as wire:
                wire.send(self.site.request_bytes("GET", "/api/status"))
                self.assertEqual(wire.answer().status, 200)
            line.cut_after = 2 * line.carried
            process = self.start(line, "lost-reply", "run", IMAGE, "--", "sh",
                                 "-c", "echo once; exit 3")
            out, err = process.communicate(timeout=60)
            self.assertEqual((process.returncode, out, err), (3, "once\n", ""))
            self.assertIsNone(line.cut_after, "the line was never cut")
        ours = [task for task in
                self.site.call("GET", "/v1/tasks?limit=200").json["tasks"]
                if task["args"] == ["sh", "-c", "echo once; exit 3"]]
        self.assertEqual(len(ours), 1)

    def test_a_reply_that_is_waited_for_and_lost_is_not_waited_for_again(self):
        with Liar(self.site) as liar:
            liar.unanswered = b"POST /v1/tasks?wait=1 "
            done = self.site.client(
                *through(self.site, liar, "no-wait"), "run", IMAGE, "--",
                "sh", "-c", "sleep 1; echo through; exit 3")
        self.assertEqual((done.returncode, done.stdout, done.stderr),
                         (3, "through\n", ""))
        self.assertEqual(liar.asked, 1)

    def test_the_gateway_restarts_while_a_task_is_followed(self):
        before = newest(self.site)["id"]
        process = self.site.client_start("run", IMAGE, "--", "sh", "-c", LINES)
        self.addCleanup(process.kill)
        wait_until(lambda: newest(self.site)["id"] != before)
        wait_until(lambda: newest(self.site)["output"]["stdout"] > 1000)
        self.site.gateway.kill()
        self.site.gateway.start()
        self.site.wait_ready()
        out, err = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 3, err[-400:])
        self.assertEqual(out, OUT)
        self.assertEqual(err, ERR)

    def test_a_person_is_told_that_the_line_is_lost(self):
        with Line(("127.0.0.1", self.site.port)) as line:
            with Terminal(self.site, *through(self.site, line, "told"),
                          "run", IMAGE, "--", "sh", "-c",
                          "echo begun; sleep 60") as terminal:
                terminal.wait_for(b"begun")
                line.refusing = True
                line.cut()
                terminal.wait_for(b"as soon as the server is back")
                line.refusing = False
                terminal.process.send_signal(signal.SIGINT)
                self.assertEqual(terminal.finish(), 130)

    def test_logs_goes_on_where_another_left_off(self):
        task = self.site.submit("sh", "-c", LINES)
        self.site.finish(task["id"])
        whole = self.site.client("logs", "--stream", "stdout", task["id"])
        rest = self.site.client("logs", "--stream", "stdout", "--offset",
                                "1000", task["id"])
        self.assertEqual(whole.stdout, OUT)
        self.assertEqual(rest.stdout, OUT[1000:])


class TestPatience(Case):
    """A gateway that drops whoever does not take its answers."""

    gateway_settings = {"idle_timeout": 1}

    def test_a_reader_slower_than_that_loses_nothing(self):
        before = newest(self.site)["id"]
        process = self.site.client_start(
            "run", IMAGE, "--", "sh", "-c",
            "head -c 8000000 /dev/zero; echo end; exit 3")
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.kill)
        wait_until(lambda: newest(self.site)["id"] != before)
        task = newest(self.site)["id"]
        # Until the server has given the stalled connection up, and logs it:
        # what was asked of stderr has ended with the task, before.
        wait_until(lambda: self.site.gateway.log().count(
            f"path=/v1/tasks/{task}/output") >= 2)
        out, _ = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 3)
        self.assertEqual(len(out), 8000004)
        self.assertTrue(out.endswith("end\n"))

    def test_a_client_that_never_reads_does_not_end_the_gateway(self):
        task = self.site.submit("head", "-c", "8000000", "/dev/zero")
        self.site.finish(task["id"])
        with self.site.wire() as wire:
            wire.send(self.site.request_bytes(
                "GET", f"/v1/tasks/{task['id']}/output"))
            counted = len(self.site.gateway.descriptors())
            wait_until(
                lambda: len(self.site.gateway.descriptors()) < counted,
                what="the end of the connection that is not read")
        self.assertTrue(self.site.gateway.alive)
        self.assertEqual(self.site.readiness()[0], 200)


class TestStrangers(Case):
    """Whoever is there instead of the gateway."""

    def assert_unreachable(self, server, words, code=8, **changes):
        name = f"stranger-{len(list(self.site.home.iterdir()))}"
        folder = copy_context(self.site, name, server=server, **changes)
        done = self.site.client("--context", folder, "whoami")
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertIn(words, done.stderr)
        self.assertEqual(done.stdout, "")
        # Nobody is kept waiting for a server that was never there.
        task = "01932f0e-6f0a-7c3e-8a55-3f1f0c1b2a11"
        for words in (("logs", task), ("logs", "-f", task)):
            done = self.site.client("--context", folder, *words, timeout=30)
            self.assertEqual(done.returncode, code, done.stderr)
        done = self.site.client("--context", folder, "wait", task, timeout=30)
        self.assertEqual(done.returncode, 125, done.stderr)
        run = self.site.client("--context", folder, "run", "-o", "json", IMAGE)
        self.assertEqual(run.returncode, 125)
        self.assertIn("type", json.loads(run.stdout))
        return done

    def test_nobody(self):
        done = self.assert_unreachable(
            f"https://127.0.0.1:{free_port()}", "nobody answers")
        self.assertIn("taskgate doctor", done.stderr)

    def test_a_host_that_does_not_exist(self):
        self.assert_unreachable("https://no-such-host.invalid", "no host")

    def serve(self, wrap):
        """Somebody who accepts connections and does what `wrap` does."""
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)

        def accept():
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                try:
                    wrap(connection)
                except OSError:
                    pass
                connection.close()
        threading.Thread(target=accept, daemon=True).start()
        return f"https://127.0.0.1:{listener.getsockname()[1]}"

    def tls_server(self, certificate, key, version=ssl.TLSVersion.TLSv1_3):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.maximum_version = version
        context.load_cert_chain(str(certificate), str(key))
        seen = []

        def wrap(connection):
            connection.settimeout(10)
            with context.wrap_socket(connection, server_side=True) as tls:
                seen.append(tls.recv(65536))
        return self.serve(wrap), seen

    def test_another_cas_server_gets_neither_certificate_nor_token(self):
        folder = self.site.folder / "other-ca"
        folder.mkdir()
        other = forge.Authority(folder)
        member = other.issue(
            "127.0.0.1", subjectAltName="IP:127.0.0.1",
            extendedKeyUsage="serverAuth")
        server, seen = self.tls_server(*member)
        self.assert_unreachable(server, "not the server of this context")
        self.assertEqual([data for data in seen if data], [])

    def test_our_cas_server_by_another_name(self):
        # The same gateway, by an address that its certificate does not say.
        with Line(("127.0.0.1", self.site.port), "127.1.2.3") as line:
            self.assert_unreachable(f"https://127.1.2.3:{line.port}",
                                    "not the server of this context")

    def test_an_old_tls(self):
        certificate = self.site.etc / "gateway" / "server.crt"
        key = self.site.etc / "gateway" / "server.key"
        server, seen = self.tls_server(
            certificate, key, ssl.TLSVersion.TLSv1_2)
        self.assert_unreachable(server, "no TLS 1.3")
        self.assertEqual([data for data in seen if data], [])

    def test_something_that_is_no_tls(self):
        server = self.serve(lambda connection: connection.sendall(
            b"SSH-2.0-OpenSSH_9.2p1\r\n"))
        self.assert_unreachable(server, "no TLS 1.3")

    def test_the_environment_sets_no_proxy_and_loosens_no_tls(self):
        proxied = []
        proxy = self.serve(lambda connection: proxied.append(
            connection.recv(1000)))
        keys = self.site.home / "keys.log"
        config = self.site.home / "openssl.cnf"
        config.write_text("openssl_conf = broken\n[broken]\nx = y\n")
        os.chown(config, self.site.client_uid, self.site.client_uid)
        plain = proxy.replace("https", "http")
        done = self.site.client("whoami", env={
            "https_proxy": plain, "HTTPS_PROXY": plain, "ALL_PROXY": plain,
            "SSLKEYLOGFILE": str(keys), "OPENSSL_CONF": str(config),
            "SSL_CERT_FILE": "/dev/null", "CURL_CA_BUNDLE": "/dev/null"})
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(proxied, [])
        self.assertFalse(keys.exists())

    def test_a_ca_that_the_machine_trusts_is_not_believed(self):
        # Libraries look into /etc/ssl/certs of their own accord: seen from
        # this client, another CA is in there.
        other = forge.Authority(self.site.folder / "machine-ca")
        server, seen = self.tls_server(*other.issue(
            "127.0.0.1", subjectAltName="IP:127.0.0.1",
            extendedKeyUsage="serverAuth"))
        trusted = self.site.folder / "machine-certs"
        trusted.mkdir(mode=0o755)
        shutil.copy(other.certificate, trusted / "other.pem")
        (trusted / "other.pem").chmod(0o644)
        subprocess.run(["openssl", "rehash", trusted], check=True)
        folder = copy_context(self.site, "machine", server=server)
        uid = str(self.site.client_uid)
        inside = ["unshare", "--mount", "sh", "-c",
                  'mount --bind "$0" /etc/ssl/certs && exec "$@"', trusted,
                  "setpriv", "--reuid", uid, "--regid", uid, "--clear-groups"]
        plain = subprocess.run(
            [*inside, "openssl", "verify", "-CApath", "/etc/ssl/certs",
             trusted / "other.pem"], check=False, capture_output=True)
        self.assertEqual(plain.returncode, 0, plain.stderr)
        done = subprocess.run(
            [*inside, self.site.bin / "taskgate", "--context", folder, "whoami"],
            env=environment(), capture_output=True, text=True, check=False,
            timeout=60)
        self.assertEqual(done.returncode, 8, done.stderr)
        self.assertIn("not the server of this context", done.stderr)
        self.assertEqual([data for data in seen if data], [])


class TestAbsence(Case):
    """Parts of the service that are not there."""

    def test_the_runner_is_away(self):
        self.site.runner.stop()
        try:
            self.site.wait_unready("runner")
            done = self.site.client("run", IMAGE, "--", "true")
            self.assertEqual(done.returncode, 125)
            self.assertIn("taskgate status", done.stderr)
            self.assertIn("the runner cannot be reached", done.stderr)
            status = self.site.client("status")
            self.assertEqual(status.returncode, 1)
            self.assertIn("ready          no", status.stdout)
            self.assertIn("runner", status.stdout)
            listed = self.site.client("ps")
            self.assertEqual(listed.returncode, 8)
        finally:
            self.site.runner.start()
            self.site.wait_ready()

    def test_the_runner_comes_back_while_we_try(self):
        self.site.runner.stop()
        self.site.wait_unready("runner")
        process = self.site.client_start("run", IMAGE, "--", "echo", "hello")
        try:
            # It was put off at least once.
            wait_until(lambda: "status=503" in self.site.gateway.log())
        finally:
            self.site.runner.start()
            self.site.wait_ready()
        out, err = process.communicate(timeout=60)
        self.assertEqual((process.returncode, out), (0, "hello\n"), err)


if __name__ == "__main__":
    main()
