/*
 * `explain` and `catalog`: what a caller may do, by the policy in force here,
 * which is the one that counts. Nothing runs, and nothing is recorded.
 */
#include "lib/cleanup.h"
#include "policy/catalog.h"
#include "policy/explanation.h"
#include "runner/gate.h"

struct asker {
	const char *roles[TOKEN_ROLES_MAX];
	struct policy_principal principal; /* all borrowed from the question */
};

static void
asker_init(struct asker *asker, const struct question *question)
{
	const struct token_claims *token = &question->principal.token;

	for (size_t i = 0; i < token->nroles; i++)
		asker->roles[i] = token->roles[i];
	asker->principal = (struct policy_principal){
	    .subject = question->principal.certificate.subject,
	    .roles = asker->roles,
	    .nroles = token->nroles,
	};
}

/* -- explain */

static void
explain(struct question *question, const char *body, size_t len)
{
	AUTO(request_done) struct request request = {0};
	struct asker asker;
	struct err err;

	if (request_parse(body, len, &request, &err) != 0 ||
	    gate_check_revocations(question, request.reference, &err) != 0) {
		gate_refuse(question, &err);
		return;
	}
	asker_init(&asker, question);
	question_reply_take(question, 200,
	    explanation_for_caller(&(struct explanation_question){
		.policy = question->runner->policy,
		.principal = &asker.principal,
		.request = &request,
		.now_ms = clock_wall_ms(),
	    }),
	    -1);
}

struct explain {
	struct envelope envelope;
};

int
peer_handle_explain(struct peer *peer, struct message *message, struct err *err)
{
	static const struct json_field fields[] = {
	    ENVELOPE_FIELDS(struct explain)};
	struct explain said = {0};
	struct question *question = NULL;
	auto_free char *body = NULL;
	size_t len = 0;
	int result;

	if (json_read_fields(message->members, "", fields, COUNT(fields), false,
		&said, err) != 0)
		return -1;
	if (packet_read_sealed(
		message->fds[0], REQUEST_BODY_MAX, &body, &len, err) != 0)
		return -1;
	result =
	    gate_open(peer, &said.envelope, SCOPE_TASKS_RUN, &question, err);
	if (result > 0)
		explain(question, body, len);
	return result < 0 ? -1 : 0;
}

/* -- catalog */

struct catalog {
	struct envelope envelope;
	const char *after;
	int64_t limit;
};

static void
list(struct question *question, const struct catalog *said)
{
	const struct policy *policy = question->runner->policy;
	struct asker asker;
	const char *next = NULL;
	struct err err;
	json_t *rules, *body;

	asker_init(&asker, question);
	rules = catalog_list(policy,
	    &(struct catalog_query){
		.principal = &asker.principal,
		.now_ms = clock_wall_ms(),
		.after = said->after,
		.limit = (size_t)said->limit,
	    },
	    &next, &err);
	if (rules == NULL) {
		gate_refuse(question, &err);
		return;
	}
	body = json_pack("{s:o, s:s}", "rules", rules, "policy_sha256",
	    policy_sha256(policy));
	if (next != NULL)
		json_object_set_new(body, "next", json_string(next));
	question_reply_take(question, 200, body, -1);
}

int
peer_handle_catalog(struct peer *peer, struct message *message, struct err *err)
{
	static const struct json_field fields[] = {
	    ENVELOPE_FIELDS(struct catalog),
	    JSON_FIELD(struct catalog, after, "after", JSON_KIND_STRING, false,
		1, RULE_ID_MAX),
	    JSON_FIELD(struct catalog, limit, "limit", JSON_KIND_INTEGER, true,
		1, CATALOG_LIMIT_MAX),
	};
	struct catalog said = {0};
	struct question *question = NULL;
	int result;

	if (json_read_fields(message->members, "", fields, COUNT(fields), false,
		&said, err) != 0)
		return -1;
	result =
	    gate_open(peer, &said.envelope, SCOPE_TASKS_RUN, &question, err);
	if (result > 0)
		list(question, &said);
	return result < 0 ? -1 : 0;
}
