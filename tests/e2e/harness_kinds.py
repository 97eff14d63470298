"""Tasks of all kinds, of which it is known how they must end and what they
must leave, whatever dies in the meantime; and someone who goes on asking
until there is an answer."""

import base64
import hashlib
import http.client
import random
import re
import threading
import time

from harness import ANYTHING, IMAGE, rule, wait_until

ABSENT = "taskgate-test/absent"
PIECES, PIECE_LINES = 15, 400
UUID = re.compile(rb"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\n")


def policy(**members):
    """What lets alice and bob run all of them."""
    more = {"stdin": "stream", "inputs": 4, "outputs": 4, **members}
    return {"version": 1, "rules": [
        rule("kinds", ["alice", "bob"], **more),
        {**rule("absent", ["alice", "bob"]), "image": ABSENT,
         "args": [{"rest": ANYTHING}]}]}


class Asker:
    """One who does not give up while runner, gateway or engine is away."""

    def __init__(self, site, who="alice", seconds=240):
        self.site, self.who = site, who
        self.deadline = time.monotonic() + seconds

    def ask(self, method, path, body=None, *, headers=None, okay=(200,)):
        """The first reply that does not say that someone is away."""
        while True:
            try:
                answer = self.site.call(method, path, body, who=self.who,
                                        headers=headers)
                if answer.status in okay:
                    return answer
                why = f"{answer.status}: {answer.body}"
                assert answer.status in (429, 503), (method, path, why)
            except (OSError, http.client.HTTPException) as error:
                why = error  # the connection was refused or cut
            assert time.monotonic() < self.deadline, (method, path, why)
            time.sleep(0.02)

    def task(self, task, wait=0):
        return self.ask("GET", f"/v1/tasks/{task}?wait={wait}").json

    def finish(self, task):
        while (found := self.task(task, wait=5))["state"] != "finished":
            assert time.monotonic() < self.deadline, found
        return found

    def output(self, task, stream="stdout"):
        """All of it, also where a reply breaks off."""
        return self.ask(
            "GET", f"/v1/tasks/{task}/output?stream={stream}").body


class Kind:
    """One task. `number` makes it unlike others of its kind."""

    outcome = "succeeded"
    exit_code = 0
    facts = {}  # members of the finished task besides
    stdout = stderr = b""
    image = IMAGE
    members = {}  # of the request

    def __init__(self, number):
        self.number = number

    def args(self):
        raise NotImplementedError

    def prepare(self, asker):
        """Before it is submitted."""

    def drive(self, asker, task):
        """While it waits or runs."""

    def submit(self, asker, key):
        body = {"image": self.image, "args": list(self.args()),
                **self.members}
        return asker.ask("POST", "/v1/tasks", body, okay=(200, 201),
                         headers={"Idempotency-Key": key}).json["id"]

    def live(self, asker, key):
        """All of its life; the finished task."""
        self.prepare(asker)
        task = self.submit(asker, key)
        self.drive(asker, task)
        return asker.finish(task)

    def check(self, test, asker, task):
        test.assertEqual(task["outcome"], self.outcome, task)
        if self.exit_code is None:
            test.assertNotIn("exit_code", task)
        else:
            test.assertEqual(task.get("exit_code"), self.exit_code, task)
        for name, value in self.facts.items():
            test.assertEqual(task.get(name), value, task)
        self.check_output(test, asker, task)

    def check_output(self, test, asker, task):
        for stream, expected in (("stdout", self.stdout),
                                 ("stderr", self.stderr)):
            found = asker.output(task["id"], stream)
            test.assertEqual(task["output"][stream], len(found), task)
            same_bytes(test, found, expected, f"{self}: {stream}")

    def __str__(self):
        return f"{type(self).__name__} {self.number}"


def same_bytes(test, found, expected, what):
    """Without printing megabytes."""
    if found != expected:
        at = next((at for at, (one, other) in
                   enumerate(zip(found, expected)) if one != other),
                  min(len(found), len(expected)))
        test.fail(f"{what}: {len(found)} bytes instead of {len(expected)}, "
                  f"other from {at} on: {found[at:at + 80]!r} instead of "
                  f"{expected[at:at + 80]!r}")


def lines(first, last):
    return "".join(f"{n}\n" for n in range(first, last + 1)).encode()


class ExitCode(Kind):
    def __init__(self, number):
        super().__init__(number)
        self.exit_code = number % 256
        self.outcome = "failed" if self.exit_code else "succeeded"
        self.stdout = f"exit {number}\n".encode()

    def args(self):
        return ("sh", "-c", f"echo exit {self.number}; exit "
                f"{self.exit_code}")


class Signalled(Kind):
    outcome, exit_code = "killed", None
    facts = {"signal": "KILL"}
    stderr = b"here I end\n"

    def args(self):
        return ("sh", "-c", "echo here I end >&2; kill -KILL $$")


class LotsOfOutput(Kind):
    """As fast as it is taken: megabytes on both streams."""

    def __init__(self, number):
        super().__init__(number)
        self.last = 150000 + number
        self.stdout = lines(1, self.last)
        self.stderr = lines(number, self.last)

    def args(self):
        return ("sh", "-c", f"seq 1 {self.last} & "
                f"seq {self.number} {self.last} >&2; wait")


class Pieces(Kind):
    """Output over some seconds, which begins with what no second run of it
    could say again; looked at all the while."""

    def __init__(self, number):
        super().__init__(number)
        self.seen = b""
        self.stderr = b"".join(b"piece %d of %d\n" % (piece, number)
                               for piece in range(PIECES))

    def args(self):
        return ("sh", "-c", "cat /proc/sys/kernel/random/uuid; "
                f"i=0; while [ $i -lt {PIECES} ]; do "
                f"seq $((i * {PIECE_LINES})) "
                f"$((i * {PIECE_LINES} + {PIECE_LINES - 1})); "
                f"echo piece $i of {self.number} >&2; "
                "usleep 150000; i=$((i + 1)); done")

    def drive(self, asker, task):
        while asker.task(task)["state"] != "finished":
            found = asker.output(task)
            assert found.startswith(self.seen), (
                "what was shown before is not what is shown now",
                self.seen[:80], found[:80])
            self.seen = found

    def check_output(self, test, asker, task):
        found = asker.output(task["id"])
        test.assertRegex(found[:37], UUID)
        test.assertTrue(found.startswith(self.seen), "shown and lost")
        self.stdout = found[:37] + lines(0, PIECES * PIECE_LINES - 1)
        super().check_output(test, asker, task)


class InlineInput(Kind):
    def __init__(self, number):
        super().__init__(number)
        data = hashlib.sha512(str(number).encode()).digest() * 3000
        self.stdout = data
        self.members = {"stdin": {
            "base64": base64.b64encode(data).decode()}}

    def args(self):
        return ("cat",)


class StreamedInput(Kind):
    """In several parts, each taken up where the one before broke off."""

    members = {"stdin": {"stream": True}}

    def __init__(self, number):
        super().__init__(number)
        self.data = hashlib.sha512(str(-number).encode()).digest() * 10000
        self.stdout = hashlib.sha256(self.data).hexdigest().encode() + \
            b"  -\n"

    def args(self):
        return ("sha256sum",)

    def drive(self, asker, task):
        at, size = 0, len(self.data)
        wait_until(lambda: asker.task(task)["state"] != "queued", 120,
                   f"{self} to have its turn")
        while at < size:
            end = min(size, at + size // 4)
            more = "&more=1" if end < size else ""
            answer = asker.ask(
                "PUT", f"/v1/tasks/{task}/stdin?offset={at}{more}",
                self.data[at:end], okay=(200, 409),
                headers={"Content-Type": "application/octet-stream"})
            at = self._where(asker, task, answer)

    @staticmethod
    def _where(asker, task, answer):
        """A 409 may mean that the one before is not known to be over yet, or
        that it went through although its reply did not come, or that the task
        was lost."""
        stands = answer.json
        if answer.status != 200:
            found = asker.task(task)
            if found["state"] == "finished":
                return float("inf")
            stands = found["stdin"]
        return float("inf") if stands["ended"] else stands["received"]


class Files(Kind):
    """One file in, two out, of which one is not there."""

    def __init__(self, number):
        super().__init__(number)
        self.data = lines(number, number + 20000)
        self.digest = hashlib.sha256(self.data).hexdigest()
        self.stdout = b"%d\n" % len(self.data)
        self.members = {"inputs": {"in": self.digest},
                        "outputs": ["copy", "none"]}

    def args(self):
        return ("sh", "-c", "stat -c %s /tmp/in; cp /tmp/in /tmp/copy")

    def prepare(self, asker):
        digest = base64.b64encode(bytes.fromhex(self.digest)).decode()
        asker.ask("POST", "/v1/blobs", self.data, okay=(200, 201), headers={
            "Content-Type": "application/octet-stream",
            "Content-Digest": f"sha-256=:{digest}:"})

    def check_output(self, test, asker, task):
        super().check_output(test, asker, task)
        found = {entry["name"]: entry for entry in task["outputs"]}
        test.assertEqual(found["none"]["status"], "missing")
        test.assertEqual(
            (found["copy"]["status"], found["copy"].get("sha256")),
            ("kept", self.digest))
        same_bytes(test, asker.ask(
            "GET", f"/v1/tasks/{task['id']}/files/copy").body, self.data,
            f"{self}: its file")


class Cancelled(Kind):
    outcome, exit_code = "cancelled", None

    def args(self):
        return ("sleep", "600")

    def drive(self, asker, task):
        # Every other one of its kind; finished: it was lost.
        if self.number // len(KINDS) % 2:
            wait_until(lambda: asker.task(task)["state"] in (
                "running", "finished"), 120, f"{self} to run")
        asker.ask("DELETE", f"/v1/tasks/{task}?grace=0", okay=(200, 202))


class TimedOut(Kind):
    outcome, exit_code = "timed_out", None
    members = {"limits": {"timeout": "2s"}}
    stdout = b"waiting\n"

    def args(self):
        return ("sh", "-c", "echo waiting; sleep 600 & wait; echo over")


class NoSuchCommand(Kind):
    outcome, exit_code = "not_started", None
    facts = {"reason": "command", "errno": "ENOENT"}

    def args(self):
        return (f"no-such-command-{self.number}",)


class NoSuchImage(Kind):
    outcome, exit_code = "not_started", None
    facts = {"reason": "image"}
    image = ABSENT

    def args(self):
        return ("true",)


KINDS = (ExitCode, Pieces, LotsOfOutput, InlineInput, Cancelled,
         StreamedInput, Signalled, Files, TimedOut, NoSuchCommand, Pieces,
         NoSuchImage)


def make(count):
    """So many, all kinds in turn."""
    return [KINDS[number % len(KINDS)](number) for number in range(count)]


class Killer(threading.Thread):
    """Kills a process at random moments and starts it again, so many times;
    not before the one who dies next has been up for a moment."""

    def __init__(self, process, kills, between=(0.05, 1.2)):
        super().__init__()
        self.process, self.kills, self.between = process, kills, between
        self.random = random.Random()
        self.enough = threading.Event()

    def run(self):
        for _ in range(self.kills):
            if self.enough.wait(self.random.uniform(*self.between)):
                return
            self.process.kill()
            self.process.start()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, kind, *_):
        if kind is not None:
            self.enough.set()
        self.join()
