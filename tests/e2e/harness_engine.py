"""The Docker Engine behind the tests: its API, and engines of one's own.

Everything here talks to a real engine. The suite's own is named by
TASKGATE_TEST_ENGINE (test.sh starts it); a test that lets an engine die
starts another with `Engine.start_own()`.
"""

import http.client
import json
import os
import pathlib
import socket
import subprocess
import urllib.parse

from harness_process import wait_until

SCRIPT = pathlib.Path(__file__).resolve().parents[1] / "engine.sh"
IMAGE = "taskgate-test/busybox"


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("engine", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class EngineError(Exception):
    def __init__(self, status, text):
        super().__init__(f"the engine answered {status}: {text}")
        self.status = status


class Engine:
    """One engine, by its socket's path."""

    def __init__(self, path, folder=None):
        self.path = path
        self.url = f"unix://{path}"
        self.folder = folder  # of an engine of our own

    @classmethod
    def of_the_suite(cls):
        url = os.environ.get("TASKGATE_TEST_ENGINE", "")
        if not url.startswith("unix://"):
            raise RuntimeError(
                "TASKGATE_TEST_ENGINE must name a Docker Engine for the "
                "tests, such as unix:///run/docker.sock; ./test.sh starts one")
        return cls(url.removeprefix("unix://"))

    @classmethod
    def start_own(cls, folder, gid):
        """An engine that the caller may kill. `folder` has a short path."""
        engine = cls(f"{folder}/run/docker.sock", pathlib.Path(folder))
        engine.start(gid)
        return engine

    def start(self, gid):
        self._script("start", self.folder / "state", self.folder / "run", gid)

    def kill(self):
        """As a crash would: containerd and the containers stay."""
        self._script("kill", self.folder / "run")

    def stop(self):
        self._script("stop", self.folder / "state", self.folder / "run")

    @staticmethod
    def _script(*words):
        done = subprocess.run(
            [SCRIPT, *map(str, words)], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            timeout=300, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"engine.sh {words[0]}: {done.stdout}")

    @property
    def gid(self):
        """The group that may open the socket."""
        return os.stat(self.path).st_gid

    def call(self, method, path, body=None, timeout=60, **query):
        """The decoded JSON of a reply; EngineError for 400 and more."""
        if query:
            path += "?" + urllib.parse.urlencode(query)
        connection = UnixConnection(self.path, timeout)
        try:
            connection.request(
                method, path,
                body=None if body is None else json.dumps(body),
                headers={} if body is None
                else {"Content-Type": "application/json"})
            response = connection.getresponse()
            text = response.read()
            if response.status >= 400:
                raise EngineError(response.status, text.decode())
            return json.loads(text) if text.strip() else None
        finally:
            connection.close()

    def has_image(self, image):
        try:
            self.call("GET", f"/images/{image}/json")
        except EngineError as error:
            if error.status == 404:
                return False
            raise
        return True

    def import_image(self, image=IMAGE, *programs):
        """Busybox and static programs besides. A program may have been built
        anew: the script sees whether the content is the same."""
        if programs or not self.has_image(image):
            self._script("import", self.path, image, *programs)

    def image_id(self, image=IMAGE):
        return self.call("GET", f"/images/{image}/json")["Id"]

    def containers(self, value):
        """The containers that carry `value` in some label: a runner's id, a
        task's id."""
        return [entry for entry in
                self.call("GET", "/containers/json", all="true")
                if value in (entry["Labels"] or {}).values()]

    def inspect(self, container):
        return self.call("GET", f"/containers/{container}/json")

    def processes(self, container):
        """How many live in it; none where it does not run."""
        try:
            found = self.call("GET", f"/containers/{container}/top")
        except EngineError as error:
            if error.status in (404, 409, 500):
                return 0
            raise
        return len(found["Processes"] or ())

    def remove(self, container):
        """Also one that goes by itself, or is being removed, meanwhile."""
        try:
            self.call("DELETE", f"/containers/{container}", force="true",
                      v="true")
        except EngineError as error:
            if error.status not in (404, 409):
                raise
            wait_until(lambda: self.is_gone(container),
                       what=f"the end of a removal: {error}")

    def is_gone(self, container):
        try:
            self.inspect(container)
        except EngineError as error:
            if error.status == 404:
                return True
            raise
        return False
