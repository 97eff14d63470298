/*
 * Tokens: JWT, ES256, bound to a certificate (RFC 7519, RFC 8705). Our own
 * strict reader takes compact form and claims apart; libjwt checks the
 * signature, nothing else.
 */
#ifndef CERTS_TOKEN_H
#define CERTS_TOKEN_H

#include <jansson.h>
#include <stdint.h>

#include "certs/certificate.h"
#include "lib/err.h"

#define TOKEN_MAX 4096
#define TOKEN_ROLES_MAX 16
#define TOKEN_ROLE_MAX 32 /* bytes, [a-z0-9][a-z0-9_-]* */
#define TOKEN_ID_MAX 64
#define TOKEN_LEEWAY_S 60

enum scope {
	SCOPE_NONE = 0, /* a certificate is enough, a token is not asked for */
#define SCOPE(name, bit, text) SCOPE_##name = 1 << (bit),
#include "certs/scopes.def"
#undef SCOPE
};

/* One scope's bit, or SCOPE_NONE. */
enum scope scope_parse(const char *text, size_t len);
const char *scope_name(enum scope one);

struct token_claims {
	char subject[SUBJECT_MAX + 1];
	char id[TOKEN_ID_MAX + 1]; /* jti */
	char key_id[TOKEN_ID_MAX + 1];
	char thumbprint[SHA256_BASE64URL]; /* cnf.x5t#S256 */
	int64_t issued_at_s, not_before_s, expires_s;
	unsigned scopes; /* bits of enum scope; unknown names are passed over */
	char roles[TOKEN_ROLES_MAX][TOKEN_ROLE_MAX + 1];
	size_t nroles;
};

/* [A-Za-z0-9_-], 1 to TOKEN_ID_MAX of them: `kid` and `jti`. */
bool token_id_is_valid(const char *id);
/* [a-z0-9][a-z0-9_-]*, TOKEN_ROLE_MAX at most. */
bool token_role_is_valid(const char *role);

/* Public keys by `kid`: the files KID.pem of a directory. An empty directory,
 * an empty file or a key that is not P-256 is a failure to start. */
struct token_keys;
struct token_keys *token_keys_load(const char *directory, struct err *err);
void token_keys_free(struct token_keys *keys);
/* The PEM of one key, or NULL; borrowed. */
const char *token_keys_find(const struct token_keys *keys, const char *key_id);
/* The `kid` of each, in the directory's order, NULL behind the last; borrowed.
 */
const char *token_keys_id(const struct token_keys *keys, size_t k);

/*
 * The compact form taken apart: exactly three parts of strict base64url,
 * header and payload JSON objects without duplicate members, a header of
 * nothing but alg, typ and kid with the values that we accept. Nothing is
 * verified yet. The caller owns both objects. ERR_UNAUTHENTICATED.
 */
int token_read(const char *token, size_t len, json_t **ret_header,
    json_t **ret_payload, struct err *err);

struct token_expectation {
	const char *issuer;
	const char *audience;
	int64_t lifetime_max_s;
};

/* ERR_UNAUTHENTICATED with the first thing that is wrong; the detail never
 * holds a byte of the token. */
int token_verify(const struct token_keys *keys,
    const struct token_expectation *expected, const char *token, size_t len,
    int64_t now_s, struct token_claims *ret, struct err *err);

/* Of claims verified before: whether they hold now. ERR_UNAUTHENTICATED. */
int token_check_time(
    const struct token_claims *claims, int64_t now_s, struct err *err);

#endif
