/*
 * A body on its way into the runner: bytes of a client that the gateway writes
 * into a pipe of our making, read only as fast as there is room for them.
 *
 * The end of a pipe says nothing of the body: whoever wrote may have died. A
 * body is whole when its length was told and exactly so much has come.
 */
#ifndef RUNNER_UPLOAD_H
#define RUNNER_UPLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "lib/err.h"

struct upload;

/* Each may call upload_close(). */
struct upload_events {
	/* How much may come now; after 0, upload_resume() goes on. */
	size_t (*room)(void *arg);
	void (*data)(void *arg, const void *data, size_t len);
	/* Once, never from within a call of ours. `whole`: all that was
	 * announced has come, and nothing more. */
	void (*ended)(void *arg, bool whole);
};

/* *ret_fd: the writing end, which is the caller's to hand on and to close. */
int upload_open(uv_loop_t *loop, const struct upload_events *events, void *arg,
    struct upload **ret, int *ret_fd, struct err *err);
/* The writer has written `length` bytes in all, and will not write more. */
void upload_finish(struct upload *upload, uint64_t length);
bool upload_is_finished(const struct upload *upload);
/* There is room again. */
void upload_resume(struct upload *upload);
/* No event comes after this; memory goes when the loop has turned. */
void upload_close(struct upload *upload);

#endif
