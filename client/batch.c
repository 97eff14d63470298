/*
 * Batches: one failure does not keep the rest from being tried.
 */
#include "client/batch.h"

void
batch_init(struct batch *batch, struct session *session)
{
	*batch = (struct batch){
	    .session = session,
	    .documents = json_array(),
	};
}

void
batch_done(struct batch *batch)
{
	json_decref(batch->documents);
	batch->documents = NULL;
}

void
batch_add_take(struct batch *batch, json_t *document, int code)
{
	json_array_append_new(batch->documents, document);
	if (batch->code == 0)
		batch->code = code;
}

void
batch_add_failure(struct batch *batch, const struct failure *failure, int code)
{
	batch_add_take(batch, failure_document(failure, code), code);
	failure_print(failure);
}

int
batch_show(const struct batch *batch)
{
	if (batch->session->format == SHOW_JSONL)
		show_lines(SHOW_JSONL, batch->documents);
	if (batch->session->format == SHOW_JSON)
		show_document(SHOW_JSON,
		    json_array_size(batch->documents) == 1
			? json_array_get(batch->documents, 0)
			: batch->documents);
	return batch->code;
}
