/*
 * Reading certificates. The text is the user's, but may be damaged or the
 * wrong one: half of it is none of it.
 */
#include "client/certificates.h"

#include "certs/openssl.h"
#include "lib/alloc.h"
#include "lib/cleanup.h"

void
certificates_freep(STACK_OF(X509) * *certificates)
{
	sk_X509_pop_free(*certificates, X509_free);
	*certificates = NULL;
}

STACK_OF(X509) * certificates_read(const char *pem, struct err *err)
{
	AUTO(BIO_freep) BIO *bio = BIO_new_mem_buf(pem, -1);
	AUTO(certificates_freep) STACK_OF(X509) *list = sk_X509_new_null();
	X509 *next = NULL;
	bool is_whole;

	if (bio == NULL || list == NULL)
		die("out of memory");
	ERR_clear_error();
	while ((next = PEM_read_bio_X509(
		    bio, NULL, openssl_no_password, NULL)) != NULL) {
		if (sk_X509_push(list, next) == 0)
			die("out of memory");
	}
	/* The end of the text is no fault, anything else is. */
	is_whole = openssl_pem_ended() && sk_X509_num(list) > 0;
	ERR_clear_error();
	if (!is_whole) {
		err_set(err, ERR_UNPROCESSABLE, "not a certificate in PEM");
		return NULL;
	}
	return take(list);
}
