/*
 * Revocation as a worker enforces it, on what it knows from the runner: each
 * request is judged, also on connections that are open already, and what is
 * under way when something is revoked is ended at once.
 */
#ifndef GATEWAY_REVOCATION_H
#define GATEWAY_REVOCATION_H

#include <stddef.h>

#include "lib/err.h"

struct conn;
struct exchange;
struct worker;

/* An idle connection of someone who was revoked may ask once more, and is told
 * why not; it is closed after this in any case. */
#define REVOCATION_IDLE_MS 5000

/* Of every request. token_id: NULL until it is known. ERR_UNAVAILABLE: a
 * token is needed, and what was revoked is not known now; ERR_REVOKED: the
 * connection's last answer. */
int revocation_check(
    const struct exchange *exchange, const char *token_id, struct err *err);
/* The handshake is over. */
void revocation_greet(struct conn *conn);
/* The list has changed: how many connections were ended. */
size_t revocation_enforce(struct worker *worker);

#endif
