/*
 * An audit log of requests that were made when somebody says:
 *
 *	traffic POLICY STORE
 *
 * reads lines of JSON from standard input,
 *
 *	{"time_ms": N, "subject": S, "roles": [...], "signed": B,
 *	 "by": "runner" or "gateway", "request": {...}}
 *
 * decides each by POLICY at its time, and writes its record into STORE with
 * the runner's own code: that of an acceptance, or of a refusal by whom `by`
 * says. For each it prints {"seq": N, "rule": R or null}.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/json.h"
#include "policy/recorded.h"
#include "runner/refusals.h"
#include "runner/store.h"
#include "runner/tasks_entry.h"

#define BATCH 256
#define ADDRESS "192.0.2.1"

struct made {
	int64_t time_ms;
	const char *subject, *by;
	json_t *roles, *request;
	bool is_signed;
};

static const struct json_field fields[] = {
    JSON_FIELD(
	struct made, time_ms, "time_ms", JSON_KIND_INTEGER, true, 0, INT64_MAX),
    JSON_FIELD(struct made, subject, "subject", JSON_KIND_STRING, true, 1,
	SUBJECT_MAX),
    JSON_FIELD(struct made, by, "by", JSON_KIND_STRING, true, 0, 0),
    JSON_FIELD(
	struct made, roles, "roles", JSON_KIND_ARRAY, true, 0, TOKEN_ROLES_MAX),
    JSON_FIELD(struct made, request, "request", JSON_KIND_OBJECT, true, 0, 0),
    JSON_FIELD(struct made, is_signed, "signed", JSON_KIND_BOOLEAN, true, 0, 0),
};

struct append {
	struct store_op op;
	struct audit_entry *entry;
};

static void
check(bool condition, const struct err *err)
{
	if (!condition)
		die("traffic: %s", err->detail);
}

static int
run_append(struct store_op *op, struct database *database, struct err *err)
{
	return audit_append(database, ((struct append *)op)->entry, err);
}

static void
append_done(struct store_op *op, const struct err *err)
{
	struct append *append = (struct append *)op;

	check(err == NULL, err);
	audit_entry_free(append->entry);
	free(append);
}

/* -- one call */

struct call {
	const struct made *line;
	const struct policy *policy;
	const struct policy_verdict *verdict;
	json_t *recorded;
};

static void
fill_owner(const struct made *line, struct task_owner *owner)
{
	snprintf(owner->subject, sizeof(owner->subject), "%s", line->subject);
	snprintf(owner->thumbprint, sizeof(owner->thumbprint), "thumbprint");
	snprintf(owner->token_id, sizeof(owner->token_id), "token");
	owner->address = alloc_string(ADDRESS);
	owner->nroles = json_array_size(line->roles);
	for (size_t i = 0; i < owner->nroles; i++)
		snprintf(owner->roles[i], sizeof(owner->roles[i]), "%s",
		    json_string_value(json_array_get(line->roles, i)));
}

static struct audit_entry *
record_accepted(const struct call *call, struct task_data *data)
{
	const struct task task = {.data = data};
	const struct task_submission submission = {
	    .untrusted = call->recorded,
	    .is_signed = call->line->is_signed,
	};
	struct audit_entry *entry;

	data->rule = alloc_string(call->verdict->rule);
	memcpy(data->limits, call->verdict->limits, sizeof(data->limits));
	uuid_make(call->line->time_ms, data->id);
	entry = tasks_entry_accepted(&task, &submission);
	entry->wall_ms = call->line->time_ms;
	return entry;
}

static struct audit_entry *
record_refused(const struct call *call, const struct task_data *data)
{
	bool by_gateway = strcmp(call->line->by, "gateway") == 0;
	const char *rule = NULL, *condition = NULL;
	struct err err = {0};

	if (call->verdict->allowed)
		err_set(&err, ERR_UNAUTHENTICATED, "not signed");
	else
		policy_explain_to_caller(
		    call->verdict, &data->request, &rule, &condition, &err);
	json_object_set_new(call->recorded, "detail", json_string(err.detail));
	if (by_gateway)
		json_object_set_new(
		    call->recorded, "path", json_string("/v1/tasks"));
	return refusals_entry(&(struct refusal){.code = err.code,
				  .count = 1,
				  .address = ADDRESS,
				  .subject = data->owner.subject,
				  .thumbprint = data->owner.thumbprint,
				  .token_id = data->owner.token_id,
				  .rule = rule,
				  .condition = condition,
				  .request_sha256 = data->request_sha256,
				  .of_task = true,
				  .is_signed = call->line->is_signed,
				  .roles = call->line->roles,
				  .untrusted = call->recorded,
				  .by_gateway = by_gateway},
	    call->line->time_ms, policy_sha256(call->policy));
}

static struct audit_entry *
decide(const struct made *line, const struct policy *policy)
{
	const char *roles[TOKEN_ROLES_MAX];
	AUTO(policy_verdict_done) struct policy_verdict verdict = {0};
	AUTO(task_data_done) struct task_data data;
	size_t len = 0;
	auto_free char *body = json_encode(line->request, &len);
	struct policy_principal principal = {.roles = roles};
	struct err err = {0};

	task_data_init(&data);
	fill_owner(line, &data.owner);
	principal.subject = data.owner.subject;
	principal.nroles = data.owner.nroles;
	for (size_t i = 0; i < data.owner.nroles; i++)
		roles[i] = data.owner.roles[i];
	memcpy(data.policy_sha256, policy_sha256(policy), SHA256_HEX);
	digest_sha256_hex(body, len, data.request_sha256);
	check(request_parse(body, len, &data.request, &err) == 0, &err);
	policy_decide(
	    policy, &principal, &data.request, line->time_ms, &verdict);
	auto_json *recorded = recorded_write(&data.request,
	    &(struct recorded_decision){policy, &principal, &verdict});
	const struct call call = {.line = line,
	    .policy = policy,
	    .verdict = &verdict,
	    .recorded = recorded};

	return verdict.allowed && (line->is_signed || verdict.is_unsigned)
	    ? record_accepted(&call, &data)
	    : record_refused(&call, &data);
}

/* -- all of them */

static void
tell(const struct audit_entry *entry, int64_t seq)
{
	if (entry->event == EVENT_TASK_ACCEPTED)
		printf("{\"seq\":%lld,\"rule\":\"%s\"}\n", (long long)seq,
		    entry->rule);
	else
		printf("{\"seq\":%lld,\"rule\":null}\n", (long long)seq);
}

static void
add(struct store *store, const struct policy *policy, const char *text,
    int64_t seq)
{
	struct append *append = alloc_zero(1, sizeof(*append));
	struct made line = {0};
	struct err err = {0};
	auto_json *json = json_parse_strict(text, strlen(text), &err);

	check(json != NULL &&
		json_read_fields(
		    json, "", fields, COUNT(fields), false, &line, &err) == 0,
	    &err);
	append->op = (struct store_op){.run = run_append, .done = append_done};
	append->entry = decide(&line, policy);
	tell(append->entry, seq);
	store_submit(store, &append->op);
}

static void
on_changed(void *arg)
{
	(void)arg;
}

static void
write_log(uv_loop_t *loop, struct store *store, const struct policy *policy)
{
	auto_free char *text = NULL;
	size_t size = 0;
	int64_t seq = 0;

	while (getline(&text, &size, stdin) > 0) {
		add(store, policy, text, ++seq);
		while (seq % BATCH == 0 && store_pending(store) > 0)
			uv_run(loop, UV_RUN_ONCE);
	}
	store_drain(store);
}

int
main(int argc, char **argv)
{
	struct store_signer signer = {
	    EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), "example.com/log"};
	struct policy *policy;
	struct store *store;
	struct err err = {0};
	uv_loop_t loop;

	if (argc != 3 || uv_loop_init(&loop) != 0)
		return EXIT_FAILURE;
	policy = policy_load(argv[1], &err);
	check(policy != NULL, &err);
	store = store_open(&loop, argv[2], &signer, on_changed, NULL, &err);
	check(store != NULL, &err);
	write_log(&loop, store, policy);
	store_close(store);
	uv_run(&loop, UV_RUN_DEFAULT);
	EVP_PKEY_free(signer.key);
	policy_free(policy);
	return uv_loop_close(&loop) != 0 || ferror(stdout) ||
		fclose(stdout) != 0
	    ? EXIT_FAILURE
	    : 0;
}
