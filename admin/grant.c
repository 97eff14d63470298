/*
 * Role: makes the tokens that the operator asks for.
 * Trusts the operator.
 * Must never issue a token that the gateway would refuse.
 */
#include "admin/grant.h"

#include <string.h>

#include "admin/tool.h"
#include "certs/issue_key.h"
#include "certs/openssl.h"

#define LIFETIME_S 3600

static int
refuse_scope(const char *text, struct err *err)
{
	static const char names[] =
#define SCOPE(name, bit, text) " " text
#include "certs/scopes.def"
#undef SCOPE
	    ;

	return err_set(err, ERR_UNPROCESSABLE,
	    "--scope: \"%s\" is not one of%s", text, names);
}

static int
read_scopes(const struct invocation *invocation, unsigned *ret, struct err *err)
{
	const char *text;
	unsigned scopes = 0;

	for (size_t k = 0; (text = option_each(invocation, "scope", k)) != NULL;
	     k++) {
		enum scope scope = scope_parse(text, strlen(text));
		if (scope == SCOPE_NONE)
			return refuse_scope(text, err);
		scopes |= scope;
	}
	*ret = scopes != 0
	    ? scopes
	    : SCOPE_TASKS_RUN | SCOPE_TASKS_READ | SCOPE_TASKS_CANCEL;
	return 0;
}

int
grant_read(const struct invocation *invocation, const struct site *site,
    struct grant *ret, struct err *err)
{
	const char *role;

	while ((role = option_each(invocation, "role", ret->nroles)) != NULL) {
		if (ret->nroles == TOKEN_ROLES_MAX)
			return err_set(err, ERR_UNPROCESSABLE,
			    "--role: a token has at most %d roles",
			    TOKEN_ROLES_MAX);
		ret->roles[ret->nroles++] = role;
	}
	int64_t fallback_s = site->lifetime_max_s < LIFETIME_S
	    ? site->lifetime_max_s
	    : LIFETIME_S;
	if (read_scopes(invocation, &ret->scopes, err) != 0 ||
	    tool_duration(
		invocation, "ttl", fallback_s, &ret->lifetime_s, err) != 0)
		return -1;
	if (ret->lifetime_s > site->lifetime_max_s)
		return err_set(err, ERR_UNPROCESSABLE,
		    "--ttl: longer than %lld seconds, which is the longest "
		    "that gateway.json accepts (token_lifetime_max)",
		    (long long)site->lifetime_max_s);
	return 0;
}

static int
issue(const struct site *site, const struct authority *authority,
    const struct token_order *order, char **ret_token, struct err *err)
{
	char id[TOKEN_ID_MAX + 1];
	AUTO(EVP_PKEY_freep)
	EVP_PKEY *key = site_load_token_key(site, authority, err);

	if (key == NULL)
		return -1;
	return issue_token(order, key, ret_token, id, err);
}

int
grant_issue(const struct site *site, const struct grant *grant,
    const char *subject, X509 *certificate, char **ret_token, struct err *err)
{
	AUTO(authority_done) struct authority authority = {0};
	struct certificate found;
	int64_t now_s = tool_now_s();

	if (site_load_authority(site, &authority, err) != 0 ||
	    certificate_verify(
		authority.trust, certificate, now_s, &found, err) != 0)
		return -1;
	if (strcmp(found.subject, subject) != 0)
		return err_set(err, ERR_UNPROCESSABLE,
		    "the certificate is %s's, not %s's; a token is good only "
		    "with its own certificate",
		    found.subject, subject);
	const struct token_order order = {
	    .issuer = site->issuer,
	    .audience = site->audience,
	    .subject = subject,
	    .thumbprint = found.thumbprint,
	    .scopes = grant->scopes,
	    .roles = grant->roles,
	    .nroles = grant->nroles,
	    .now_s = now_s,
	    .lifetime_s = grant->lifetime_s,
	};
	return issue(site, &authority, &order, ret_token, err);
}
