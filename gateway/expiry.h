/*
 * What ends by itself: the server's certificate, and the certificates of the
 * CA bundle. Said in the log long before, in readiness shortly before.
 */
#ifndef GATEWAY_EXPIRY_H
#define GATEWAY_EXPIRY_H

#include <jansson.h>
#include <stdint.h>

struct gateway;
struct snapshot;

/* Adds a sentence for each that has ended or does within `margin_s`. A CA's
 * end counts when no other of the bundle outlives it. Pure. */
void expiry_add_reasons(json_t *reasons, const struct snapshot *snapshot,
    int64_t margin_s, int64_t now_s);

/* On the main thread: a warning a day, from EXPIRY_WARN_S before an end. */
#define EXPIRY_WARN_S (INT64_C(30) * 24 * 3600)
void expiry_open(struct gateway *gateway);
void expiry_close(struct gateway *gateway);
/* At once, since what is in force has changed. */
void expiry_look(struct gateway *gateway);

#endif
