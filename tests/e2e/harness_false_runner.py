"""A program in the runner's place, by its uid: the beginning of its text, which
each test goes on in its own way. argv[1] is the gateway's socket."""

FALSE_RUNNER = """
import array, contextlib, fcntl, json, os, select, socket, sys
listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
os.umask(0)
listener.bind(sys.argv[1])
listener.listen(64)
def send(peer, message, *fds):
    peer.sendmsg([json.dumps(message).encode()], [(
        socket.SOL_SOCKET, socket.SCM_RIGHTS,
        array.array("i", fds))] if fds else [])
def welcome(peer):
    peer.recv(65536)
    send(peer, {"type": "welcome", "version": 1, "runner": "false"})
    send(peer, {"type": "state", "ready": True, "reasons": [], "queued": 0,
                "running": 0, "capacity": 1, "warm": 0, "warming": 0,
                "counters": {}})
def revoke(peer, change, listed):
    made = os.memfd_create("list", os.MFD_ALLOW_SEALING)
    os.write(made, json.dumps(listed).encode())
    fcntl.fcntl(made, fcntl.F_ADD_SEALS, 15)
    send(peer, {"type": "revocations", "change": change}, made)
"""
