"""The operator's tool alone: a folder to work in, and what it writes there."""

import json
import os
import pathlib
import pty
import shutil
import subprocess
import tempfile
import unittest

BIN = pathlib.Path(os.environ["TASKGATE_BIN"])
GATEWAY_UID, RUNNER_UID = 41001, 41002
KEYS = {"operator/ca.key": 0, "operator/token.key": 0,
        "gateway/server.key": GATEWAY_UID, "runner/audit.key": RUNNER_UID}


def openssl(*words, stdin=None):
    done = subprocess.run(
        ["openssl", *map(str, words)], input=stdin, capture_output=True,
        text=True, timeout=60, check=False)
    assert done.returncode == 0, f"openssl {words}: {done.stderr}"
    return done.stdout


def on_terminal(*words):
    """How the tool ended, and all that it has shown on a terminal."""
    ours, theirs = pty.openpty()
    with subprocess.Popen([BIN / "taskgate-admin", *map(str, words)],
                          stdout=theirs) as child:
        os.close(theirs)
        data = b""
        while True:
            try:
                data += os.read(ours, 65536)
            except OSError:  # EIO: the other side is closed
                break
        os.close(ours)
        return child.wait(30), data.decode()


def snapshot(folder):
    """Path to owner, mode, content and time of change."""
    found = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        found[str(path.relative_to(folder))] = (
            status.st_uid, status.st_mode, status.st_mtime_ns,
            path.read_bytes() if path.is_file() else None)
    return found


class AdminCase(unittest.TestCase):

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="taskgate-admin-"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.etc = self.folder / "etc"

    def admin(self, *words, code=0, stdin=None, env=None):
        done = subprocess.run(
            [BIN / "taskgate-admin", *map(str, words)], input=stdin,
            capture_output=True, text=True, timeout=60, check=False,
            cwd=self.folder, env={"PATH": os.environ["PATH"],
                                  **(env or {})})
        self.assertEqual(done.returncode, code,
                         f"{words}\n{done.stdout}\n{done.stderr}")
        self.assertNotIn("Sanitizer", done.stderr)
        return done

    def init(self, *more, code=0):
        return self.admin("init", "--dir", self.etc, "--gateway-uid",
                          GATEWAY_UID, "--runner-uid", RUNNER_UID, *more,
                          code=code)

    def run_json(self, *words, code=0, stdin=None):
        return json.loads(self.admin(
            *words, "--dir", self.etc, "-o", "json", code=code,
            stdin=stdin).stdout)

    def refused(self, *words, saying, code=1, stdin=None):
        done = self.admin(*words, "--dir", self.etc, code=code, stdin=stdin)
        self.assertIn(saying, done.stderr)
        self.assertEqual(done.stdout, "")
        return done
