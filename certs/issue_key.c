/*
 * Role: makes, reads and writes private keys.
 * Trusts its caller, the operator's tool.
 * Must never leave a private key in memory that it has given back.
 */
#include "certs/issue_key.h"

#include <string.h>

#include "certs/openssl.h"
#include "lib/alloc.h"
#include "lib/digest.h"

EVP_PKEY *
issue_key_new(enum issue_key_kind kind)
{
	EVP_PKEY *key = kind == ISSUE_KEY_ED25519
	    ? EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")
	    : EVP_PKEY_Q_keygen(NULL, NULL, "EC", SN_X9_62_prime256v1);

	if (key == NULL)
		die("cannot make a key: %s", openssl_reason());
	return key;
}

EVP_PKEY *
issue_key_parse(const char *pem, size_t len, struct err *err)
{
	AUTO(BIO_freep) BIO *in = BIO_new_mem_buf(pem, (int)len);

	if (in == NULL)
		die("BIO_new_mem_buf: out of memory");
	ERR_clear_error();
	EVP_PKEY *key =
	    PEM_read_bio_PrivateKey(in, NULL, openssl_no_password, NULL);
	if (key == NULL)
		err_set(err, ERR_UNPROCESSABLE,
		    "it holds no private key in PEM without a password: %s",
		    openssl_reason());
	ERR_clear_error();
	return key;
}

/* The text of a memory BIO as a string of its own; the BIO is wiped. */
static char *
take_text(BIO *from)
{
	char *data;
	long len = BIO_get_mem_data(from, &data);
	char *text = alloc_bytes(data, (size_t)len);

	OPENSSL_cleanse(data, (size_t)len);
	return text;
}

char *
issue_key_encode(EVP_PKEY *key)
{
	/* Secure memory where the process has set some up, else wiped on
	 * free. */
	AUTO(BIO_freep) BIO *out = BIO_new(BIO_s_secmem());

	if (out == NULL ||
	    PEM_write_bio_PKCS8PrivateKey(
		out, key, NULL, NULL, 0, NULL, NULL) != 1)
		die("cannot encode a key: %s", openssl_reason());
	return take_text(out);
}

char *
issue_key_encode_public(EVP_PKEY *key)
{
	AUTO(BIO_freep) BIO *out = BIO_new(BIO_s_mem());

	if (out == NULL || PEM_write_bio_PUBKEY(out, key) != 1)
		die("cannot encode a public key: %s", openssl_reason());
	return take_text(out);
}

void
issue_secret_free(char **secret)
{
	if (*secret == NULL)
		return;
	OPENSSL_cleanse(*secret, strlen(*secret));
	free(*secret);
	*secret = NULL;
}
