"""A runner that hears nothing any more but still speaks: whose body cannot be
ended is told so, once, and the gateway lives."""

import pathlib
import subprocess
import sys

from harness import Case, main, wait_until
from harness_body import post_blob
from harness_false_runner import FALSE_RUNNER

# It lets each body come, takes nothing more from the gateway, and says that it
# failed once all of it was passed on.
DEAF = FALSE_RUNNER + """
peers = []
while True:
    for ready in select.select([listener, *peers], [], [])[0]:
        if ready is listener:
            peers.append(listener.accept()[0])
            welcome(peers[-1])
            revoke(peers[-1], 1, [])
            continue
        said = ready.recv(65536)
        if not said:
            peers.remove(ready)
            continue
        said = json.loads(said)
        if said["type"] == "blob":
            request = said["request"]
            ready.shutdown(socket.SHUT_RD)
            reading, writing = os.pipe()
            send(ready, {"type": "begin", "request": request}, writing)
            os.close(writing)
            print(len(os.read(reading, 100)), len(os.read(reading, 100)),
                  flush=True)
            with contextlib.suppress(OSError):
                send(ready, {"type": "failure", "request": request,
                             "error": "conflict", "detail": "not now"})
            os.close(reading)
            peers.remove(ready)
            ready.close()
"""


class TestBodies(Case):
    gateway_settings = {"workers": 1}

    def wait_served(self):
        wait_until(lambda: self.site.call("GET", "/v1/whoami").status == 200,
                   what="a gateway that believes the runner")

    def test_a_body_whose_end_cannot_be_told_is_answered_once(self):
        site = self.site
        site.runner.stop()
        path = pathlib.Path(site.run, "gateway.sock")
        path.unlink(missing_ok=True)
        runner = subprocess.Popen(
            [sys.executable, "-c", DEAF, path],
            user=site.runner_uid, group=site.gateway_uid, extra_groups=[],
            stdout=subprocess.PIPE, text=True)
        try:
            self.wait_served()
            gateway = site.gateway.pid
            with post_blob(site, b"whatever", 8) as body:
                answer = body.finish(b"whatever")
            self.assertEqual((answer.status, answer.problem),
                             (503, "unavailable"), answer.body)
            self.wait_served()
            self.assertEqual(site.gateway.pid, gateway)
        finally:
            runner.kill()
            said = runner.communicate()[0]
            path.unlink(missing_ok=True)
        # It was to come, all of it came, and more did not.
        self.assertEqual(said, "8 0\n")
        site.runner.start()
        site.wait_ready()


if __name__ == "__main__":
    main()
