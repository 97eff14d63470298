/*
 * Tasks: from HTTP to a question for the runner, and its answer back. The
 * policy is asked here first, so that what it denies never reaches the runner;
 * the runner asks it again and trusts nothing of this.
 */
#include <string.h>
#include <unistd.h>

#include "gateway/denial.h"
#include "gateway/exchange.h"
#include "gateway/query.h"
#include "gateway/signed.h"
#include "gateway/upload.h"
#include "gateway/worker.h"
#include "lib/cleanup.h"
#include "lib/json.h"
#include "lib/packet.h"
#include "policy/policy.h"

#define WAIT_MAX_S 60
#define GRACE_MAX_S 300
#define LIST_MAX 200
#define LIST_DEFAULT 50
/* What the runner may take beside the waiting that was asked for. */
#define REPLY_S 30

static const char *const states[] = {
#define STATE(name, text) text,
#include "lib/task_states.def"
#undef STATE
    NULL};

/* The task, as the runner describes it. */
static void
heard_task(struct exchange *x, const struct link_answer *answer)
{
	if (answer->failure != NULL)
		exchange_pass_failure(x, answer);
	else
		exchange_answer_json(x, (unsigned)answer->status, answer->body);
}

static void
ask(struct exchange *x, enum message_type type, json_t *members, int64_t wait_s)
{
	x->waits = wait_s > 0;
	exchange_ask_take(x,
	    &(struct link_question){.type = type,
		.members = members,
		.fd = -1,
		.timeout_s = wait_s + REPLY_S},
	    heard_task);
}

/* ---- create ---- */

static void
heard_created(struct exchange *x, const struct link_answer *answer)
{
	char location[sizeof("/v1/tasks/") + UUID_TEXT];
	const char *id;

	heard_task(x, answer);
	if (answer->failure != NULL)
		return;
	id = json_string_value(json_object_get(answer->body, "id"));
	if (id == NULL || !uuid_is_valid(id))
		return;
	snprintf(location, sizeof(location), "/v1/tasks/%s", id);
	exchange_header(x, MHD_HTTP_HEADER_LOCATION, location);
}

/* False: it was denied, or is to be signed, and the exchange answered. */
static bool
judge(struct exchange *x, const struct request *request, bool is_signed)
{
	const struct token_claims *token = &x->principal.token;
	const struct policy *policy = x->worker->snapshot->policy;
	const char *roles[TOKEN_ROLES_MAX];
	const struct policy_principal principal = {
	    .subject = token->subject, .roles = roles, .nroles = token->nroles};
	AUTO(policy_verdict_done) struct policy_verdict verdict;
	struct problem problem = {0};
	uint64_t began_ns = uv_hrtime();

	for (size_t i = 0; i < token->nroles; i++)
		roles[i] = token->roles[i];
	policy_decide(policy, &principal, request, clock_wall_ms(), &verdict);
	x->policy_us = (int64_t)((uv_hrtime() - began_ns) / 1000);
	if (verdict.allowed && (is_signed || verdict.is_unsigned))
		return true;
	/* What shadows say is for the record of this request, which is the
	 * runner's: it decides again anyway. */
	if (!verdict.allowed && verdict.nshadows > 0)
		return true;
	if (verdict.allowed)
		signature_require(&problem.err);
	else
		policy_explain_to_caller(&verdict, request, &problem.rule,
		    &problem.condition, &problem.err);
	x->denied = denial_describe(
	    &(struct denial){.decision = {policy, &principal, &verdict},
		.request = request,
		.body = x->body.data,
		.len = x->body.len,
		.is_signed = is_signed,
		.condition = problem.condition});
	exchange_refuse(x, &problem);
	return false;
}

/* False: it is not what the policy lets through, and the exchange answered. */
static bool
check_request(struct exchange *x, bool is_signed)
{
	AUTO(request_done) struct request request = {0};
	struct err err;

	if (request_parse(x->body.data == NULL ? "" : x->body.data, x->body.len,
		&request, &err) < 0) {
		exchange_refuse_err(x, &err);
		return false;
	}
	return judge(x, &request, is_signed);
}

static void
submit(struct exchange *x, int64_t wait_s, const char *key,
    const struct signature *signature)
{
	auto_fd int fd = -1;
	json_t *members;
	struct err err;

	if (packet_seal(x->body.data, x->body.len, &fd, &err) < 0) {
		exchange_refuse_err(x, &err);
		return;
	}
	members = json_pack("{s:I}", "wait", (json_int_t)wait_s);
	signed_add_members(key, signature, members);
	x->waits = wait_s > 0;
	exchange_ask_take(x,
	    &(struct link_question){.type = MESSAGE_submit,
		.members = members,
		.fd = fd,
		.timeout_s = wait_s + REPLY_S},
	    heard_created);
}

void
handle_task_create(struct exchange *x)
{
	static const struct query_spec specs[] = {
	    {.name = "wait", .kind = QUERY_INTEGER, .max = WAIT_MAX_S}};
	struct query_value wait[COUNT(specs)] = {0};
	const char *key = exchange_field(x, "Idempotency-Key");
	struct signature signature = {0};
	struct err err;

	if (query_read(x, &(struct query_table){specs, wait, COUNT(specs)},
		&err) < 0 ||
	    signed_check_key(key, &err) < 0 ||
	    signed_read(x, key, &signature, &err) < 0)
		exchange_refuse_err(x, &err);
	else if (check_request(x, signature_is_there(&signature)))
		submit(x, wait[0].integer, key, &signature);
}

/* ---- list ---- */

enum { LIST_STATE, LIST_SUBJECT, LIST_LIMIT, LIST_BEFORE, LIST_COUNT };

static const struct query_spec list_specs[LIST_COUNT] = {
    [LIST_STATE] = {.name = "state", .kind = QUERY_WORD, .words = states},
    [LIST_SUBJECT] = {.name = "subject", .kind = QUERY_SUBJECT},
    [LIST_LIMIT] = {.name = "limit",
	.kind = QUERY_INTEGER,
	.min = 1,
	.max = LIST_MAX},
    [LIST_BEFORE] = {.name = "before", .kind = QUERY_ID},
};

/* RFC 8288: the same question from the last id on. The values were checked
 * and hold nothing that a URI would have to encode. */
static void
add_link(struct exchange *x, const char *next)
{
	auto_buffer link = BUFFER_INIT(1024);
	struct query_value values[LIST_COUNT] = {0};
	struct err err;

	if (query_read(x, &(struct query_table){list_specs, values, LIST_COUNT},
		&err) < 0)
		return;
	buffer_append_string(&link, "</v1/tasks?");
	for (size_t i = 0; i < LIST_BEFORE; i++)
		if (values[i].given)
			buffer_printf(&link, "%s=%s&", list_specs[i].name,
			    values[i].text);
	buffer_printf(&link, "before=%s>; rel=\"next\"", next);
	exchange_header(x, MHD_HTTP_HEADER_LINK, link.data);
}

static void
heard_list(struct exchange *x, const struct link_answer *answer)
{
	auto_json *next = NULL;

	if (answer->failure == NULL) {
		next = json_incref(json_object_get(answer->body, "next"));
		json_object_del(answer->body, "next");
	}
	heard_task(x, answer);
	if (json_is_string(next) && uuid_is_valid(json_string_value(next)))
		add_link(x, json_string_value(next));
}

void
handle_task_list(struct exchange *x)
{
	struct query_value values[LIST_COUNT] = {0};
	struct err err;
	json_t *members;

	if (query_read(x, &(struct query_table){list_specs, values, LIST_COUNT},
		&err) < 0) {
		exchange_refuse_err(x, &err);
		return;
	}
	if (!values[LIST_LIMIT].given)
		values[LIST_LIMIT].integer = LIST_DEFAULT;
	members =
	    json_pack("{s:I}", "limit", (json_int_t)values[LIST_LIMIT].integer);
	for (size_t i = 0; i < LIST_COUNT; i++)
		if (values[i].given && i != LIST_LIMIT)
			json_object_set_new(members, list_specs[i].name,
			    json_string(values[i].text));
	exchange_ask_take(x,
	    &(struct link_question){.type = MESSAGE_list,
		.members = members,
		.fd = -1,
		.timeout_s = REPLY_S},
	    heard_list);
}

/* ---- one task ---- */

void
handle_task_get(struct exchange *x)
{
	static const struct query_spec specs[] = {
	    {.name = "wait", .kind = QUERY_INTEGER, .max = WAIT_MAX_S}};
	struct query_value wait[COUNT(specs)] = {0};
	struct err err;

	if (query_read(x, &(struct query_table){specs, wait, COUNT(specs)},
		&err) < 0) {
		exchange_refuse_err(x, &err);
		return;
	}
	ask(x, MESSAGE_get,
	    json_pack("{s:s, s:I}", "task", x->in_path.task, "wait",
		(json_int_t)wait[0].integer),
	    wait[0].integer);
}

void
handle_task_cancel(struct exchange *x)
{
	static const struct query_spec specs[] = {
	    {.name = "grace", .kind = QUERY_INTEGER, .max = GRACE_MAX_S}};
	struct query_value grace[COUNT(specs)] = {{.integer = 10}};
	struct err err;

	if (query_read(x, &(struct query_table){specs, grace, COUNT(specs)},
		&err) < 0) {
		exchange_refuse_err(x, &err);
		return;
	}
	ask(x, MESSAGE_cancel,
	    json_pack("{s:s, s:I}", "task", x->in_path.task, "grace",
		(json_int_t)grace[0].integer),
	    0);
}

static int
read_signal(const struct exchange *x, json_t **ret_body, const char **ret,
    struct err *err)
{
	static const char *const names[] = {"HUP", "INT", "QUIT", "KILL",
	    "USR1", "USR2", "TERM", "CONT", "STOP", "TSTP", "WINCH"};
	struct signal {
		const char *signal;
	} signal;
	static const struct json_field fields[] = {
	    JSON_FIELD(
		struct signal, signal, "signal", JSON_KIND_STRING, true, 1, 16),
	};

	*ret_body = json_parse_strict(
	    x->body.data == NULL ? "" : x->body.data, x->body.len, err);
	if (*ret_body == NULL ||
	    json_read_fields(
		*ret_body, "", fields, COUNT(fields), false, &signal, err) < 0)
		return -1;
	*ret = signal.signal;
	for (size_t i = 0; i < COUNT(names); i++)
		if (strcmp(names[i], signal.signal) == 0)
			return 0;
	return err_set(err, ERR_UNPROCESSABLE,
	    "signal: not one of HUP INT QUIT KILL USR1 USR2 TERM CONT STOP "
	    "TSTP WINCH");
}

void
handle_task_signal(struct exchange *x)
{
	auto_json *body = NULL;
	const char *name;
	struct err err;

	if (query_read(x, &(struct query_table){0}, &err) < 0 ||
	    read_signal(x, &body, &name, &err) < 0) {
		exchange_refuse_err(x, &err);
		return;
	}
	ask(x, MESSAGE_signal,
	    json_pack("{s:s, s:s}", "task", x->in_path.task, "signal", name),
	    0);
}

/* ---- standard input ---- */

void
handle_task_stdin(struct exchange *x)
{
	enum { OFFSET, MORE, COUNT_OF_SPECS };
	static const struct query_spec specs[COUNT_OF_SPECS] = {
	    [OFFSET] = {.name = "offset",
		.kind = QUERY_INTEGER,
		.max = INT64_MAX},
	    [MORE] = {.name = "more", .kind = QUERY_FLAG},
	};
	struct query_value values[COUNT_OF_SPECS] = {0};
	struct err err;

	if (query_read(x, &(struct query_table){specs, values, COUNT_OF_SPECS},
		&err) < 0) {
		exchange_refuse_err(x, &err);
		return;
	}
	upload_ask_take(x, MESSAGE_stdin,
	    json_pack("{s:s, s:I, s:b}", "task", x->in_path.task, "offset",
		(json_int_t)values[OFFSET].integer, "more",
		values[MORE].integer != 0),
	    heard_task);
}
