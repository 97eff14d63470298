"""Signed requests (docs/api.md), made with libcrypto itself, since Python has
no ECDSA: the programs under test have no part in them. Each piece can be
changed, for requests that nobody should take."""

import base64
import ctypes
import hashlib
import pathlib
import ssl
import time

COMPONENTS = ("@method", "@path", "authorization", "content-digest",
              "idempotency-key")

crypto = ctypes.CDLL("libcrypto.so.3")
for name, result, *arguments in (
        ("BIO_new_mem_buf", "p", "s", "i"), ("BIO_free", "i", "p"),
        ("PEM_read_bio_PrivateKey", "p", "p", "p", "p", "p"),
        ("EVP_MD_CTX_new", "p"), ("EVP_MD_CTX_free", "n", "p"),
        ("EVP_sha256", "p"), ("EVP_sha384", "p"), ("EVP_sha512", "p"),
        ("EVP_DigestSignInit", "i", "p", "p", "p", "p", "p"),
        ("EVP_DigestSign", "i", "p", "p", "p", "s", "z"),
        ("EVP_PKEY_CTX_set_rsa_padding", "i", "p", "i"),
        ("EVP_PKEY_CTX_set_rsa_pss_saltlen", "i", "p", "i"),
        ("EVP_PKEY_get_base_id", "i", "p"),
        ("EVP_PKEY_get_bits", "i", "p")):
    kinds = {"p": ctypes.c_void_p, "s": ctypes.c_char_p, "i": ctypes.c_int,
             "z": ctypes.c_size_t, "n": None}
    function = getattr(crypto, name)
    function.restype = kinds[result]
    function.argtypes = [kinds[argument] for argument in arguments]

RSA, EC, ED25519 = 6, 408, 1087
RSA_PSS_PADDING, SALT_AS_LONG_AS_DIGEST = 6, -1


class Key:
    """A private key; signs, and knows what its algorithm is called."""

    def __init__(self, path):
        text = pathlib.Path(path).read_bytes()
        source = crypto.BIO_new_mem_buf(text, len(text))
        self.key = crypto.PEM_read_bio_PrivateKey(source, None, None, None)
        crypto.BIO_free(source)
        assert self.key, f"{path}: no private key"
        kind = crypto.EVP_PKEY_get_base_id(self.key)
        size = crypto.EVP_PKEY_get_bits(self.key)
        self.is_rsa = kind == RSA
        self.name, self.digest, self.number = {
            (EC, 256): ("ecdsa-p256-sha256", crypto.EVP_sha256, 32),
            (EC, 384): ("ecdsa-p384-sha384", crypto.EVP_sha384, 48),
            (ED25519, size): ("ed25519", lambda: None, 0),
            (RSA, size): ("rsa-pss-sha512", crypto.EVP_sha512, 0),
        }[kind, size]

    def sign(self, data, raw=True):
        """`raw`: an ECDSA signature as r||s, not as DER."""
        context = crypto.EVP_MD_CTX_new()
        padding = ctypes.c_void_p()
        assert crypto.EVP_DigestSignInit(
            context, ctypes.byref(padding), self.digest(), None,
            self.key) == 1
        if self.is_rsa:
            crypto.EVP_PKEY_CTX_set_rsa_padding(padding, RSA_PSS_PADDING)
            crypto.EVP_PKEY_CTX_set_rsa_pss_saltlen(
                padding, SALT_AS_LONG_AS_DIGEST)
        room = ctypes.create_string_buffer(1024)
        size = ctypes.c_size_t(len(room))
        assert crypto.EVP_DigestSign(
            context, room, ctypes.byref(size), data, len(data)) == 1
        crypto.EVP_MD_CTX_free(context)
        signature = room.raw[:size.value]
        return pair(signature, self.number) if raw and self.number \
            else signature


def pair(der, size):
    """r||s of the DER of an ECDSA signature (RFC 9421 3.3.4)."""
    at, numbers = 2, []
    for _ in range(2):
        length = der[at + 1]
        number = der[at + 2:at + 2 + length].lstrip(b"\0")
        numbers.append(number.rjust(size, b"\0"))
        at += 2 + length
    return b"".join(numbers)


def thumbprint(certificate):
    """x5t#S256 (RFC 8705 3.1)."""
    der = ssl.PEM_cert_to_DER_cert(pathlib.Path(certificate).read_text())
    return base64.urlsafe_b64encode(
        hashlib.sha256(der).digest()).rstrip(b"=").decode()


def content_digest(data):
    digest = base64.b64encode(hashlib.sha256(data).digest()).decode()
    return f"sha-256=:{digest}:"


class Signer:
    """Signs as the holder of a certificate."""

    def __init__(self, certificate, key):
        self.key = Key(key)
        self.thumbprint = thumbprint(certificate)

    def sign(self, token, body, key, *, method="POST", path="/v1/tasks",
             created=None, lifetime=120, components=COMPONENTS, raw=True,
             **changed):
        """The header fields; `changed` replaces parameters: keyid, alg, tag.
        """
        created = int(time.time()) if created is None else created
        parameters = {"keyid": self.thumbprint, "alg": self.key.name,
                      "tag": "taskgate", **changed}
        values = {"@method": method, "@path": path,
                  "authorization": f"Bearer {token}",
                  "content-digest": content_digest(body),
                  "idempotency-key": key}
        signed = "(" + " ".join(f'"{name}"' for name in components) + ")"
        signed += f";created={created};expires={created + lifetime}"
        signed += "".join(f';{name}="{value}"'
                          for name, value in parameters.items())
        base = "\n".join([*(f'"{name}": {values[name]}'
                            for name in components),
                          f'"@signature-params": {signed}'])
        value = base64.b64encode(
            self.key.sign(base.encode(), raw)).decode()
        return {"Content-Digest": values["content-digest"],
                "Idempotency-Key": key,
                "Signature-Input": f"taskgate={signed}",
                "Signature": f"taskgate=:{value}:"}
