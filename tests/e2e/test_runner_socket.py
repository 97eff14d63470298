"""The runner's private socket, spoken to by somebody who has the gateway's uid
but not its manners: a captured gateway."""

import base64
import json
import ssl
import subprocess
import uuid

from harness import IMAGE, Case, environment, main

# Runs as the gateway's user: {"path", "packets": [{"text", "body"?}]} on
# standard input; what came back, a line each, on standard output.
SPEAKER = """
import array, fcntl, json, os, socket, sys
order = json.load(sys.stdin)
sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
sock.settimeout(30)
sock.connect(order["path"])
for packet in order["packets"]:
    extra = []
    if packet.get("body") is not None:
        fd = os.memfd_create("body", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.write(fd, packet["body"].encode())
        if packet.get("sealed", True):
            fcntl.fcntl(fd, 1033, 0xf)
        extra = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))]
    sock.sendmsg([packet["text"].encode()], extra)
wanted = order["answers"]
while wanted > 0:
    try:
        data = sock.recv(65536)
    except ConnectionError:
        data = b""
    if not data:
        print(json.dumps({"type": "(dropped)"}))
        break
    message = json.loads(data)
    if message["type"] in ("reply", "failure"):
        print(json.dumps(message))
        wanted -= 1
"""

HELLO = {"text": '{"type":"hello","version":1,"role":"gateway"}'}


class TestCapturedGateway(Case):
    def speak(self, packets, answers, *, uid=None, name="gateway.sock"):
        """What the runner answered, without states and welcomes."""
        done = subprocess.run(
            ["/usr/bin/python3", "-c", SPEAKER], text=True, capture_output=True,
            input=json.dumps({"path": str(self.site.run / name),
                              "packets": packets, "answers": answers}),
            user=self.site.gateway_uid if uid is None else uid,
            group=self.site.gateway_uid, extra_groups=[], cwd="/",
            timeout=60, check=False, env=environment())
        if done.returncode != 0:
            return done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    def certificate(self, who):
        pem = self.site.members[who].certificate.read_text()
        first = pem[:pem.index("-----END") + 25]
        return base64.urlsafe_b64encode(
            ssl.PEM_cert_to_DER_cert(first)).decode().rstrip("=")

    def submission(self, who="alice", *, body=None, **changes):
        message = {"type": "submit", "request": 1, "wait": 30,
                   "certificate": self.certificate(who),
                   "token": self.site.members[who].token,
                   "address": "192.0.2.1", "request_id": str(uuid.uuid4())}
        message.update(changes)
        return {"text": json.dumps(message),
                "body": json.dumps({"image": IMAGE, "args": ["echo", "x"]})
                if body is None else body}

    def test_what_a_client_could_ask_for_is_served(self):
        [reply] = self.speak([HELLO, self.submission()], 1)
        self.assertEqual((reply["type"], reply["status"]), ("reply", 201))
        self.assertEqual(reply["body"]["stdout"], "x\n")

    def test_it_cannot_invent_a_principal(self):
        for changes in ({"token": "x.y.z"},
                        {"token": self.site.members["bob"].token},
                        {"certificate": self.certificate("bob")},
                        {"certificate": "AAAA"}):
            with self.subTest(list(changes)):
                [failure] = self.speak(
                    [HELLO, self.submission(**changes)], 1)
                self.assertEqual(failure["error"], "unauthenticated")

    def test_it_cannot_pass_what_the_policy_denies(self):
        body = json.dumps({"image": "other/image", "args": ["x"]})
        [failure] = self.speak([HELLO, self.submission(body=body)], 1)
        self.assertEqual(failure["error"], "denied")

    def test_it_cannot_read_one_clients_tasks_with_anothers_token(self):
        task = self.site.submit("true", wait=30)["id"]
        message = json.loads(self.submission("bob")["text"])
        message.update(type="get", task=task, wait=0)
        [failure] = self.speak([HELLO, {"text": json.dumps(message)}], 1)
        self.assertEqual(failure["error"], "not-found")

    def test_a_body_that_can_still_change_drops_it(self):
        packet = {**self.submission(), "sealed": False}
        [last] = self.speak([HELLO, packet], 1)
        self.assertEqual(last["type"], "(dropped)")
        self.assertEqual(
            self.site.submit("true", wait=30)["outcome"], "succeeded")

    def test_it_cannot_ask_what_only_the_operator_may(self):
        [last] = self.speak(
            [HELLO, {"text": '{"type":"status","request":1}'}], 1)
        self.assertEqual(last["type"], "(dropped)")
        self.assertIn("Permission denied",
                      self.speak([HELLO], 1, name="admin.sock"))

    def test_another_uid_is_not_spoken_to(self):
        # In the gateway's group, so that only SO_PEERCRED stands between.
        [last] = self.speak([], 1, uid=self.site.client_uid)
        self.assertEqual(last["type"], "(dropped)")
        self.assertIn(f"uid={self.site.client_uid}", self.site.runner.log())

    def test_a_flood_of_refusals_fills_no_log(self):
        before = len(self.site.audit())
        refusal = {"text": json.dumps({
            "type": "refusal", "code": "denied", "count": 1,
            "address": "192.0.2.1", "untrusted": {"detail": "x" * 1000}})}
        message = json.loads(self.submission()["text"])
        message.update(type="list", limit=1)
        del message["wait"]
        self.speak([HELLO] + [refusal] * 3000 +
                   [{"text": json.dumps(message)}], 1)
        self.assertLess(len(self.site.audit()) - before, 1000)


if __name__ == "__main__":
    main()
