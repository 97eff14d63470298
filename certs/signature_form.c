/*
 * Role: writes what is signed, from a template.
 * Trusts that no text it is given holds the end of a line.
 */
#include "certs/signature_form.h"

#include <openssl/obj_mac.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"

/* One for each kind of key that a certificate may have. */
static const struct signature_algorithm algorithms[] = {
    {"ecdsa-p256-sha256", EVP_PKEY_EC, SN_X9_62_prime256v1, EVP_sha256, 32},
    {"ecdsa-p384-sha384", EVP_PKEY_EC, SN_secp384r1, EVP_sha384, 48},
    {"ed25519", EVP_PKEY_ED25519, NULL, NULL, 0},
    {"rsa-pss-sha512", EVP_PKEY_RSA, NULL, EVP_sha512, 0},
};

const struct signature_algorithm *
signature_form_algorithm(EVP_PKEY *key)
{
	int kind = EVP_PKEY_get_base_id(key);
	char group[32] = "";

	if (kind == EVP_PKEY_EC &&
	    EVP_PKEY_get_group_name(key, group, sizeof(group), NULL) != 1)
		return NULL;
	for (size_t k = 0; k < COUNT(algorithms); k++) {
		if (algorithms[k].kind == kind &&
		    (algorithms[k].group == NULL ||
			strcmp(algorithms[k].group, group) == 0))
			return &algorithms[k];
	}
	return NULL;
}

/* RFC 9421 3.3.1: PSS with MGF1, both over SHA-512, and a salt of its
 * length. */
int
signature_form_set_padding(
    const struct signature_algorithm *algorithm, EVP_PKEY_CTX *context)
{
	if (algorithm->kind != EVP_PKEY_RSA)
		return 0;
	if (EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) != 1 ||
	    EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_DIGEST) !=
		1)
		return -1;
	return 0;
}

void
signature_content_digest(
    const uint8_t body_sha256[SHA256_BYTES], char ret[SIGNATURE_CONTENT_DIGEST])
{
	auto_free char *text = base64_encode(body_sha256, SHA256_BYTES);

	snprintf(ret, SIGNATURE_CONTENT_DIGEST, "sha-256=:%s:", text);
}

void
signature_form_base(const struct signed_request *request,
    const char *parameters, struct buffer *ret)
{
	char digest[SIGNATURE_CONTENT_DIGEST];

	signature_content_digest(request->body_sha256, digest);
	buffer_printf(ret, "\"@method\": %s\n\"@path\": %s\n", request->method,
	    request->path);
	buffer_printf(ret, "\"authorization\": Bearer %s\n", request->token);
	buffer_printf(ret, "\"content-digest\": %s\n", digest);
	buffer_printf(
	    ret, "\"idempotency-key\": %s\n", request->idempotency_key);
	buffer_printf(ret, "\"@signature-params\": %s", parameters);
}
