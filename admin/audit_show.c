/*
 * Role: `audit show`: what one record, or those of a task, tell, and the proof
 * that the log that was signed has them.
 * Reads the store's database itself, read-only; believes only what a key has
 * signed. Must never print a control byte of a record to a terminal.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/audit_line.h"
#include "admin/audit_log.h"
#include "admin/audit_place.h"
#include "admin/tool.h"
#include "admin/verbs.h"
#include "lib/alloc.h"
#include "lib/audit_story.h"
#include "lib/buffer.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/json.h"
#include "lib/proof.h"
#include "lib/terminal.h"

/* Signals and readings of one task may be many. */
#define SHOWN_MAX 1000

DEFINE_CLEANUP(struct audit_rows, audit_rows_close);

/* What is shown: the records, each with its proof. */
struct shown {
	json_t *records;
	char *note; /* NULL: nobody can say what was signed */
	struct checkpoint head;
	struct err why; /* where note is NULL */
	int64_t unproven; /* the first that is not in what was signed; 0 */
};

static void
shown_done(struct shown *shown)
{
	json_decref(shown->records);
	free(shown->note);
}

/* A sequence number or a task's id. */
static int
read_operand(const char *text, struct audit_filter *ret, struct err *err)
{
	size_t digits = strspn(text, "0123456789");

	*ret = (struct audit_filter){.limit = SHOWN_MAX};
	if (uuid_is_valid(text)) {
		ret->task = text;
		return 0;
	}
	if (digits == 0 || digits > 18 || text[digits] != '\0')
		return err_set(err, ERR_UNPROCESSABLE,
		    "\"%s\" is neither a sequence number nor a task's id",
		    text);
	ret->after = strtoll(text, NULL, 10) - 1;
	ret->before = ret->after + 2;
	return 0;
}

static void
prove(struct shown *shown, struct audit_nodes *nodes,
    const struct audit_row *row, json_t *record)
{
	struct merkle_proof proof;
	bool holds = false;
	struct err err;

	if (shown->note == NULL)
		return;
	if (audit_place_prove(nodes, &shown->head, row, &proof, &holds, &err) ==
	    0)
		json_object_set_new(record, "inclusion", proof_write(&proof));
	if (!holds && shown->unproven == 0)
		shown->unproven = row->seq;
}

static int
read_records(sqlite3 *database, const struct audit_filter *filter,
    struct shown *shown, struct err *err)
{
	AUTO(audit_nodes_close) struct audit_nodes nodes = {0};
	AUTO(audit_rows_closep) struct audit_rows *rows = NULL;
	struct audit_row row;
	int result;

	if (audit_nodes_open(database, &nodes, err) != 0 ||
	    audit_rows_open(database, filter, &rows, err) != 0)
		return -1;
	while ((result = audit_rows_next(rows, &row, err)) > 0) {
		json_t *record = audit_row_json(&row);

		prove(shown, &nodes, &row, record);
		json_array_append_new(shown->records, record);
	}
	return result;
}

/* Head and records of one moment. */
static int
read_shown(const struct invocation *invocation, struct audit_log *log,
    const struct audit_filter *filter, struct shown *ret, struct err *err)
{
	if (audit_log_open_copy(invocation, log, err) != 0 ||
	    audit_log_begin(log, err) != 0)
		return -1;
	ret->records = json_array();
	if (audit_log_read_keys(invocation, log, &ret->why) == 0)
		ret->note = audit_log_head(log, &ret->head, &ret->why);
	return read_records(log->database, filter, ret, err);
}

/* -- as a story */

static void
print_story(const json_t *record)
{
	auto_free char *time = audit_line_member(record, NULL, "time");
	auto_free char *story = audit_story_tell(record);
	auto_free char *safe_time = terminal_neutralise(time);
	auto_free char *safe = terminal_neutralise(story);

	printf("%s  %s\n", safe_time, safe);
}

/* One record, with all that is in it. jansson escapes C0; what is left is
 * neutralised line by line. */
static void
print_whole(const json_t *record)
{
	auto_free char *text = json_dumps(record, JSON_INDENT(2));

	putchar('\n');
	for (char *line = text; line != NULL;) {
		char *end = strchr(line, '\n');

		if (end != NULL)
			*end++ = '\0';
		auto_free char *safe = terminal_neutralise(line);
		puts(safe);
		line = end;
	}
}

static void
print_place(const struct shown *shown)
{
	size_t n = json_array_size(shown->records);
	auto_free char *first =
	    audit_line_member(json_array_get(shown->records, 0), NULL, "seq");
	auto_free char *last = audit_line_member(
	    json_array_get(shown->records, n - 1), NULL, "seq");

	printf("\nPlace in the log: ");
	if (n == 1)
		printf("record %s", first);
	else
		printf("%zu records between %s and %s", n, first, last);
	if (shown->note == NULL) {
		auto_free char *safe = terminal_neutralise(shown->why.detail);

		printf(". Not proven: %s.\n", safe);
		return;
	}
	auto_free char *root = base64_encode(shown->head.root, SHA256_BYTES);
	printf(" of the %llu that were signed (root %s). ",
	    (unsigned long long)shown->head.size, root);
	if (shown->unproven == 0)
		printf("Proven: %s there, as written.\n",
		    n == 1 ? "it is" : "they are");
	else
		printf("Record %lld is NOT what was signed: see "
		       "taskgate-admin audit verify.\n",
		    (long long)shown->unproven);
}

static void
print_table(const struct audit_filter *filter, const struct shown *shown)
{
	const json_t *record = json_array_get(shown->records, 0);
	size_t k;
	const json_t *one;

	json_array_foreach(shown->records, k, one) print_story(one);
	if (filter->task == NULL) {
		auto_free char *task =
		    audit_line_member(record, "object", "task");

		print_whole(record);
		print_place(shown);
		if (uuid_is_valid(task))
			printf("All about its task: taskgate-admin audit show "
			       "%s\n",
			    task);
		return;
	}
	print_place(shown);
}

/* -- as JSON */

static int
print_json(const struct invocation *invocation, const struct shown *shown,
    struct err *err)
{
	auto_json *object = json_pack("{s:O, s:b}", "records", shown->records,
	    "proven", shown->note != NULL && shown->unproven == 0);
	const struct view view = {.id = "proven"};

	if (shown->note != NULL)
		json_object_set_new(
		    object, "checkpoint", json_string(shown->note));
	return tool_print_one(invocation, &view, object, err);
}

/* As search gives them. */
static int
print_lines(
    struct audit_printer *printer, const struct shown *shown, struct err *err)
{
	size_t k;
	json_t *one;

	json_array_foreach(shown->records, k, one)
	{
		json_object_del(one, "inclusion");
		audit_printer_add(printer, one);
	}
	return audit_printer_end(printer, err);
}

static int
print_shown(const struct invocation *invocation,
    const struct audit_filter *filter, const struct shown *shown,
    struct err *err)
{
	struct audit_printer printer;

	if (audit_printer_begin(invocation, &printer, err) != 0)
		return -1;
	if (printer.format == FORMAT_JSON)
		return print_json(invocation, shown, err);
	if (printer.format != FORMAT_TABLE)
		return print_lines(&printer, shown, err);
	print_table(filter, shown);
	return audit_printer_end(&printer, err);
}

int
verb_audit_show(struct invocation *invocation)
{
	AUTO(audit_log_done) struct audit_log log = {0};
	AUTO(shown_done) struct shown shown = {0};
	struct audit_filter filter;
	struct err err;

	if (read_operand(invocation->operands[0], &filter, &err) != 0 ||
	    read_shown(invocation, &log, &filter, &shown, &err) != 0)
		return tool_fail(&err);
	if (json_array_size(shown.records) == 0) {
		err_set(&err, ERR_NOT_FOUND, "there is no record of %s",
		    invocation->operands[0]);
		return tool_fail(&err);
	}
	if (print_shown(invocation, &filter, &shown, &err) != 0)
		return tool_fail(&err);
	return shown.unproven == 0 ? 0 : 1;
}
