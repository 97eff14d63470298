/*
 * Any bytes as a token, and any bytes as the payload of a token that is signed
 * with the right key: the strict reader never gives libjwt what it would read
 * in another way, and what is accepted is in order.
 */
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "certs/openssl.h"
#include "certs/token.h"
#include "lib/alloc.h"
#include "lib/file.h"

#define NOW INT64_C(1800000000)

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static EVP_PKEY *key;
static struct token_keys *keys;

static void
require(bool condition)
{
	if (!condition)
		abort();
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	char directory[] = "fuzz_token-XXXXXX";
	struct err err;

	(void)argc;
	(void)argv;
	key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", SN_X9_62_prime256v1);
	require(key != NULL && mkdtemp(directory) != NULL);
	auto_free char *path = alloc_printf("%s/k.pem", directory);
	auto_file FILE *file = fopen(path, "w");
	require(file != NULL && PEM_write_PUBKEY(file, key) == 1 &&
	    fflush(file) == 0);
	keys = token_keys_load(directory, &err);
	require(keys != NULL && unlink(path) == 0 && rmdir(directory) == 0);
	return 0;
}

static void
verify(const char *token, size_t len)
{
	const struct token_expectation expected = {
	    "test-issuer", "urn:taskgate:test", 86400};
	struct token_claims claims;
	struct err err;

	if (token_verify(keys, &expected, token, len, NOW, &claims, &err) != 0)
		return;
	require(subject_is_valid(claims.subject));
	require(token_id_is_valid(claims.id));
	require(strcmp(claims.key_id, "k") == 0);
	require(strlen(claims.thumbprint) == SHA256_BASE64URL - 1);
	require(claims.nroles <= TOKEN_ROLES_MAX);
	require(claims.expires_s + TOKEN_LEEWAY_S > NOW);
	require(claims.expires_s - claims.issued_at_s <= 86400);
}

/* The caller frees. */
static char *
sign(const void *payload, size_t len)
{
	auto_free char *head = base64url_encode(
	    "{\"alg\":\"ES256\",\"kid\":\"k\",\"typ\":\"JWT\"}", 37);
	auto_free char *body = base64url_encode(payload, len);
	auto_free char *input = alloc_printf("%s.%s", head, body);
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	unsigned char der[128];
	size_t der_len = sizeof(der);
	uint8_t raw[64];

	require(
	    EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key) == 1 &&
	    EVP_DigestSign(context, der, &der_len, (const unsigned char *)input,
		strlen(input)) == 1);
	EVP_MD_CTX_free(context);
	const unsigned char *from = der;
	ECDSA_SIG *signature = d2i_ECDSA_SIG(NULL, &from, (long)der_len);
	require(signature != NULL &&
	    BN_bn2binpad(ECDSA_SIG_get0_r(signature), raw, 32) == 32 &&
	    BN_bn2binpad(ECDSA_SIG_get0_s(signature), raw + 32, 32) == 32);
	ECDSA_SIG_free(signature);
	auto_free char *end = base64url_encode(raw, sizeof(raw));
	return alloc_printf("%s.%s", input, end);
}

/* The seeds are tokens: their payload alone, to be signed anew. */
static void
verify_payload(const uint8_t *data, size_t size)
{
	const uint8_t *first = memchr(data, '.', size);
	const uint8_t *second = first == NULL
	    ? NULL
	    : memchr(first + 1, '.', size - (size_t)(first + 1 - data));
	uint8_t *payload = NULL;
	size_t len = 0;

	if (second != NULL &&
	    base64url_decode((const char *)first + 1,
		(size_t)(second - first) - 1, &payload, &len)) {
		auto_free char *token = sign(payload, len);
		verify(token, strlen(token));
		free(payload);
	}
	auto_free char *token = sign(data, size);
	verify(token, strlen(token));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	verify((const char *)data, size);
	verify_payload(data, size);
	return 0;
}
