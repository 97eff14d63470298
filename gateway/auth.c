/*
 * From the header field to a principal. Must never repeat a byte of a token.
 */
#include <string.h>
#include <strings.h>

#include "gateway/auth.h"

#define SCHEME "Bearer "

/* RFC 9110 11.4: the scheme's name in any case, then one blank. */
static int
find_token(const char *authorization, const char **ret, size_t *ret_len,
    struct err *err)
{
	if (authorization == NULL)
		return err_set(err, ERR_UNAUTHENTICATED,
		    "a token is needed: Authorization: Bearer TOKEN");
	if (strncasecmp(authorization, SCHEME, strlen(SCHEME)) != 0)
		return err_set(err, ERR_UNAUTHENTICATED,
		    "the Authorization is not of the scheme Bearer");
	*ret = authorization + strlen(SCHEME);
	*ret_len = strlen(*ret);
	if (*ret_len > TOKEN_MAX)
		return err_set(err, ERR_UNAUTHENTICATED,
		    "the token is longer than %d bytes", TOKEN_MAX);
	return 0;
}

static int
authenticate(const struct auth_question *question, struct principal *ret,
    struct err *err)
{
	struct principal principal;
	const char *token = NULL;
	size_t len = 0;

	if (certificate_check_time(
		question->certificate, question->now_s, err) < 0)
		return -1;
	if (question->route->access != ACCESS_TOKEN)
		return 0;
	if (find_token(question->authorization, &token, &len, err) < 0)
		return -1;
	if (principal_authenticate(question->authority, question->cache,
		question->certificate, token, len, question->now_s, &principal,
		err) < 0)
		return -1;
	*ret = principal;
	return 0;
}

int
auth_check(const struct auth_question *question, struct principal *ret,
    struct problem *ret_problem)
{
	struct err err;

	*ret = (struct principal){.certificate = *question->certificate};
	if (authenticate(question, ret, &err) < 0) {
		*ret_problem = (struct problem){.err = err};
		return -1;
	}
	if (question->route->scope != SCOPE_NONE &&
	    principal_require(ret, question->route->scope, &err) < 0) {
		*ret_problem = (struct problem){
		    .err = err, .scope = scope_name(question->route->scope)};
		return -1;
	}
	return 0;
}
