"""The gateway's wire, seen by a client that may be anybody: TLS with or
without a certificate, bytes as they are, HTTP replies read to their end."""

import dataclasses
import http.client
import json
import socket
import ssl


@dataclasses.dataclass
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def problem(self):
        """The slug of a problem document."""
        assert self.headers["Content-Type"] == "application/problem+json", (
            self.status, self.headers["Content-Type"], self.body)
        document = self.json
        assert document["status"] == self.status, document
        return document["type"].removeprefix("urn:taskgate:error:")

    @property
    def detail(self):
        return self.json.get("detail", "")


def tls_context(ca, certificate=None, key=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_verify_locations(cafile=str(ca))
    if certificate is not None:
        context.load_cert_chain(str(certificate), str(key))
    return context


class Wire:
    """One connection. Reading, not connecting, tells whether the server took
    the certificate: a TLS 1.3 client is done before the server has judged."""

    def __init__(self, address, context, timeout=30):
        plain = socket.create_connection(address, timeout=timeout)
        try:
            self.socket = plain if context is None else context.wrap_socket(
                plain, server_hostname=address[0])
        except BaseException:
            plain.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def answer(self, method="GET"):
        """The next reply on this connection."""
        response = http.client.HTTPResponse(self.socket, method=method)
        response.begin()
        # An interim reply is not the answer; http.client skips those.
        return Answer(response.status, response.headers, response.read())

    def response(self, method="GET"):
        """The next reply with its body still to be read, for streams."""
        response = http.client.HTTPResponse(self.socket, method=method)
        response.begin()
        return response

    def rest(self):
        """All bytes until the server closes; a reset counts as a close."""
        data = b""
        try:
            while chunk := self.socket.recv(65536):
                data += chunk
        except (ConnectionError, ssl.SSLEOFError):
            pass
        return data


def head(method, path, fields):
    lines = [f"{method} {path} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in fields.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
