/*
 * Role: `audit redact`: has what a client wrote taken out of a record, for
 * good. Trusts the operator; the runner does it and puts on record who had it
 * done.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/runner_link.h"
#include "admin/tool.h"
#include "admin/verbs.h"
#include "lib/cleanup.h"
#include "lib/json.h"
#include "lib/record.h"

static int
read_number(const char *text, json_int_t *ret, struct err *err)
{
	size_t digits = strspn(text, "0123456789");

	*ret = digits > 0 && digits <= 18 ? strtoll(text, NULL, 10) : 0;
	if (*ret > 0 && text[digits] == '\0')
		return 0;
	return err_set(err, ERR_UNPROCESSABLE,
	    "\"%s\" is no sequence number of a record", text);
}

static int
redact(const struct invocation *invocation, struct err *err)
{
	AUTO(runner_link_close) struct runner_link link = {.sock = -1};
	const char *reason;
	auto_json *members = NULL;
	auto_fd int fd = -1;
	json_t *body = NULL;
	json_int_t seq;

	if (read_number(invocation->operands[0], &seq, err) != 0 ||
	    tool_reason(invocation, RECORD_REASON_MAX, &reason, err) != 0)
		return -1;
	members = json_pack("{s:I, s:s}", "seq", seq, "reason", reason);
	if (members == NULL)
		return err_set(err, ERR_UNPROCESSABLE, "--reason: not UTF-8");
	if (runner_link_open(invocation, &link, err) != 0 ||
	    runner_link_call_take(&link, MESSAGE_audit_redact,
		json_incref(members), &body, &fd, err) != 0)
		return -1;
	json_decref(body);
	tool_note("what stood beside record %lld is gone; backups and live "
		  "copies of it are yours to see to",
	    (long long)seq);
	return 0;
}

int
verb_audit_redact(struct invocation *invocation)
{
	struct err err;

	if (option_value(invocation, "reason") == NULL) {
		err_set(&err, ERR_UNPROCESSABLE,
		    "--reason is missing: it goes into the record");
		return tool_fail(&err);
	}
	return redact(invocation, &err) == 0 ? 0 : tool_fail(&err);
}
