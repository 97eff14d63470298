/*
 * The body of an approval: what somebody decides about another's task. Who
 * approves repeats what the task is, as it was shown, so that a signature
 * covers what was seen and not only the task's id. Pure.
 */
#ifndef POLICY_APPROVAL_H
#define POLICY_APPROVAL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "lib/err.h"

#define APPROVAL_REASON_MAX 200 /* bytes */

struct approval {
	json_t *body; /* owned; the rest is borrowed from it */
	bool approves; /* else it denies */
	const char *reason; /* NULL: none is given */
	const json_t *request; /* as it was shown; NULL where it denies */
};

/* ERR_MALFORMED, or ERR_UNPROCESSABLE with the member's path. */
int approval_parse(
    const char *text, size_t len, struct approval *ret, struct err *err);
void approval_done(struct approval *approval);

#endif
