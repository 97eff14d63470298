/*
 * From header fields to a signature that holds.
 */
#include "gateway/signed.h"

#include <string.h>

#include "gateway/conn.h"
#include "gateway/exchange.h"
#include "lib/idempotency_key.h"

static int
check_digest(const struct exchange *x, const uint8_t body_sha256[SHA256_BYTES],
    struct err *err)
{
	const char *field = exchange_field(x, "Content-Digest");
	char expected[SIGNATURE_CONTENT_DIGEST];

	signature_content_digest(body_sha256, expected);
	if (field != NULL && strcmp(field, expected) == 0)
		return 0;
	return err_set(err, ERR_UNAUTHENTICATED,
	    "signature: the Content-Digest is not sha-256=:BASE64: of the "
	    "body");
}

static int
verify(const struct exchange *x, const char *key,
    const struct signature *signature, struct err *err)
{
	const X509 *leaf = SSL_get0_peer_certificate(x->conn->ssl);
	const struct signature_key signer = {
	    .key = X509_get0_pubkey(leaf),
	    .thumbprint = x->principal.certificate.thumbprint,
	};
	/* It was accepted: the scheme and one blank stand before it. */
	const char *token = exchange_field(x, MHD_HTTP_HEADER_AUTHORIZATION) +
	    strlen("Bearer ");
	uint8_t sha256[SHA256_BYTES];

	digest_sha256(
	    x->body.data == NULL ? "" : x->body.data, x->body.len, sha256);
	if (check_digest(x, sha256, err) != 0)
		return -1;
	return signature_verify(&(struct signed_request){.method = x->method,
				    .path = x->path,
				    .token = token,
				    .body_sha256 = sha256,
				    .idempotency_key = key},
	    signature, &signer, clock_wall_ms() / 1000, err);
}

int
signed_check_key(const char *key, struct err *err)
{
	if (key == NULL || idempotency_key_is_valid(key))
		return 0;
	return err_set(err, ERR_MALFORMED,
	    "the Idempotency-Key is not 1 to %d bytes of A-Z a-z 0-9 _ -",
	    IDEMPOTENCY_KEY_MAX);
}

int
signed_read(const struct exchange *x, const char *key, struct signature *ret,
    struct err *err)
{
	const struct signature signature = {
	    .input = exchange_field(x, "Signature-Input"),
	    .value = exchange_field(x, "Signature"),
	};

	if (signature_is_there(&signature) &&
	    verify(x, key, &signature, err) != 0)
		return -1;
	*ret = signature;
	return 0;
}

void
signed_add_members(
    const char *key, const struct signature *signature, json_t *members)
{
	if (key != NULL)
		json_object_set_new(
		    members, "idempotency_key", json_string(key));
	if (!signature_is_there(signature))
		return;
	json_object_set_new(
	    members, "signature_input", json_string(signature->input));
	json_object_set_new(
	    members, "signature", json_string(signature->value));
}
