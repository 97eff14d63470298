"""A gateway that somebody else has taken over: its uid speaks the private
protocol as it likes."""

import array
import base64
import fcntl
import json
import os
import socket
import uuid

from harness import IMAGE

SEALS = (fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK |
         fcntl.F_SEAL_SEAL)


def memfd(data, seals=SEALS):
    made = os.memfd_create("body", os.MFD_ALLOW_SEALING | os.MFD_CLOEXEC)
    os.write(made, data)
    if seals:
        fcntl.fcntl(made, fcntl.F_ADD_SEALS, seals)
    return made


def body(*args):
    return json.dumps({"image": IMAGE, "args": list(args)}).encode()


class FalseGateway:
    def __init__(self, site, hello=True):
        self.site, self.number = site, 0
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(30)
        os.setegid(site.gateway_uid)
        os.seteuid(site.gateway_uid)
        try:
            self.socket.connect(str(site.run / "gateway.sock"))
        finally:
            os.seteuid(0)
            os.setegid(0)
        if hello:
            self.send({"type": "hello", "version": 1, "role": "gateway"})
            assert self.receive()[0]["type"] == "welcome"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, message, *descriptors):
        if not isinstance(message, bytes):
            message = json.dumps(message).encode()
        self.socket.sendmsg([message], [
            (socket.SOL_SOCKET, socket.SCM_RIGHTS,
             array.array("i", descriptors))] if descriptors else [])

    def receive(self):
        """The next message (None: the end) and its descriptors."""
        data, descriptors, _, _ = socket.recv_fds(self.socket, 65536, 4)
        return json.loads(data) if data else None, descriptors

    def envelope(self, who="alice"):
        member = self.site.members[who]
        text = (member.folder / "client.crt").read_text()
        der = base64.b64decode("".join(text.split("-----")[2].split()))
        self.number += 1
        return {
            "request": self.number, "address": "192.0.2.1",
            "request_id": "1", "token": member.token.strip(),
            "certificate":
                base64.urlsafe_b64encode(der).decode().rstrip("=")}

    def ask(self, name, *descriptors, who="alice", **members):
        asked = {"type": name, **self.envelope(who), **members}
        self.send(asked, *descriptors)
        while True:
            message, came = self.receive()
            assert message is not None, "the runner dropped us"
            if message.get("request") == asked["request"]:
                return message, came

    def sign(self, data, who="alice", key=None, **changes):
        """What `submit` carries for a body that this one has signed."""
        member = self.site.members[who]
        fields = member.signer.sign(member.token, data,
                                    key or uuid.uuid4().hex, **changes)
        return {"idempotency_key": fields["Idempotency-Key"],
                "signature_input": fields["Signature-Input"],
                "signature": fields["Signature"]}

    def ask_submit(self, data, *, who="alice", **members):
        """The answer to a body with exactly these members, whatever it is."""
        made = memfd(data)
        try:
            return self.ask("submit", made, who=who,
                            **{"wait": 0, **members})[0]
        finally:
            os.close(made)

    def ask_approval(self, task, data, *, who="carol", **members):
        """The same for what somebody decides about a task."""
        made = memfd(data)
        try:
            return self.ask("approval", made, who=who, task=task,
                            **members)[0]
        finally:
            os.close(made)

    def submit(self, *args, who="alice", **members):
        """A task, as its client would have signed it."""
        data = body(*args)
        answer = self.ask_submit(data, who=who,
                                 **{**self.sign(data, who), **members})
        assert answer["type"] == "reply", answer
        return answer["body"]

    def is_dropped(self):
        try:
            while self.receive()[0] is not None:
                pass
        except ConnectionResetError:
            pass
        except TimeoutError:
            return False
        return True
