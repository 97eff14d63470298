/*
 * What every long-running program of ours does to itself first.
 */
#ifndef LIB_PROCESS_H
#define LIB_PROCESS_H

#include <sys/resource.h>

#include "lib/err.h"

/*
 * no_new_privs, not dumpable, no core file, nothing locked into memory, no
 * message queues, no priorities, umask 077, SIGPIPE ignored, descriptors above
 * 2 closed (those of systemd's socket activation are not used), jansson's hash
 * seeded. ERR_INTERNAL when run as root.
 */
int process_harden(struct err *err);

/* As many descriptors as wanted, or as the operator's limit lets us: how many.
 * RLIM_INFINITY: all of those. */
rlim_t process_raise_descriptors(rlim_t wanted);
/* How many the machine has; read once, by process_harden() at the latest, since
 * it stands in a file that may be out of reach later. */
long process_processors(void);

/* sd_notify(3) without libsystemd. The socket is opened while names can still
 * be reached; nothing happens when NOTIFY_SOCKET is unset. */
void process_notify_open(void);
void process_notify(const char *state);

#endif
