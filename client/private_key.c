/*
 * Reading a private key. The one form in which OpenSSL, and so our own tools,
 * write keys of P-256 is recognised by its bytes; whatever else it may be is
 * left to OpenSSL's decoders, which take a tenth of a fresh client's time:
 * 4.7 million instructions against 0.2.
 */
#include "client/private_key.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/params.h>
#include <string.h>

#include "certs/openssl.h"

#define NUMBER 32 /* bytes, of P-256 */
#define POINT 65 /* uncompressed */

DEFINE_CLEANUP(EVP_PKEY_CTX, EVP_PKEY_CTX_free);

/* RFC 5958 and RFC 5915: the key's number stands behind `head`, and its point
 * behind `middle` ends it. */
static const uint8_t head[] = {0x30, 0x81, 0x87, 0x02, 0x01, 0x00, 0x30, 0x13,
    0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x04, 0x6d, 0x30, 0x6b, 0x02,
    0x01, 0x01, 0x04, NUMBER};
static const uint8_t middle[] = {0xa1, 0x44, 0x03, 0x42, 0x00};

struct der {
	char *name; /* of the PEM block */
	char *header;
	unsigned char *data;
	long len;
};

static void
der_done(struct der *der)
{
	OPENSSL_free(der->name);
	OPENSSL_free(der->header);
	if (der->data != NULL)
		OPENSSL_clear_free(der->data, (size_t)der->len);
}

static bool
is_plain_p256(const struct der *der)
{
	return strcmp(der->name, PEM_STRING_PKCS8INF) == 0 &&
	    der->header[0] == '\0' &&
	    der->len == sizeof(head) + NUMBER + sizeof(middle) + POINT &&
	    memcmp(der->data, head, sizeof(head)) == 0 &&
	    memcmp(der->data + sizeof(head) + NUMBER, middle, sizeof(middle)) ==
	    0;
}

/* NULL: the point is not one of the curve. */
static EVP_PKEY *
make_p256(unsigned char *number, unsigned char *point)
{
	AUTO(EVP_PKEY_CTX_freep)
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	char group[] = "P-256";
	unsigned char native[NUMBER];
	OSSL_PARAM params[] = {
	    OSSL_PARAM_utf8_string(
		OSSL_PKEY_PARAM_GROUP_NAME, group, sizeof(group) - 1),
	    OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, POINT),
	    OSSL_PARAM_BN(OSSL_PKEY_PARAM_PRIV_KEY, native, NUMBER),
	    OSSL_PARAM_END,
	};
	EVP_PKEY *key = NULL;

	for (size_t i = 0; i < NUMBER; i++)
		native[__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
			? NUMBER - 1 - i
			: i] = number[i];
	if (ctx == NULL || EVP_PKEY_fromdata_init(ctx) != 1 ||
	    EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_KEYPAIR, params) != 1)
		key = NULL;
	OPENSSL_cleanse(native, sizeof(native));
	return key;
}

static EVP_PKEY *
read_p256(const char *pem)
{
	AUTO(BIO_freep) BIO *bio = BIO_new_mem_buf(pem, -1);
	AUTO(der_done) struct der der = {0};

	if (bio == NULL ||
	    PEM_read_bio(bio, &der.name, &der.header, &der.data, &der.len) !=
		1 ||
	    !is_plain_p256(&der))
		return NULL;
	return make_p256(der.data + sizeof(head), der.data + der.len - POINT);
}

EVP_PKEY *
private_key_read(const char *pem)
{
	EVP_PKEY *key = read_p256(pem);

	if (key != NULL)
		return key;
	ERR_clear_error();
	AUTO(BIO_freep) BIO *bio = BIO_new_mem_buf(pem, -1);

	return bio != NULL
	    ? PEM_read_bio_PrivateKey(bio, NULL, openssl_no_password, NULL)
	    : NULL;
}
