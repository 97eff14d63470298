/*
 * Stands between the runner and the real engine, in a process of its own, and
 * spoils answers: bytes are exchanged for others of the same number, or an
 * answer is cut in its middle.
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
void fault_proxy_stop(pid_t proxy);

#endif
