/*
 * Followers of a task's output, and what output.c and follow.c share.
 */
#ifndef RUNNER_FOLLOW_H
#define RUNNER_FOLLOW_H

#include "runner/file_digest.h"
#include "runner/output.h"

struct follower;

struct output {
	struct output_store *store;
	char task[UUID_TEXT];
	int fds[STREAM_COUNT]; /* -1: not a byte yet */
	int64_t kept[STREAM_COUNT];
	struct file_digest *digests[STREAM_COUNT];
	int digesting;
	void (*digested)(void *arg);
	void *arg;
	int64_t left; /* of the limit */
	bool truncated;
	int errnum; /* what the disk said */
	bool ended;
	bool released;
	struct follower *followers;
};

/* There is more of this stream, or no more to come. */
void follow_pump(struct output *output, enum stream stream);
void output_free_if_unused(struct output *output);

#endif
