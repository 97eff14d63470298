/*
 * `submit`: everything about a new task is decided here again, whatever the
 * gateway thought of it.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/idempotency_key.h"
#include "policy/launch.h"
#include "policy/recorded.h"
#include "runner/gate.h"
#include "runner/refusals.h"

struct submit {
	struct envelope envelope;
	int64_t wait;
	const char *idempotency_key;
	struct signature signature;
};

/* A request on its way to a task. */
struct proposal {
	struct store_op op; /* looks the key up */
	struct question *question;
	struct task_data data;
	char *rule; /* that allows it; NULL: none was asked yet */
	char *key; /* NULL: none */
	int64_t request_bytes;
	int64_t wait_ms;
	char existing[UUID_TEXT];
	bool is_signed;
	bool found, same;
};

static void
free_proposal(struct proposal *proposal)
{
	task_data_done(&proposal->data);
	free(proposal->rule);
	free(proposal->key);
	free(proposal);
}

static void
refuse(struct proposal *proposal, const struct err *err)
{
	gate_refuse(proposal->question, err);
	free_proposal(proposal);
}

/* -- the key stands for a task that is there */

static void
reply_existing(struct question *question, void *arg, struct task *live,
    struct task_data *data)
{
	auto_free int64_t *wait_ms = arg;

	if (live != NULL && *wait_ms > 0)
		gate_wait_task(question, live, *wait_ms, 200, true);
	else
		gate_reply_task(question, 200, data, *wait_ms > 0);
}

static void
answer_existing(struct proposal *proposal, const char *id)
{
	int64_t *wait_ms = alloc_zero(1, sizeof(*wait_ms));

	*wait_ms = proposal->wait_ms;
	gate_find_take(proposal->question, id, reply_existing, wait_ms);
}

/* -- acceptance */

static void
submitted(
    void *arg, const struct err *err, struct task *task, const char *existing)
{
	struct proposal *proposal = arg;

	if (err != NULL && err->code == ERR_OVER_RATE)
		gate_refuse_by(proposal->question, proposal->rule, "rate", err);
	else if (err != NULL)
		gate_refuse(proposal->question, err);
	else if (existing != NULL)
		answer_existing(proposal, existing);
	else if (proposal->wait_ms > 0)
		gate_wait_task(
		    proposal->question, task, proposal->wait_ms, 201, true);
	else
		gate_reply_task(proposal->question, 201, task->data, false);
	free_proposal(proposal);
}

static void
propose(struct proposal *proposal, json_t *recorded, json_t *shadows)
{
	struct question *question = proposal->question;
	struct tasks *tasks = &question->runner->tasks;
	const struct task_submission submission = {
	    .key = proposal->key,
	    .request_bytes = proposal->request_bytes,
	    .untrusted = recorded,
	    .is_signed = proposal->is_signed,
	    .shadows = shadows,
	    .done = submitted,
	    .arg = proposal,
	};
	struct err err;

	proposal->rule = alloc_string(proposal->data.rule);
	tasks_make_id(tasks, proposal->data.created_ms, proposal->data.id);
	if (tasks_submit_take(tasks, &proposal->data, &submission, &err) != 0)
		refuse(proposal, &err);
}

/* -- the policy */

static void
refuse_denied(struct proposal *proposal, const struct policy_verdict *verdict,
    json_t *recorded)
{
	struct question *question = proposal->question;
	const struct principal *principal = &question->principal;
	auto_json *roles = task_roles_write(&proposal->data.owner);
	auto_json *shadows = recorded_shadows(verdict);
	const char *rule = NULL, *condition = NULL;
	struct err err = {0};
	struct refusal refusal = {
	    .code = ERR_DENIED,
	    .count = 1,
	    .address = question->address,
	    .subject = principal->certificate.subject,
	    .thumbprint = principal->certificate.thumbprint,
	    .token_id = principal->token.id,
	    .request_sha256 = proposal->data.request_sha256,
	    .of_task = true,
	    .roles = roles,
	    .shadows = shadows,
	    .is_signed = proposal->is_signed,
	    .untrusted = recorded,
	};

	policy_explain_to_caller(
	    verdict, &proposal->data.request, &rule, &condition, &err);
	/* The record names the rule also where the caller may not know. */
	if (verdict->ndenials > 0) {
		refusal.rule = verdict->denials[0].rule;
		refusal.condition = verdict->denials[0].condition;
	}
	if (rule != NULL) {
		refusal.rule = rule;
		refusal.condition = condition;
	}
	json_object_set_new(recorded, "detail", audit_text(err.detail));
	question->runner->tasks.counters.denied++;
	refusals_add(question->runner->refusals, &refusal);
	question_fail_rule(question, &err, rule, condition);
}

static void
grant(struct task_data *data, const struct policy *policy,
    const struct policy_verdict *verdict)
{
	struct allowances allowances;

	data->rule = alloc_string(verdict->rule);
	memcpy(data->policy_sha256, policy_sha256(policy), SHA256_HEX);
	memcpy(data->limits, verdict->limits, sizeof(data->limits));
	allowances_find(policy, verdict->rule, &allowances);
	if (allowances.approval) {
		data->facts.state = TASK_WAITING_APPROVAL;
		data->approval = task_approval_new(
		    data->created_ms + 1000 * allowances.approval_ttl_s);
	}
	data->uid = verdict->uid;
	data->gid = verdict->gid;
	if (verdict->network != NULL)
		data->network = alloc_string(verdict->network);
	if (verdict->mounts != NULL)
		data->mounts = alloc_string(verdict->mounts);
	if (verdict->secrets != NULL)
		data->secrets = alloc_string(verdict->secrets);
	data->launch = json_incref(verdict->launch);
}

/* With what is to be recorded of the request, where it is asked for: new. */
static void
judge(const struct proposal *proposal, struct policy_verdict *ret,
    json_t **ret_recorded)
{
	const struct policy *policy = proposal->question->runner->policy;
	const char *roles[TOKEN_ROLES_MAX];
	struct policy_principal principal;

	task_owner_principal(&proposal->data.owner, roles, &principal);
	policy_decide(policy, &principal, &proposal->data.request,
	    proposal->data.created_ms, ret);
	if (ret_recorded != NULL)
		*ret_recorded = recorded_write(&proposal->data.request,
		    &(struct recorded_decision){policy, &principal, ret});
}

/* -1: the rule wants a signature, and there is none. */
static int
check_signed(const struct proposal *proposal,
    const struct policy_verdict *verdict, struct err *err)
{
	if (!verdict->allowed || verdict->is_unsigned || proposal->is_signed)
		return 0;
	return signature_require(err);
}

/* What a rule says runs may be revoked as what a request names. */
static int
check_image(const struct proposal *proposal,
    const struct policy_verdict *verdict, struct err *err)
{
	if (verdict->launch == NULL)
		return 0;
	return gate_check_revocations(proposal->question,
	    launch_image(verdict->launch, &proposal->data.request), err);
}

static void
decide(struct proposal *proposal)
{
	const struct runner *runner = proposal->question->runner;
	AUTO(policy_verdict_done) struct policy_verdict verdict = {0};
	auto_json *recorded = NULL;
	struct err err;

	if (runner_check_ready(runner, &err) != 0 ||
	    gate_check_revocations(proposal->question,
		proposal->data.request.reference, &err) != 0) {
		refuse(proposal, &err);
		return;
	}
	judge(proposal, &verdict, &recorded);
	if (check_signed(proposal, &verdict, &err) != 0 ||
	    check_image(proposal, &verdict, &err) != 0) {
		refuse(proposal, &err);
	} else if (verdict.allowed) {
		auto_json *shadows = recorded_shadows(&verdict);

		grant(&proposal->data, runner->policy, &verdict);
		propose(proposal, recorded, shadows);
	} else {
		refuse_denied(proposal, &verdict, recorded);
		free_proposal(proposal);
	}
}

/* -- the key is asked for first: a request that is sent again gets its task,
 * whatever has become of policy and queue meanwhile */

static int
run_lookup(struct store_op *op, struct database *database, struct err *err)
{
	struct proposal *proposal = (struct proposal *)op;
	int found = task_store_find_key(database, proposal->data.owner.subject,
	    proposal->key, proposal->data.request_sha256,
	    proposal->data.created_ms, proposal->existing, &proposal->same,
	    err);

	proposal->found = found > 0;
	return found < 0 ? -1 : 0;
}

/* The key stands for a task already. */
static int
check_again(const struct proposal *proposal, struct err *err)
{
	AUTO(policy_verdict_done) struct policy_verdict verdict = {0};

	if (!proposal->same)
		return err_set(err, ERR_CONFLICT,
		    "this Idempotency-Key stands for another request");
	if (proposal->is_signed)
		return 0;
	judge(proposal, &verdict, NULL);
	return check_signed(proposal, &verdict, err);
}

static void
lookup_done(struct store_op *op, const struct err *err)
{
	struct proposal *proposal = (struct proposal *)op;
	struct err refused;

	proposal->question->runner->considered_bytes -= proposal->request_bytes;
	if (err == NULL && !proposal->found) {
		decide(proposal);
		return;
	}
	if (err == NULL && check_again(proposal, &refused) != 0)
		err = &refused;
	if (err != NULL) {
		refuse(proposal, err);
		return;
	}
	answer_existing(proposal, proposal->existing);
	free_proposal(proposal);
}

/* -- the message */

static struct proposal *
new_proposal(struct question *question, const struct submit *submit,
    const uint8_t sha256[SHA256_BYTES])
{
	struct proposal *proposal = alloc_zero(1, sizeof(*proposal));

	proposal->question = question;
	proposal->wait_ms = 1000 * submit->wait;
	task_data_init(&proposal->data);
	proposal->data.created_ms = clock_wall_ms();
	gate_owner(question, &proposal->data.owner);
	hex_encode(sha256, SHA256_BYTES, proposal->data.request_sha256);
	proposal->is_signed = submit->envelope.claim != NULL;
	if (submit->idempotency_key != NULL)
		proposal->key = alloc_string(submit->idempotency_key);
	return proposal;
}

static void
consider(struct proposal *proposal, const char *body, size_t len)
{
	struct runner *runner = proposal->question->runner;
	struct err err;

	if (request_parse(body, len, &proposal->data.request, &err) != 0) {
		refuse(proposal, &err);
		return;
	}
	proposal->request_bytes = (int64_t)len;
	if (proposal->key == NULL) {
		decide(proposal);
		return;
	}
	if (runner->considered_bytes > TASKS_BYTES_MAX) {
		err_set(&err, ERR_BUSY, "too much is asked for at once");
		refuse(proposal, &err);
		return;
	}
	runner->considered_bytes += proposal->request_bytes;
	proposal->op = (struct store_op){
	    .reads = true, .run = run_lookup, .done = lookup_done};
	store_submit(runner->store, &proposal->op);
}

static int
read_submit(const struct message *message, struct submit *ret, struct err *err)
{
	static const struct json_field fields[] = {
	    ENVELOPE_FIELDS(struct submit),
	    JSON_FIELD(
		struct submit, wait, "wait", JSON_KIND_INTEGER, true, 0, 60),
	    JSON_FIELD(struct submit, idempotency_key, "idempotency_key",
		JSON_KIND_STRING, false, 1, IDEMPOTENCY_KEY_MAX),
	    JSON_FIELD(struct submit, signature.input, "signature_input",
		JSON_KIND_STRING, false, 0, 0),
	    JSON_FIELD(struct submit, signature.value, "signature",
		JSON_KIND_STRING, false, 0, 0),
	};

	if (json_read_fields(message->members, "", fields, COUNT(fields), false,
		ret, err) != 0)
		return -1;
	if (ret->idempotency_key != NULL &&
	    !idempotency_key_is_valid(ret->idempotency_key))
		return err_set(err, ERR_MALFORMED, "idempotency_key: not one");
	return 0;
}

int
peer_handle_submit(struct peer *peer, struct message *message, struct err *err)
{
	struct submit submit = {0};
	struct question *question = NULL;
	auto_free char *body = NULL;
	uint8_t sha256[SHA256_BYTES];
	size_t len = 0;
	int result;

	if (read_submit(message, &submit, err) != 0 ||
	    packet_read_sealed(
		message->fds[0], REQUEST_BODY_MAX, &body, &len, err) != 0)
		return -1;
	digest_sha256(body, len, sha256);
	const struct gate_claim claim = {
	    .request = {.method = "POST",
		.path = "/v1/tasks",
		.token = submit.envelope.token,
		.body_sha256 = sha256,
		.idempotency_key = submit.idempotency_key},
	    .signature = submit.signature,
	};
	if (signature_is_there(&submit.signature))
		submit.envelope.claim = &claim;
	result =
	    gate_open(peer, &submit.envelope, SCOPE_TASKS_RUN, &question, err);
	if (result > 0)
		consider(new_proposal(question, &submit, sha256), body, len);
	return result < 0 ? -1 : 0;
}
