/*
 * The CA: its own certificate, servers' and clients'. A trust line: only the
 * operator's tool links this.
 */
#ifndef CERTS_ISSUE_CERTIFICATE_H
#define CERTS_ISSUE_CERTIFICATE_H

#include <openssl/x509.h>
#include <stdint.h>

#include "lib/err.h"

/* A CA that can sign. */
struct issuer {
	EVP_PKEY *key;
	X509 *certificate;
};

struct validity {
	int64_t now_s;
	int days; /* cut to the CA's own end */
};

enum certificate_profile { PROFILE_CLIENT, PROFILE_SERVER };

struct certificate_order {
	enum certificate_profile profile;
	EVP_PKEY *key; /* its public part alone is used; borrowed */
	/* PROFILE_CLIENT: the subject alone. PROFILE_SERVER: DNS names and IP
	 * addresses. Borrowed. */
	const char *const *names;
	size_t nnames;
	struct validity validity;
};

/* Takes neither over. ERR_UNPROCESSABLE: not a pair, or no CA's. */
int issuer_init(
    struct issuer *issuer, EVP_PKEY *key, X509 *certificate, struct err *err);
void issuer_done(struct issuer *issuer);

/* A self-signed root, path length 1. */
X509 *issue_authority(EVP_PKEY *key, const struct validity *validity);

/* ERR_UNPROCESSABLE: a name or key that no certificate may have, or a CA that
 * has ended. */
X509 *issue_certificate(const struct issuer *issuer,
    const struct certificate_order *order, struct err *err);

/*
 * The public key of a CSR whose self-signature verifies and whose key a
 * certificate may have. Nothing else in it is believed: names are the
 * operator's to give. The caller frees. ERR_UNPROCESSABLE.
 */
EVP_PKEY *issue_request_key(const char *pem, size_t len, struct err *err);

/* The CA certificates of one bundle. */
#define BUNDLE_MAX 16
struct bundle {
	X509 *certificates[BUNDLE_MAX];
	size_t count;
};
/* ERR_UNPROCESSABLE: none, too many, or one that cannot be read. */
int issue_bundle_parse(
    const char *pem, size_t len, struct bundle *ret, struct err *err);
void issue_bundle_done(struct bundle *bundle);
/* PEM, in order. The caller frees. */
char *issue_bundle_encode(const struct bundle *bundle);
/* The one that the key signs for; borrowed, NULL: none. */
X509 *issue_bundle_find(const struct bundle *bundle, EVP_PKEY *key);

/* The first certificate of a PEM text. The caller frees. */
X509 *issue_certificate_parse(const char *pem, size_t len, struct err *err);
/* PEM. The caller frees. */
char *issue_certificate_encode(X509 *certificate);

#endif
