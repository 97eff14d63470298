/*
 * Receipts of `run`. What came is hashed on its way, so that it need not be
 * kept.
 */
#include "client/run_receipt.h"

#include <stdlib.h>
#include <string.h>

#include "client/credential.h"
#include "client/evidence.h"
#include "client/receipt_check.h"
#include "client/receipts.h"
#include "lib/cleanup.h"

int
run_receipt_open(const struct invocation *invocation, struct session *session,
    struct follow *follow, struct run_receipt *ret, struct failure *failure)
{
	const char *path = option_value(invocation, "receipt");
	struct err err;

	*ret = (struct run_receipt){.target = {.folder = -1, .fd = -1}};
	if (path == NULL)
		return 0;
	ret->wanted = true;
	if (evidence_keys(invocation, &session->context, &ret->keys, failure) !=
	    0)
		return -1;
	if (target_open(&ret->target, path, &err) != 0) {
		err_prefix(&err, "--receipt");
		return failure_from_err(failure, "usage", &err);
	}
	for (size_t i = 0; i < follow->nstreams; i++)
		stream_hash(&follow->streams[i]);
	return 0;
}

void
run_receipt_order(struct run_receipt *receipt, const json_t *order)
{
	auto_free char *body = session_order_body(order);

	digest_sha256_hex(body, strlen(body), receipt->request_sha256);
}

static int
compare(struct run_receipt *receipt, const struct kept_receipt *kept,
    struct session *session, struct follow *follow, const json_t *document,
    struct failure *failure)
{
	struct receipt_stream streams[COUNT(follow->streams)];
	struct certificate_facts certificate;
	struct receipt_wanted wanted = {.document = document,
	    .task = follow->task,
	    .streams = streams,
	    .nstreams = follow->nstreams};
	struct err err;

	for (size_t i = 0; i < follow->nstreams; i++) {
		struct stream *stream = &follow->streams[i];

		streams[i].name = stream->name;
		stream_digest(stream, streams[i].sha256);
		/* A sink that took no more: the reader knows. */
		streams[i].length =
		    sink_is_closed(stream->sink) ? -1 : stream->offset;
	}
	memcpy(wanted.request_sha256, receipt->request_sha256, SHA256_HEX);
	if (credential_read_certificate(
		session->context.certificate, &certificate, &err) != 0)
		return failure_from_err(failure, "context", &err);
	wanted.thumbprint = certificate.thumbprint;
	return receipt_check(&kept->receipt, &wanted, &err) == 0
	    ? 0
	    : failure_from_err(failure, "not-proved", &err);
}

int
run_receipt_finish(struct run_receipt *receipt, struct session *session,
    struct follow *follow, const json_t *document, struct failure *failure)
{
	auto_kept_receipt kept = {0};

	if (!receipt->wanted)
		return 0;
	if (receipts_fetch(
		session, follow->task, &receipt->keys, &kept, failure) != 0)
		return -1;
	/* It holds, and is evidence also where what came differs. */
	if (receipts_put(&kept, &receipt->target, failure) != 0)
		return -1;
	return compare(receipt, &kept, session, follow, document, failure);
}

void
run_receipt_done(struct run_receipt *receipt)
{
	if (receipt->wanted)
		target_close(&receipt->target);
	audit_keys_done(&receipt->keys);
}
