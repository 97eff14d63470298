/*
 * A body under way: the question that it belongs to, the pipe that it comes
 * by, and what becomes of its bytes. What `stdin` and `blob` share.
 */
#ifndef RUNNER_INTAKE_H
#define RUNNER_INTAKE_H

#include "runner/peers.h"
#include "runner/upload.h"

/* Bodies under way: in all, and of one subject. */
#define INTAKES_MAX 1024
#define INTAKES_PER_SUBJECT 128

struct intake;

/* What becomes of the bytes. `arg` of all: the intake's. */
struct intake_kind {
	/* How much write() takes now; after 0, intake_resume(). */
	size_t (*room)(const void *arg);
	/* -1: no more is taken; nothing of this kind is called any more. */
	int (*write)(void *arg, const void *data, size_t len, struct err *err);
	/* All of it came; intake_reply_take() or intake_fail() follows, now
	 * or later. */
	void (*finish)(struct intake *intake, void *arg);
	/* Instead: it broke off. */
	void (*abort)(void *arg);
};

/* ERR_BUSY, ERR_UNAVAILABLE: too many are under way. *ret_fd: the pipe's
 * writing end, for intake_begin(). The question stays the caller's on
 * failure. */
int intake_open(struct question *question, const struct intake_kind *kind,
    struct intake **ret, int *ret_fd, struct err *err);
/* Tells the gateway that the body may come. `arg` is what write() and the
 * others get; fd is closed. */
void intake_begin_take(struct intake *intake, void *arg, int fd);
/* Instead of intake_begin_take(): answers, and gives everything back. */
void intake_refuse_take(struct intake *intake, const struct err *err, int fd);

/* There is room again. */
void intake_resume(struct intake *intake);
/* Each answers, if somebody still waits, and frees the intake. */
void intake_reply_take(struct intake *intake, int status, json_t *body);
void intake_fail(struct intake *intake, const struct err *err);
/* Where a task's input stands, for a failure to say. */
void intake_set_received(struct intake *intake, int64_t received);

/* Nobody waits for the answer any more: what is whole goes on, the rest has
 * broken off. The question is the caller's to free. */
void intake_forget(struct intake *intake);

#endif
