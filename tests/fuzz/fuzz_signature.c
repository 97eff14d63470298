/*
 * Any bytes as the two fields of a signature, and any bytes as parameters that
 * the right key has signed: what is accepted is the one form, written again
 * from the numbers in it.
 */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "certs/openssl.h"
#include "certs/signature_form.h"
#include "certs/signature_make.h"
#include "lib/alloc.h"

#define NOW INT64_C(1800000000)
#define THUMBPRINT "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static EVP_PKEY *key;
static const uint8_t body_sha256[SHA256_BYTES] = {1, 2, 3};
static const struct signed_request request = {
    .method = "POST",
    .path = "/v1/tasks",
    .token = "header.payload.signature",
    .body_sha256 = body_sha256,
    .idempotency_key = "key-1",
};

static void
require(bool condition)
{
	if (!condition)
		abort();
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	/* The fastest: it is not the mathematics that is tried here. */
	key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	require(key != NULL);
	return 0;
}

static void
verify(const char *input, const char *value)
{
	const struct signature signature = {input, value};
	const struct signature_key signer = {key, THUMBPRINT};
	int64_t created_s = 0, expires_s = 0;
	struct err err;

	if (signature_verify(&request, &signature, &signer, NOW, &err) != 0)
		return;
	require(sscanf(input + strlen(SIGNATURE_LABEL SIGNATURE_COMPONENTS),
		    ";created=%" SCNd64 ";expires=%" SCNd64, &created_s,
		    &expires_s) == 2);
	auto_free char *again =
	    alloc_printf(SIGNATURE_LABEL SIGNATURE_COMPONENTS
		";created=%" PRId64 ";expires=%" PRId64 ";keyid=\"" THUMBPRINT
		"\";alg=\"ed25519\"" SIGNATURE_TAG,
		created_s, expires_s);
	require(strcmp(input, again) == 0);
	require(created_s <= NOW + SIGNATURE_LEEWAY_S);
	require(expires_s > NOW - SIGNATURE_LEEWAY_S);
	require(expires_s > created_s &&
	    expires_s - created_s <= SIGNATURE_LIFETIME_MAX_S);
}

/* The caller frees. */
static char *
sign(const char *parameters)
{
	auto_buffer base = BUFFER_INIT(8192);
	AUTO(EVP_MD_CTX_freep) EVP_MD_CTX *context = EVP_MD_CTX_new();
	uint8_t bytes[64];
	size_t len = sizeof(bytes);

	signature_form_base(&request, parameters, &base);
	require(EVP_DigestSignInit(context, NULL, NULL, NULL, key) == 1 &&
	    EVP_DigestSign(context, bytes, &len,
		(const unsigned char *)base.data, base.len) == 1);
	auto_free char *text = base64_encode(bytes, len);
	return alloc_printf(SIGNATURE_LABEL ":%s:", text);
}

/* The seeds are of other keys' algorithms: all but that is kept. */
static void
verify_signed(const char *input)
{
	auto_free char *value = NULL;
	const char *alg = strstr(input, ";alg=");

	if (strncmp(input, SIGNATURE_LABEL, strlen(SIGNATURE_LABEL)) != 0)
		return;
	value = sign(input + strlen(SIGNATURE_LABEL));
	verify(input, value);
	if (alg == NULL)
		return;
	auto_free char *changed = alloc_printf(
	    "%.*s;alg=\"ed25519\"" SIGNATURE_TAG, (int)(alg - input), input);
	auto_free char *changed_value = sign(changed + strlen(SIGNATURE_LABEL));
	verify(changed, changed_value);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_free char *fields = alloc_bytes(data, size);
	char *end = strchr(fields, '\n');

	if (end == NULL)
		return 0;
	*end = '\0';
	verify(fields, end + 1);
	verify_signed(fields);
	return 0;
}
