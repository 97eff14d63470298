"""Bodies that are sent piece by piece, by clients that mean well or not."""

import base64
import hashlib
import socket

from harness import wait_until

BYTES = "application/octet-stream"


def content_digest(data):
    digest = base64.b64encode(hashlib.sha256(data).digest()).decode()
    return f"sha-256=:{digest}:"


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


LAST = b"0\r\n\r\n"


class Body:
    """One request on a connection of its own, whose body is still to come:
    with `length`, or chunked without."""

    def __init__(self, site, method, path, length=None, *, who="alice",
                 headers=None, timeout=60):
        self.site = site
        self.chunked = length is None
        self.wire = site.wire(who, timeout=timeout)
        framing = {"Transfer-Encoding": "chunked"} if self.chunked else {
            "Content-Length": str(length)}
        self.wire.send(site.request_bytes(method, path, who=who, headers={
            "Content-Type": BYTES, **framing, **(headers or {})}))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.wire.close()

    def send(self, data):
        self.wire.send(chunk(data) if self.chunked else data)

    def end(self):
        if self.chunked:
            self.wire.send(LAST)

    def answer(self):
        return self.wire.answer("PUT")

    def finish(self, data=b""):
        """The rest of the body, and what came of all of it."""
        if data:
            self.send(data)
        self.end()
        return self.answer()

    def offer(self, size, stuck_s=1.0):
        """As much of `size` bytes as is taken, until nothing was for a while;
        how much that was."""
        block, taken = b"x" * 65536, 0
        self.wire.socket.settimeout(stuck_s)
        try:
            while taken < size:
                self.send(block)
                taken += len(block)
        except TimeoutError:
            pass
        return taken

    def vanish(self):
        """A reset, in the middle of whatever there is."""
        self.wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                    b"\1\0\0\0\0\0\0\0")
        self.wire.close()


def put_stdin(site, task, length=None, *, query="", **more):
    return Body(site, "PUT", f"/v1/tasks/{task}/stdin{query}", length, **more)


def post_blob(site, data, length=None, *, digest=None, headers=None, **more):
    return Body(site, "POST", "/v1/blobs", length, headers={
        "Content-Digest": digest or content_digest(data), **(headers or {})},
        **more)


def store_blob(site, data, **more):
    """A blob that is taken; its document."""
    with post_blob(site, data, len(data), **more) as body:
        answer = body.finish(data)
    assert answer.status in (200, 201), (answer.status, answer.body)
    return answer.json


def resident(process):
    """Bytes of memory that a process of ours holds."""
    return int(process.status()["VmRSS"].split()[0]) * 1024


def received(site, task, **more):
    return site.task(task, **more)["stdin"]["received"]


def wait_received(site, task, count):
    return wait_until(lambda: received(site, task) == count,
                      what=f"{count} bytes received")


def outlast_body_timeout(site, times=1):
    """Until a body that does not get on has been given up so often: then the
    gateway's body_timeout has passed, by its own clock."""
    for _ in range(times):
        with site.wire() as wire:
            wire.send(site.request_bytes("POST", "/v1/tasks", headers={
                "Content-Type": "application/json", "Content-Length": "10"}))
            answer = wire.answer("POST")
            assert answer.status == 408, (answer.status, answer.body)
