"""The gateway is killed again and again while clients follow their tasks: each
gets every byte once, and the right exit code."""

import harness_kinds
from harness import IMAGE, Case, main, many, wait_until
from harness_kinds import Killer, lines, same_bytes

CLIENTS, KILLS = many(200), many(50)
AT_A_TIME = 10
PIECES, PIECE_LINES = 12, 400


def script(number):
    """Output on both streams for some seconds, and an end of its own."""
    return ("sh", "-c", f"i=0; while [ $i -lt {PIECES} ]; do "
            f"seq $((i * {PIECE_LINES})) "
            f"$((i * {PIECE_LINES} + {PIECE_LINES - 1})); "
            f"echo piece $i of {number} >&2; "
            f"usleep 200000; i=$((i + 1)); done; exit {number % 100}")


STDOUT = lines(0, PIECES * PIECE_LINES - 1)


class TestKilledGateway(Case):
    gateway_settings = {"requests_per_principal": 100000}
    runner_settings = {"running_max": 2 * AT_A_TIME}

    def setUp(self):
        self.asker = harness_kinds.Asker(self.site, seconds=60 + 3 * CLIENTS)

    def start(self, number):
        """Someone who follows a task: of its own, or one that is there."""
        if number % 3 == 2:
            words = ("logs", "-f", self.site.submit(*script(number))["id"])
        else:
            words = ("run", IMAGE, "--", *script(number))
        return self.site.client_start(*words, text=False)

    def finish(self, number, client):
        """All that it says until it ends."""
        out, err = client.communicate(timeout=120)
        wanted = b"".join(b"piece %d of %d\n" % (piece, number)
                          for piece in range(PIECES))
        same_bytes(self, out, STDOUT, f"client {number}: stdout")
        # Beside the task's bytes the client may say that it has to wait.
        found = b"".join(line for line in err.splitlines(keepends=True)
                         if not line.startswith(b"taskgate: "))
        same_bytes(self, found, wanted, f"client {number}: stderr, {err!r}")
        if client.args[1] == "run":
            self.assertEqual(client.returncode, number % 100, err)
        else:
            self.assertEqual(client.returncode, 0, err)

    def count_tasks(self):
        return len(self.asker.ask(
            "GET", "/v1/tasks?limit=200").json["tasks"])

    def test_followers_get_every_byte_once(self):
        waves = range(0, CLIENTS, AT_A_TIME)
        for first in waves:
            numbers = range(first, min(first + AT_A_TIME, CLIENTS))
            clients = [self.start(number) for number in numbers]
            # A server that was never there is not waited for.
            wait_until(lambda: self.count_tasks() == numbers.stop, 60,
                       "every client's task")
            with Killer(self.site.gateway, -(-KILLS // len(waves)),
                        between=(0, 0.6)):
                pass
            for number, client in zip(numbers, clients):
                self.finish(number, client)
        self.site.wait_ready()
        self.site.wait_tidy(60)


if __name__ == "__main__":
    main()
