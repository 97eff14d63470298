/*
 * TLS by OpenSSL. Neither openssl.cnf nor OPENSSL_CONF may loosen it, no other
 * CA is believed, and nobody is ever asked for a password.
 */
#include "client/tls.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "certs/openssl.h"
#include "client/certificates.h"
#include "lib/alloc.h"
#include "lib/cleanup.h"

#define READ_AHEAD (64 * 1024)

struct tls {
	const struct context *context;
	SSL_CTX *ctx; /* NULL: not yet */
	bool is_loaded;
	struct fault fault; /* of loading */
	struct identity identity;
};

void
tls_setup(void)
{
	/* Digests that signatures name. All the rest of what OpenSSL knows by
	 * name from before providers, hundreds of names, is left out: that
	 * saves 3 of 10 million instructions of SSL_CTX_new(). */
	const EVP_MD *const named[] = {
	    EVP_sha256(), EVP_sha384(), EVP_sha512()};

	/* Whoever asks first for the library decides about its configuration.
	 * What it would free at our end goes with the process. */
	if (OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG |
		    OPENSSL_INIT_NO_ADD_ALL_CIPHERS |
		    OPENSSL_INIT_NO_ADD_ALL_DIGESTS | OPENSSL_INIT_NO_ATEXIT,
		NULL) != 1)
		die("OpenSSL cannot be initialised");
	for (size_t i = 0; i < COUNT(named); i++) {
		if (EVP_add_digest(named[i]) != 1)
			die("OpenSSL has not all digests");
	}
}

struct tls *
tls_new(const struct context *context)
{
	struct tls *tls = alloc_zero(1, sizeof(*tls));

	tls->context = context;
	return tls;
}

void
tls_free(struct tls *tls)
{
	identity_done(&tls->identity);
	SSL_CTX_free(tls->ctx);
	free(tls);
}

static int
load_ca(struct tls *tls, struct err *err)
{
	X509_STORE *store = SSL_CTX_get_cert_store(tls->ctx);
	AUTO(certificates_freep)
	STACK_OF(X509) *list = certificates_read(tls->context->ca, err);

	if (list == NULL)
		return -1;
	for (int i = 0; i < sk_X509_num(list); i++) {
		if (X509_STORE_add_cert(store, sk_X509_value(list, i)) != 1)
			die("OpenSSL takes no certificate");
	}
	return 0;
}

int
tls_load(struct tls *tls, struct fault *fault)
{
	const struct context *context = tls->context;
	struct err err;

	tls_warm(tls);
	if (!tls->is_loaded) {
		tls->is_loaded = true;
		if (load_ca(tls, &err) != 0)
			fault_set(&tls->fault, FAULT_OWN_CA, err.detail);
		else if (identity_read(context->certificate, context->key,
			     &tls->identity, &err) != 0)
			fault_set(
			    &tls->fault, FAULT_OWN_CERTIFICATE, err.detail);
	}
	if (tls->fault.kind == FAULT_NONE)
		return 0;
	*fault = tls->fault;
	return -1;
}

const struct identity *
tls_identity(const struct tls *tls)
{
	return &tls->identity;
}

/* Where the server's certificate came before there was time for the CA. */
static int
verify_server(X509_STORE_CTX *store, void *arg)
{
	struct fault fault;

	if (tls_load(arg, &fault) != 0) {
		X509_STORE_CTX_set_error(store, X509_V_ERR_UNSPECIFIED);
		return 0;
	}
	return X509_verify_cert(store);
}

/* RFC 8446 4.3.2: called if the server wants to see a certificate. */
static int
show_certificate(SSL *ssl, void *arg)
{
	struct tls *tls = arg;
	const struct identity *identity = &tls->identity;
	struct fault fault;

	if (tls_load(tls, &fault) != 0)
		return 0;
	return SSL_use_cert_and_key(
	    ssl, identity->certificate, identity->key, identity->chain, 1);
}

static void
set_bounds(SSL_CTX *ctx)
{
	SSL_CTX_set_security_level(ctx, 2);
	if (SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) != 1 ||
	    SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION) != 1)
		die("OpenSSL has no TLS 1.3");
	/* The hybrid group where the library has it (OpenSSL 3.5 on). */
	if (SSL_CTX_set1_groups_list(
		ctx, "X25519MLKEM768:X25519:P-256:P-384") != 1 &&
	    SSL_CTX_set1_groups_list(ctx, "X25519:P-256:P-384") != 1)
		die("OpenSSL has none of the groups");
	ERR_clear_error();
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_mode(ctx,
	    SSL_MODE_ENABLE_PARTIAL_WRITE |
		SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	/* Head and body of a record in one read. */
	SSL_CTX_set_read_ahead(ctx, 1);
	SSL_CTX_set_default_read_buffer_len(ctx, READ_AHEAD);
}

void
tls_warm(struct tls *tls)
{
	if (tls->ctx != NULL)
		return;
	tls->ctx = SSL_CTX_new(TLS_client_method());
	if (tls->ctx == NULL)
		die("OpenSSL: no context");
	set_bounds(tls->ctx);
	SSL_CTX_set_app_data(tls->ctx, tls);
	SSL_CTX_set_verify(tls->ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_cert_verify_callback(tls->ctx, verify_server, tls);
	SSL_CTX_set_cert_cb(tls->ctx, show_certificate, tls);
	/* Who believes in an intermediate CA alone need not have its root. */
	X509_VERIFY_PARAM_set_flags(
	    SSL_CTX_get0_param(tls->ctx), X509_V_FLAG_PARTIAL_CHAIN);
}

static bool
is_address(const char *host)
{
	struct in6_addr address;

	return inet_pton(AF_INET, host, &address) == 1 ||
	    inet_pton(AF_INET6, host, &address) == 1;
}

SSL *
tls_start(struct tls *tls, const char *host, int fd)
{
	X509_VERIFY_PARAM *param = NULL;
	SSL *ssl = NULL;
	bool ok;

	tls_warm(tls);
	ssl = SSL_new(tls->ctx);
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
	const struct tls *tls = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	struct fault fault = tls->fault;
	unsigned long error = ERR_peek_error();
	int reason = ERR_GET_REASON(error);
	long verified = SSL_get_verify_result(ssl);

	if (fault.kind != FAULT_NONE)
		return fault;
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
