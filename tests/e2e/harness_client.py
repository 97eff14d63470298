"""What tests of the user's tool need besides: a line to the gateway that can
be cut, a terminal, and contexts that are changed in one place."""

import contextlib
import json
import os
import pty
import select
import shutil
import socket
import ssl
import subprocess
import threading
import time

from harness import environment


class Line:
    """A TCP line to the gateway that a test cuts, blocks and mends."""

    def __init__(self, target, host="127.0.0.1"):
        self.target = target
        self.listener = socket.create_server((host, 0))
        self.port = self.listener.getsockname()[1]
        self.pairs = []
        self.lock = threading.Lock()
        self.refusing = False
        self.accepted = 0
        self.carried = 0
        self.cut_after = None  # bytes towards the client, once
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.refusing = True
        self.listener.close()
        self.cut()

    def _accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            if self.refusing:
                near.close()
                continue
            far = socket.create_connection(self.target)
            with self.lock:
                self.accepted += 1
                self.pairs.append((near, far))
            for source, sink, down in ((near, far, False), (far, near, True)):
                threading.Thread(target=self._carry, daemon=True,
                                 args=(source, sink, down)).start()

    def _carry(self, source, sink, down):
        with contextlib.suppress(OSError):
            while data := source.recv(16384):
                room = self._find_room(len(data)) if down else len(data)
                sink.sendall(data[:room])
                if room < len(data):
                    self.cut()
                    return
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _find_room(self, size):
        """How many bytes still go through before the cut."""
        with self.lock:
            if self.cut_after is None or self.carried + size <= self.cut_after:
                self.carried += size
                return size
            room = self.cut_after - self.carried
            self.carried += room
            self.cut_after = None
            return room

    def cut(self):
        """Every connection ends at once, by a reset."""
        with self.lock:
            pairs, self.pairs = self.pairs, []
        for pair in pairs:
            for end in pair:
                with contextlib.suppress(OSError):
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                   b"\1\0\0\0\0\0\0\0")
                    end.shutdown(socket.SHUT_RDWR)
                end.close()


class Liar(Line):
    """A gateway that passes everything on but the truth: it has the server's
    key, and changes bytes of what the server says, as many for as many. Or
    whoever asks for something in particular never hears an answer."""

    def __init__(self, site, who="alice"):
        self.lies = {}
        self.unanswered, self.asked = None, 0
        self.near = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.near.load_cert_chain(site.etc / "gateway" / "server.crt",
                                  site.etc / "gateway" / "server.key")
        self.far = site.members[who].tls()
        super().__init__(("127.0.0.1", site.port))

    def _carry(self, source, sink, down):
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                for truth, lie in self.lies.items() if down else ():
                    assert len(truth) == len(lie)
                    data = data.replace(truth, lie)
                sink.sendall(data)
                if not down and self.unanswered and self.unanswered in data:
                    self.asked += 1
                    break
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            with contextlib.suppress(OSError):
                near = self.near.wrap_socket(near, server_side=True)
                far = self.far.wrap_socket(
                    socket.create_connection(self.target),
                    server_hostname=self.target[0])
                self.pairs.append((near, far))
                for pair in ((near, far, False), (far, near, True)):
                    threading.Thread(target=self._carry, daemon=True,
                                     args=pair).start()


def copy_context(site, name, who="alice", **changes):
    """A member's context again, with other members; a folder."""
    source = site.members[who].folder
    folder = site.home / name
    shutil.copytree(source, folder)
    document = json.loads((folder / "context.json").read_text())
    document.update(changes)
    (folder / "context.json").write_text(json.dumps(document))
    for path in (folder, *folder.iterdir()):
        os.chown(path, site.client_uid, site.client_uid)
    return folder


def through(site, line, name, who="alice"):
    """The options of a client that reaches the gateway by this line."""
    folder = copy_context(site, name, who,
                          server=f"https://127.0.0.1:{line.port}")
    return "--context", folder


def newest(site):
    """The task that was made last, or {"id": None}."""
    tasks = site.call("GET", "/v1/tasks?limit=1").json["tasks"]
    return tasks[0] if tasks else {"id": None}


def run_client(site, *words, env, stdout=subprocess.PIPE):
    """`taskgate` with no environment but this."""
    return subprocess.run(
        [site.bin / "taskgate", *map(str, words)], user=site.client_uid,
        group=site.client_uid, extra_groups=[], cwd="/", text=True,
        stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.PIPE,
        env=environment(**env), timeout=60, check=False)


class Terminal:
    """`taskgate` on a terminal, which is all three of its streams and the
    one that controls it: keys are signals."""

    def __init__(self, site, *words, who="alice", env=None):
        self.end, far = pty.openpty()
        self.seen = b""
        self.process = subprocess.Popen(
            ["setsid", "--ctty", site.bin / "taskgate", *map(str, words)],
            stdin=far, stdout=far, stderr=far, user=site.client_uid,
            group=site.client_uid, extra_groups=[], cwd="/",
            env=environment(
                HOME=str(site.home), TERM="xterm",
                TASKGATE_CONTEXT=str(site.members[who].folder),
                **(env or {})))
        os.close(far)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.end)

    def _read(self, seconds):
        ready, _, _ = select.select([self.end], [], [], seconds)
        if not ready:
            return False
        try:
            data = os.read(self.end, 65536)
        except OSError:  # EIO: the other side has closed
            data = b""
        self.seen += data
        return bool(data)

    def type(self, data):
        os.write(self.end, data)

    def wait_for(self, words, seconds=30):
        deadline = time.monotonic() + seconds
        while words not in self.seen:
            left = deadline - time.monotonic()
            if left <= 0 or (not self._read(left) and
                             self.process.poll() is not None):
                raise AssertionError(f"no {words!r} in {self.seen!r}")

    def finish(self, seconds=30):
        """Reads to the end; returns the exit code."""
        deadline = time.monotonic() + seconds
        while self._read(max(0, deadline - time.monotonic())):
            pass
        return self.process.wait(max(1, deadline - time.monotonic()))
