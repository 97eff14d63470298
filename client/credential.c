/*
 * Reading our own credentials for a person. The files are the user's, but may
 * be damaged or the wrong ones: each reader fails with a sentence.
 */
#include "client/credential.h"

#include <string.h>
#include <time.h>

#include "certs/openssl.h"
#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/json.h"

#define TOKEN_MAX 4096

static X509 *
parse_certificate(const char *pem, struct err *err)
{
	AUTO(BIO_freep) BIO *bio = BIO_new_mem_buf(pem, -1);
	X509 *certificate = bio != NULL
	    ? PEM_read_bio_X509(bio, NULL, openssl_no_password, NULL)
	    : NULL;

	if (certificate == NULL)
		err_set(err, ERR_UNPROCESSABLE, "not a certificate in PEM");
	return certificate;
}

static bool
read_time(const ASN1_TIME *time, int64_t *ret_s)
{
	struct tm parts;

	if (ASN1_TIME_to_tm(time, &parts) != 1)
		return false;
	*ret_s = timegm(&parts);
	return true;
}

int
credential_read_certificate(
    const char *pem, struct certificate_facts *ret, struct err *err)
{
	AUTO(X509_freep) X509 *certificate = parse_certificate(pem, err);
	struct certificate_facts facts = {0};
	uint8_t digest[SHA256_BYTES];
	auto_free char *thumbprint = NULL;
	unsigned len = 0;

	if (certificate == NULL)
		return -1;
	if (!read_time(X509_get0_notBefore(certificate), &facts.not_before_s) ||
	    !read_time(X509_get0_notAfter(certificate), &facts.not_after_s) ||
	    X509_digest(certificate, EVP_sha256(), digest, &len) != 1 ||
	    len != sizeof(digest))
		return err_set(err, ERR_UNPROCESSABLE,
		    "a certificate without readable times");
	thumbprint = base64url_encode(digest, sizeof(digest));
	strcpy(facts.thumbprint, thumbprint);
	*ret = facts;
	return 0;
}

static json_t *
read_claims(const char *token)
{
	const char *first = strchr(token, '.');
	const char *second = first != NULL ? strchr(first + 1, '.') : NULL;
	auto_free uint8_t *payload = NULL;
	size_t len = 0;
	struct err ignored;

	if (second == NULL || strlen(token) > TOKEN_MAX)
		return NULL;
	if (!base64url_decode(
		first + 1, (size_t)(second - first - 1), &payload, &len))
		return NULL;
	return json_parse_strict((const char *)payload, len, &ignored);
}

int
credential_read_token(
    const char *token, struct token_facts *ret, struct err *err)
{
	auto_json *claims = read_claims(token);
	const json_t *expires = json_object_get(claims, "exp");
	const json_t *not_before = json_object_get(claims, "nbf");
	const char *thumbprint = json_string_value(
	    json_object_get(json_object_get(claims, "cnf"), "x5t#S256"));
	struct token_facts facts = {0};

	if (!json_is_integer(expires))
		return err_set(
		    err, ERR_UNPROCESSABLE, "not a token that we can read");
	facts.expires_s = json_integer_value(expires);
	facts.not_before_s = json_integer_value(not_before);
	if (thumbprint != NULL && strlen(thumbprint) == SHA256_BASE64URL - 1)
		strcpy(facts.thumbprint, thumbprint);
	*ret = facts;
	return 0;
}

static char *
explain_certificate(const struct certificate_facts *facts, int64_t now_s)
{
	char time[CLOCK_TEXT];

	if (now_s > facts->not_after_s) {
		clock_format(facts->not_after_s * 1000, time);
		return alloc_printf("your certificate expired at %s", time);
	}
	if (now_s < facts->not_before_s) {
		clock_format(facts->not_before_s * 1000, time);
		return alloc_printf("your certificate is valid from %s on; "
				    "is this machine's clock right?",
		    time);
	}
	return NULL;
}

static char *
explain_token(const struct token_facts *token,
    const struct certificate_facts *certificate, int64_t now_s)
{
	char time[CLOCK_TEXT];

	if (now_s >= token->expires_s) {
		clock_format(token->expires_s * 1000, time);
		return alloc_printf("your token expired at %s", time);
	}
	if (now_s < token->not_before_s) {
		clock_format(token->not_before_s * 1000, time);
		return alloc_printf("your token is valid from %s on; is this "
				    "machine's clock right?",
		    time);
	}
	if (strcmp(token->thumbprint, certificate->thumbprint) != 0)
		return alloc_string("your token was issued for another "
				    "certificate than the one in this "
				    "context");
	return NULL;
}

char *
credential_explain(const struct context *context, int64_t now_s)
{
	struct certificate_facts certificate;
	struct token_facts token;
	struct err err;
	char *reason = NULL;

	if (credential_read_certificate(
		context->certificate, &certificate, &err) != 0)
		return alloc_printf("your certificate: %s", err.detail);
	reason = explain_certificate(&certificate, now_s);
	if (reason != NULL)
		return reason;
	if (credential_read_token(context->token, &token, &err) != 0)
		return alloc_printf("your token: %s", err.detail);
	return explain_token(&token, &certificate, now_s);
}
