/*
 * Role: `audit verify` and `audit checkpoint`: whether the log is what was
 * signed, and the signed head, to be kept elsewhere.
 * Trusts the audit public key, and nothing in the database: the runner is not
 * asked.
 */
#include <stdlib.h>
#include <string.h>

#include "admin/site.h"
#include "admin/tool.h"
#include "admin/verbs.h"
#include "admin/verify_log.h"
#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/json.h"

/* A checkpoint of the runner's takes a moment to be written. */
#define BUSY_MS 5000

static const struct column columns[] = {
    {"Log", "log"},
    {"Records", "records"},
    {"Root", "root"},
    {"Checkpoint", "from"},
    {"Verdict", "verdict"},
};
static const struct view view = {columns, COUNT(columns), "root"};

static const struct column finding_columns[] = {
    {"SEQ", "seq"},
    {"WHAT", "what"},
};
static const struct view finding_view = {
    finding_columns, COUNT(finding_columns), "seq"};

/* A log, its keys, and a checkpoint of it that was kept. */
struct subject {
	struct site_log log;
	char *path; /* of the database */
	sqlite3 *database;
	struct verify_question question;
	struct checkpoint from;
};

static void
subject_done(struct subject *subject)
{
	audit_keys_done(&subject->question.keys);
	sqlite3_close(subject->database);
	free(subject->path);
	site_log_done(&subject->log);
}

/* -- what is to be looked at */

static int
open_database(const struct invocation *invocation, struct subject *subject,
    struct err *err)
{
	const char *named = option_value(invocation, "database");
	int result;

	subject->path =
	    alloc_string(named != NULL ? named : subject->log.database);
	result = sqlite3_open_v2(
	    subject->path, &subject->database, SQLITE_OPEN_READONLY, NULL);
	if (result == SQLITE_OK) {
		/* What it defines by itself may call no functions. */
		sqlite3_db_config(
		    subject->database, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
		sqlite3_busy_timeout(subject->database, BUSY_MS);
		return 0;
	}
	return err_set(err,
	    result == SQLITE_CANTOPEN ? ERR_NOT_FOUND : ERR_UNAVAILABLE,
	    "%s: %s; name the store.db with --database", subject->path,
	    sqlite3_errmsg(subject->database));
}

/* Every key of a file: a rotation leaves the old ones behind the new. */
static int
read_key(struct subject *subject, const char *path, struct err *err)
{
	size_t len = 0;
	auto_free char *pem = tool_read(path, AUDIT_KEYS_FILE_MAX, &len, err);

	if (pem == NULL)
		return -1;
	return audit_keys_add(&subject->question.keys, pem, len, err) == 0
	    ? 0
	    : err_prefix(err, "%s", path);
}

static int
read_keys(const struct invocation *invocation, struct subject *subject,
    struct err *err)
{
	auto_free char *usual =
	    alloc_printf("%s/audit.pub", tool_directory(invocation));
	const char *path;

	for (size_t i = 0; (path = option_each(invocation, "key", i)) != NULL;
	     i++) {
		if (read_key(subject, path, err) != 0)
			return -1;
	}
	return subject->question.keys.count > 0 ? 0
						: read_key(subject, usual, err);
}

static int
read_from(const struct invocation *invocation, struct subject *subject,
    struct err *err)
{
	const char *path = option_value(invocation, "from");
	struct verify_question *question = &subject->question;
	auto_free char *note = NULL;
	size_t len = 0;

	if (path == NULL)
		return 0;
	note = tool_read(path, CHECKPOINT_MAX, &len, err);
	if (note == NULL)
		return -1;
	if (audit_keys_open(&question->keys, note, len, question->origin,
		&subject->from, err) == 0) {
		question->from = &subject->from;
		return 0;
	}
	return err_prefix(err, "%s", path);
}

static int
open_subject(const struct invocation *invocation, struct subject *subject,
    struct err *err)
{
	if (site_find_log(tool_directory(invocation), &subject->log, err) != 0)
		return -1;
	subject->question.origin = subject->log.origin;
	if (read_keys(invocation, subject, err) != 0)
		return -1;
	return open_database(invocation, subject, err);
}

/* -- verify */

static json_t *
list_findings(const struct verify_report *report)
{
	json_t *list = json_array();

	for (size_t i = 0; i < report->nfindings && i < VERIFY_FINDINGS_MAX;
	     i++) {
		const struct verify_finding *finding = &report->findings[i];
		json_t *object = json_pack("{s:s}", "what", finding->what);

		if (finding->seq != 0)
			json_object_set_new(
			    object, "seq", json_integer(finding->seq));
		json_array_append_new(list, object);
	}
	return list;
}

static json_t *
describe(const struct subject *subject, const struct verify_report *report)
{
	bool good = report->nfindings == 0;
	auto_free char *root = base64_encode(report->root, SHA256_BYTES);
	json_t *object = json_pack("{s:s, s:s, s:I, s:s, s:b, s:s}", "log",
	    subject->path, "origin", subject->log.origin, "records",
	    (json_int_t)report->records, "root", root, "good", good, "verdict",
	    good ? "all of it is what was signed"
		 : "it is not what was signed");

	if (subject->question.from != NULL)
		json_object_set_new(object, "from",
		    json_integer((json_int_t)subject->from.size));
	return object;
}

static int
print_report(const struct invocation *invocation, const struct subject *subject,
    const struct verify_report *report, struct err *err)
{
	auto_json *object = describe(subject, report);
	auto_json *findings = list_findings(report);
	enum tool_format format;

	if (tool_format(invocation, &format, err) != 0)
		return -1;
	if (format != FORMAT_TABLE) {
		json_object_set(object, "findings", findings);
		return tool_print_one(invocation, &view, object, err);
	}
	if (tool_print_one(invocation, &view, object, err) != 0)
		return -1;
	if (report->nfindings == 0)
		return 0;
	if (report->nfindings > VERIFY_FINDINGS_MAX)
		tool_note(
		    "%zu findings; these are the first", report->nfindings);
	return tool_print_list(invocation, &finding_view, findings, err);
}

int
verb_audit_verify(struct invocation *invocation)
{
	AUTO(subject_done) struct subject subject = {0};
	struct verify_report report;
	struct err err = {0};

	if (open_subject(invocation, &subject, &err) != 0 ||
	    read_from(invocation, &subject, &err) != 0 ||
	    verify_log(subject.database, &subject.question, &report, &err) !=
		0 ||
	    print_report(invocation, &subject, &report, &err) != 0)
		return tool_fail(&err);
	return report.nfindings == 0 ? 0 : 1;
}

/* -- checkpoint */

static int
find_note(const struct subject *subject, char **ret, struct err *err)
{
	sqlite3_stmt *row = NULL;
	const char *note = NULL;

	if (sqlite3_prepare_v2(subject->database, "SELECT note FROM head", -1,
		&row, NULL) == SQLITE_OK &&
	    sqlite3_step(row) == SQLITE_ROW)
		note = (const char *)sqlite3_column_text(row, 0);
	if (note != NULL)
		*ret = alloc_string(note);
	sqlite3_finalize(row);
	if (note == NULL)
		return err_set(err, ERR_NOT_FOUND,
		    "%s: nothing has been signed: %s", subject->path,
		    sqlite3_errmsg(subject->database));
	return 0;
}

static int
check_note(const struct subject *subject, const char *note, struct err *err)
{
	const struct verify_question *question = &subject->question;
	struct checkpoint head;

	if (audit_keys_open(&question->keys, note, strlen(note),
		question->origin, &head, err) == 0)
		return 0;
	return err_prefix(err, "%s", subject->path);
}

static int
give_checkpoint(const struct invocation *invocation, struct err *err)
{
	AUTO(subject_done) struct subject subject = {0};
	const char *out = option_value(invocation, "out");
	auto_free char *note = NULL;

	if (open_subject(invocation, &subject, err) != 0 ||
	    find_note(&subject, &note, err) != 0 ||
	    check_note(&subject, note, err) != 0)
		return -1;
	if (out != NULL)
		return file_write(out, note, strlen(note), 0644, err);
	fputs(note, stdout);
	return 0;
}

int
verb_audit_checkpoint(struct invocation *invocation)
{
	struct err err = {0};

	return give_checkpoint(invocation, &err) == 0 ? 0 : tool_fail(&err);
}
