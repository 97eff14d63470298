/*
 * One output stream of a task on its way here: how far it has come, and what
 * the end of a transfer means for it. Pure but for what goes into its sink.
 */
#ifndef CLIENT_STREAM_H
#define CLIENT_STREAM_H

#include "client/failure.h"
#include "client/http.h"
#include "client/retry.h"
#include "client/sink.h"
#include "lib/digest.h"

struct stream {
	const char *name; /* "stdout", "stderr" */
	struct sink *sink;
	bool follow;
	int64_t offset; /* of the next byte that is wanted */
	bool ended; /* nothing more is wanted */
	bool paused; /* the transfer waits for the sink */
	struct transfer *transfer; /* NULL: none under way */
	struct retry retry;
	int64_t due_ms; /* when to start the next, of clock_boot_ms() */
	void *digest; /* EVP_MD_CTX, of all that was taken; NULL: not hashed */
};

/* What is taken from here on is hashed; stream_done() ends that. */
void stream_hash(struct stream *stream);
/* Once, at the end; "" where it was not hashed. */
void stream_digest(struct stream *stream, char ret[SHA256_HEX]);
void stream_done(struct stream *stream);

/* Of struct http_request: `arg` is the stream. */
bool stream_take(void *arg, const char *data, size_t len);

/* "/v1/tasks/ID/output?..." from here on. The caller frees. */
char *stream_path(const struct stream *stream, const char *task);

enum stream_verdict { STREAM_ENDED, STREAM_AGAIN, STREAM_FAILED };

/*
 * What the end of its transfer means: all bytes came (STREAM_ENDED), the
 * connection was lost and goes on at `offset` at `due_ms` (STREAM_AGAIN), or
 * there is no use in trying (STREAM_FAILED).
 */
enum stream_verdict
stream_judge(struct stream *stream, const struct retry_policy *policy,
    const struct http_reply *reply, int64_t now_ms, uint32_t random);

/* The task has finished with `kept` bytes in this stream (-1: not known): one
 * that has ended too early goes on, but not forever. */
enum stream_verdict
stream_check_length(struct stream *stream, int64_t kept, int64_t now_ms);

#endif
