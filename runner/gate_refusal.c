/*
 * `refusal`: what the gateway refused by itself. Nothing of it is verified, but
 * that it has the shape of what goes into a record.
 */
#include <string.h>

#include "certs/token.h"
#include "lib/cleanup.h"
#include "lib/message.h"
#include "policy/recorded.h"
#include "runner/gate.h"
#include "runner/refusals.h"

struct refusal_message {
	const char *code, *address, *subject, *thumbprint, *token_id, *rule;
	int64_t count;
	json_t *untrusted;
	json_t *task; /* NULL: it was not about one that the policy denied */
};

/* Of that one. */
struct refusal_task {
	json_t *request, *roles;
	const char *condition, *request_sha256;
	bool is_signed;
};

/* Nothing else than strings, as the gateway has them from the wire. */
static int
check_untrusted(const json_t *untrusted, struct err *err)
{
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)untrusted, name, value)
	{
		if (!json_is_string(value))
			return err_set(err, ERR_MALFORMED,
			    "untrusted.%s: not a string", name);
	}
	return 0;
}

static int
read_refused_roles(const json_t *roles, struct err *err)
{
	size_t i;
	const json_t *role;

	json_array_foreach(roles, i, role)
	{
		if (!json_is_string(role) ||
		    !token_role_is_valid(json_string_value(role)))
			return err_set(
			    err, ERR_MALFORMED, "task.roles[%zu]: not one", i);
	}
	return 0;
}

/* The request goes beside what else the gateway has from the wire, if it is
 * one. */
static int
read_refused_task(const struct refusal_message *said, struct refusal *refusal,
    struct err *err)
{
	static const struct json_field fields[] = {
	    JSON_FIELD(struct refusal_task, request, "request",
		JSON_KIND_OBJECT, false, 0, 0),
	    JSON_FIELD(struct refusal_task, roles, "roles", JSON_KIND_ARRAY,
		true, 0, TOKEN_ROLES_MAX),
	    JSON_FIELD(struct refusal_task, condition, "condition",
		JSON_KIND_STRING, false, 1, 255),
	    JSON_FIELD(struct refusal_task, request_sha256, "request_sha256",
		JSON_KIND_STRING, true, SHA256_HEX - 1, SHA256_HEX - 1),
	    JSON_FIELD(struct refusal_task, is_signed, "signed",
		JSON_KIND_BOOLEAN, true, 0, 0),
	};
	AUTO(request_done) struct request request = {0};
	struct refusal_task task = {0};

	if (said->task == NULL)
		return 0;
	if (json_read_fields(said->task, "task", fields, COUNT(fields), false,
		&task, err) != 0 ||
	    read_refused_roles(task.roles, err) != 0 ||
	    (task.request != NULL &&
		recorded_read(task.request, &request, err) != 0))
		return -1;
	refusal->of_task = true;
	refusal->roles = task.roles;
	refusal->is_signed = task.is_signed;
	refusal->condition = task.condition;
	refusal->request_sha256 = task.request_sha256;
	if (task.request != NULL)
		json_object_update_missing(said->untrusted, task.request);
	return 0;
}

int
peer_handle_refusal(struct peer *peer, struct message *message, struct err *err)
{
#define TEXT(member, required, max)                                           \
	JSON_FIELD(struct refusal_message, member, #member, JSON_KIND_STRING, \
	    required, 1, max)
	static const struct json_field fields[] = {
	    TEXT(code, true, 32),
	    JSON_FIELD(struct refusal_message, count, "count",
		JSON_KIND_INTEGER, true, 1, MESSAGE_REFUSALS_MAX),
	    TEXT(address, true, 63),
	    TEXT(subject, false, SUBJECT_MAX),
	    TEXT(thumbprint, false, SHA256_BASE64URL - 1),
	    TEXT(token_id, false, TOKEN_ID_MAX),
	    TEXT(rule, false, 128),
	    JSON_FIELD(struct refusal_message, untrusted, "untrusted",
		JSON_KIND_OBJECT, true, 0, 0),
	    JSON_FIELD(struct refusal_message, task, "task", JSON_KIND_OBJECT,
		false, 0, 0),
	};
#undef TEXT
	struct refusal_message said = {0};
	struct refusal refusal = {.by_gateway = true};

	if (json_read_fields(message->members, "", fields, COUNT(fields), false,
		&said, err) != 0 ||
	    check_untrusted(said.untrusted, err) != 0 ||
	    read_refused_task(&said, &refusal, err) != 0)
		return -1;
	refusal.code = err_from_slug(said.code);
	refusal.count = said.count;
	refusal.address = said.address;
	refusal.subject = said.subject;
	refusal.thumbprint = said.thumbprint;
	refusal.token_id = said.token_id;
	refusal.rule = said.rule;
	refusal.untrusted = said.untrusted;
	refusals_add(peer->runner->refusals, &refusal);
	return 0;
}
