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

/* ca.crt: every certificate of it. */
int
site_load_bundle(const struct site *site, struct bundle *ret, struct err *err);
/* operator/ca.key, which nobody else may read, and its certificate, which is
 * one of the bundle. */
int
site_load_issuer(const struct site *site, struct issuer *ret, struct err *err);
/* operator/token.key, whose public part must be in token-keys/. The caller
 * frees the key. */
EVP_PKEY *site_load_token_key(const struct site *site,
    const struct authority *authority, struct err *err);
int site_load_authority(
    const struct site *site, struct authority *ret, struct err *err);

/* A private key by its name in the folder. The caller frees. */
EVP_PKEY *
site_load_key(const struct site *site, const char *name, struct err *err);

/* Files that are replaced in several steps are one operator's at a time. The
 * descriptor is the lock. */
int site_lock(const char *directory, int *ret_fd, struct err *err);

/* Each certificate of operator/issued; -1 from the callee ends it. */
typedef int site_issued(void *arg, X509 *certificate, struct err *err);
int site_each_issued(
    const struct site *site, site_issued *each, void *arg, struct err *err);
/* Writes operator/issued/SERIAL.pem. */
int site_keep_certificate(
    const struct site *site, X509 *certificate, struct err *err);
/* A file, or the serial number of one that was signed here; NULL: *err. */
X509 *site_find_certificate(
    const char *directory, const char *operand, struct err *err);
/* x5t#S256 (RFC 8705 3.1). The caller frees. */
char *site_thumbprint(const X509 *certificate);
/* Seconds since the epoch. */
int64_t site_time(const ASN1_TIME *time);
/* Lower-case hexadecimal. The caller frees. */
char *site_serial(const X509 *certificate);

/* How long what is made here is valid. */
#define AUTHORITY_DAYS 3650
#define SERVER_DAYS 397

#define CERTIFICATE_FILE_MAX ((size_t)64 * 1024)
#define KEY_FILE_MAX ((size_t)16 * 1024)
/* The certificate in a PEM file, "-" for standard input; NULL: *err. */
X509 *site_read_certificate(const char *path, struct err *err);

#endif
