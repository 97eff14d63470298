"""Long-running programs of ours under test, and what it takes to give each
test an installation of its own: numbers and folders that nobody else has."""

import contextlib
import grp
import os
import pathlib
import pwd
import random
import signal
import socket
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
SOAK = os.environ.get("TASKGATE_SOAK") == "1"


def many(count):
    """A many-fold run: all of it in a soak, a tenth in the ordinary suite."""
    return count if SOAK else max(1, count // 10)


def wait_until(condition, seconds=30, what="the condition"):
    """Polls; returns the first true value."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {seconds} s")
        time.sleep(0.02)
    return value


def wait_same(value, what="a value that stays the same"):
    """Polls; returns what it is twice in a row."""
    last = None

    def same():
        nonlocal last
        previous, last = last, value()
        return previous == last
    wait_until(same, what=what)
    return last


reservations = []  # held until this process ends


def reserve(name):
    """Whether nobody else on this machine holds the name: several tests, and
    several suites, choose ports and ids at the same time."""
    holder = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        holder.bind(f"\0taskgate-test-{name}")
    except OSError:
        holder.close()
        return False
    reservations.append(holder)
    return True


def port_is_free(port):
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port():
    # Outside of the range that outgoing connections take theirs from.
    while True:
        port = random.randrange(20000, 32000)
        if port_is_free(port) and reserve(f"port-{port}"):
            return port


def id_is_free(number):
    for look_up in (pwd.getpwuid, grp.getgrgid):
        with contextlib.suppress(KeyError):
            look_up(number)
            return False
    return True


def free_id():
    """A number that is no account's and no group's."""
    while True:
        number = random.randrange(30000, 59000)
        if id_is_free(number) and reserve(f"id-{number}"):
            return number


def reachable_folder():
    """A new folder that any user can get to."""
    for base in (tempfile.gettempdir(), "/tmp", "/var/tmp"):
        parents = [pathlib.Path(base), *pathlib.Path(base).parents]
        if all(parent.stat().st_mode & 0o001 for parent in parents):
            folder = pathlib.Path(
                tempfile.mkdtemp(prefix="taskgate-e2e-", dir=base))
            folder.chmod(0o755)
            return folder
    raise RuntimeError("no folder for temporary files is open to all users")


class Process:
    """One of our long-running programs."""

    def __init__(self, name, arguments, uid, gid, groups, log,
                 end=signal.SIGTERM):
        self.end = end
        self.name = name
        self.arguments = [str(word) for word in arguments]
        self.uid, self.gid, self.groups = uid, gid, groups
        self.log_path = log
        self.child = None
        self.more = {}  # of its environment

    def start(self):
        assert not self.alive, f"{self.name} runs already"
        with open(self.log_path, "ab") as log:
            self.child = subprocess.Popen(
                self.arguments, user=self.uid, group=self.gid,
                extra_groups=self.groups, stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, cwd="/",
                env=environment(**self.more), start_new_session=True)

    @property
    def alive(self):
        return self.child is not None and self.child.poll() is None

    @property
    def pid(self):
        assert self.alive, f"{self.name} does not run"
        return self.child.pid

    def send(self, number):
        os.kill(self.pid, number)

    def kill(self):
        """SIGKILL: a crash."""
        self.send(signal.SIGKILL)
        self.child.wait(30)
        self.child = None

    def stop(self, seconds=60, number=None):
        """The signal that ends all of it, and an orderly end in time."""
        number = number or self.end
        if self.child is None:
            return
        if self.alive:
            self.child.send_signal(number)
        try:
            code = self.child.wait(seconds)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
            raise AssertionError(
                f"{self.name} did not end within {seconds} s of {number.name}"
            ) from None
        finally:
            self.child = None
        assert code == 0, f"{self.name} ended with {code}"

    def descriptors(self):
        """What is open: number to target."""
        folder = f"/proc/{self.pid}/fd"
        found = {}
        for entry in os.listdir(folder):
            with contextlib.suppress(FileNotFoundError):
                found[int(entry)] = os.readlink(f"{folder}/{entry}")
        return found

    def status(self):
        """/proc/PID/status: field to text."""
        text = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        return {name: value.strip() for name, _, value in
                (line.partition(":") for line in text.splitlines())}

    def log(self):
        with contextlib.suppress(FileNotFoundError):
            return self.log_path.read_text(errors="replace")
        return ""


def environment(**more):
    kept = {name: value for name, value in os.environ.items()
            if name.endswith("SAN_OPTIONS") or name == "LSAN_OPTIONS"}
    return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8",
            **kept, **more}
