/*
 * What the runner sends, read strictly (docs/protocol.md). Pure. The strings
 * and objects that come out are borrowed from the message, but for a body
 * that travelled as a descriptor.
 */
#ifndef GATEWAY_RUNNER_MESSAGE_H
#define GATEWAY_RUNNER_MESSAGE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/err.h"
#include "lib/message.h"

struct runner_welcome {
	int64_t version;
	const char *runner;
};

struct runner_state {
	bool ready;
	json_t *reasons; /* array of strings */
	int64_t queued, running, capacity;
	json_t *counters; /* object */
};

struct runner_reply {
	int64_t request, status;
	json_t *body; /* NULL: none; owned if `sealed` */
	bool sealed;
	int *fd; /* a descriptor for the caller, or NULL */
};

struct runner_failure {
	int64_t request, retry_after_s;
	const char *error, *detail, *rule, *condition; /* last two or NULL */
};

/* All: ERR_MALFORMED or ERR_UNPROCESSABLE. */
int runner_read_welcome(
    const struct message *message, struct runner_welcome *ret, struct err *err);
int runner_read_state(
    const struct message *message, struct runner_state *ret, struct err *err);
int runner_read_reply(
    struct message *message, struct runner_reply *ret, struct err *err);
int runner_read_failure(
    const struct message *message, struct runner_failure *ret, struct err *err);

#endif
