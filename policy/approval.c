/*
 * A strict reader of approvals: from the network, through gateway and runner
 * alike.
 */
#include "policy/approval.h"

#include <string.h>

#include "lib/cleanup.h"
#include "lib/json.h"

struct members {
	const char *decision, *reason;
	json_t *request;
};

static const struct json_field fields[] = {
    JSON_FIELD(
	struct members, decision, "decision", JSON_KIND_STRING, true, 1, 16),
    JSON_FIELD(struct members, reason, "reason", JSON_KIND_STRING, false, 1,
	APPROVAL_REASON_MAX),
    JSON_FIELD(
	struct members, request, "request", JSON_KIND_OBJECT, false, 0, 0),
};

static int
read_members(
    const struct members *members, struct approval *ret, struct err *err)
{
	ret->approves = strcmp(members->decision, "approve") == 0;
	if (!ret->approves && strcmp(members->decision, "deny") != 0)
		return err_set(err, ERR_UNPROCESSABLE,
		    "decision: must be \"approve\" or \"deny\"");
	if (ret->approves && members->request == NULL)
		return err_set(err, ERR_UNPROCESSABLE,
		    "request: must be there, as the task's approval.request "
		    "shows it");
	if (!ret->approves && members->request != NULL)
		return err_set(err, ERR_UNPROCESSABLE,
		    "request: only where the decision is \"approve\"");
	ret->reason = members->reason;
	ret->request = members->request;
	return 0;
}

int
approval_parse(
    const char *text, size_t len, struct approval *ret, struct err *err)
{
	auto_json *body = json_parse_strict(text, len, err);
	struct members members = {0};
	struct approval approval = {0};

	if (body == NULL ||
	    json_read_fields(
		body, "", fields, COUNT(fields), false, &members, err) != 0 ||
	    read_members(&members, &approval, err) != 0)
		return -1;
	approval.body = take(body);
	*ret = approval;
	return 0;
}

void
approval_done(struct approval *approval)
{
	json_decref(approval->body);
	*approval = (struct approval){0};
}
