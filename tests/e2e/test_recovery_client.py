"""Runner and gateway are killed again and again under the user's tool: who
runs a task, feeds it through a pipe or follows it gets every byte once and the
right exit code, and what was fed arrives whole."""

import concurrent.futures
import hashlib
import os
import signal
import subprocess
import threading

import harness_kinds
from harness import IMAGE, Case, main, many, wait_until
from harness_kinds import Killer, lines, same_bytes

CLIENTS, KILLS = many(120), many(80)
AT_A_TIME = 12
PIECES, PIECE_LINES, PACE_S = 25, 400, 0.2
LONGEST_S = 240


class Client:
    """One process of the user's tool, and what it must say."""

    stdout = stderr = b""
    words = ()
    feeds = ()  # of standard input

    def __init__(self, site, number):
        self.site, self.number = site, number
        self.exit_code = number % 100

    def start(self):
        near, self.end = os.pipe()
        try:
            self.process = self.site.client_start(*self.words, text=False,
                                                  stdin=near)
        finally:
            os.close(near)

    def live(self):
        """Reads all that it says as it comes, to its end."""
        feeder = threading.Thread(target=self.feed)
        feeder.start()
        with self.process:
            try:
                self.out, self.err = self.process.communicate(
                    timeout=LONGEST_S)
            finally:
                self.process.kill()
        feeder.join()

    def feed(self):
        pace = threading.Event()
        with open(self.end, "wb", buffering=0) as writing:
            for piece in self.feeds:
                # A client that has ended too early is seen by its code.
                if self.process.poll() is None:
                    writing.write(piece)
                pace.wait(PACE_S)

    def check(self, test):
        said = f"{self} ended with {self.process.returncode}, " \
            f"{self.err[-400:]!r}"
        same_bytes(test, self.out, self.stdout, f"{said}: stdout")
        # Beside the task's bytes it may say that it has to wait.
        found = b"".join(line for line in self.err.splitlines(keepends=True)
                         if not line.startswith(b"taskgate: "))
        same_bytes(test, found, self.stderr, f"{said}: stderr")
        test.assertEqual(self.process.returncode, self.exit_code, said)

    def __str__(self):
        return f"{type(self).__name__} {self.number}"


class Run(Client):
    """Output on both streams, piece by piece."""

    stdout = lines(0, PIECES * PIECE_LINES - 1)

    def __init__(self, site, number):
        super().__init__(site, number)
        self.script = (
            "sh", "-c", f"i=0; while [ $i -lt {PIECES} ]; do "
            f"seq $((i * {PIECE_LINES})) "
            f"$((i * {PIECE_LINES} + {PIECE_LINES - 1})); "
            f"echo piece $i of {number} >&2; "
            f"usleep {int(PACE_S * 1e6)}; i=$((i + 1)); done; "
            f"exit {self.exit_code}")
        self.words = ("run", IMAGE, "--", *self.script)
        self.stderr = b"".join(b"piece %d of %d\n" % (piece, number)
                               for piece in range(PIECES))


class Logs(Run):
    """The same, of a task that somebody else made."""

    def __init__(self, site, number):
        super().__init__(site, number)
        self.exit_code = 0
        self.words = ("logs", "-f", site.submit(*self.script)["id"])


class Feed(Client):
    """Pieces of all sizes, up to nearly 64 KiB: they come back as they were,
    and the task sums up what it read."""

    def __init__(self, site, number):
        super().__init__(site, number)
        block = hashlib.sha512(str(number).encode()).digest() * 1000
        self.feeds = [block[:1 + 2600 * piece] for piece in range(PIECES)]
        self.stdout = b"".join(self.feeds)
        self.stderr = hashlib.sha256(self.stdout).hexdigest().encode() + \
            b"  -\n"
        self.words = ("run", "-i", IMAGE, "--", "sh", "-c",
                      "tee /tmp/all; sha256sum < /tmp/all >&2; "
                      f"exit {self.exit_code}")


KINDS = (Feed, Run, Logs)


class TestKilledUnderTheClient(Case):
    policy = harness_kinds.policy()
    gateway_settings = {"requests_per_principal": 100000}
    runner_settings = {"running_max": AT_A_TIME}

    def start(self, numbers):
        """Clients whose tasks there are: a server that was never there is not
        waited for."""
        clients = [KINDS[number % len(KINDS)](self.site, number)
                   for number in numbers]
        for client in clients:
            client.start()
        wait_until(lambda: self.count_tasks() == numbers.stop, 60,
                   "every client's task")
        return clients

    def count_tasks(self):
        return len(self.site.call(
            "GET", "/v1/tasks?limit=200").json["tasks"])

    def test_every_byte_and_every_code_comes_through(self):
        waves = range(0, CLIENTS, AT_A_TIME)
        kills = -(-KILLS // len(waves))
        for first in waves:
            self.site.wait_ready()
            clients = self.start(
                range(first, min(first + AT_A_TIME, CLIENTS)))
            with concurrent.futures.ThreadPoolExecutor(AT_A_TIME) as pool:
                lives = [pool.submit(client.live) for client in clients]
                with Killer(self.site.runner, kills), \
                        Killer(self.site.gateway, kills):
                    pass
                for life in lives:
                    life.result()
            for client in clients:
                with self.subTest(str(client)):
                    client.check(self)
        self.site.wait_ready()
        self.site.wait_tidy(60)


class TestInput(Case):
    policy = harness_kinds.policy()

    def test_input_waits_for_a_task_that_is_not_taken_up_yet(self):
        client = self.site.client_start(
            "run", "-i", IMAGE, "--", "cat", stdin=subprocess.PIPE)
        self.addCleanup(client.kill)
        self.see_copied(client, "first\n")
        # From here on the client knows that the server had that.
        self.site.gateway.kill()
        self.site.gateway.start()
        self.site.wait_ready()
        self.see_copied(client, "second\n")
        container, = self.site.containers()
        supervisor = self.site.engine.inspect(
            container["Id"])["State"]["Pid"]
        os.kill(supervisor, signal.SIGSTOP)
        try:
            self.site.runner.kill()
            self.site.runner.start()
            self.site.wait_ready()
            asked = self.count_looks()
            client.stdin.write("third\n")
            client.stdin.flush()
            wait_until(lambda: self.count_looks() > asked,
                       what="the client to ask where its input stands")
        finally:
            os.kill(supervisor, signal.SIGCONT)
        out, err = client.communicate(timeout=60)
        self.assertEqual((client.returncode, out), (0, "third\n"), err)

    def see_copied(self, client, line):
        client.stdin.write(line)
        client.stdin.flush()
        self.assertEqual(client.stdout.readline(), line)

    def count_looks(self):
        """How often anybody was told how a task is."""
        return sum("method=GET path=/v1/tasks/" in line and
                   "/output" not in line and "status=200" in line
                   for line in self.site.gateway.log().splitlines())


if __name__ == "__main__":
    main()
