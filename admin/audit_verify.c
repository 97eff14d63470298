/*
 * Role: `audit verify` and `audit checkpoint`: whether the log is what was
 * signed, and the signed head, to be kept elsewhere.
 * Trusts the audit public key, and nothing in the database: the runner is not
 * asked.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/audit_log.h"
#include "admin/tool.h"
#include "admin/verbs.h"
#include "admin/verify_export.h"
#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/json.h"

static const struct column columns[] = {
    {"Log", "log"},
    {"Records", "records"},
    {"Without text", "dropped"},
    {"Redacted", "redacted"},
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

/* A log, and a checkpoint of it that was kept. */
struct subject {
	struct audit_log log;
	struct checkpoint from;
};

static void
subject_done(struct subject *subject)
{
	audit_log_done(&subject->log);
}

static int
read_from(const struct invocation *invocation, struct subject *subject,
    struct err *err)
{
	const char *path = option_value(invocation, "from");
	auto_free char *note = NULL;
	size_t len = 0;

	if (path == NULL)
		return 0;
	note = tool_read(path, CHECKPOINT_MAX, &len, err);
	if (note == NULL)
		return -1;
	if (audit_log_check(&subject->log, note, len, &subject->from, err) != 0)
		return err_prefix(err, "%s", path);
	subject->log.question.from = &subject->from;
	return 0;
}

static int
open_log(
    const struct invocation *invocation, struct audit_log *log, struct err *err)
{
	if (audit_log_open(invocation, log, err) != 0)
		return -1;
	return audit_log_read_keys(invocation, log, err);
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
	    subject->log.path, "origin",
	    subject->log.site.origin != NULL ? subject->log.site.origin
					     : report->head.origin,
	    "records", (json_int_t)report->records, "root", root, "good", good,
	    "verdict",
	    good ? "all of it is what was signed"
		 : "it is not what was signed");

	/* Of a log, as is on record: what is not is a finding. An export cannot
	 * know. */
	json_object_set_new(
	    object, "dropped", json_integer((json_int_t)report->dropped));
	json_object_set_new(
	    object, "redacted", json_integer((json_int_t)report->redacted));
	if (subject->log.question.from != NULL)
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

/* What somebody exported, wherever: it needs no installation. */
static int
look_at_export(const struct invocation *invocation, const char *path,
    struct subject *subject, struct verify_report *ret, struct err *err)
{
	bool is_stdin = strcmp(path, "-") == 0;
	auto_file FILE *file = is_stdin ? NULL : fopen(path, "r");

	if (!is_stdin && file == NULL)
		return err_set(err,
		    errno == ENOENT ? ERR_NOT_FOUND : ERR_UNAVAILABLE,
		    "open %s: %s", path, strerror(errno));
	subject->log.path = alloc_string(path);
	if (audit_log_read_keys(invocation, &subject->log, err) != 0 ||
	    read_from(invocation, subject, err) != 0)
		return -1;
	return verify_export(is_stdin ? stdin : file, &subject->log.question,
		   ret, err) == 0
	    ? 0
	    : err_prefix(err, "%s", path);
}

static int
look_at_log(const struct invocation *invocation, struct subject *subject,
    struct verify_report *ret, struct err *err)
{
	if (open_log(invocation, &subject->log, err) != 0 ||
	    read_from(invocation, subject, err) != 0)
		return -1;
	return verify_log(
	    subject->log.database, &subject->log.question, ret, err);
}

int
verb_audit_verify(struct invocation *invocation)
{
	AUTO(subject_done) struct subject subject = {0};
	const char *path = option_value(invocation, "export");
	struct verify_report report;
	struct err err = {0};
	int result;

	result = path != NULL
	    ? look_at_export(invocation, path, &subject, &report, &err)
	    : look_at_log(invocation, &subject, &report, &err);
	if (result != 0 ||
	    print_report(invocation, &subject, &report, &err) != 0)
		return tool_fail(&err);
	return report.nfindings == 0 ? 0 : 1;
}

/* -- checkpoint */

static int
give_checkpoint(const struct invocation *invocation, struct err *err)
{
	AUTO(audit_log_done) struct audit_log log = {0};
	const char *out = option_value(invocation, "out");
	auto_free char *note = NULL;
	struct checkpoint head;

	if (open_log(invocation, &log, err) != 0)
		return -1;
	note = audit_log_head(&log, &head, err);
	if (note == NULL)
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
