/*
 * Commands that take several tasks: what is shown of each, and one exit code
 * for all of them.
 */
#ifndef CLIENT_BATCH_H
#define CLIENT_BATCH_H

#include "client/session.h"

struct batch {
	struct session *session;
	json_t *documents; /* of the tasks, and of what failed */
	int code; /* the first that is not 0 */
};

void batch_init(struct batch *batch, struct session *session);
void batch_done(struct batch *batch);
/* Takes the document over. */
void batch_add_take(struct batch *batch, json_t *document, int code);
/* Prints the failure as well. */
void
batch_add_failure(struct batch *batch, const struct failure *failure, int code);
/* As JSON: one document as it is, several as an array. Tables are the
 * command's own. Returns the exit code. */
int batch_show(const struct batch *batch);

#define auto_batch __attribute__((cleanup(batch_done))) struct batch

#endif
