/*
 * Why there was no whole reply: what to tell a person, and whether it is worth
 * another try.
 */
#ifndef CLIENT_FAULT_H
#define CLIENT_FAULT_H

#include <stddef.h>

#include "client/retry.h"

enum fault_kind {
	FAULT_NONE,
	FAULT_NO_HOST,
	FAULT_NOT_CONNECTED,
	FAULT_CONNECT_TIMEOUT,
	FAULT_STRANGER, /* its certificate is not accepted */
	FAULT_REFUSED, /* ours is not */
	FAULT_OWN_CERTIFICATE,
	FAULT_OWN_CA,
	FAULT_NO_TLS,
	FAULT_LOST,
	FAULT_TIMEOUT,
	FAULT_NO_HTTP,
	FAULT_TOO_LARGE,
	FAULT_SOURCE /* the request's body could not be had */
};

struct fault {
	enum fault_kind kind;
	char detail[128]; /* of a system or library, or "" */
};

enum retry_cause fault_cause(enum fault_kind kind);
/* Of a struct failure. */
const char *fault_slug(enum fault_kind kind);
/* "nobody answers at this address (Connection refused)". */
void fault_describe(const struct fault *fault, char *ret, size_t size);

/* Sets it, once: the first is the cause of the rest. */
void fault_set(struct fault *fault, enum fault_kind kind, const char *detail);

#endif
