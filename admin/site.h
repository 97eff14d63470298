/*
 * An installation's folder, as docs/configuration.md has it: what its files
 * say, and the keys that the operator signs with.
 */
#ifndef ADMIN_SITE_H
#define ADMIN_SITE_H

#include "certs/issue_certificate.h"
#include "certs/principal.h"
#include "lib/err.h"

struct site {
	char *directory; /* absolute */
	char *listen; /* of the gateway */
	char *issuer;
	char *audience;
	int64_t lifetime_max_s;
	int64_t runner_uid;
};

/* Reads gateway.json. ERR_NOT_FOUND with the command that makes it. */
int site_load(const char *directory, struct site *ret, struct err *err);
void site_done(struct site *site);
/* The caller frees. */
char *site_path(const struct site *site, const char *name);
/* runner.json's `run`, with "/admin.sock". The caller frees; NULL: *err. */
char *site_admin_socket(const char *directory, struct err *err);

struct site_log {
	char *database;
	char *origin;
};

/* The audit log of runner.json. */
int site_find_log(const char *directory, struct site_log *ret, struct err *err);
void site_log_done(struct site_log *log);

/* CA certificate and operator/ca.key, which nobody else may read. */
int
site_load_issuer(const struct site *site, struct issuer *ret, struct err *err);
/* operator/token.key, whose public part must be in token-keys/. The caller
 * frees the key. */
EVP_PKEY *site_load_token_key(const struct site *site,
    const struct authority *authority, struct err *err);
int site_load_authority(
    const struct site *site, struct authority *ret, struct err *err);

/* Writes operator/issued/SERIAL.pem. */
int site_keep_certificate(
    const struct site *site, X509 *certificate, struct err *err);
/* Lower-case hexadecimal. The caller frees. */
char *site_serial(const X509 *certificate);

#define CERTIFICATE_FILE_MAX ((size_t)64 * 1024)
#define KEY_FILE_MAX ((size_t)16 * 1024)
/* The certificate in a PEM file, "-" for standard input; NULL: *err. */
X509 *site_read_certificate(const char *path, struct err *err);

#endif
