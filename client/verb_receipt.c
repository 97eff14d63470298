/*
 * `receipt`, `receipt verify`, `receipt prove`: what became of a task, and the
 * proof of it. Must never believe a key that the server gave.
 */
#include "client/verbs.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "client/evidence.h"
#include "client/exit_code.h"
#include "client/operand.h"
#include "client/receipt_check.h"
#include "client/receipts.h"
#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/json.h"

#define OUTPUT_MAX ((size_t)1024 * 1024 * 1024)

/* As it is verified; whoever looks at it on a terminal verifies nothing. */
static void
show_text(const struct kept_receipt *kept)
{
	if (isatty(STDOUT_FILENO) == 1)
		show_document(SHOW_JSONL, kept->receipt.document);
	else
		fwrite(kept->text, 1, kept->len, stdout);
}

static void
show(const struct session *session, const struct kept_receipt *kept)
{
	if (session->format == SHOW_TABLE)
		receipts_show(&kept->receipt);
	else if (session->format == SHOW_ID)
		printf("%s\n", kept->receipt.task);
	else
		show_text(kept);
}

/* -- receipt ID */

static int
save(const struct invocation *invocation, const struct kept_receipt *kept,
    struct failure *failure)
{
	const char *path = option_value(invocation, "save");
	AUTO(target_close) struct target target = {.folder = -1, .fd = -1};
	struct err err;

	if (path == NULL)
		return 0;
	if (target_open(&target, path, &err) != 0)
		return failure_from_err(failure, "local", &err);
	return receipts_put(kept, &target, failure);
}

static int
get_receipt(const struct invocation *invocation, struct session *session,
    struct failure *failure)
{
	AUTO(audit_keys_done) struct audit_keys keys = {0};
	auto_kept_receipt kept = {0};
	char id[OPERAND_ID];
	struct err err;

	if (operand_read_id(invocation->operands[0], id, &err) != 0)
		return failure_from_err(failure, "usage", &err);
	if (evidence_keys(invocation, &session->context, &keys, failure) != 0 ||
	    receipts_fetch(session, id, &keys, &kept, failure) != 0 ||
	    save(invocation, &kept, failure) != 0)
		return -1;
	show(session, &kept);
	return 0;
}

int
verb_receipt(struct invocation *invocation)
{
	auto_session session = {0};
	auto_failure failure = FAILURE_INIT;

	if (session_open(invocation, &session, &failure) != 0 ||
	    get_receipt(invocation, &session, &failure) != 0)
		return session_fail_verb(&session, &failure);
	return 0;
}

/* -- receipt verify FILE */

static int
open_offline(const struct invocation *invocation, struct session *session,
    struct audit_keys *keys, struct failure *failure)
{
	struct err err;

	*session = (struct session){.quiet = option_flag(invocation, "quiet")};
	if (show_parse(invocation, &session->format, &err) != 0)
		return failure_from_err(failure, "usage", &err);
	return evidence_keys_offline(invocation, keys, failure);
}

/* What is here of the task's output, against what it wrote. */
static int
check_output(const struct invocation *invocation, const struct receipt *receipt,
    struct failure *failure)
{
	static const char *const names[] = {"stdout", "stderr"};
	struct receipt_stream streams[COUNT(names)];
	struct receipt_wanted wanted = {.streams = streams};
	struct err err;

	for (size_t i = 0; i < COUNT(names); i++) {
		const char *path = option_value(invocation, names[i]);
		struct receipt_stream *stream = &streams[wanted.nstreams];
		auto_free char *data = NULL;
		size_t len = 0;

		if (path == NULL)
			continue;
		data = file_read(path, OUTPUT_MAX, &len, &err);
		if (data == NULL)
			return failure_from_err(failure, "local", &err);
		stream->name = names[i];
		stream->length = (int64_t)len;
		digest_sha256_hex(data, len, stream->sha256);
		wanted.nstreams++;
	}
	return receipt_check(receipt, &wanted, &err) == 0
	    ? 0
	    : failure_from_err(failure, "not-proved", &err);
}

static int
check_newer(const struct invocation *invocation, const struct audit_keys *keys,
    const struct receipt *receipt, struct failure *failure)
{
	const char *path;

	for (size_t i = 0;
	     (path = option_each(invocation, "checkpoint", i)) != NULL; i++) {
		struct checkpoint other;

		if (evidence_checkpoint(path, keys, receipt->head.origin,
			&other, failure) != 0 ||
		    evidence_compare(
			invocation, &receipt->head, &other, failure) != 0)
			return -1;
	}
	return 0;
}

static int
verify(const struct invocation *invocation, struct session *session,
    struct failure *failure)
{
	AUTO(audit_keys_done) struct audit_keys keys = {0};
	auto_kept_receipt kept = {0};

	if (open_offline(invocation, session, &keys, failure) != 0 ||
	    receipts_read(invocation->operands[0], &keys, &kept, failure) !=
		0 ||
	    check_newer(invocation, &keys, &kept.receipt, failure) != 0 ||
	    check_output(invocation, &kept.receipt, failure) != 0)
		return -1;
	show(session, &kept);
	return 0;
}

int
verb_receipt_verify(struct invocation *invocation)
{
	struct session session = {0};
	auto_failure failure = FAILURE_INIT;

	return verify(invocation, &session, &failure) == 0
	    ? 0
	    : session_fail_verb(&session, &failure);
}

/* -- receipt prove FILE */

static int
ask_proof(struct session *session, const struct receipt *receipt,
    const struct checkpoint *newer, json_t **ret, struct failure *failure)
{
	auto_free char *path =
	    alloc_printf("/v1/tasks/%s/receipt/proof"
			 "?first=%" PRIu64 "&second=%" PRIu64,
		receipt->task, receipt->head.size, newer->size);
	const struct session_call call = {
	    .method = "GET", .path = path, .policy = &retry_call};
	int status;

	return session_call(session, &call, ret, &status, failure);
}

/* Before it is given out: whoever gets it has no server to ask again. */
static int
check_proof(const json_t *document, const struct receipt *receipt,
    const struct checkpoint *newer, struct failure *failure)
{
	struct extension extension;
	struct err err;

	if (evidence_read_extension(document, &extension, &err) != 0)
		return failure_from_err(failure, "reply", &err);
	return checkpoint_compare(
		   &receipt->head, newer, &extension.proof, &err) == 0
	    ? 0
	    : failure_from_err(failure, "not-proved", &err);
}

static int
prove(const struct invocation *invocation, struct session *session,
    struct failure *failure)
{
	AUTO(audit_keys_done) struct audit_keys keys = {0};
	auto_kept_receipt kept = {0};
	const char *path = option_value(invocation, "checkpoint");
	auto_json *document = NULL;
	struct checkpoint newer;

	if (path == NULL)
		return failure_set(failure, "usage",
		    "--checkpoint names the one that the receipt is to be "
		    "held against");
	if (evidence_keys(invocation, &session->context, &keys, failure) != 0 ||
	    receipts_read(invocation->operands[0], &keys, &kept, failure) !=
		0 ||
	    evidence_checkpoint(
		path, &keys, kept.receipt.head.origin, &newer, failure) != 0)
		return -1;
	if (newer.size < kept.receipt.head.size)
		return failure_set(failure, "usage",
		    "%s: it is older than the receipt's own", path);
	if (ask_proof(session, &kept.receipt, &newer, &document, failure) !=
		0 ||
	    check_proof(document, &kept.receipt, &newer, failure) != 0)
		return -1;
	show_document(SHOW_JSONL, document);
	return 0;
}

int
verb_receipt_prove(struct invocation *invocation)
{
	auto_session session = {0};
	auto_failure failure = FAILURE_INIT;

	if (session_open(invocation, &session, &failure) != 0 ||
	    prove(invocation, &session, &failure) != 0)
		return session_fail_verb(&session, &failure);
	return 0;
}
