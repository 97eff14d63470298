/*
 * What whoever has taken over a process would try, tried in a child that is
 * closed in as the process is. The site has, open to everybody as far as file
 * modes go: `etc` with a file `listed`, `hidden` with a file
 * `token`, `other` with a file `secret`, `run`
 * with a listening packet socket, `engine` with a listening stream socket, and
 * `state`.
 */
#ifndef TESTS_UNIT_ATTEMPTS_H
#define TESTS_UNIT_ATTEMPTS_H

#include <netinet/in.h>
#include <stddef.h>
#include <sys/types.h>

#include "lib/err.h"

struct attempt_site {
	const char *folder;
	int listener; /* TCP, as the process itself has one */
	int connected; /* TCP, to the listener */
	struct sockaddr_in address; /* the listener's */
	int packets, stream; /* the Unix sockets */
	pid_t victim; /* another process of the same user */
	int landlock; /* what the kernel offers */
	/* As the process does it; run in the child. */
	int (*confine)(const struct attempt_site *site, int *ret_landlock,
	    struct err *err);
};

enum attempt_end {
	ATTEMPT_SUCCEEDS,
	ATTEMPT_FAILS, /* and would succeed if it were not closed in */
	ATTEMPT_ENDS_US, /* the kernel ends the process: SIGSYS */
};

struct attempt {
	const char *name;
	/* 0 where it could; otherwise errno. */
	int (*act)(const struct attempt_site *site);
	enum attempt_end end;
	/* Which version of Landlock it takes to hold it back. 0: seccomp
	 * does, which a sanitizer's build leaves out. */
	int landlock;
};

#define ATTEMPT(act, end, landlock)      \
	{                                \
#act, act, end, landlock \
	}

/* setup and teardown of cmocka; *state is the site. */
int attempts_set_up(void **state);
int attempts_tear_down(void **state);

/* What all processes are kept from, and what none is. */
void attempts_check_common(struct attempt_site *site);
/* On a kernel without Landlock: it is no failure, and what seccomp holds back
 * stays held back. */
void attempts_check_without_landlock(struct attempt_site *site);
void attempts_check(struct attempt_site *site, const struct attempt *attempts,
    size_t nattempts);

/* "folder/name/name"; static memory, for a child. */
const char *attempts_path(const struct attempt_site *site, const char *name);
/* open(2) and close(2): 0, or errno. */
int attempts_open(const struct attempt_site *site, const char *name, int flags);
int
attempts_connect(const struct attempt_site *site, const char *name, int type);
int attempts_socket(int family, int type);

#endif
