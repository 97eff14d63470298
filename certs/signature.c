/*
 * Role: decides whether a request was signed by the key of one certificate,
 * for now.
 * Trusts nothing of the two fields.
 * Must never repeat a byte of them in an error, or take a second spelling of
 * the same signature for the first.
 */
#include "certs/signature.h"

#include <string.h>

#include "certs/openssl.h"
#include "certs/signature_form.h"
#include "lib/alloc.h"

#define TIME_DIGITS_MAX 12 /* the year 9999 has as many */
#define ALGORITHM_MAX 32

/* Bytes; a token is bounded before it comes here. */
#define BASE_MAX 8192

struct parameters {
	int64_t created_s, expires_s;
	char key_id[SHA256_BASE64URL];
	char algorithm[ALGORITHM_MAX];
};

static int
refuse(struct err *err, const char *why)
{
	return err_set(err, ERR_UNAUTHENTICATED, "signature: %s", why);
}

/* -- the strict reader: each step moves *at behind what it took */

static bool
take_text(const char **at, const char *text)
{
	size_t len = strlen(text);

	if (strncmp(*at, text, len) != 0)
		return false;
	*at += len;
	return true;
}

/* Decimal, in its one spelling. */
static bool
take_time(const char **at, int64_t *ret_s)
{
	size_t len = strspn(*at, "0123456789");
	int64_t value = 0;

	if (len == 0 || len > TIME_DIGITS_MAX || **at == '0')
		return false;
	for (size_t k = 0; k < len; k++)
		value = 10 * value + ((*at)[k] - '0');
	*at += len;
	*ret_s = value;
	return true;
}

/* What stands before the next quotation mark, which it takes as well. */
static bool
take_word(const char **at, char *ret, size_t size)
{
	size_t len = strcspn(*at, "\"");

	if (len == 0 || len >= size || (*at)[len] != '"')
		return false;
	memcpy(ret, *at, len);
	ret[len] = '\0';
	*at += len + 1;
	return true;
}

static bool
read_input(const char *input, struct parameters *ret)
{
	const char *at = input;

	return strnlen(input, SIGNATURE_INPUT_MAX + 1) <= SIGNATURE_INPUT_MAX &&
	    take_text(&at, SIGNATURE_LABEL SIGNATURE_COMPONENTS ";created=") &&
	    take_time(&at, &ret->created_s) && take_text(&at, ";expires=") &&
	    take_time(&at, &ret->expires_s) && take_text(&at, ";keyid=\"") &&
	    take_word(&at, ret->key_id, sizeof(ret->key_id)) &&
	    take_text(&at, ";alg=\"") &&
	    take_word(&at, ret->algorithm, sizeof(ret->algorithm)) &&
	    take_text(&at, SIGNATURE_TAG) && *at == '\0';
}

/* RFC 8941 3.3.5: base64 between two colons. */
static bool
read_value(const char *value, uint8_t **ret, size_t *ret_len)
{
	size_t len = strnlen(value, SIGNATURE_VALUE_MAX + 1);
	const char *at = value;

	if (len > SIGNATURE_VALUE_MAX || !take_text(&at, SIGNATURE_LABEL ":"))
		return false;
	len -= (size_t)(at - value);
	return len > 1 && at[len - 1] == ':' &&
	    base64_decode(at, len - 1, ret, ret_len);
}

/* -- what it says */

static int
check_time(const struct parameters *parameters, int64_t now_s, struct err *err)
{
	if (parameters->expires_s <= parameters->created_s)
		return refuse(err, "it expires before it was created");
	if (parameters->expires_s - parameters->created_s >
	    SIGNATURE_LIFETIME_MAX_S)
		return refuse(err, "it is meant to hold longer than 300 s");
	if (now_s - SIGNATURE_LEEWAY_S >= parameters->expires_s)
		return refuse(err, "it has expired");
	if (now_s + SIGNATURE_LEEWAY_S < parameters->created_s)
		return refuse(err, "it was created in the future");
	return 0;
}

static int
check_parameters(const struct parameters *parameters,
    const struct signature_key *key,
    const struct signature_algorithm *algorithm, int64_t now_s, struct err *err)
{
	if (strcmp(parameters->key_id, key->thumbprint) != 0)
		return refuse(
		    err, "its keyid is not the certificate's thumbprint");
	if (algorithm == NULL ||
	    strcmp(parameters->algorithm, algorithm->name) != 0)
		return refuse(
		    err, "its alg is not the one of the certificate's key");
	return check_time(parameters, now_s, err);
}

/* -- the signature itself */

/* RFC 9421 3.3.4: r and s behind one another, each of its full length. OpenSSL
 * wants DER. The caller frees (OPENSSL_free); -1: not such a pair. */
static int
encode_pair(const uint8_t *raw, size_t len, size_t number_bytes, uint8_t **ret)
{
	AUTO(ECDSA_SIG_freep) ECDSA_SIG *pair = ECDSA_SIG_new();
	int size = (int)number_bytes;

	if (len != 2 * number_bytes)
		return -1;
	BIGNUM *r = BN_bin2bn(raw, size, NULL);
	BIGNUM *s = BN_bin2bn(raw + number_bytes, size, NULL);
	if (pair == NULL || r == NULL || s == NULL ||
	    ECDSA_SIG_set0(pair, r, s) != 1)
		die("an ECDSA signature: out of memory");
	return i2d_ECDSA_SIG(pair, ret);
}

static bool
is_by_key(const struct signature_algorithm *algorithm, EVP_PKEY *key,
    const struct buffer *base, const uint8_t *bytes, size_t len)
{
	AUTO(EVP_MD_CTX_freep) EVP_MD_CTX *context = EVP_MD_CTX_new();
	const EVP_MD *digest =
	    algorithm->digest != NULL ? algorithm->digest() : NULL;
	EVP_PKEY_CTX *padding = NULL; /* the context's own */

	return context != NULL &&
	    EVP_DigestVerifyInit(context, &padding, digest, NULL, key) == 1 &&
	    signature_form_set_padding(algorithm, padding) == 0 &&
	    EVP_DigestVerify(context, bytes, len,
		(const unsigned char *)base->data, base->len) == 1;
}

static bool
is_signed(const struct signature_algorithm *algorithm, EVP_PKEY *key,
    const struct buffer *base, const uint8_t *bytes, size_t len)
{
	unsigned char *der = NULL;
	int der_len = 0;

	if (algorithm->number_bytes == 0)
		return is_by_key(algorithm, key, base, bytes, len);
	der_len = encode_pair(bytes, len, algorithm->number_bytes, &der);
	if (der_len <= 0)
		return false;
	bool verified = is_by_key(algorithm, key, base, der, (size_t)der_len);
	OPENSSL_free(der);
	return verified;
}

int
signature_require(struct err *err)
{
	return refuse(err,
	    "the request must be signed: `taskgate run` does it, docs/api.md "
	    "says how");
}

int
signature_verify(const struct signed_request *request,
    const struct signature *signature, const struct signature_key *key,
    int64_t now_s, struct err *err)
{
	const struct signature_algorithm *algorithm =
	    signature_form_algorithm(key->key);
	auto_buffer base = BUFFER_INIT(BASE_MAX);
	struct parameters parameters = {0};
	auto_free uint8_t *bytes = NULL;
	size_t len = 0;

	if (signature->input == NULL || signature->value == NULL)
		return refuse(
		    err, "Signature-Input and Signature come together");
	if (request->idempotency_key == NULL)
		return refuse(err, "it needs an Idempotency-Key to cover");
	if (!read_input(signature->input, &parameters))
		return refuse(err,
		    "the Signature-Input is not in the form that docs/api.md "
		    "gives");
	if (!read_value(signature->value, &bytes, &len))
		return refuse(err, "the Signature is not taskgate=:BASE64:");
	if (check_parameters(&parameters, key, algorithm, now_s, err) != 0)
		return -1;
	signature_form_base(
	    request, signature->input + strlen(SIGNATURE_LABEL), &base);
	ERR_clear_error();
	bool verified =
	    !base.full && is_signed(algorithm, key->key, &base, bytes, len);
	ERR_clear_error();
	return verified ? 0
			: refuse(err,
			      "it does not verify over this method, path, "
			      "token, body and Idempotency-Key");
}
