/*
 * Stands between the runner and the real engine, in a process of its own, and
 * spoils answers: bytes are exchanged for others of the same number, or an
 * answer is cut in its middle. Or it holds requests back.
 */
#ifndef TESTS_E2E_FAULT_PROXY_H
#define TESTS_E2E_FAULT_PROXY_H

#include <sys/types.h>

struct fault {
	/* Of equal length. '?' in `find` is any byte, in `put` the byte that
	 * was there. */
	const char *find;
	const char *put; /* NULL: the answer ends before `find` */
};

/* Listens at the path. */
pid_t fault_proxy_start(
    const char *path, const char *engine_path, const struct fault *fault);
/* Spoils nothing. A request with the text in it waits: a byte comes out of the
 * gate then, one of a socket pair, and one that is put in lets it go on. */
pid_t fault_proxy_start_holding(
    const char *path, const char *engine_path, const char *text, int gate);
void fault_proxy_stop(pid_t proxy);

#endif
