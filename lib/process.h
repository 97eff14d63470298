/*
 * What every long-running program of ours does to itself first.
 */
#ifndef LIB_PROCESS_H
#define LIB_PROCESS_H

#include "lib/err.h"

/*
 * no_new_privs, not dumpable, no core file, umask 077, SIGPIPE ignored,
 * descriptors above 2 closed (those of systemd's socket activation are not
 * used), jansson's hash seeded. ERR_INTERNAL when run as root.
 */
int process_harden(struct err *err);

/* sd_notify(3) without libsystemd: does nothing when NOTIFY_SOCKET is unset. */
void process_notify(const char *state);

#endif
