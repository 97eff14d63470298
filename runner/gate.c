/*
 * Who asks, and for which task.
 */
#include "runner/gate.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/log.h"
#include "lib/packet.h"
#include "lib/utf8.h"
#include "runner/refusals.h"

/* Of both streams together (docs/api.md). */
#define INLINE_MAX (16 * 1024)

int
gate_authenticate(const struct runner *runner, const struct envelope *envelope,
    struct principal *ret, struct err *err)
{
	const struct verified_certificate *verified = NULL;
	const struct gate_claim *claim = envelope->claim;
	auto_free uint8_t *der = NULL;
	size_t len = 0;
	int64_t now_s = clock_wall_ms() / 1000;

	if (strlen(envelope->certificate) > 2 * CERTIFICATE_DER_MAX ||
	    !base64url_decode(envelope->certificate,
		strlen(envelope->certificate), &der, &len))
		return err_set(err, ERR_UNAUTHENTICATED,
		    "the certificate is not base64url");
	if (certificate_cache_verify(runner->certificates,
		runner->authority.trust, der, len, now_s, &verified,
		err) != 0 ||
	    principal_authenticate(&runner->authority, runner->tokens,
		&verified->certificate, envelope->token,
		strlen(envelope->token), now_s, ret, err) != 0)
		return -1;
	return claim == NULL
	    ? 0
	    : signature_verify(&claim->request, &claim->signature,
		  &(struct signature_key){
		      verified->key, verified->certificate.thumbprint},
		  now_s, err);
}

int
gate_check_revocations(
    const struct question *question, const char *image, struct err *err)
{
	const struct principal *principal = &question->principal;
	const struct revocable shown = {
	    .subject = principal->certificate.subject,
	    .thumbprint = principal->certificate.thumbprint,
	    .token_id = principal->token.id,
	    .image = image,
	};

	return revocations_check(
	    &question->runner->revoked.set, &shown, clock_wall_ms(), err);
}

int
gate_open(struct peer *peer, const struct envelope *envelope, enum scope scope,
    struct question **ret, struct err *err)
{
	struct question *question = question_new(peer, envelope->request, err);
	struct err refused = {0};

	if (question == NULL)
		return -1;
	snprintf(question->address, sizeof(question->address), "%s",
	    envelope->address);
	if (gate_authenticate(
		peer->runner, envelope, &question->principal, &refused) != 0 ||
	    gate_check_revocations(question, NULL, &refused) != 0 ||
	    principal_require(&question->principal, scope, &refused) != 0) {
		gate_refuse(question, &refused);
		return 0;
	}
	*ret = question;
	return 1;
}

/* What it was about; NULL: nothing. */
struct refused_of {
	const char *task;
	const char *rule, *condition;
};

static void
refuse(struct question *question, const struct refused_of *of,
    const struct err *err)
{
	const struct certificate *certificate =
	    &question->principal.certificate;
	bool known = certificate->subject[0] != '\0';
	auto_json *untrusted =
	    json_pack("{s:o}", "detail", audit_text(err->detail));
	const struct refusal refusal = {
	    .code = err->code,
	    .count = 1,
	    .address = question->address,
	    .subject = known ? certificate->subject : NULL,
	    .thumbprint = known ? certificate->thumbprint : NULL,
	    .token_id = known ? question->principal.token.id : NULL,
	    .task = of->task,
	    .rule = of->rule,
	    .condition = of->condition,
	    .untrusted = untrusted,
	};

	refusals_add(question->runner->refusals, &refusal);
	if (!err_detail_is_public(err->code))
		log_failure(LOG_LEVEL_ERROR, "request.failed", err, NULL);
	question_fail_rule(question, err, of->rule, of->condition);
}

void
gate_refuse(struct question *question, const struct err *err)
{
	refuse(question, &(struct refused_of){0}, err);
}

void
gate_refuse_about(
    struct question *question, const char *task, const struct err *err)
{
	refuse(question, &(struct refused_of){.task = task}, err);
}

void
gate_refuse_by(struct question *question, const char *rule,
    const char *condition, const struct err *err)
{
	refuse(question,
	    &(struct refused_of){.rule = rule, .condition = condition}, err);
}

json_t *
gate_principal(const struct question *question)
{
	const struct principal *principal = &question->principal;

	return json_pack("{s:s, s:s, s:s, s:o}", "subject",
	    principal->certificate.subject, "thumbprint",
	    principal->certificate.thumbprint, "token_id", principal->token.id,
	    "address", audit_text(question->address));
}

void
gate_owner(const struct question *question, struct task_owner *ret)
{
	const struct principal *principal = &question->principal;

	*ret = (struct task_owner){0};
	memcpy(
	    ret->subject, principal->certificate.subject, sizeof(ret->subject));
	memcpy(ret->thumbprint, principal->certificate.thumbprint,
	    sizeof(ret->thumbprint));
	memcpy(ret->token_id, principal->token.id, sizeof(ret->token_id));
	ret->address = alloc_string(question->address);
	memcpy(ret->roles, principal->token.roles, sizeof(ret->roles));
	ret->nroles = principal->token.nroles;
}

bool
gate_may_approve(const struct question *question, const char *rule)
{
	const struct token_claims *token = &question->principal.token;
	const char *roles[TOKEN_ROLES_MAX];
	const struct policy_principal asker = {
	    .subject = question->principal.certificate.subject,
	    .roles = roles,
	    .nroles = token->nroles,
	};

	for (size_t i = 0; i < token->nroles; i++)
		roles[i] = token->roles[i];
	return (token->scopes & SCOPE_TASKS_APPROVE) != 0 &&
	    allowances_name_approver(question->runner->policy, rule, &asker);
}

bool
gate_may_see(const struct question *question, const char *subject)
{
	return strcmp(question->principal.certificate.subject, subject) == 0 ||
	    (question->principal.token.scopes & SCOPE_TASKS_READ_ALL) != 0;
}

/* -- finding a task */

struct search {
	struct store_op op;
	struct question *question;
	char task[UUID_TEXT];
	bool own, shown, decides;
	gate_found *found;
	void *arg;
	struct task_data data;
	int result;
};

static void
record_reading(const struct question *question, const struct task_data *data)
{
	struct tasks *tasks = &question->runner->tasks;
	struct audit_entry *entry;

	if (strcmp(question->principal.certificate.subject,
		data->owner.subject) == 0)
		return;
	entry = tasks_entry(tasks, EVENT_TASK_READ_BY_OTHER);
	entry->principal = gate_principal(question);
	entry->object = json_pack(
	    "{s:s, s:s}", "task", data->id, "subject", data->owner.subject);
	tasks_record_take(tasks, entry);
}

static void
tell_missing(const struct search *search)
{
	struct err err;

	err_set(&err, ERR_NOT_FOUND, "there is no such task of yours");
	if (search->decides)
		gate_refuse_about(search->question, search->task, &err);
	else
		question_fail(search->question, &err);
}

static bool
may_find(const struct search *search, const struct task_data *data)
{
	const struct question *question = search->question;

	if (strcmp(question->principal.certificate.subject,
		data->owner.subject) == 0)
		return true;
	if (search->own)
		return false;
	return gate_may_see(question, data->owner.subject) ||
	    (search->shown && data->approval != NULL &&
		gate_may_approve(question, data->rule));
}

static void
give_found(
    const struct search *search, struct task *live, struct task_data *data)
{
	struct question *question = search->question;

	if (!may_find(search, data)) {
		free(search->arg);
		tell_missing(search);
		return;
	}
	if (!search->decides)
		record_reading(question, data);
	search->found(question, search->arg, live, data);
}

static int
run_search(struct store_op *op, struct database *database, struct err *err)
{
	struct search *search = (struct search *)op;

	search->result =
	    task_store_get(database, search->task, &search->data, err);
	return search->result < 0 ? -1 : 0;
}

static void
search_done(struct store_op *op, const struct err *err)
{
	struct search *search = (struct search *)op;
	struct question *question = search->question;

	if (err == NULL && search->result > 0) {
		struct task *live =
		    tasks_find(&question->runner->tasks, search->task);

		/* Taken up since: the row knows less of what runs. */
		give_found(
		    search, live, live != NULL ? live->data : &search->data);
		task_data_done(&search->data);
	} else {
		free(search->arg);
		if (err != NULL)
			gate_refuse(question, err);
		else
			tell_missing(search);
	}
	free(search);
}

static void
begin_search(struct search *found, const char *task)
{
	struct runner *runner = found->question->runner;
	struct task *live = tasks_find(&runner->tasks, task);
	struct search *search;

	snprintf(found->task, sizeof(found->task), "%s", task);
	if (live != NULL) {
		give_found(found, live, live->data);
		return;
	}
	search = alloc_zero(1, sizeof(*search));
	*search = *found;
	search->op = (struct store_op){
	    .reads = true, .run = run_search, .done = search_done};
	store_submit(runner->store, &search->op);
}

void
gate_find_take(
    struct question *question, const char *task, gate_found *found, void *arg)
{
	begin_search(
	    &(struct search){.question = question, .found = found, .arg = arg},
	    task);
}

void
gate_find_own_take(
    struct question *question, const char *task, gate_found *found, void *arg)
{
	begin_search(
	    &(struct search){
		.question = question, .own = true, .found = found, .arg = arg},
	    task);
}

void
gate_find_shown_take(struct question *question, const char *task, bool decides,
    gate_found *found, void *arg)
{
	begin_search(&(struct search){.question = question,
			 .shown = true,
			 .decides = decides,
			 .found = found,
			 .arg = arg},
	    task);
}

int
gate_check_task(const char *task, struct err *err)
{
	if (!uuid_is_valid(task))
		return err_set(err, ERR_MALFORMED, "task: not an id");
	return 0;
}

void *
gate_keep(const void *request, size_t size)
{
	void *copy = alloc_zero(1, size);

	memcpy(copy, request, size);
	return copy;
}

void
gate_reply_text(
    struct question *question, const char *text, size_t len, json_t *body)
{
	auto_fd int fd = -1;
	auto_json *own = body != NULL ? body : json_object();
	struct err err;

	if (packet_seal(text, len, &fd, &err) != 0) {
		gate_refuse(question, &err);
		return;
	}
	json_object_set_new(own, "length", json_integer((json_int_t)len));
	question_reply_take(question, 200, json_incref(own), fd);
}

/* -- answering with one */

static void
set_output(json_t *task, const char *name, const char *data, size_t len)
{
	auto_free char *member = NULL;
	auto_free char *encoded = NULL;

	if (utf8_is_valid(data, len) && memchr(data, '\0', len) == NULL) {
		json_object_set_new(task, name, json_stringn(data, len));
		return;
	}
	member = alloc_printf("%s_base64", name);
	encoded = alloc_zero(4 * ((len + 2) / 3) + 1, 1);
	EVP_EncodeBlock(
	    (unsigned char *)encoded, (const unsigned char *)data, (int)len);
	json_object_set_new(task, member, json_string(encoded));
}

static void
add_output(const struct runner *runner, const struct task_data *data,
    enum stream stream, json_t *task)
{
	static const char *const names[] = {"stdout", "stderr"};
	char text[INLINE_MAX];
	auto_fd int fd = -1;
	struct err err;
	size_t len = 0;

	/* Without output there is no file. */
	if (data->facts.kept[stream] > 0 &&
	    output_open(&runner->outputs, data->id, stream, 0, &fd, &err) !=
		0) {
		log_failure(LOG_LEVEL_ERROR, "output.unreadable", &err, NULL);
		return;
	}
	while (len < (size_t)data->facts.kept[stream]) {
		ssize_t n = read(
		    fd, text + len, (size_t)data->facts.kept[stream] - len);

		if (n <= 0)
			break;
		len += (size_t)n;
	}
	set_output(task, names[stream], text, len);
}

void
gate_reply_task(struct question *question, int status,
    const struct task_data *data, bool inline_output)
{
	struct runner *runner = question->runner;
	const struct task *live = tasks_find(&runner->tasks, data->id);
	struct task_standing standing;
	json_t *task = task_render(
	    data, live != NULL ? tasks_standing(live, &standing) : NULL);
	const int64_t *kept = data->facts.kept;

	if (inline_output && data->facts.state == TASK_FINISHED &&
	    !data->facts.discarded &&
	    kept[STREAM_STDOUT] + kept[STREAM_STDERR] <= INLINE_MAX) {
		add_output(runner, data, STREAM_STDOUT, task);
		add_output(runner, data, STREAM_STDERR, task);
	}
	question_reply_take(question, status, task, -1);
}

static void
set_known(json_t *timing, const char *name, int64_t us)
{
	if (us != TASK_UNKNOWN && us >= 0)
		json_object_set_new(timing, name, json_integer(us));
}

/* Where the time went until this answer. */
static json_t *
render_timing(const struct task_facts *facts)
{
	json_t *timing = json_object();

	set_known(timing, "queue", facts->queued_us);
	set_known(timing, "start", facts->starting_us);
	set_known(timing, "run", facts->running_us);
	set_known(timing, "audit", facts->ending_us);
	return timing;
}

/* The status goes with the question, since no one else waits for it. */
static void
waited(void *arg, const struct task_data *data)
{
	struct question *question = arg;

	question->waiter = NULL;
	if (data->facts.state == TASK_FINISHED)
		question->timing = render_timing(&data->facts);
	gate_reply_task(
	    question, question->status, data, question->inline_output);
}

void
gate_wait_task(struct question *question, struct task *task, int64_t wait_ms,
    int status, bool inline_output)
{
	/* Whoever asked has gone meanwhile. */
	if (question->peer == NULL) {
		gate_reply_task(question, status, task->data, false);
		return;
	}
	question->status = status;
	question->inline_output = inline_output;
	question->waiter =
	    tasks_wait(task, (uint64_t)wait_ms, waited, question);
}
