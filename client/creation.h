/*
 * How a task comes about: the order out of the command line, with all that it
 * names put with the server, sent under a key.
 */
#ifndef CLIENT_CREATION_H
#define CLIENT_CREATION_H

#include <jansson.h>

#include "client/collection.h"
#include "client/session.h"

/* `streams`: standard input comes later. The caller owns the order; NULL: the
 * failure. */
json_t *
creation_order(const struct invocation *invocation, struct session *session,
    const struct collection *collection, bool streams, struct failure *failure);
/* The same for a question about it: nothing is put with the server. */
json_t *
creation_question(const struct invocation *invocation, struct session *session,
    const struct collection *collection, bool streams, struct failure *failure);
/* The caller owns *ret_document, the task as the server describes it. */
int creation_send(const struct invocation *invocation, struct session *session,
    const json_t *order, int wait_s, json_t **ret_document,
    struct failure *failure);

#endif
