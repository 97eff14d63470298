/*
 * TLS, server's side. Everything is said in code: OpenSSL's configuration
 * file is not read, so that neither OPENSSL_CONF nor the system's defaults
 * can bring back an older version or a weaker key.
 */
#include <openssl/ssl.h>
#include <string.h>
#include <time.h>

#include "certs/openssl.h"
#include "gateway/conn.h"
#include "gateway/tls.h"
#include "gateway/transport.h"
#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/file.h"

#define PEM_FILE_MAX 65536
/* A leaf and one intermediate; anything longer is not one of ours. */
#define PEER_CHAIN_BYTES_MAX (2 * CERTIFICATE_DER_MAX)

DEFINE_CLEANUP(SSL_CTX, SSL_CTX_free);

void
tls_init(void)
{
	if (OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) != 1)
		die("OpenSSL cannot be initialised");
}

static int
fail(struct err *err, const char *what)
{
	char reason[160];

	ERR_error_string_n(ERR_get_error(), reason, sizeof(reason));
	ERR_clear_error();
	return err_set(err, ERR_INTERNAL, "%s: %s", what, reason);
}

/* Which alert tells the client most: what OpenSSL's own verification says,
 * if it finds something too. */
static int
reason_for_alert(X509_STORE_CTX *store)
{
	int reason;

	if (X509_verify_cert(store) == 1)
		return X509_V_ERR_CERT_REJECTED;
	reason = X509_STORE_CTX_get_error(store);
	return reason == X509_V_OK ? X509_V_ERR_CERT_REJECTED : reason;
}

/* In OpenSSL's place: the chain is verified once, by certificate_verify(),
 * which is stricter. */
static int
verify_peer(X509_STORE_CTX *store, void *trust)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(
	    store, SSL_get_ex_data_X509_STORE_CTX_idx());
	X509 *leaf = X509_STORE_CTX_get0_cert(store);
	struct tls_peer *peer = SSL_get_app_data(ssl);

	peer->verified = false;
	if (leaf == NULL) {
		err_set(&peer->err, ERR_UNAUTHENTICATED, "no certificate");
		X509_STORE_CTX_set_error(store, X509_V_ERR_UNSPECIFIED);
		return 0;
	}
	if (certificate_verify(trust, leaf, clock_wall_ms() / 1000,
		&peer->certificate, &peer->err) < 0) {
		X509_STORE_CTX_set_error(store, reason_for_alert(store));
		return 0;
	}
	peer->verified = true;
	X509_STORE_CTX_set_error(store, X509_V_OK);
	return 1;
}

static int
set_key(SSL_CTX *context, const char *path, struct err *err)
{
	auto_free char *text = NULL;
	size_t len;

	text = file_read_secret(path, PEM_FILE_MAX, &len, err);
	if (text == NULL)
		return -1;
	AUTO(BIO_freep) BIO *bio = BIO_new_mem_buf(text, (int)len);
	AUTO(EVP_PKEY_freep)
	EVP_PKEY *key =
	    PEM_read_bio_PrivateKey(bio, NULL, openssl_no_password, NULL);

	OPENSSL_cleanse(text, len);
	if (key == NULL)
		return fail(err, path);
	if (SSL_CTX_use_PrivateKey(context, key) != 1)
		return fail(err, path);
	return 0;
}

/* Leaf first, then what stands between it and the root. */
static int
set_certificate(SSL_CTX *context, const char *path, int64_t *ret_not_after_s,
    struct err *err)
{
	auto_free char *text = NULL;
	size_t len;

	text = file_read(path, PEM_FILE_MAX, &len, err);
	if (text == NULL)
		return -1;
	AUTO(BIO_freep) BIO *bio = BIO_new_mem_buf(text, (int)len);
	AUTO(X509_freep)
	X509 *leaf = PEM_read_bio_X509(bio, NULL, openssl_no_password, NULL);

	if (leaf == NULL || SSL_CTX_use_certificate(context, leaf) != 1)
		return fail(err, path);
	for (;;) {
		AUTO(X509_freep)
		X509 *next =
		    PEM_read_bio_X509(bio, NULL, openssl_no_password, NULL);

		if (next == NULL)
			break;
		if (SSL_CTX_add1_chain_cert(context, next) != 1)
			return fail(err, path);
	}
	/* The end of the file is an error to PEM, a broken block another. */
	if (!openssl_pem_ended())
		return fail(err, path);
	ERR_clear_error();
	*ret_not_after_s = certificate_end(leaf);
	return 0;
}

static int
set_rules(SSL_CTX *context, const struct trust *trust, struct err *err)
{
	SSL_CTX_set_security_level(context, 2);
	if (SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) != 1 ||
	    SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION) != 1)
		return fail(err, "TLS version");
	/* The hybrid group where the library has it (OpenSSL 3.5 on). */
	if (SSL_CTX_set1_groups_list(
		context, "X25519MLKEM768:X25519:P-256:P-384") != 1 &&
	    SSL_CTX_set1_groups_list(context, "X25519:P-256:P-384") != 1)
		return fail(err, "groups");
	ERR_clear_error();
	if (SSL_CTX_set_ciphersuites(context,
		"TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:"
		"TLS_AES_128_GCM_SHA256") != 1)
		return fail(err, "cipher suites");
	/* Nothing is resumed: a resumed session skips the verification of the
	 * certificate, also of one that has expired since (measured). */
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_options(context,
	    SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
	if (SSL_CTX_set_num_tickets(context, 0) != 1 ||
	    SSL_CTX_set_max_early_data(context, 0) != 1)
		return fail(err, "tickets");
	SSL_CTX_set_verify(
	    context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	SSL_CTX_set1_cert_store(context, trust_store(trust));
	SSL_CTX_set_cert_verify_callback(
	    context, verify_peer, (void *)(uintptr_t)trust);
	SSL_CTX_set_max_cert_list(context, PEER_CHAIN_BYTES_MAX);
	/* A record in one call of read(2), not in two. */
	SSL_CTX_set_read_ahead(context, 1);
	/* What we send is what the file has: else each handshake looks for more
	 * among the CAs of the clients, and verifies it (a tenth of all that a
	 * handshake costs, measured). */
	SSL_CTX_set_mode(context,
	    SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
		SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_NO_AUTO_CHAIN);
	return 0;
}

SSL_CTX *
tls_context_new(const char *certificate_path, const char *key_path,
    const struct trust *trust, int64_t *ret_not_after_s, struct err *err)
{
	int64_t not_after_s = 0;

	ERR_clear_error();
	AUTO(SSL_CTX_freep) SSL_CTX *context = SSL_CTX_new(TLS_server_method());

	if (context == NULL) {
		fail(err, "TLS context");
		return NULL;
	}
	if (set_rules(context, trust, err) < 0 ||
	    set_certificate(context, certificate_path, &not_after_s, err) < 0 ||
	    set_key(context, key_path, err) < 0)
		return NULL;
	if (SSL_CTX_check_private_key(context) != 1) {
		ERR_clear_error();
		err_set(err, ERR_UNPROCESSABLE,
		    "%s is not the key of the certificate in %s", key_path,
		    certificate_path);
		return NULL;
	}
	*ret_not_after_s = not_after_s;
	return take(context);
}

SSL *
tls_open(SSL_CTX *context, int fd, struct tls_peer *peer)
{
	SSL *ssl;

	ERR_clear_error();
	ssl = SSL_new(context);
	if (ssl == NULL)
		return NULL;
	*peer = (struct tls_peer){0};
	if (SSL_set_fd(ssl, fd) != 1) {
		SSL_free(ssl);
		return NULL;
	}
	SSL_set_app_data(ssl, peer);
	SSL_set_accept_state(ssl);
	return ssl;
}

bool
tls_peer_is_verified(SSL *ssl, const struct tls_peer *peer)
{
	auto_free char *thumbprint = NULL;
	uint8_t digest[SHA256_BYTES];
	X509 *leaf = SSL_get0_peer_certificate(ssl);

	/* The verify result is X509_V_OK where there was no certificate. */
	if (!peer->verified || leaf == NULL ||
	    SSL_get_verify_result(ssl) != X509_V_OK || SSL_session_reused(ssl))
		return false;
	if (X509_digest(leaf, EVP_sha256(), digest, NULL) != 1)
		return false;
	thumbprint = base64url_encode(digest, sizeof(digest));
	return strcmp(thumbprint, peer->certificate.thumbprint) == 0;
}

static enum io_result
result_of(SSL *ssl, int ret)
{
	switch (SSL_get_error(ssl, ret)) {
	case SSL_ERROR_WANT_READ:
		return IO_WANT_READ;
	case SSL_ERROR_WANT_WRITE:
		return IO_WANT_WRITE;
	case SSL_ERROR_ZERO_RETURN:
		return IO_END;
	default:
		return IO_FAILED;
	}
}

static enum io_result
handshake_tls(struct conn *conn)
{
	int ret;

	ERR_clear_error();
	ret = SSL_do_handshake(conn->ssl);
	if (ret != 1)
		return result_of(conn->ssl, ret);
	return tls_peer_is_verified(conn->ssl, &conn->peer) ? IO_OK : IO_FAILED;
}

static enum io_result
read_tls(struct conn *conn, void *data, size_t size, size_t *ret_len)
{
	int ret;

	ERR_clear_error();
	ret = SSL_read_ex(conn->ssl, data, size, ret_len);
	if (ret != 1)
		return result_of(conn->ssl, ret);
	/* It reads ahead: what it does not hold has not come yet, and will be
	 * told by the loop. */
	conn->readable = SSL_has_pending(conn->ssl) == 1;
	return IO_OK;
}

static enum io_result
write_tls(struct conn *conn, const void *data, size_t len, size_t *ret_len)
{
	int ret;

	ERR_clear_error();
	ret = SSL_write_ex(conn->ssl, data, len, ret_len);
	return ret == 1 ? IO_OK : result_of(conn->ssl, ret);
}

/* close_notify, then the end of our side of the socket. */
static void
finish_tls(struct conn *conn)
{
	ERR_clear_error();
	SSL_shutdown(conn->ssl);
	shutdown(conn->fd, SHUT_WR);
}

static void
done_tls(struct conn *conn)
{
	SSL_free(conn->ssl);
	conn->ssl = NULL;
	ERR_clear_error();
}

const struct transport transport_tls = {
    .handshake = handshake_tls,
    .read = read_tls,
    .write = write_tls,
    .finish = finish_tls,
    .done = done_tls,
};
