/*
 * Role: signs requests with the key of the user's certificate.
 * Trusts its caller. Must never keep anything of the key.
 */
#include "certs/signature_make.h"

#include <inttypes.h>
#include <string.h>

#include "certs/openssl.h"
#include "certs/signature_form.h"
#include "lib/alloc.h"

#define BASE_MAX 8192
#define BYTES_MAX 1024 /* an RSA key of 8192 bits */

/* RFC 9421 3.3.4: r and s behind one another, each of its full length. */
static bool
decode_pair(uint8_t *bytes, size_t *len, size_t number_bytes)
{
	const unsigned char *der = bytes;
	AUTO(ECDSA_SIG_freep)
	ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &der, (long)*len);
	int size = (int)number_bytes;

	if (pair == NULL ||
	    BN_bn2binpad(ECDSA_SIG_get0_r(pair), bytes, size) != size ||
	    BN_bn2binpad(ECDSA_SIG_get0_s(pair), bytes + number_bytes, size) !=
		size)
		return false;
	*len = 2 * number_bytes;
	return true;
}

static bool
sign(const struct signature_algorithm *algorithm, EVP_PKEY *key,
    const struct buffer *base, uint8_t ret[BYTES_MAX], size_t *ret_len)
{
	AUTO(EVP_MD_CTX_freep) EVP_MD_CTX *context = EVP_MD_CTX_new();
	const EVP_MD *digest =
	    algorithm->digest != NULL ? algorithm->digest() : NULL;
	EVP_PKEY_CTX *padding = NULL; /* the context's own */

	*ret_len = BYTES_MAX;
	return context != NULL &&
	    EVP_DigestSignInit(context, &padding, digest, NULL, key) == 1 &&
	    signature_form_set_padding(algorithm, padding) == 0 &&
	    EVP_DigestSign(context, ret, ret_len,
		(const unsigned char *)base->data, base->len) == 1 &&
	    (algorithm->number_bytes == 0 ||
		decode_pair(ret, ret_len, algorithm->number_bytes));
}

int
signature_make(const struct signed_request *request,
    const struct signature_key *key, int64_t now_s, char **ret_input,
    char **ret_value, struct err *err)
{
	const struct signature_algorithm *algorithm =
	    signature_form_algorithm(key->key);
	auto_buffer base = BUFFER_INIT(BASE_MAX);
	uint8_t bytes[BYTES_MAX];
	size_t len;

	if (algorithm == NULL)
		return err_set(err, ERR_UNPROCESSABLE,
		    "the key is of a kind that is not accepted");
	auto_free char *input =
	    alloc_printf(SIGNATURE_LABEL SIGNATURE_COMPONENTS
		";created=%" PRId64 ";expires=%" PRId64
		";keyid=\"%s\";alg=\"%s\"" SIGNATURE_TAG,
		now_s, now_s + SIGNATURE_LIFETIME_S, key->thumbprint,
		algorithm->name);
	signature_form_base(request, input + strlen(SIGNATURE_LABEL), &base);
	ERR_clear_error();
	bool is_signed =
	    !base.full && sign(algorithm, key->key, &base, bytes, &len);
	ERR_clear_error();
	if (!is_signed)
		return err_set(
		    err, ERR_UNPROCESSABLE, "the key cannot sign a request");
	auto_free char *text = base64_encode(bytes, len);
	*ret_input = take(input);
	*ret_value = alloc_printf(SIGNATURE_LABEL ":%s:", text);
	return 0;
}
