/*
 * Collections. The server says what a file's bytes are, in the task's document
 * and with the file; a name that it sends is never a path here.
 */
#include "client/collection.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/progress.h"
#include "client/target.h"
#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/terminal.h"

static bool
has_name(const struct collection *collection, const char *name)
{
	for (size_t i = 0; i < collection->count; i++) {
		if (strcmp(collection->list[i].name, name) == 0)
			return true;
	}
	return false;
}

int
collection_open(const struct invocation *invocation,
    struct collection *collection, struct failure *failure)
{
	const char *text = NULL;

	for (size_t k = 0;
	     (text = option_each(invocation, "output", k)) != NULL; k++) {
		struct file_spec spec;
		struct err err;

		if (k == FILES_MAX)
			return failure_set(failure, "usage",
			    "--output: at most %d files", FILES_MAX);
		if (file_spec_read_output(
			text, &spec, &collection->has_path[k], &err) != 0)
			return failure_from_err(failure, "usage", &err);
		if (has_name(collection, spec.name)) {
			failure_set(failure, "usage",
			    "--output: %s is given twice", spec.name);
			file_spec_done(&spec);
			return -1;
		}
		collection->list[collection->count++] = spec;
	}
	return 0;
}

void
collection_close(struct collection *collection)
{
	for (size_t i = 0; i < collection->count; i++)
		file_spec_done(&collection->list[i]);
	collection->count = 0;
}

void
collection_add(const struct collection *collection, json_t *order)
{
	json_t *outputs = NULL;

	if (collection->count == 0)
		return;
	outputs = json_array();
	json_object_set_new(order, "outputs", outputs);
	for (size_t i = 0; i < collection->count; i++)
		json_array_append_new(
		    outputs, json_string(collection->list[i].name));
}

int
collection_check(const struct collection *collection, struct failure *failure)
{
	for (size_t i = 0; i < collection->count; i++) {
		struct target target;
		struct err err;

		if (target_open(&target, collection->list[i].path, &err) != 0)
			return failure_set(failure, "local", "--output %s: %s",
			    collection->list[i].name, err.detail);
		target_close(&target);
	}
	return 0;
}

/* What is known of one file: its member of "outputs". */
static const json_t *
find_output(const json_t *document, const char *name)
{
	const json_t *output = NULL;
	size_t i;

	json_array_foreach(json_object_get(document, "outputs"), i, output)
	{
		const char *there =
		    json_string_value(json_object_get(output, "name"));

		if (there != NULL && strcmp(there, name) == 0)
			return output;
	}
	return NULL;
}

/* docs/api.md, "A task". NULL: it is kept. */
static const char *
explain_status(const json_t *output)
{
	static const struct {
		const char *status, *sentence;
	} known[] = {
	    {"kept", NULL},
	    {"missing", "the task left no such file in /tmp"},
	    {"link", "it is a symbolic link, which is not followed"},
	    {"not_regular", "it is not a regular file"},
	    {"too_large", "it is larger than a file may be"},
	    {"unreadable", "it could not be read"},
	    {"dropped",
		"it is lost: there was no room for it, or the task was "
		"lost before"},
	};
	const char *status =
	    json_string_value(json_object_get(output, "status"));

	for (size_t i = 0; status != NULL && i < COUNT(known); i++) {
		if (strcmp(known[i].status, status) == 0)
			return known[i].sentence;
	}
	return output == NULL ? "it was not asked for when the task was made"
			      : "the server does not say what became of it";
}

struct fetching {
	struct target target;
	struct progress progress;
};

/* Of struct http_request. A disk is not waited for by polling: nothing is ever
 * paused. */
static bool
take_bytes(void *arg, const char *data, size_t len)
{
	struct fetching *fetching = arg;

	target_write(&fetching->target, data, len);
	progress_move(&fetching->progress, fetching->target.len);
	return true;
}

static void
end_transfer(struct transfer **transfer)
{
	if (*transfer != NULL)
		http_end(*transfer);
}

static int
take_file(struct fetching *fetching, const struct http_reply *reply,
    const json_t *output, struct failure *failure)
{
	const char *hex = json_string_value(json_object_get(output, "sha256"));
	uint8_t digest[SHA256_BYTES];
	struct err err;

	if (hex == NULL || reply->digest == NULL ||
	    !hex_decode(hex, strlen(hex), digest, sizeof(digest)) ||
	    memcmp(digest, reply->digest, sizeof(digest)) != 0)
		return failure_set(failure, "reply",
		    "the server gives it another digest than the task's");
	if (target_put(&fetching->target, digest, &err) != 0)
		return failure_set(failure, "local", "%s", err.detail);
	return 0;
}

/* 1: once more after *ret_delay_ms. */
static int
fetch_once(struct fetching *fetching, struct session *session, const char *path,
    const json_t *output, struct retry *retry, int64_t *ret_delay_ms,
    struct failure *failure)
{
	const struct http_request request = {
	    .method = "GET",
	    .path = path,
	    .reply_max = 64 * 1024,
	    .write = take_bytes,
	    .arg = fetching,
	};
	AUTO(end_transfer) struct transfer *transfer = NULL;
	struct http_reply reply;
	struct err err;
	uint32_t random;

	if (target_begin(&fetching->target, &err) != 0)
		return failure_set(failure, "local", "%s", err.detail);
	transfer = http_start(session->http, &request);
	if (session_await(session, transfer, failure) != 0)
		return -1;
	reply = http_reply(transfer);
	if (reply.status == 200)
		return take_file(fetching, &reply, output, failure);
	random_bytes(&random, sizeof(random));
	if (retry_decide(&retry_stream, retry, reply.cause, reply.retry_after_s,
		clock_boot_ms(), random, ret_delay_ms))
		return 1;
	return session_fail(session, &reply, failure);
}

static int
fetch_file(const struct file_spec *spec, struct session *session,
    const json_t *document, struct failure *failure)
{
	const json_t *output = find_output(document, spec->name);
	const char *why = explain_status(output);
	auto_free char *path = alloc_printf("/v1/tasks/%s/files/%s",
	    json_string_value(json_object_get(document, "id")), spec->name);
	struct fetching fetching = {0};
	struct retry retry = {0};
	int64_t delay_ms = 0;
	struct err err;
	int result;

	if (why != NULL)
		return failure_set(failure, "not-found", "%s", why);
	if (target_open(&fetching.target, spec->path, &err) != 0)
		return failure_set(failure, "local", "%s", err.detail);
	progress_begin(&fetching.progress, spec->name,
	    json_integer_value(json_object_get(output, "size")),
	    session->quiet);
	while ((result = fetch_once(&fetching, session, path, output, &retry,
		    &delay_ms, failure)) == 1) {
		result = session_sleep(session, delay_ms, failure);
		if (result != 0)
			break;
	}
	progress_end(&fetching.progress);
	target_close(&fetching.target);
	return result;
}

static void
tell(const struct file_spec *spec, const struct failure *failure)
{
	auto_free char *clean = terminal_neutralise(
	    failure->detail != NULL ? failure->detail : failure->slug);

	fprintf(stderr, "taskgate: output %s: %s\n", spec->name, clean);
}

int
collection_fetch(const struct collection *collection, struct session *session,
    const json_t *document, size_t *ret_missing, struct failure *failure)
{
	*ret_missing = 0;
	for (size_t i = 0; i < collection->count; i++) {
		const struct file_spec *spec = &collection->list[i];

		if (fetch_file(spec, session, document, failure) == 0)
			continue;
		if (strcmp(failure->slug, "interrupted") == 0)
			return -1;
		tell(spec, failure);
		(*ret_missing)++;
	}
	return 0;
}
