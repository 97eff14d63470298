/*
 * Which secrets a rule gives to its tasks: each under a name of the task's, and
 * the name of the file in the runner's secret folder that holds it. Pure: only
 * names, never what the files hold.
 *
 *	{"token": "api-token"}		/run/secrets/token
 */
#ifndef POLICY_SECRET_H
#define POLICY_SECRET_H

#include <jansson.h>
#include <stddef.h>

#include "lib/err.h"

#define SECRETS_MAX 16

/* Both as the names of inputs: policy/request.h. Borrowed from the JSON. */
struct secret {
	const char *name; /* in the task */
	const char *file; /* in the folder */
};

struct secrets {
	json_t *json; /* owned */
	struct secret list[SECRETS_MAX]; /* sorted by name */
	size_t count;
};

/* ERR_UNPROCESSABLE, "path: reason". */
int secrets_read(
    const json_t *json, const char *path, struct secrets *ret, struct err *err);
/* The one spelling of them, which secrets_parse() reads back; the caller
 * frees. */
char *secrets_text(const struct secrets *secrets);
/* NULL: none. */
int secrets_parse(const char *text, struct secrets *ret, struct err *err);
/* As the task finds them; what the operator calls them stays his. An array; the
 * caller frees. */
json_t *secrets_show(const char *text);
void secrets_done(struct secrets *secrets);

#endif
