/*
 * An HTTP/1.1 reply, byte by byte as it comes: its head's fields and where its
 * body ends. Strict and pure: what a server of ours would not write, and two
 * readers could read differently, is no reply.
 */
#ifndef CLIENT_REPLY_H
#define CLIENT_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/digest.h"

#define REPLY_HEAD_MAX (16 * 1024)

enum reply_state {
	REPLY_IN_HEAD,
	REPLY_IN_BODY, /* `left` bytes of it */
	REPLY_IN_CHUNK_SIZE,
	REPLY_IN_CHUNK, /* `left` bytes of it */
	REPLY_IN_CHUNK_END,
	REPLY_IN_TRAILER,
	REPLY_UNTIL_CLOSE,
	REPLY_WHOLE,
	REPLY_BAD
};

struct reply {
	enum reply_state state;
	uint64_t left;
	unsigned interim; /* heads of 1xx so far */
	size_t trailer; /* bytes of it so far */

	/* Of the head. */
	int status; /* 0: not there yet */
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

void reply_init(struct reply *reply);

enum reply_step {
	REPLY_STEP_MORE, /* all of it was read; more is to come */
	REPLY_STEP_BODY, /* the next bytes are the body's */
	REPLY_STEP_WHOLE,
	REPLY_STEP_BAD
};

/*
 * Reads from the front of what has come. *ret_used bytes are done with. With
 * REPLY_STEP_BODY the *ret_body bytes behind those are the body's: what the
 * caller takes of them, it says by reply_take().
 */
enum reply_step reply_read(struct reply *reply, const char *data, size_t len,
    size_t *ret_used, size_t *ret_body);
void reply_take(struct reply *reply, size_t len);
/* The other side has ended in good order: whether the reply is whole. */
bool reply_end(struct reply *reply);

#endif
