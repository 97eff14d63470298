/*
 * Client certificates: what a certificate must be beyond a chain that
 * verifies, and the identity in it.
 *
 * Trusts the CA bundle and the clock it is given; nothing in the certificate
 * before it is verified. Knows nothing of sockets.
 */
#ifndef CERTS_CERTIFICATE_H
#define CERTS_CERTIFICATE_H

#include <openssl/x509.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/digest.h"
#include "lib/err.h"

#define SUBJECT_MAX 64 /* bytes, [a-z0-9][a-z0-9._-]* */
#define CERTIFICATE_DER_MAX 4096

struct certificate {
	char subject[SUBJECT_MAX + 1]; /* "alice" of taskgate:client:alice */
	char thumbprint[SHA256_BASE64URL]; /* x5t#S256 of the DER, RFC 8705 */
	char serial[41]; /* hexadecimal, lower case */
	int64_t not_before_s, not_after_s; /* seconds since the epoch */
};

/* One that was verified, with the key that it is about. */
struct verified_certificate {
	struct certificate certificate;
	EVP_PKEY *key; /* owned by whoever has the struct */
};

/* The CA certificates of one bundle: ours and nothing of the system's. */
struct trust;
struct trust *trust_load(const char *bundle_path, struct err *err);
void trust_free(struct trust *trust);
/* For SSL_CTX_set1_cert_store(); borrowed. Flags, depth and security level are
 * set in it; no purpose is. */
X509_STORE *trust_store(const struct trust *trust);
/* When the first and the last of its certificates end, in seconds since the
 * epoch. */
int64_t trust_first_end(const struct trust *trust);
int64_t trust_last_end(const struct trust *trust);

/* notAfter in seconds since the epoch; 0 where it is none. */
int64_t certificate_end(const X509 *certificate);

bool subject_is_valid(const char *subject);

/* P-256, P-384, Ed25519 or RSA of 2048 bits and more: whether a certificate
 * may have this public key. ERR_UNAUTHENTICATED. */
int certificate_check_key(EVP_PKEY *key, struct err *err);

/*
 * Requirement list (docs/security.md): chain of at most two to `trust` with
 * X509_V_FLAG_X509_STRICT at `now_s`, version 3, no CA:TRUE, key usage
 * digitalSignature, extended key usage naming clientAuth itself and not
 * anyExtendedKeyUsage, P-256, P-384, Ed25519 or RSA of 2048 bits and more,
 * exactly one URI SAN of the form taskgate:client:SUBJECT, never the CN.
 * ERR_UNAUTHENTICATED with the first thing that is wrong.
 */
int certificate_verify(const struct trust *trust, X509 *leaf, int64_t now_s,
    struct certificate *ret, struct err *err);
/* The same from DER with nothing behind it. */
int certificate_verify_der(const struct trust *trust, const uint8_t *der,
    size_t len, int64_t now_s, struct certificate *ret, struct err *err);
/* And its public key. */
int certificate_verify_with_key(const struct trust *trust, const uint8_t *der,
    size_t len, int64_t now_s, struct verified_certificate *ret,
    struct err *err);

/* Of a certificate verified before: whether it still holds. For every request
 * on a connection that stays open. ERR_UNAUTHENTICATED. */
int certificate_check_time(
    const struct certificate *certificate, int64_t now_s, struct err *err);

#endif
