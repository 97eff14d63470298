/*
 * What certs/signature_make.h makes of a request, as lines of its head.
 */
#include "client/signing.h"

#include <string.h>

#include "certs/signature_make.h"
#include "lib/alloc.h"
#include "lib/cleanup.h"

int
signing_add_fields(const struct identity *identity, const char *token,
    const struct http_request *request, int64_t now_s, struct buffer *ret,
    struct err *err)
{
	/* The query is not signed. */
	auto_free char *path =
	    alloc_bytes(request->path, strcspn(request->path, "?"));
	uint8_t body_sha256[SHA256_BYTES], certificate_sha256[SHA256_BYTES];
	char digest[SIGNATURE_CONTENT_DIGEST];
	auto_free char *input = NULL;
	auto_free char *value = NULL;
	unsigned len = 0;

	if (X509_digest(identity->certificate, EVP_sha256(), certificate_sha256,
		&len) != 1)
		return err_set(err, ERR_UNPROCESSABLE,
		    "the certificate has no thumbprint");
	auto_free char *thumbprint =
	    base64url_encode(certificate_sha256, sizeof(certificate_sha256));
	digest_sha256(request->body, strlen(request->body), body_sha256);
	const struct signed_request signed_request = {
	    .method = request->method,
	    .path = path,
	    .token = token,
	    .body_sha256 = body_sha256,
	    .idempotency_key = request->idempotency_key,
	};
	if (signature_make(&signed_request,
		&(struct signature_key){identity->key, thumbprint}, now_s,
		&input, &value, err) != 0)
		return -1;
	signature_content_digest(body_sha256, digest);
	buffer_printf(ret, "Content-Digest: %s\r\n", digest);
	buffer_printf(ret, "Signature-Input: %s\r\n", input);
	buffer_printf(ret, "Signature: %s\r\n", value);
	return 0;
}
