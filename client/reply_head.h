/*
 * The head of an HTTP/1.1 reply: its status and those fields that mean
 * something to us. Strict and pure.
 */
#ifndef CLIENT_REPLY_HEAD_H
#define CLIENT_REPLY_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/digest.h"

#define REPLY_HEAD_MAX (16 * 1024)

struct reply_head {
	int status; /* 0: not read; 1xx: another follows */
	int retry_after_s; /* -1: not said */
	int64_t date_s; /* 0: not said */
	int64_t length; /* of the body; -1: not said */
	bool chunked;
	bool closes; /* nothing follows on this connection */
	bool has_next; /* Link: rel="next" */
	bool has_digest; /* Content-Digest: sha-256 */
	uint8_t digest[SHA256_BYTES];
	char scope[64]; /* of WWW-Authenticate */
};

/* A whole head, to the end of its empty line. False: no server of ours wrote
 * it. */
bool reply_head_read(const char *text, size_t len, struct reply_head *ret);

#endif
