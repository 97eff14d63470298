/*
 * `blob`: a file that is taken as it comes, for tasks to read.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "runner/blobs.h"
#include "runner/gate.h"
#include "runner/intake.h"

struct blob_request {
	struct envelope envelope;
	const char *sha256;
};

/* A blob's writer, and whose body it writes. */
struct blob_intake {
	struct blob_writer *writer;
	struct intake *intake;
	char sha256[SHA256_HEX];
};

static size_t
blob_room(const void *arg)
{
	const struct blob_intake *blob = arg;

	return blobs_room(blob->writer);
}

static void
blob_abort(void *arg)
{
	struct blob_intake *blob = arg;

	blobs_abort(blob->writer);
	free(blob);
}

static int
blob_write(void *arg, const void *data, size_t len, struct err *err)
{
	struct blob_intake *blob = arg;

	if (blobs_write(blob->writer, data, len, err) == 0)
		return 0;
	blob_abort(blob);
	return -1;
}

static void
blob_done(void *arg, const struct err *err, const struct blob_stored *stored)
{
	auto_free struct blob_intake *blob = arg;
	char expires[CLOCK_TEXT];

	if (err != NULL) {
		intake_fail(blob->intake, err);
		return;
	}
	clock_format(stored->expires_ms, expires);
	intake_reply_take(blob->intake, stored->existed ? 200 : 201,
	    json_pack("{s:s, s:I, s:s}", "sha256", blob->sha256, "size",
		(json_int_t)stored->size, "expires_at", expires));
}

static void
blob_finish(struct intake *intake, void *arg)
{
	struct blob_intake *blob = arg;

	(void)intake;
	blobs_finish(blob->writer, blob_done, blob);
}

static const struct intake_kind blob_kind = {
    .room = blob_room,
    .write = blob_write,
    .finish = blob_finish,
    .abort = blob_abort,
};

static void
on_blob_room(void *arg)
{
	const struct blob_intake *blob = arg;

	intake_resume(blob->intake);
}

static struct audit_entry *
make_entry(const struct question *question)
{
	struct audit_entry *entry =
	    tasks_entry(&question->runner->tasks, EVENT_BLOB_STORED);

	entry->principal = gate_principal(question);
	return entry;
}

static void
begin_blob(struct question *question, const struct blob_request *request)
{
	struct blob_intake *blob = alloc_zero(1, sizeof(*blob));
	struct blob_order order = {
	    .subject = question->principal.certificate.subject,
	    .sha256 = request->sha256,
	    .room = on_blob_room,
	    .arg = blob,
	};
	struct err err = {0};
	int fd;

	memcpy(blob->sha256, request->sha256, sizeof(blob->sha256));
	if (intake_open(question, &blob_kind, &blob->intake, &fd, &err) != 0) {
		free(blob);
		gate_refuse(question, &err);
		return;
	}
	order.entry = make_entry(question);
	blob->writer = blobs_begin(question->runner->blobs, &order, &err);
	if (blob->writer != NULL) {
		intake_begin_take(blob->intake, blob, fd);
		return;
	}
	intake_refuse_take(blob->intake, &err, fd);
	free(blob);
}

int
peer_handle_blob(struct peer *peer, struct message *message, struct err *err)
{
	static const struct json_field fields[] = {
	    ENVELOPE_FIELDS(struct blob_request),
	    JSON_FIELD(struct blob_request, sha256, "sha256", JSON_KIND_STRING,
		true, SHA256_HEX - 1, SHA256_HEX - 1),
	};
	struct blob_request request = {0};
	struct question *question = NULL;
	uint8_t digest[SHA256_BYTES];
	int result;

	if (json_read_fields(message->members, "", fields, COUNT(fields), false,
		&request, err) != 0)
		return -1;
	if (!hex_decode(request.sha256, SHA256_HEX - 1, digest, sizeof(digest)))
		return err_set(err, ERR_MALFORMED, "sha256: not one");
	result =
	    gate_open(peer, &request.envelope, SCOPE_TASKS_RUN, &question, err);
	if (result > 0)
		begin_blob(question, &request);
	return result < 0 ? -1 : 0;
}
