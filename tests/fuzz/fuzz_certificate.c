/*
 * Any bytes as a certificate, as they are and signed anew by our CA, so that
 * the checks behind the chain are reached: what is accepted has an identity.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "certs/certificate.h"
#include "certs/issue_certificate.h"
#include "certs/issue_key.h"
#include "certs/openssl.h"
#include "lib/alloc.h"
#include "lib/file.h"

#define NOW INT64_C(1800000000)

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static EVP_PKEY *ca_key;
static X509 *ca;
static struct trust *trust;

static void
require(bool condition)
{
	if (!condition)
		abort();
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const struct validity validity = {NOW - 86400, 3650};
	char path[] = "fuzz_certificate-XXXXXX";
	struct err err;
	auto_fd int fd = mkstemp(path);

	(void)argc;
	(void)argv;
	ca_key = issue_key_new(ISSUE_KEY_P256);
	ca = issue_authority(ca_key, &validity);
	auto_free char *pem = issue_certificate_encode(ca);
	require(fd >= 0 && file_write(path, pem, strlen(pem), 0600, &err) == 0);
	trust = trust_load(path, &err);
	require(trust != NULL && unlink(path) == 0);
	return 0;
}

static void
verify(const uint8_t *der, size_t len)
{
	struct certificate certificate;
	struct err err;

	if (certificate_verify_der(trust, der, len, NOW, &certificate, &err) !=
	    0)
		return;
	require(subject_is_valid(certificate.subject));
	require(strlen(certificate.thumbprint) == SHA256_BASE64URL - 1);
	require(certificate.serial[0] != '\0');
	require(certificate.not_before_s <= NOW);
	require(certificate.not_after_s > NOW);
}

/* With our CA as its issuer: name, key identifier and signature. */
static void
sign_again(X509 *certificate)
{
	X509V3_CTX context;
	int at;

	while ((at = X509_get_ext_by_NID(
		    certificate, NID_authority_key_identifier, -1)) >= 0)
		X509_EXTENSION_free(X509_delete_ext(certificate, at));
	X509V3_set_ctx_nodb(&context);
	X509V3_set_ctx(&context, ca, certificate, NULL, NULL, 0);
	AUTO(X509_EXTENSION_freep)
	X509_EXTENSION *identifier = X509V3_EXT_conf_nid(
	    NULL, &context, NID_authority_key_identifier, "keyid:always");
	require(identifier != NULL);
	X509_add_ext(certificate, identifier, -1);
	X509_set_issuer_name(certificate, X509_get_subject_name(ca));
	if (X509_sign(certificate, ca_key, EVP_sha256()) <= 0)
		return;
	unsigned char *der = NULL;
	int len = i2d_X509(certificate, &der);
	if (len > 0)
		verify(der, (size_t)len);
	OPENSSL_free(der);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const unsigned char *from = data;

	verify(data, size);
	AUTO(X509_freep) X509 *certificate = d2i_X509(NULL, &from, (long)size);
	if (certificate != NULL)
		sign_again(certificate);
	ERR_clear_error();
	return 0;
}
