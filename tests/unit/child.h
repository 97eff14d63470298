/* A child that is not root, for what cannot be undone. */
#ifndef TESTS_UNIT_CHILD_H
#define TESTS_UNIT_CHILD_H

#include <sys/types.h>

#define CHILD_ID 65534

/* The wait status of a child that ends with what `act` returns. LeakSanitizer
 * cannot look into a process that is not dumpable: it is left out. */
int child_run(int (*act)(void *arg), void *arg);
/* The exit status of one that must not be ended by a signal. */
int child_exit_status(int (*act)(void *arg), void *arg);

/* Called in a child: it does not outlive the parent that forked it, which may
 * have ended since. */
void child_follow(pid_t parent);

#endif
