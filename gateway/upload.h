/*
 * A body that is passed on as it comes: from libmicrohttpd's callback into a
 * pipe that the runner reads. Not a byte is taken before the runner says so,
 * nothing is kept on the way, and only what libmicrohttpd holds of it waits
 * where the runner does not read.
 */
#ifndef GATEWAY_UPLOAD_H
#define GATEWAY_UPLOAD_H

#include "gateway/exchange.h"

struct upload;

/* A handler's: asks whether the body may come. `members` is taken. `heard` is
 * called with the answer to all of it, or with the first thing that is wrong.
 */
void upload_ask_take(struct exchange *exchange, enum message_type type,
    json_t *members, exchange_heard *heard);
/* How much of it could be passed on. The connection is suspended where that is
 * not all. */
size_t upload_take(struct upload *upload, const char *data, size_t len);
/* All of it has come. */
void upload_end(struct upload *upload);
void upload_free(struct upload *upload);

#endif
