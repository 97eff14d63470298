"""Credentials that nobody should accept, made with openssl(1) and by hand:
the programs under test have no part in them."""

import base64
import datetime
import hashlib
import hmac
import json
import pathlib
import subprocess


def openssl(*words, data=None):
    return subprocess.run(
        ["openssl", *map(str, words)], input=data, capture_output=True,
        check=True, timeout=60).stdout


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def from_base64url(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


# -- tokens

def parts(token):
    """Header and claims of a token."""
    head, claims, _ = token.split(".")
    return json.loads(from_base64url(head)), json.loads(
        from_base64url(claims))


def encode(document):
    return base64url(json.dumps(document, separators=(",", ":")).encode())


def es256(key, signed):
    """The raw signature r||s (RFC 7518 3.4) from openssl's DER."""
    der = openssl("dgst", "-sha256", "-sign", key, data=signed)
    at, numbers = 2, []
    for _ in range(2):
        assert der[at] == 2
        size = der[at + 1]
        numbers.append(der[at + 2:at + 2 + size].lstrip(b"\0").rjust(
            32, b"\0"))
        at += 2 + size
    return b"".join(numbers)


def hs256(secret, signed):
    return hmac.new(secret, signed, hashlib.sha256).digest()


def token(header, claims, sign):
    signed = f"{encode(header)}.{encode(claims)}"
    return f"{signed}.{base64url(sign(signed.encode()))}"


def reissue(site, member, *, header=None, **claims):
    """A member's token again, signed by the right key, with other claims or
    header members; None takes one away."""
    old_header, old_claims = parts(member.token)

    def changed(old, new):
        return {name: value for name, value in {**old, **new}.items()
                if value is not None}
    key = site.etc / "operator" / "token.key"
    return token(changed(old_header, header or {}),
                 changed(old_claims, claims), lambda text: es256(key, text))


# -- certificates

def make_key(path):
    openssl("genpkey", "-algorithm", "EC", "-pkeyopt",
            "ec_paramgen_curve:P-256", "-out", path)
    return path


CONFIGURATION = """
[ca]
default_ca = here
[here]
database = {folder}/index
serial = {folder}/serial
new_certs_dir = {folder}
default_md = sha256
policy = anything
copy_extensions = none
unique_subject = no
[anything]
commonName = supplied
[extensions]
{extensions}
"""

CLIENT = {
    "basicConstraints": "critical,CA:FALSE",
    "keyUsage": "critical,digitalSignature",
    "extendedKeyUsage": "clientAuth",
    "subjectAltName": "URI:taskgate:client:alice",
    "subjectKeyIdentifier": "hash",
    "authorityKeyIdentifier": "keyid:always",
}


class Authority:
    """A CA for the forger: its own, or the site's stolen for the purpose."""

    def __init__(self, folder, certificate=None, key=None):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "index").touch()
        (self.folder / "serial").write_text("1000\n")
        self.key = key or make_key(self.folder / "ca.key")
        self.certificate = certificate or self.folder / "ca.crt"
        if certificate is None:
            openssl("req", "-x509", "-new", "-key", self.key, "-subj",
                    "/CN=another CA", "-days", "10", "-out",
                    self.certificate,
                    "-addext", "keyUsage=critical,keyCertSign")

    @classmethod
    def of(cls, site, folder):
        return cls(folder, site.etc / "ca.crt",
                   site.etc / "operator" / "ca.key")

    def issue(self, name, *, start=-1, end=1, key=None, **extensions):
        """(certificate, key): valid from `start` to `end` days from now; an
        extension of None is left out."""
        path = self.folder / name
        key = key or make_key(path.with_suffix(".key"))
        wanted = {field: value for field, value in
                  {**CLIENT, **extensions}.items() if value is not None}
        configuration = path.with_suffix(".cnf")
        configuration.write_text(CONFIGURATION.format(
            folder=self.folder, extensions="\n".join(
                f"{field}={value}" for field, value in wanted.items())))
        request = path.with_suffix(".csr")
        openssl("req", "-new", "-key", key, "-subj", "/CN=alice", "-out",
                request)
        certificate = path.with_suffix(".crt")
        openssl("ca", "-batch", "-notext", "-config", configuration,
                "-cert", self.certificate, "-keyfile", self.key,
                "-extensions", "extensions", "-startdate", stamp(start),
                "-enddate", stamp(end), "-in", request, "-out", certificate)
        return certificate, key


def self_signed(folder):
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    key = make_key(folder / "self.key")
    certificate = folder / "self.crt"
    options = []
    for field, value in CLIENT.items():
        if "KeyIdentifier" not in field:
            options += ["-addext", f"{field}={value}"]
    openssl("req", "-x509", "-new", "-key", key, "-subj", "/CN=alice",
            "-days", "1", "-out", certificate, *options)
    return certificate, key


def stamp(days):
    moment = datetime.datetime.now(datetime.timezone.utc) + \
        datetime.timedelta(days=days)
    return moment.strftime("%Y%m%d%H%M%SZ")
