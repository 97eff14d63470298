/*
 * Problem documents (RFC 9457): how every refusal and failure is told to a
 * client. Pure.
 */
#ifndef GATEWAY_PROBLEM_H
#define GATEWAY_PROBLEM_H

#include <stdint.h>

#include "lib/err.h"

#define PROBLEM_MEDIA_TYPE "application/problem+json"

struct problem {
	struct err err;
	const char *rule, *condition; /* borrowed; NULL: none */
	const char *allow; /* METHOD_NOT_ALLOWED: value of Allow */
	const char *scope; /* INSUFFICIENT_SCOPE: the one that is missing */
	int64_t retry_after_s; /* BUSY, OVER_RATE, UNAVAILABLE; 0: 1 */
	const int64_t
	    *received; /* where a task's input stands; NULL: no matter */
};

struct problem_field {
	const char *name; /* NULL ends */
	char value[128];
};
#define PROBLEM_FIELDS_MAX 3

/* The document. Details that are not public are left out. The caller frees. */
char *problem_body(const struct problem *problem, const char *request_id);
/* The header fields that belong to this error, beside Content-Type. */
void problem_fields(const struct problem *problem,
    struct problem_field ret[PROBLEM_FIELDS_MAX]);
/* A whole response, "Connection: close", for what no handler will see. The
 * caller frees. */
char *problem_response(const struct problem *problem, const char *request_id);

#endif
