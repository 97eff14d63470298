/*
 * Reading the files again: by SIGHUP, and by the operator's `reload`, which
 * reaches the gateways too and tells what became of it in each process.
 * Each process takes up what it read whole, or keeps what it has; either is on
 * record.
 */
#ifndef RUNNER_RELOAD_H
#define RUNNER_RELOAD_H

struct reload;
struct runner;
struct peer;

struct reload *reload_new(struct runner *runner);
/* Who waits for a reload is answered. Memory goes when the loop has turned. */
void reload_free(struct reload *reload);

/* The runner alone. */
void reload_by_signal(struct reload *reload);
/* A gateway that may have been asked has gone. */
void reload_peer_gone(struct reload *reload, struct peer *peer);

#endif
