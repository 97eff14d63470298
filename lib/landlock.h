/*
 * Landlock by its three system calls: from the moment it is enforced, the
 * thread that asked for it, and every one that it starts, opens nothing but
 * what was allowed beneath the named folders and files, and neither binds nor
 * connects a TCP socket.
 *
 * A rule belongs to a folder or file as it is now: name folders, so that what
 * is replaced by a rename is found. Looking at names (stat), and descriptors
 * that are open already, are not restricted.
 */
#ifndef LIB_LANDLOCK_H
#define LIB_LANDLOCK_H

#include "lib/err.h"

enum landlock_access {
	LANDLOCK_READ, /* files and folders */
	LANDLOCK_WRITE, /* all but to execute, and to make devices */
	LANDLOCK_CONNECT, /* to sockets; no file */
};

struct landlock {
	int fd; /* -1: the kernel has none that is of use */
	int abi; /* what the kernel offers; 0: nothing */
};

/* Of the interface's versions that are known here. */
#define LANDLOCK_NEWEST 9

/* What the kernel offers, and `newest`, decide how much is held back. None is
 * no failure: abi is 0 and the calls below do nothing. */
int landlock_open(int newest, struct landlock *ret, struct err *err);
int landlock_allow(const struct landlock *landlock, const char *path,
    enum landlock_access access, struct err *err);
/* Needs no_new_privs; before any other thread is started. */
int landlock_enforce(const struct landlock *landlock, struct err *err);
void landlock_close(struct landlock *landlock);

#endif
