/*
 * Role: `audit export`: records as JSON lines, with all that it takes to verify
 * them elsewhere (docs/protocol.md, "An export of the audit log").
 * Reads the store's database itself, read-only; believes nothing of it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/audit_filter.h"
#include "admin/audit_log.h"
#include "admin/audit_place.h"
#include "admin/tool.h"
#include "admin/verbs.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/json.h"
#include "lib/proof.h"

DEFINE_CLEANUP(struct audit_rows, audit_rows_close);

/* All records from the first to the last of the time, those in between too:
 * what is to be verified has no gaps. */
struct span {
	int64_t first, last; /* 0 and 0: none */
};

/* Of the tree before the first record: its complete nodes, from the lowest
 * level up. */
static json_t *
write_edge(const struct merkle_edge *edge)
{
	json_t *nodes = json_array();

	for (unsigned level = 0; level < MERKLE_LEVELS; level++) {
		char hex[SHA256_HEX];

		if ((edge->size >> level & 1) == 0)
			continue;
		hex_encode(edge->nodes[level], SHA256_BYTES, hex);
		json_array_append_new(nodes, json_string(hex));
	}
	return nodes;
}

static int
add_proofs(const struct audit_log *log, const struct span *span,
    const struct checkpoint *head, json_t *header, struct err *err)
{
	AUTO(audit_nodes_close) struct audit_nodes nodes = {0};
	struct merkle_edge edge;
	struct merkle_proof extension = {0};

	if (audit_nodes_open(log->database, &nodes, err) != 0)
		return -1;
	const struct merkle_source source = audit_nodes_source(&nodes);
	if (merkle_load(&source, (uint64_t)span->first - 1, &edge, err) != 0 ||
	    merkle_prove_extension(&source, (uint64_t)span->last, head->size,
		&extension, err) != 0)
		return -1;
	json_object_set_new(header, "before", write_edge(&edge));
	json_object_set_new(header, "extension", proof_write(&extension));
	return 0;
}

static int
write_header(
    const struct audit_log *log, const struct span *span, struct err *err)
{
	struct checkpoint head;
	auto_free char *note = audit_log_head(log, &head, err);
	auto_json *header = NULL;

	if (note == NULL)
		return -1;
	header = json_pack("{s:i, s:s, s:I, s:I}", "export", 1, "checkpoint",
	    note, "first", (json_int_t)span->first, "last",
	    (json_int_t)span->last);
	if (span->first > 0 && add_proofs(log, span, &head, header, err) != 0)
		return -1;
	json_dumpf(header, stdout, JSON_COMPACT | JSON_ENSURE_ASCII);
	putchar('\n');
	return 0;
}

/* Escaped to ASCII: an export may well end on a terminal. */
static int
write_records(
    const struct audit_log *log, const struct span *span, struct err *err)
{
	const struct audit_filter filter = {
	    .after = span->first - 1, .before = span->last + 1};
	AUTO(audit_rows_closep) struct audit_rows *rows = NULL;
	struct audit_row row;
	int result;

	if (span->first == 0)
		return 0;
	if (audit_rows_open(log->database, &filter, &rows, err) != 0)
		return -1;
	while ((result = audit_rows_next(rows, &row, err)) > 0) {
		auto_json *record = audit_row_json(&row);

		json_dumpf(record, stdout, JSON_COMPACT | JSON_ENSURE_ASCII);
		putchar('\n');
		if (ferror(stdout))
			return err_errno(err, "write to standard output");
	}
	return result;
}

static int export(const struct invocation *invocation, struct err *err)
{
	AUTO(audit_log_done) struct audit_log log = {0};
	struct audit_filter times = {0};
	struct span span;

	if (audit_filter_times(invocation, clock_wall_ms(), 0, &times, err) !=
		0 ||
	    audit_log_open_copy(invocation, &log, err) != 0 ||
	    audit_log_read_keys(invocation, &log, err) != 0 ||
	    audit_log_begin(&log, err) != 0 ||
	    audit_rows_span(log.database, times.since_ms, times.until_ms,
		&span.first, &span.last, err) != 0 ||
	    write_header(&log, &span, err) != 0 ||
	    write_records(&log, &span, err) != 0)
		return -1;
	if (fflush(stdout) != 0)
		return err_errno(err, "write to standard output");
	return 0;
}

int
verb_audit_export(struct invocation *invocation)
{
	struct err err;

	return export(invocation, &err) == 0 ? 0 : tool_fail(&err);
}
