"""Who is connected to whom, as the kernel says it."""

import socket
import struct

NETLINK_SOCK_DIAG = 4


def diag_messages():
    """The kernel's list of Unix sockets with their peers, sock_diag(7)."""
    request = struct.pack("=BBHIIIII", socket.AF_UNIX, 0, 0, 0xffffffff, 0,
                          0x1 | 0x4, 0xffffffff, 0xffffffff)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW,
                       NETLINK_SOCK_DIAG) as link:
        # SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST | NLM_F_DUMP
        link.send(struct.pack("=IHHII", 16 + len(request), 20, 0x301, 1, 0)
                  + request)
        while True:
            data = link.recv(1 << 18)
            while data:
                length, kind = struct.unpack_from("=IH", data)
                if kind != 20:  # the end
                    return
                yield data[16:length]
                data = data[(length + 3) & ~3:]


def unix_peers(path):
    """Inodes of the sockets whose other end bears this path: the clients of
    whoever listens there."""
    found = set()
    for message in diag_messages():
        name = peer = None
        offset = 16
        while offset + 4 <= len(message):
            size, kind = struct.unpack_from("=HH", message, offset)
            value = message[offset + 4:offset + size]
            if kind == 0:  # UNIX_DIAG_NAME
                name = value.rstrip(b"\0").decode(errors="replace")
            elif kind == 2:  # UNIX_DIAG_PEER
                peer = struct.unpack("=I", value)[0]
            offset += (size + 3) & ~3
        if name == path and peer is not None:
            found.add(peer)
    return found
