/*
 * `ps`, `status`, `whoami`: what the server knows, for people and programs.
 */
#include "client/verbs.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/exit_code.h"
#include "client/operand.h"
#include "client/show_task.h"
#include "client/task.h"
#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/json.h"
#include "lib/terminal.h"

static int
get(struct session *session, const char *path, bool anonymous,
    json_t **ret_document, struct failure *failure)
{
	const struct session_call call = {
	    .method = "GET",
	    .path = path,
	    .policy = &retry_call,
	    .anonymous = anonymous,
	};
	int status;

	if (session_call(session, &call, ret_document, &status, failure) != 0)
		return -1;
	if (!json_is_object(*ret_document))
		return failure_set(failure, "reply",
		    "the server's reply is not what the API promises");
	return 0;
}

static void
add_row(struct table *table, const json_t *document)
{
	struct task task;
	struct err err;
	auto_free char *state = NULL;
	auto_free char *args = NULL;
	auto_free char *created = NULL;

	if (task_read(document, &task, &err) != 0)
		return;
	state = show_task_state(&task);
	args = show_task_args(document);
	created = show_time(task.created_at);
	table_add(table,
	    (const char *const[]){
		task.id, state, task.subject, task.image, args, created});
}

static void
show_table(const json_t *tasks)
{
	static const char *const headings[] = {
	    "ID", "STATE", "SUBJECT", "IMAGE", "COMMAND", "CREATED (UTC)"};
	struct table *table = table_new(headings, COUNT(headings));
	const json_t *document = NULL;
	size_t i;

	json_array_foreach(tasks, i, document)
	{
		add_row(table, document);
	}
	table_print(table, stdout);
	table_free(table);
}

static int
list_page(struct session *session, const char *state, const char *subject,
    long long limit, json_t *tasks, struct failure *failure)
{
	auto_free char *path = alloc_printf("/v1/tasks?limit=%lld%s%s%s%s",
	    limit, state != NULL ? "&state=" : "", state != NULL ? state : "",
	    subject != NULL ? "&subject=" : "", subject != NULL ? subject : "");
	auto_json *document = NULL;
	const json_t *found = NULL;

	if (get(session, path, false, &document, failure) != 0)
		return -1;
	found = json_object_get(document, "tasks");
	if (!json_is_array(found))
		return failure_set(failure, "reply",
		    "the server's reply is not what the API promises: no "
		    "tasks");
	json_array_extend(tasks, (json_t *)found);
	return 0;
}

static const char *const states[] = {
#define STATE(name, text) text,
#include "lib/task_states.def"
#undef STATE
};

/* What has not ended yet, or what the options ask for. */
static int
list_tasks(const struct invocation *invocation, struct session *session,
    json_t *tasks, struct failure *failure)
{
	const char *state = option_value(invocation, "state");
	const char *subject = option_value(invocation, "subject");
	long long limit;
	bool more = false;
	struct err err;

	if (option_integer(invocation, "limit", 50, 1, 200, &limit, &err) !=
		0 ||
	    operand_check_word("--state", state, &err) != 0 ||
	    operand_check_word("--subject", subject, &err) != 0)
		return failure_from_err(failure, "usage", &err);
	if (state != NULL || option_flag(invocation, "all"))
		return list_page(
		    session, state, subject, limit, tasks, failure);
	/* All but the last. The newest first in each, and what is youngest
	 * waits. */
	for (size_t i = 0; i + 1 < COUNT(states); i++) {
		if (list_page(session, states[i], subject, limit, tasks,
			failure) != 0)
			return -1;
		more |= session->has_next;
	}
	session->has_next = more;
	return 0;
}

int
verb_ps(struct invocation *invocation)
{
	auto_session session = {0};
	auto_failure failure = FAILURE_INIT;
	auto_json *document = json_object();
	json_t *tasks = json_array();

	json_object_set_new(document, "tasks", tasks);
	if (session_open(invocation, &session, &failure) != 0 ||
	    list_tasks(invocation, &session, tasks, &failure) != 0)
		return session_fail_verb(&session, &failure);
	if (session.format == SHOW_JSON)
		show_document(session.format, document);
	else if (session.format == SHOW_TABLE)
		show_table(tasks);
	else
		show_lines(session.format, tasks);
	if (json_array_size(tasks) == 0 && !option_flag(invocation, "all"))
		session_note(&session,
		    "none that has not ended; --all shows "
		    "those that have, too");
	if (session.has_next)
		session_note(&session,
		    "there are more; --limit shows up to "
		    "200, --state fewer kinds");
	return 0;
}

static int
status_of_task(
    const char *text, struct session *session, struct failure *failure)
{
	char id[OPERAND_ID];
	auto_json *document = NULL;
	struct task task;
	struct err err;

	if (operand_read_id(text, id, &err) != 0)
		return failure_from_err(failure, "usage", &err);
	if (session_get_task(session, id, 0, &document, failure) != 0)
		return -1;
	if (task_read(document, &task, &err) != 0)
		return failure_from_err(failure, "reply", &err);
	if (session->format == SHOW_TABLE)
		show_task(document, &task);
	else if (session->format == SHOW_ID)
		printf("%s\n", task.id);
	else
		show_document(session->format, document);
	return 0;
}

static void
show_server(const struct session *session, const json_t *document)
{
	auto_free char *uptime = NULL;
	const json_t *seconds = json_object_get(document, "uptime_s");

	if (json_is_integer(seconds)) {
		int64_t s = json_integer_value(seconds);

		uptime = alloc_printf("%" PRId64 "d %02" PRId64 ":%02" PRId64
				      ":%02" PRId64,
		    s / 86400, s / 3600 % 24, s / 60 % 60, s % 60);
	}
	show_fact("server", session->context.server);
	show_member("version", document, "version");
	show_fact("uptime", uptime);
	show_member("ready", document, "ready");
	show_list("reasons", document, "reasons");
	show_member("queued", document, "queued");
	show_member("running", document, "running");
	show_member("capacity", document, "capacity");
	show_member("warm", document, "warm");
}

static int
status_of_server(
    struct session *session, int *ret_code, struct failure *failure)
{
	auto_json *document = NULL;

	if (get(session, "/api/status", true, &document, failure) != 0)
		return -1;
	if (session->format == SHOW_TABLE)
		show_server(session, document);
	else
		show_document(session->format, document);
	*ret_code =
	    json_is_true(json_object_get(document, "ready")) ? 0 : EXIT_NO;
	return 0;
}

int
verb_status(struct invocation *invocation)
{
	auto_session session = {0};
	auto_failure failure = FAILURE_INIT;
	int code = 0;
	int result = session_open(invocation, &session, &failure);

	if (result == 0)
		result = invocation->noperands > 0
		    ? status_of_task(
			  invocation->operands[0], &session, &failure)
		    : status_of_server(&session, &code, &failure);
	return result == 0 ? code : session_fail_verb(&session, &failure);
}

static void
show_principal(const struct session *session, const json_t *document)
{
	const json_t *token = json_object_get(document, "token");
	const json_t *certificate = json_object_get(document, "certificate");

	show_member("subject", document, "subject");
	show_list("roles", document, "roles");
	show_list("scopes", document, "scopes");
	show_fact("server", session->context.server);
	show_member("token", token, "id");
	show_member("  expires", token, "expires_at");
	show_member("certificate", certificate, "serial");
	show_member("  thumbprint", certificate, "thumbprint");
	show_member("  expires", certificate, "expires_at");
}

int
verb_whoami(struct invocation *invocation)
{
	auto_session session = {0};
	auto_failure failure = FAILURE_INIT;
	auto_json *document = NULL;

	if (session_open(invocation, &session, &failure) != 0 ||
	    get(&session, "/v1/whoami", false, &document, &failure) != 0)
		return session_fail_verb(&session, &failure);
	if (session.format == SHOW_TABLE)
		show_principal(&session, document);
	else if (session.format == SHOW_ID)
		show_id(document, "subject");
	else
		show_document(session.format, document);
	return 0;
}
