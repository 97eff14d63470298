/*
 * Who is asking, and may he: certificate and token to a principal, for every
 * request anew, also on a connection that is open already.
 */
#ifndef GATEWAY_AUTH_H
#define GATEWAY_AUTH_H

#include <stdint.h>

#include "certs/principal.h"
#include "gateway/problem.h"
#include "gateway/route.h"

struct auth_question {
	const struct authority *authority;
	struct token_cache *cache;
	const struct certificate *certificate; /* verified at the handshake */
	const char *authorization; /* the header field, or NULL */
	const struct route *route;
	int64_t now_s;
};

/* 0, or -1 with *ret_problem: UNAUTHENTICATED or INSUFFICIENT_SCOPE. The
 * principal's certificate is filled in either case. */
int auth_check(const struct auth_question *question, struct principal *ret,
    struct problem *ret_problem);

#endif
