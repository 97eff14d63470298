/*
 * Identities. The files are the user's, but may be damaged or the wrong ones:
 * each fails with a sentence.
 */
#include "client/identity.h"

#include "certs/openssl.h"
#include "client/certificates.h"
#include "client/private_key.h"
#include "lib/cleanup.h"

int
identity_read(const char *certificate, const char *key, struct identity *ret,
    struct err *err)
{
	auto_identity identity = {.chain = certificates_read(certificate, err)};

	if (identity.chain == NULL)
		return -1;
	identity.certificate = sk_X509_shift(identity.chain);
	identity.key = private_key_read(key);
	ERR_clear_error();
	if (identity.key == NULL)
		return err_set(err, ERR_UNPROCESSABLE,
		    "the key is not a private key in PEM without a password");
	if (X509_check_private_key(identity.certificate, identity.key) != 1) {
		ERR_clear_error();
		return err_set(err, ERR_UNPROCESSABLE,
		    "key and certificate do not belong together");
	}
	*ret = (struct identity){
	    .certificate = take(identity.certificate),
	    .chain = take(identity.chain),
	    .key = take(identity.key),
	};
	return 0;
}

void
identity_done(struct identity *identity)
{
	X509_free(identity->certificate);
	certificates_freep(&identity->chain);
	EVP_PKEY_free(identity->key);
	*identity = (struct identity){0};
}
