"""Load and floods from addresses of the loopback network, by the program that
benchmarks use too (tests/bench/load.c)."""

import json
import os
import pathlib
import subprocess

import harness_forge as forge

GOOD, BAD = "127.0.0.1", "127.0.0.2"
# Handshakes and tokens a minute.
FLOOD = 2000, 20000


def make_stranger(site):
    """A folder with a certificate of another CA."""
    folder = site.folder / "stranger"
    certificate, key = forge.Authority(folder).issue("stranger")
    certificate.rename(folder / "client.crt")
    key.rename(folder / "client.key")
    return folder


def make_mallory(site):
    """A member whose token is well formed, and signed by another key."""
    mallory = site.enroll("mallory")
    head, claims, _ = mallory.token.split(".")
    key = forge.make_key(site.folder / "mallory.key")
    signature = forge.es256(key, f"{head}.{claims}".encode())
    (mallory.folder / "token").write_text(
        f"{head}.{claims}.{forge.base64url(signature)}\n")
    return mallory


class Load:
    """On one port of this machine, with a member's folder."""

    def __init__(self, folder):
        self.folder = folder
        self.program = pathlib.Path(
            os.environ["TASKGATE_BIN"]).parent / "tests" / "load"

    def start(self, mode, port, *words, source=GOOD):
        return subprocess.Popen(
            [self.program, mode, str(port), source, self.folder,
             *map(str, words)], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True)

    def finish(self, process, seconds=300):
        """What it saw."""
        seen = process.communicate(timeout=seconds)[0]
        assert process.returncode == 0, process.args
        return json.loads(seen)

    def run(self, mode, port, *words, source=GOOD):
        return self.finish(self.start(mode, port, *words, source=source))
