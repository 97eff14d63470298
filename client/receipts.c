/*
 * Receipts. What they say is shown only once it is proved, and neutralised all
 * the same: a task's files have names that a client chose.
 */
#include "client/receipts.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/json.h"

void
kept_receipt_done(struct kept_receipt *kept)
{
	receipt_done(&kept->receipt);
	free(kept->text);
	*kept = (struct kept_receipt){0};
}

static int
verify(struct kept_receipt *kept, const char *from,
    const struct audit_keys *keys, struct failure *failure)
{
	struct err err;

	if (receipt_open(kept->text, kept->len, keys, &kept->receipt, &err) ==
	    0)
		return 0;
	err_prefix(&err, "%s: the receipt does not hold", from);
	failure_from_err(failure, "not-proved", &err);
	kept_receipt_done(kept);
	return -1;
}

/* The reply is written anew in the one form that a receipt has. */
static int
keep(const json_t *document, struct kept_receipt *ret, struct failure *failure)
{
	auto_free char *line = NULL;

	if (!json_is_object(document) || !json_is_exact(document))
		return failure_set(failure, "reply",
		    "the server's reply is not what the API promises: no "
		    "receipt");
	line = json_encode_canonical(document, &ret->len);
	ret->text = alloc_printf("%s\n", line);
	ret->len++;
	return 0;
}

int
receipts_fetch(struct session *session, const char *task,
    const struct audit_keys *keys, struct kept_receipt *ret,
    struct failure *failure)
{
	auto_free char *path = alloc_printf("/v1/tasks/%s/receipt", task);
	const struct session_call call = {
	    .method = "GET", .path = path, .policy = &retry_call};
	auto_json *document = NULL;
	int status;

	*ret = (struct kept_receipt){0};
	if (session_call(session, &call, &document, &status, failure) != 0 ||
	    keep(document, ret, failure) != 0 ||
	    verify(ret, session->context.server, keys, failure) != 0)
		return -1;
	if (strcmp(ret->receipt.task, task) == 0)
		return 0;
	kept_receipt_done(ret);
	return failure_set(failure, "not-proved",
	    "%s: the receipt is of another task", session->context.server);
}

int
receipts_read(const char *path, const struct audit_keys *keys,
    struct kept_receipt *ret, struct failure *failure)
{
	struct err err;

	*ret = (struct kept_receipt){0};
	ret->text = file_read(path, RECEIPT_MAX, &ret->len, &err);
	if (ret->text == NULL)
		return failure_from_err(failure, "local", &err);
	return verify(ret, path, keys, failure);
}

int
receipts_put(const struct kept_receipt *kept, struct target *target,
    struct failure *failure)
{
	uint8_t digest[SHA256_BYTES];
	struct err err;

	digest_sha256(kept->text, kept->len, digest);
	if (target_begin(target, &err) != 0)
		return failure_from_err(failure, "local", &err);
	target_write(target, kept->text, kept->len);
	return target_put(target, digest, &err) == 0
	    ? 0
	    : failure_from_err(failure, "local", &err);
}

/* -- shown */

static void
show_limits(const json_t *object)
{
	const json_t *limits = json_object_get(object, "limits");
	auto_free char *text =
	    json_is_object(limits) ? json_dumps(limits, JSON_COMPACT) : NULL;

	show_fact("limits", text);
}

static void
show_files(const struct receipt *receipt)
{
	const json_t *files = json_object_get(receipt->object, "outputs");
	const json_t *names = json_object_get(receipt->untrusted, "outputs");
	const json_t *file = NULL;
	size_t i;

	json_array_foreach(files, i, file)
	{
		const char *name = json_string_value(json_array_get(names, i));
		auto_free char *status = show_member_text(file, "status");
		auto_free char *sha256 = show_member_text(file, "sha256");
		auto_free char *line = alloc_printf("%s: %s%s%s",
		    name != NULL ? name : "(its name was taken out)",
		    status != NULL ? status : "", sha256 != NULL ? ", " : "",
		    sha256 != NULL ? sha256 : "");

		show_fact("file", line);
	}
}

static void
show_proof(const struct receipt *receipt)
{
	const struct checkpoint *head = &receipt->head;
	auto_free char *place =
	    alloc_printf("%" PRId64 " of %" PRIu64, receipt->seq, head->size);
	auto_free char *root = base64_encode(head->root, SHA256_BYTES);

	show_fact("log", head->origin);
	show_fact("record", place);
	show_fact("root", root);
}

void
receipts_show(const struct receipt *receipt)
{
	const json_t *record = receipt->record, *object = receipt->object;
	const json_t *principal = json_object_get(record, "principal");
	const json_t *output = json_object_get(object, "output");

	show_fact("task", receipt->task);
	show_member("subject", principal, "subject");
	show_member("certificate", principal, "thumbprint");
	show_member("request", object, "request_sha256");
	show_member("rule", record, "rule");
	show_member("policy", record, "policy_sha256");
	show_member("image id", object, "image_id");
	show_limits(object);
	show_member("start", object, "start");
	show_member("created", object, "created_at");
	show_member("started", object, "started_at");
	show_member("finished", object, "finished_at");
	show_member("outcome", record, "outcome");
	show_member("exit code", object, "exit_code");
	show_member("signal", object, "signal");
	show_member("stdout", output, "stdout_sha256");
	show_member("stderr", output, "stderr_sha256");
	show_files(receipt);
	show_proof(receipt);
}
