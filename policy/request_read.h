/* Parts of the reader of requests. Private to the policy library. */
#ifndef POLICY_REQUEST_READ_H
#define POLICY_REQUEST_READ_H

#include "policy/request.h"

/* params may be NULL. What was read so far is the request's also where it
 * fails. */
int request_task_read(
    struct request *request, const char *task, json_t *params, struct err *err);
void request_task_done(struct request *request);

#endif
