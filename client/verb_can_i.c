/*
 * `can-i run`: the decision that `run` would get, and why.
 */
#include "client/verbs.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "client/creation.h"
#include "client/exit_code.h"
#include "client/show_task.h"
#include "lib/alloc.h"
#include "lib/buffer.h"
#include "lib/cleanup.h"
#include "lib/json.h"
#include "lib/quantity.h"

/* One rule that was for us and this image, and did not let it pass. */
static void
show_candidate(const json_t *candidate)
{
	auto_free char *rule = show_member_text(candidate, "rule");
	auto_free char *condition = show_member_text(candidate, "condition");
	auto_free char *detail = show_member_text(candidate, "detail");
	auto_free char *line = NULL;

	if (rule == NULL || json_is_true(json_object_get(candidate, "allows")))
		return;
	line = alloc_printf("%s: %s: %s", rule,
	    condition != NULL ? condition : "?", detail != NULL ? detail : "?");
	show_fact("  not by", line);
}

/* "10 in 1m, 100 in 1d" */
static void
show_rate(const json_t *document)
{
	const json_t *list = json_object_get(document, "rate");
	const json_t *window = NULL;
	struct buffer line = BUFFER_INIT(1024);
	auto_free char *text = NULL;
	size_t i;

	json_array_foreach(list, i, window)
	{
		int64_t tasks = task_integer(window, "tasks");
		int64_t per_s = task_integer(window, "per");
		char per[QUANTITY_TEXT];

		if (tasks < 0 || per_s < 0)
			continue;
		quantity_format_duration(per_s, per);
		buffer_printf(&line, "%s%" PRId64 " in %s",
		    line.len > 0 ? ", " : "", tasks, per);
	}
	if (line.len > 0)
		text = buffer_take(&line);
	show_fact("rate", text);
	buffer_done(&line);
}

/* "2 of yours, 8 in all" */
static void
show_concurrency(const json_t *document)
{
	const json_t *bounds = json_object_get(document, "concurrency");
	int64_t own = task_integer(bounds, "per_subject");
	int64_t total = task_integer(bounds, "total");
	auto_free char *of_own =
	    own > 0 ? alloc_printf("%" PRId64 " of yours", own) : NULL;
	auto_free char *in_all =
	    total > 0 ? alloc_printf("%" PRId64 " in all", total) : NULL;
	auto_free char *both = of_own != NULL && in_all != NULL
	    ? alloc_printf("%s, %s", of_own, in_all)
	    : NULL;

	show_fact("at a time",
	    both != NULL         ? both
		: of_own != NULL ? of_own
				 : in_all);
}

static void
show_grant(const json_t *document)
{
	const json_t *user = json_object_get(document, "user");
	auto_free char *uid = show_member_text(user, "uid");
	auto_free char *gid = show_member_text(user, "gid");
	auto_free char *args = show_task_args(document);
	auto_free char *both =
	    uid != NULL && gid != NULL ? alloc_printf("%s:%s", uid, gid) : NULL;

	show_fact("allowed", "yes");
	show_member("rule", document, "rule");
	show_member("image", document, "image");
	if (json_object_get(document, "args") != NULL)
		show_fact("command", args);
	show_limits(document);
	show_member("network", document, "network");
	show_fact("user", both);
	show_member("unsigned", document, "unsigned");
	show_member("approval", document, "approval");
	show_rate(document);
	show_concurrency(document);
}

static void
show_denial(const struct session *session, const json_t *document)
{
	const json_t *list = json_object_get(document, "candidates");
	const json_t *candidate = NULL;
	size_t i;

	show_fact("allowed", "no");
	show_member("why", document, "detail");
	show_member("rule", document, "rule");
	show_member("condition", document, "condition");
	/* The first is the one above. */
	json_array_foreach(list, i, candidate)
	{
		if (i > 0)
			show_candidate(candidate);
	}
	session_note(session, "taskgate catalog shows what you may run");
}

static int
ask(const struct invocation *invocation, struct session *session,
    json_t **ret_document, struct failure *failure)
{
	AUTO(collection_close) struct collection collection = {0};
	auto_json *order = NULL;
	auto_free char *body = NULL;
	int status;

	if (collection_open(invocation, &collection, failure) != 0)
		return -1;
	order = creation_question(invocation, session, &collection,
	    option_flag(invocation, "interactive"), failure);
	if (order == NULL)
		return -1;
	body = json_encode(order, NULL);
	const struct session_call call = {
	    .method = "POST",
	    .path = "/v1/explain",
	    .body = body,
	    .policy = &retry_call,
	};

	if (session_call(session, &call, ret_document, &status, failure) != 0)
		return -1;
	if (!json_is_boolean(json_object_get(*ret_document, "allowed")))
		return failure_set(failure, "reply",
		    "the server's reply is not what the API promises");
	return 0;
}

int
verb_can_i(struct invocation *invocation)
{
	auto_session session = {0};
	auto_failure failure = FAILURE_INIT;
	auto_json *document = NULL;

	if (session_open(invocation, &session, &failure) != 0 ||
	    ask(invocation, &session, &document, &failure) != 0)
		return session_fail_verb(&session, &failure);
	bool allowed = json_is_true(json_object_get(document, "allowed"));

	if (session.format == SHOW_ID)
		show_id(document, "rule");
	else if (session.format != SHOW_TABLE)
		show_document(session.format, document);
	else if (allowed)
		show_grant(document);
	else
		show_denial(&session, document);
	return allowed ? 0 : EXIT_NO;
}
