/*
 * Role: `token`: issues tokens and says what one is good for.
 * Trusts the operator; a token to be inspected is a stranger's text.
 * Must never take a token as an argument: others see the list of processes.
 */
#include <stdio.h>
#include <string.h>

#include "admin/grant.h"
#include "admin/tool.h"
#include "admin/verbs.h"
#include "certs/issue_key.h"
#include "certs/openssl.h"
#include "lib/alloc.h"
#include "lib/file.h"
#include "lib/json.h"

#define TEXT_MAX ((size_t)64 * 1024)

static const struct column columns[] = {
    {"Subject", "subject"},
    {"Valid", "valid"},
    {"Problem", "problem"},
    {"Scopes", "scope"},
    {"Roles", "roles"},
    {"Issued", "issued_at"},
    {"Not before", "not_before"},
    {"Expires", "expires_at"},
    {"Issuer", "issuer"},
    {"Audience", "audience"},
    {"Id", "id"},
    {"Key", "key_id"},
    {"Certificate", "thumbprint"},
};
static const struct view view = {columns, COUNT(columns), "id"};

static int
write_token(
    const struct invocation *invocation, const char *token, struct err *err)
{
	const char *path = option_value(invocation, "out");
	auto_secret char *line = alloc_printf("%s\n", token);

	if (path != NULL)
		return file_write(path, line, strlen(line), 0600, err);
	fputs(line, stdout);
	return 0;
}

static int
issue(const struct invocation *invocation, struct err *err)
{
	AUTO(site_done) struct site site = {0};
	struct grant grant = {0};
	const char *path = option_value(invocation, "cert");

	if (path == NULL)
		return err_set(err, ERR_UNPROCESSABLE,
		    "--cert is missing: the certificate that the token is to "
		    "be bound to");
	if (site_load(tool_directory(invocation), &site, err) != 0 ||
	    grant_read(invocation, &site, &grant, err) != 0)
		return -1;
	AUTO(X509_freep) X509 *certificate = site_read_certificate(path, err);
	if (certificate == NULL)
		return -1;
	auto_secret char *token = NULL;
	if (grant_issue(&site, &grant, invocation->operands[0], certificate,
		&token, err) != 0)
		return -1;
	return write_token(invocation, token, err);
}

int
verb_token_issue(struct invocation *invocation)
{
	struct err err;

	return issue(invocation, &err) == 0 ? 0 : tool_fail(&err);
}

static void
copy(json_t *object, const char *member, const json_t *payload,
    const char *claim)
{
	json_t *value = json_object_get(payload, claim);

	if (value != NULL)
		json_object_set(object, member, value);
}

static void
copy_time(json_t *object, const char *member, const json_t *payload,
    const char *claim)
{
	const json_t *value = json_object_get(payload, claim);
	json_int_t seconds = json_integer_value(value);

	if (!json_is_integer(value) || seconds < 0 ||
	    seconds > INT64_C(253402300799))
		return;
	auto_free char *text = tool_time(seconds);
	json_object_set_new(object, member, json_string(text));
}

static json_t *
describe(const json_t *header, const json_t *payload)
{
	json_t *object = json_object();

	copy(object, "subject", payload, "sub");
	copy(object, "scope", payload, "scope");
	copy(object, "roles", payload, "roles");
	copy_time(object, "issued_at", payload, "iat");
	copy_time(object, "not_before", payload, "nbf");
	copy_time(object, "expires_at", payload, "exp");
	copy(object, "issuer", payload, "iss");
	copy(object, "audience", payload, "aud");
	copy(object, "id", payload, "jti");
	copy(object, "key_id", header, "kid");
	copy(object, "thumbprint", json_object_get(payload, "cnf"), "x5t#S256");
	return object;
}

/* Whether this installation accepts it now, apart from its certificate. */
static int
judge(const struct invocation *invocation, const char *token, size_t len,
    struct err *err)
{
	AUTO(site_done) struct site site = {0};
	AUTO(authority_done) struct authority authority = {0};
	struct token_claims claims;

	if (site_load(tool_directory(invocation), &site, err) != 0 ||
	    site_load_authority(&site, &authority, err) != 0)
		return -1;
	const struct token_expectation expected = {
	    .issuer = authority.issuer,
	    .audience = authority.audience,
	    .lifetime_max_s = authority.lifetime_max_s,
	};
	return token_verify(
	    authority.keys, &expected, token, len, tool_now_s(), &claims, err);
}

static size_t
trim(const char *text, size_t len)
{
	while (len > 0 && strchr(" \t\r\n", text[len - 1]) != NULL)
		len--;
	return len;
}

static int
inspect(struct invocation *invocation, bool *ret_valid, struct err *err)
{
	const char *path =
	    invocation->noperands > 0 ? invocation->operands[0] : "-";
	size_t len;
	auto_secret char *token = tool_read(path, TEXT_MAX, &len, err);
	json_t *header = NULL;
	json_t *payload = NULL;
	struct err why;

	if (token == NULL)
		return -1;
	len = trim(token, len);
	if (token_read(token, len, &header, &payload, err) != 0)
		return -1;
	auto_json *object = describe(header, payload);
	json_decref(header);
	json_decref(payload);
	*ret_valid = judge(invocation, token, len, &why) == 0;
	json_object_set_new(object, "valid", json_boolean(*ret_valid));
	if (!*ret_valid)
		json_object_set_new(object, "problem", json_string(why.detail));
	return tool_print_one(invocation, &view, object, err);
}

int
verb_token_inspect(struct invocation *invocation)
{
	struct err err;
	bool valid;

	if (inspect(invocation, &valid, &err) != 0)
		return tool_fail(&err);
	return valid ? 0 : 1;
}
