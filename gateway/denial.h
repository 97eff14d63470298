/*
 * A task that the policy denied here, as the runner is told of it for the
 * audit: whole, so that it can be decided again later. Pure but for the salts
 * of what is hashed.
 */
#ifndef GATEWAY_DENIAL_H
#define GATEWAY_DENIAL_H

#include "policy/recorded.h"

struct denial {
	struct recorded_decision decision;
	const struct request *request;
	const char *body; /* as it came */
	size_t len;
	bool is_signed;
	const char *condition; /* NULL: the caller is told none */
};

/* The member `task` of the message `refusal` (docs/protocol.md); a request
 * that is too long for a message is left out. New. */
json_t *denial_describe(const struct denial *denial);

#endif
