/*
 * Small requests beside a running follow: cancel, signal. Sent in order of
 * their coming, each until it is answered or given up.
 */
#ifndef CLIENT_ERRAND_H
#define CLIENT_ERRAND_H

#include "client/session.h"

#define ERRANDS_MAX 16

struct errand {
	const char *method;
	char *path;
	char *body; /* or NULL */
	const char *signal; /* its name, static; NULL: it is none */
	const struct retry_policy *policy;
	struct transfer *transfer;
	struct retry retry;
	int64_t due_ms;
};

struct errands {
	struct errand list[ERRANDS_MAX];
	size_t count;
};

/* DELETE of the task with this grace. What does not fit is dropped: a person
 * presses a key again. */
void errands_cancel(struct errands *errands, const char *task, int grace_s);
/* POST of a signal (a static name), once. One that comes while the task does
 * not run is dropped, with a word about it. */
void
errands_signal(struct errands *errands, const char *task, const char *signal);

/* Starts what is due, takes what is done. A failure that stays is printed. */
void errands_turn(struct errands *errands, struct session *session);
/* When something is due next, of clock_boot_ms(); INT64_MAX: nothing. */
int64_t errands_due(const struct errands *errands);
void errands_done(struct errands *errands);

#endif
