/*
 * `submit`: a task that nobody is attached to.
 */
#include "client/verbs.h"

#include <stdio.h>

#include "client/creation.h"
#include "client/task.h"
#include "lib/cleanup.h"
#include "lib/json.h"

/* Nobody waits here for the end, when files could be fetched. */
static int
open_collection(const struct invocation *invocation,
    struct collection *collection, struct failure *failure)
{
	if (collection_open(invocation, collection, failure) != 0)
		return -1;
	for (size_t i = 0; i < collection->count; i++) {
		if (!collection->has_path[i])
			continue;
		failure_set(failure, "usage",
		    "submit fetches nothing: --output %s alone",
		    collection->list[i].name);
		failure_hint(failure, "taskgate wait --output %s=FILE ID",
		    collection->list[i].name);
		return -1;
	}
	return 0;
}

static int
submit(const struct invocation *invocation, struct session *session,
    struct failure *failure)
{
	AUTO(collection_close) struct collection collection = {0};
	auto_json *order = NULL;
	auto_json *document = NULL;
	struct task task;
	struct err err;

	if (open_collection(invocation, &collection, failure) != 0)
		return -1;
	order =
	    creation_order(invocation, session, &collection, false, failure);
	if (order == NULL ||
	    creation_send(invocation, session, order, 0, &document, failure) !=
		0)
		return -1;
	if (task_read(document, &task, &err) != 0)
		return failure_from_err(failure, "reply", &err);
	if (session->format == SHOW_JSON || session->format == SHOW_JSONL)
		show_document(session->format, document);
	else
		printf("%s\n", task.id);
	return 0;
}

int
verb_submit(struct invocation *invocation)
{
	auto_session session = {0};
	auto_failure failure = FAILURE_INIT;

	if (session_open(invocation, &session, &failure) != 0 ||
	    submit(invocation, &session, &failure) != 0)
		return session_fail_verb(&session, &failure);
	return 0;
}
