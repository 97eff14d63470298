#include "client/receipt_check.h"

#include <string.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/json.h"

static const char *
text_of(const json_t *object, const char *name)
{
	return json_string_value(json_object_get(object, name));
}

static int
check_text(
    const char *what, const char *found, const char *wanted, struct err *err)
{
	if (wanted == NULL || *wanted == '\0' ||
	    (found != NULL && strcmp(found, wanted) == 0))
		return 0;
	return err_set(
	    err, ERR_CONFLICT, "it is of another %s than ours", what);
}

/* Members that task and record have in common. */
static int
check_members(const json_t *object, const json_t *document, struct err *err)
{
	static const char *const names[] = {"exit_code", "signal", "reason",
	    "errno", "image_id", "limits", "start", "created_at", "started_at",
	    "finished_at"};

	for (size_t i = 0; i < COUNT(names); i++) {
		const json_t *found = json_object_get(object, names[i]);
		const json_t *said = json_object_get(document, names[i]);

		if ((found != NULL || said != NULL) &&
		    json_equal(found, said) != 1)
			return err_set(err, ERR_CONFLICT,
			    "the server told of another %s than the log has",
			    names[i]);
	}
	return 0;
}

/* The record has their names apart. */
static int
check_files(
    const struct receipt *receipt, const json_t *document, struct err *err)
{
	const json_t *files = json_object_get(receipt->object, "outputs");
	const json_t *names = json_object_get(receipt->untrusted, "outputs");
	const json_t *said = json_object_get(document, "outputs");
	size_t count = json_array_size(said);
	bool same = json_array_size(files) == count &&
	    (names == NULL || json_array_size(names) == count);

	for (size_t i = 0; same && i < count; i++) {
		auto_json *file = json_deep_copy(json_array_get(files, i));

		json_object_set(file, "name",
		    names != NULL
			? json_array_get(names, i)
			: json_object_get(json_array_get(said, i), "name"));
		same = json_equal(file, json_array_get(said, i)) == 1;
	}
	return same ? 0
		    : err_set(err, ERR_CONFLICT,
			  "the server told of other files than the log has");
}

static int
check_document(
    const struct receipt *receipt, const json_t *document, struct err *err)
{
	const char *outcome = text_of(document, "outcome");

	if (document == NULL)
		return 0;
	if (outcome == NULL ||
	    check_text("outcome", text_of(receipt->record, "outcome"), outcome,
		err) != 0)
		return err_set(err, ERR_CONFLICT,
		    "the server told of another outcome than the log has");
	if (check_members(receipt->object, document, err) != 0)
		return -1;
	return check_files(receipt, document, err);
}

static int
check_stream(
    const json_t *output, const struct receipt_stream *stream, struct err *err)
{
	auto_free char *member = alloc_printf("%s_sha256", stream->name);
	const json_t *length = json_object_get(output, stream->name);
	const char *sha256 = text_of(output, member);

	if (stream->length < 0)
		return 0;
	if (!json_is_integer(length) ||
	    json_integer_value(length) != stream->length || sha256 == NULL ||
	    strcmp(sha256, stream->sha256) != 0)
		return err_set(err, ERR_CONFLICT,
		    "the %s that came is not what the task wrote",
		    stream->name);
	return 0;
}

int
receipt_check(const struct receipt *receipt,
    const struct receipt_wanted *wanted, struct err *err)
{
	const json_t *principal = json_object_get(receipt->record, "principal");
	const json_t *output = json_object_get(receipt->object, "output");

	if (check_text("task", receipt->task, wanted->task, err) != 0 ||
	    check_text("certificate", text_of(principal, "thumbprint"),
		wanted->thumbprint, err) != 0 ||
	    check_text("request", text_of(receipt->object, "request_sha256"),
		wanted->request_sha256, err) != 0)
		return -1;
	for (size_t i = 0; i < wanted->nstreams; i++) {
		if (check_stream(output, &wanted->streams[i], err) != 0)
			return -1;
	}
	return check_document(receipt, wanted->document, err);
}
