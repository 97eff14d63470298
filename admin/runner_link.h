/*
 * The operator's end of the runner's admin socket: one request, one answer.
 */
#ifndef ADMIN_RUNNER_LINK_H
#define ADMIN_RUNNER_LINK_H

#include <jansson.h>

#include "lib/command.h"
#include "lib/message.h"

struct runner_link {
	int sock;
	int64_t requests;
};

/*
 * The socket of --socket, else of DIR/runner.json; greets the runner.
 * ERR_UNAVAILABLE with what to look at where nobody answers.
 */
int runner_link_open(const struct invocation *invocation,
    struct runner_link *ret, struct err *err);
void runner_link_close(struct runner_link *link);

/*
 * Sends a request (`members` without `request`; taken over) and waits for its
 * reply. *ret_body is the caller's, or NULL for a reply without one. A sealed
 * descriptor that came along is *ret_fd, the caller's too; -1: none.
 * A `failure` becomes *err.
 */
int runner_link_call_take(struct runner_link *link, enum message_type type,
    json_t *members, json_t **ret_body, int *ret_fd, struct err *err);

/* One question without members, on a connection of its own, that is answered
 * with an object; the caller's. */
int runner_link_ask(const struct invocation *invocation, enum message_type type,
    json_t **ret_body, struct err *err);

#endif
