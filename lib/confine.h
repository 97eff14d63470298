/*
 * How a program closes itself in, before the first byte from outside: Landlock
 * holds back files and TCP, seccomp system calls. What a program may open and
 * call is its own list (gateway/confine.c, runner/confine.c).
 *
 * A call that is on no list fails with ENOSYS, as on a kernel that does not
 * have it. One that nobody needs but who has taken over the process (to start
 * a program, to look into another, to mount) ends the process with SIGSYS.
 */
#ifndef LIB_CONFINE_H
#define LIB_CONFINE_H

#include <seccomp.h>
#include <stddef.h>

#include "lib/err.h"

enum confine_access {
	/* The folder that holds the path, and the one that holds what it
	 * leads to: what is replaced by a rename is found. */
	CONFINE_READ_BESIDE,
	CONFINE_READ, /* the path itself */
	CONFINE_WRITE, /* the folder: all but to execute */
	CONFINE_CONNECT_BESIDE, /* to sockets in the folder that holds it */
};

struct confine_place {
	const char *path; /* NULL: none */
	enum confine_access access;
};

#define CONFINE_COMPARED_MAX 2

/* A call that is allowed, if (argument & mask) == value for each. */
struct confine_call {
	int number;
	struct {
		unsigned argument;
		uint64_t mask, value;
	} compared[CONFINE_COMPARED_MAX]; /* mask 0: none */
};

#define CONFINE_CALL(name)               \
	{                                \
		.number = SCMP_SYS(name) \
	}
#define CONFINE_CALL_IF(name, ...)                                    \
	{                                                             \
		.number = SCMP_SYS(name), .compared = { __VA_ARGS__ } \
	}
/* The kernel looks at the lower half of an int. */
#define CONFINE_INT(n, number)                      \
	{                                           \
		(n), UINT32_MAX, (uint32_t)(number) \
	}
#define CONFINE_MASK(n, bits, number) \
	{                             \
		(n), (bits), (number) \
	}

struct confine_list {
	const struct confine_place *places;
	size_t nplaces;
	const struct confine_call *calls; /* besides those that all need */
	size_t ncalls;
};

/*
 * Closes the process in; needs no_new_privs, and that no other thread has been
 * started. *ret_landlock is the version of Landlock's interface that is in
 * force, 0 where the kernel has none: that is no failure.
 */
int
confine(const struct confine_list *list, int *ret_landlock, struct err *err);
/* One line in the log: what is in force, or that the kernel lacks it. */
void confine_announce(int landlock);

#endif
