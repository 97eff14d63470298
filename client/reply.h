/*
 * An HTTP/1.1 reply, byte by byte as it comes: its head, and where its body
 * ends. Strict and pure: what a server of ours would not write, and two readers
 * could read differently, is no reply.
 */
#ifndef CLIENT_REPLY_H
#define CLIENT_REPLY_H

#include "client/reply_head.h"

enum reply_state {
	REPLY_IN_HEAD,
	REPLY_IN_BODY, /* `left` bytes of it */
	REPLY_IN_CHUNK_SIZE,
	REPLY_IN_CHUNK, /* `left` bytes of it */
	REPLY_IN_CHUNK_END,
	REPLY_IN_LAST_CHUNK, /* its empty line */
	REPLY_WHOLE,
	REPLY_BAD
};

struct reply {
	enum reply_state state;
	uint64_t left;
	unsigned interim; /* heads of 1xx so far */
	struct reply_head head;
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

#endif
