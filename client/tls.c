/*
 * TLS by OpenSSL. Neither openssl.cnf nor OPENSSL_CONF may loosen it, no other
 * CA is believed, and nobody is ever asked for a password.
 */
#include "client/tls.h"

#include <arpa/inet.h>
#include <string.h>

#include "certs/openssl.h"
#include "lib/alloc.h"
#include "lib/cleanup.h"

#define READ_AHEAD (64 * 1024)

DEFINE_CLEANUP(SSL_CTX, SSL_CTX_free);

void
tls_setup(void)
{
	/* Whoever asks first for the library decides about its configuration.
	 * What it would free at our end goes with the process. */
	if (OPENSSL_init_crypto(
		OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT, NULL) !=
	    1)
		die("OpenSSL cannot be initialised");
}

static BIO *
open_text(const char *text)
{
	return BIO_new_mem_buf(text, -1);
}

static int
fail(struct fault *fault, enum fault_kind kind)
{
	fault_set(fault, kind, ERR_reason_error_string(ERR_peek_error()));
	ERR_clear_error();
	return -1;
}

/* All the certificates that there are: the first is given to `first`, the
 * others to `more`. Returns how many, -1: one could not be used. */
static int
each_certificate(const char *pem, SSL_CTX *ctx,
    bool (*use)(SSL_CTX *ctx, X509 *certificate, int i))
{
	AUTO(BIO_freep) BIO *bio = open_text(pem);
	int n = 0;

	for (; bio != NULL; n++) {
		AUTO(X509_freep)
		X509 *certificate =
		    PEM_read_bio_X509(bio, NULL, openssl_no_password, NULL);

		if (certificate == NULL)
			break;
		if (!use(ctx, certificate, n))
			return -1;
	}
	/* The end of the text is no fault, anything else is. */
	if (!openssl_pem_ended())
		return -1;
	if (n > 0)
		ERR_clear_error();
	return n;
}

static bool
use_ca(SSL_CTX *ctx, X509 *certificate, int i)
{
	(void)i;
	return X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), certificate) ==
	    1;
}

static bool
use_own(SSL_CTX *ctx, X509 *certificate, int i)
{
	return (i == 0 ? SSL_CTX_use_certificate(ctx, certificate)
		       : SSL_CTX_add1_chain_cert(ctx, certificate)) == 1;
}

static int
use_key(SSL_CTX *ctx, const char *pem)
{
	AUTO(BIO_freep) BIO *bio = open_text(pem);
	AUTO(EVP_PKEY_freep)
	EVP_PKEY *key = bio != NULL
	    ? PEM_read_bio_PrivateKey(bio, NULL, openssl_no_password, NULL)
	    : NULL;

	return key != NULL && SSL_CTX_use_PrivateKey(ctx, key) == 1 &&
		SSL_CTX_check_private_key(ctx) == 1
	    ? 0
	    : -1;
}

static void
set_bounds(SSL_CTX *ctx)
{
	if (SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) != 1 ||
	    SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION) != 1)
		die("OpenSSL has no TLS 1.3");
	SSL_CTX_set_security_level(ctx, 2);
	/* The hybrid group where the library has it (OpenSSL 3.5 on). */
	if (SSL_CTX_set1_groups_list(
		ctx, "X25519MLKEM768:X25519:P-256:P-384") != 1 &&
	    SSL_CTX_set1_groups_list(ctx, "X25519:P-256:P-384") != 1)
		die("OpenSSL has none of the groups");
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_mode(ctx,
	    SSL_MODE_ENABLE_PARTIAL_WRITE |
		SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	/* Head and body of a record in one read. */
	SSL_CTX_set_read_ahead(ctx, 1);
	SSL_CTX_set_default_read_buffer_len(ctx, READ_AHEAD);
	X509_VERIFY_PARAM_set_flags(
	    SSL_CTX_get0_param(ctx), X509_V_FLAG_PARTIAL_CHAIN);
}

SSL_CTX *
tls_open(const struct context *context, struct fault *fault)
{
	AUTO(SSL_CTX_freep) SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	if (ctx == NULL)
		die("OpenSSL: no context");
	set_bounds(ctx);
	ERR_clear_error();
	if (each_certificate(context->ca, ctx, use_ca) < 1) {
		fail(fault, FAULT_OWN_CA);
		return NULL;
	}
	if (each_certificate(context->certificate, ctx, use_own) < 1 ||
	    use_key(ctx, context->key) != 0) {
		fail(fault, FAULT_OWN_CERTIFICATE);
		return NULL;
	}
	return take(ctx);
}

static bool
is_address(const char *host)
{
	struct in6_addr address;

	return inet_pton(AF_INET, host, &address) == 1 ||
	    inet_pton(AF_INET6, host, &address) == 1;
}

SSL *
tls_start(SSL_CTX *ctx, const char *host, int fd)
{
	SSL *ssl = SSL_new(ctx);
	X509_VERIFY_PARAM *param = NULL;
	bool ok;

	if (ssl == NULL)
		die("OpenSSL: no connection");
	param = SSL_get0_param(ssl);
	X509_VERIFY_PARAM_set_hostflags(param,
	    X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
		X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
	/* RFC 6066 3: a name is announced, an address is not. */
	ok = is_address(host)
	    ? X509_VERIFY_PARAM_set1_ip_asc(param, host) == 1
	    : X509_VERIFY_PARAM_set1_host(param, host, 0) == 1 &&
		SSL_set_tlsext_host_name(ssl, host) == 1;
	/* Without a name to be verified anybody of our CA would do. */
	if (!ok || SSL_set_fd(ssl, fd) != 1)
		die("OpenSSL: a host that cannot be verified");
	SSL_set_connect_state(ssl);
	return ssl;
}

/* With TLS 1.3 the server judges our certificate after we think ourselves
 * connected: its refusal is an alert found when we read. */
static bool
is_refusal(int reason)
{
	static const int refusals[] = {
	    SSL_R_SSLV3_ALERT_BAD_CERTIFICATE,
	    SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED,
	    SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED,
	    SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN,
	    SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE,
	    SSL_R_SSLV3_ALERT_NO_CERTIFICATE,
	    SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED,
	    SSL_R_TLSV1_ALERT_UNKNOWN_CA,
	    SSL_R_TLSV1_ALERT_ACCESS_DENIED,
	};

	for (size_t i = 0; i < COUNT(refusals); i++) {
		if (refusals[i] == reason)
			return true;
	}
	return false;
}

static struct fault
explain_protocol(SSL *ssl, bool shaking)
{
	struct fault fault = {0};
	unsigned long error = ERR_peek_error();
	int reason = ERR_GET_REASON(error);
	long verified = SSL_get_verify_result(ssl);

	if (shaking && verified != X509_V_OK)
		fault_set(&fault, FAULT_STRANGER,
		    X509_verify_cert_error_string(verified));
	else if (is_refusal(reason))
		fault_set(
		    &fault, FAULT_REFUSED, ERR_reason_error_string(error));
	else if (reason == SSL_R_UNEXPECTED_EOF_WHILE_READING)
		fault_set(&fault, FAULT_LOST, "it ended without a word");
	else
		fault_set(&fault, shaking ? FAULT_NO_TLS : FAULT_LOST,
		    ERR_reason_error_string(error));
	return fault;
}

struct fault
tls_explain(SSL *ssl, int result, int errnum, bool shaking)
{
	struct fault fault = {0};

	switch (SSL_get_error(ssl, result)) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		break;
	case SSL_ERROR_ZERO_RETURN:
		fault_set(&fault, FAULT_LOST, "it was closed");
		break;
	case SSL_ERROR_SYSCALL:
		fault_set(&fault, FAULT_LOST,
		    errnum != 0 ? strerror(errnum) : "it ended");
		break;
	default:
		fault = explain_protocol(ssl, shaking);
	}
	ERR_clear_error();
	return fault;
}
