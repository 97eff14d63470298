"""Whoever floods us is put off and summed up; others are served meanwhile."""

import collections
import contextlib
import re
import socket
import ssl
import time

from harness import Case, main, many, wait_until
from harness_flood import BAD, FLOOD, Load, make_mallory, make_stranger
from harness_wire import tls_context
from test_bad_input_gateway import FalseGateway

SECONDS = many(60)
# In a minute; most of them come in its first seconds.
RECORDS_MAX = 200 if SECONDS == 60 else 60


def size_of(folder):
    return sum(path.stat().st_size for path in folder.rglob("*")
               if path.is_file())


class Records:
    """What has been recorded since, but for our own reading of it."""

    def __init__(self, site):
        self.site = site
        self.before = site.audit()[-1]["seq"]

    def all(self):
        return [record for record in self.site.audit()
                if record["seq"] > self.before
                and record["event"] != "audit.read"]

    def refused(self):
        """The number of refusals that all of them stand for."""
        return sum(record["object"].get("count", 1) for record in self.all()
                   if record["event"] == "request.refused")


class FloodCase(Case):
    def metric(self, name):
        text = self.site.operations("/metrics").body.decode()
        return int(re.search(rf"^taskgate_gateway_{name} (\d+)$", text,
                             re.M)[1])


class TestFlood(FloodCase):
    # Few, so that a slow machine's flood is one as well.
    FAILURES = 30  # a minute
    gateway_settings = {"failures_per_address": FAILURES}

    def test_a_flood_is_summed_up_and_others_are_served(self):
        site = self.site
        stranger, mallory = make_stranger(site), make_mallory(site)
        bad = Load(mallory.folder)
        good = Load(site.members["alice"].folder)
        records, disk = Records(site), size_of(site.state)
        descriptors, most = len(site.gateway.descriptors()), 0
        flood = bad.start("flood", site.port, SECONDS, *FLOOD, stranger,
                          source=BAD)
        # Each of her requests must be answered with 200.
        alice = good.start("pace", site.port, SECONDS, 50)
        while flood.poll() is None:
            most = max(most, len(site.gateway.descriptors()))
            time.sleep(0.1)
        seen = bad.finish(flood)
        good.finish(alice)
        tried = seen["handshakes"] + seen["tokens"]
        # A flood at all, also where sanitizers slow both sides down.
        self.assertGreater(tried, 4 * self.FAILURES)
        # It was heard at first, and put off then.
        for what in ("unauthenticated", "busy", "refused"):
            self.assertGreater(seen[what], 0, seen)
        self.assertLess(seen["unauthenticated"],
                        self.FAILURES * (2 + SECONDS / 60) + 10)
        wait_until(lambda: records.refused() >= tried, 40,
                   "all of it on record")
        self.assertEqual(records.refused(), tried)
        made = records.all()
        self.assertLess(len(made), RECORDS_MAX, collections.Counter(
            (record["event"], record.get("outcome"), str(record["principal"]))
            for record in made))
        self.assertLess(most, descriptors + 100)
        self.assertLess(size_of(site.state) - disk, 2 ** 21)
        self.assertGreater(
            self.metric("connections_refused_total"), 0)
        self.assertGreater(
            self.metric("handshakes_failed_total"), 0)


def client_hello(ca):
    out = ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        tls_context(ca).wrap_bio(
            ssl.MemoryBIO(), out, server_hostname="127.0.0.1").do_handshake()
    return out.read()


class TestHandshakes(FloodCase):
    PLACES, BURST = 64, 320
    # None of them fails by its age while the burst lasts.
    gateway_settings = {"workers": 1, "handshakes_max": PLACES,
                        "connections_per_address": 1000,
                        "handshake_timeout": 300}

    def burst(self, stack):
        """From one address, all at once: three in four never finish."""
        hello = client_hello(self.site.members["alice"].ca)
        kinds = b"", hello[:100], hello, b"GET / HTTP/1.1\r\n\r\n"
        for i in range(self.BURST):
            wire = stack.enter_context(socket.create_connection(
                ("127.0.0.1", self.site.port), 30, (BAD, 0)))
            with contextlib.suppress(ConnectionError):
                wire.sendall(kinds[i % len(kinds)])
            yield wire

    def whoami(self, wire):
        wire.sendall(self.site.request_bytes("GET", "/v1/whoami"))
        return wire.recv(65536).split(b"\r\n")[0]

    def test_a_burst_takes_places_from_itself_alone(self):
        with contextlib.ExitStack() as stack:
            open_before = stack.enter_context(self.site.wire()).socket
            # Its handshake is older than any of the burst.
            begun = stack.enter_context(socket.create_connection(
                ("127.0.0.1", self.site.port), 30))
            for number, _ in enumerate(self.burst(stack), 1):
                if number % 40 == 0:
                    self.assertLessEqual(
                        self.metric("handshakes_open"), self.PLACES)
                    self.assertIn(b" 200 ", self.whoami(open_before))
                    with self.site.wire() as fresh:
                        self.assertIn(b" 200 ", self.whoami(fresh.socket))
            # Each has failed by itself, made room, or is under way.
            wait_until(lambda: self.metric("handshakes_open") - 1
                       + self.metric("handshakes_failed_total")
                       + self.metric("handshakes_dropped_total")
                       == self.BURST, what="all of the burst to be heard")
            self.assertGreater(self.metric("handshakes_failed_total"), 0)
            self.assertGreater(self.metric("handshakes_dropped_total"),
                               self.BURST // 2 - self.PLACES)
            begun = stack.enter_context(
                self.site.members["alice"].tls().wrap_socket(
                    begun, server_hostname="127.0.0.1"))
            self.assertIn(b" 200 ", self.whoami(begun))
        wait_until(lambda: self.metric("handshakes_open") == 0,
                   what="all places to be free")


class TestMadGateway(Case):
    """Whoever has the gateway's uid floods the runner."""

    def test_refusals_from_everywhere_are_summed_up(self):
        records = Records(self.site)
        number = many(100000)
        with FalseGateway(self.site) as gate:
            for i in range(number):
                gate.send({
                    "type": "refusal", "code": "denied", "count": 2,
                    "address": f"10.{i >> 16}.{i >> 8 & 255}.{i & 255}",
                    "untrusted": {}})

        def total():
            return sum(record["object"].get("count", 1)
                       for record in records.all() if record["event"] in
                       ("request.refused", "task.denied"))
        wait_until(lambda: total() >= 2 * number, 40, "all of it on record")
        self.assertEqual(total(), 2 * number)
        self.assertLess(len(records.all()), 200)
        self.assertEqual(self.site.call("GET", "/v1/tasks").status, 200)

    def test_connections_that_come_and_go_are_not_all_on_record(self):
        records = Records(self.site)
        number = many(4000)
        for _ in range(number):
            FalseGateway(self.site).socket.close()
        self.assertEqual(self.site.call("GET", "/v1/tasks").status, 200)
        self.assertLess(len(records.all()), 400)

        def told():
            """What the log tells of, one by one or by number: what was not
            recorded is counted by the next that is."""
            FalseGateway(self.site).socket.close()
            return sum(1 + record["object"].get("unrecorded", 0)
                       for record in records.all() if record["event"] in
                       ("gateway.connected", "gateway.disconnected",
                        "peer.refused"))
        wait_until(lambda: told() >= number, what="the count of the rest")

    def try_to_connect(self):
        """None: more are waiting already than the runner has let in."""
        try:
            return FalseGateway(self.site, hello=False)
        except BlockingIOError:
            return None

    def test_operators_get_in_beside_it(self):
        held = []
        try:
            for _ in range(300):
                held.append(wait_until(self.try_to_connect))
            self.site.admin("audit", "tail", "--dir", self.site.etc)
        finally:
            for gate in held:
                gate.socket.close()


if __name__ == "__main__":
    main()
