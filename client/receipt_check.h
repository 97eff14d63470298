/*
 * Whether a receipt that holds (lib/receipt.h) is of what was asked for and of
 * what came: who stands between could have made another task, or changed an
 * answer. Pure.
 */
#ifndef CLIENT_RECEIPT_CHECK_H
#define CLIENT_RECEIPT_CHECK_H

#include "lib/receipt.h"

struct receipt_stream {
	const char *name; /* "stdout", "stderr" */
	int64_t length; /* -1: it did not come whole, and is not compared */
	char sha256[SHA256_HEX];
};

/* NULL, and "": not known here. Borrowed. */
struct receipt_wanted {
	const char *task;
	const char *thumbprint; /* of the certificate that asked */
	char request_sha256[SHA256_HEX];
	const json_t *document; /* the task, as the server described it */
	const struct receipt_stream *streams;
	size_t nstreams;
};

/* ERR_CONFLICT: what differs. */
int receipt_check(const struct receipt *receipt,
    const struct receipt_wanted *wanted, struct err *err);

#endif
