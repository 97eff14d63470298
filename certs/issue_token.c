/*
 * Role: makes tokens.
 * Trusts the operator for everything that they say.
 * Must never make one that token_verify() would not take apart again.
 */
#include "certs/issue_token.h"

#include <jwt.h>
#include <string.h>

#include "certs/issue_key.h"
#include "certs/openssl.h"
#include "lib/alloc.h"
#include "lib/buffer.h"
#include "lib/clock.h"
#include "lib/json.h"

DEFINE_CLEANUP(jwt_t, jwt_free);

/* What fails in here has nothing to do with anybody's input. */
static void
require(bool done)
{
	if (!done)
		die("cannot make a token");
}

static int
check_order(const struct token_order *order, EVP_PKEY *key, struct err *err)
{
	if (EVP_PKEY_get_base_id(key) != EVP_PKEY_EC ||
	    EVP_PKEY_get_bits(key) != 256)
		return err_set(
		    err, ERR_UNPROCESSABLE, "the token key is not on P-256");
	if (!subject_is_valid(order->subject))
		return err_set(err, ERR_UNPROCESSABLE,
		    "\"%.64s\" is not a valid name", order->subject);
	if (order->nroles > TOKEN_ROLES_MAX)
		return err_set(err, ERR_UNPROCESSABLE,
		    "a token has at most %d roles", TOKEN_ROLES_MAX);
	for (size_t k = 0; k < order->nroles; k++) {
		if (!token_role_is_valid(order->roles[k]))
			return err_set(err, ERR_UNPROCESSABLE,
			    "\"%.64s\" is not a valid role: 1 to %d of a-z, "
			    "0-9, '_', '-', beginning with a letter or a digit",
			    order->roles[k], TOKEN_ROLE_MAX);
	}
	if (order->lifetime_s <= 0)
		return err_set(err, ERR_UNPROCESSABLE,
		    "a token's lifetime must be positive");
	return 0;
}

static void
add_text(jwt_t *jwt, const char *claim, const char *value)
{
	require(jwt_add_grant(jwt, claim, value) == 0);
}

static void
add_scope(jwt_t *jwt, unsigned scopes)
{
	auto_buffer text = BUFFER_INIT(TOKEN_MAX);

	for (unsigned bit = 1; bit <= scopes && bit != 0; bit <<= 1) {
		if ((scopes & bit) == 0)
			continue;
		if (text.len > 0)
			buffer_append_string(&text, " ");
		buffer_append_string(&text, scope_name((enum scope)bit));
	}
	add_text(jwt, "scope", text.data != NULL ? text.data : "");
}

/* libjwt 1.10.2 takes what is not a string only as the text of an object. */
static void
add_objects(jwt_t *jwt, const struct token_order *order)
{
	auto_json *roles = json_array();

	for (size_t k = 0; k < order->nroles; k++)
		require(json_array_append_new(
			    roles, json_string(order->roles[k])) == 0);
	auto_json *claims = json_pack("{s:O, s:{s:s}}", "roles", roles, "cnf",
	    "x5t#S256", order->thumbprint);
	require(claims != NULL);
	auto_free char *text = json_encode_canonical(claims, NULL);
	require(jwt_add_grants_json(jwt, text) == 0);
}

static void
add_claims(jwt_t *jwt, const struct token_order *order, const char *id)
{
	add_text(jwt, "iss", order->issuer);
	add_text(jwt, "sub", order->subject);
	add_text(jwt, "aud", order->audience);
	add_text(jwt, "jti", id);
	require(jwt_add_grant_int(jwt, "iat", order->now_s) == 0 &&
	    jwt_add_grant_int(jwt, "nbf", order->now_s) == 0 &&
	    jwt_add_grant_int(jwt, "exp", order->now_s + order->lifetime_s) ==
		0);
	add_scope(jwt, order->scopes);
	add_objects(jwt, order);
}

int
issue_token(const struct token_order *order, EVP_PKEY *key, char **ret_token,
    char ret_id[TOKEN_ID_MAX + 1], struct err *err)
{
	AUTO(jwt_freep) jwt_t *jwt = NULL;
	char kid[KEY_ID];
	char id[UUID_TEXT];

	if (check_order(order, key, err) != 0)
		return -1;
	auto_secret char *pem = issue_key_encode(key);
	key_id(key, kid);
	uuid_make(order->now_s * 1000, id);
	require(jwt_new(&jwt) == 0 && jwt_add_header(jwt, "kid", kid) == 0);
	add_claims(jwt, order, id);
	require(jwt_set_alg(jwt, JWT_ALG_ES256, (const unsigned char *)pem,
		    (int)strlen(pem)) == 0);
	auto_secret char *token = jwt_encode_str(jwt);
	ERR_clear_error();
	require(token != NULL);
	if (strlen(token) > TOKEN_MAX)
		return err_set(err, ERR_UNPROCESSABLE,
		    "the token would be longer than %d bytes", TOKEN_MAX);
	*ret_token = take(token);
	memcpy(ret_id, id, sizeof(id));
	return 0;
}
