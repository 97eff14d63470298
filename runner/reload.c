/*
 * The runner's own reload, and the operator's: an order to each gateway, and
 * one answer when all have said what became of it, or their time is up.
 *
 * What a gateway says is believed of itself and no further: it is on record as
 * its word, and it cannot fill the log with it.
 */
#include "runner/reload.h"

#include <stdlib.h>
#include <string.h>

#include "certs/key_id.h"
#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/log.h"
#include "runner/in_force.h"
#include "runner/peers.h"

#define ANSWER_MS 10000
/* Of reloads that nobody here asked for. */
#define UNASKED_EACH_MS 60000
#define UNASKED_MAX 10

struct reload {
	struct runner *runner;
	struct question *question; /* the operator's; NULL: none is open */
	int64_t order; /* the last that was given */
	size_t waiting; /* gateways that have not answered it */
	json_t *processes; /* what became of it, one object each */
	uid_t uid; /* whose it is */
	uv_timer_t timer;
	int64_t unasked_ms; /* CLOCK_BOOTTIME: when their count began */
	int64_t unasked, unrecorded;
};

/* Who asked for it, in a record: NULL is a signal. */
static json_t *
principal_of(const struct reload *reload, bool is_ordered)
{
	return is_ordered ? json_pack("{s:I}", "uid", (json_int_t)reload->uid)
			  : NULL;
}

/* -- the runner's own files */

void
runner_record_policy(struct runner *runner)
{
	struct audit_entry *entry =
	    tasks_entry(&runner->tasks, EVENT_POLICY_LOADED);

	entry->object = json_pack(
	    "{s:I}", "rules", (json_int_t)policy_rule_count(runner->policy));
	tasks_record_take(&runner->tasks, entry);
	log_info(
	    "policy.loaded", "sha256", policy_sha256(runner->policy), NULL);
}

void
runner_take_up(struct runner *runner, struct in_force *in_force)
{
	const struct in_force old = {
	    runner->authority, runner->audit_key, runner->policy};

	runner->authority = in_force->authority;
	runner->audit_key = in_force->audit_key;
	if (runner->store != NULL)
		store_set_key(runner->store, runner->audit_key);
	runner->policy = in_force->policy;
	*in_force = old;
	if (runner->pool != NULL)
		pool_set_policy(runner->pool, runner->policy);
	tasks_set_policy(&runner->tasks, runner->policy);
}

static json_t *
list_token_keys(const struct token_keys *keys)
{
	json_t *list = json_array();
	const char *id;

	for (size_t k = 0; (id = token_keys_id(keys, k)) != NULL; k++)
		json_array_append_new(list, json_string(id));
	return list;
}

/* The first end of those that the gateways serve with; 0: none is there. */
static int64_t
find_certificate_end(const struct runner *runner)
{
	int64_t first_s = 0;

	for (const struct peer *peer = runner->peers; peer != NULL;
	     peer = peer->next) {
		if (peer->takes_orders &&
		    (first_s == 0 || peer->certificate_not_after_s < first_s))
			first_s = peer->certificate_not_after_s;
	}
	return first_s;
}

void
runner_describe_credentials(const struct runner *runner, json_t *object)
{
	int64_t certificate_end_s = find_certificate_end(runner);
	char id[KEY_ID];

	if (certificate_end_s > 0)
		json_set_time(
		    object, "certificate_expires_at", certificate_end_s);
	json_set_time(
	    object, "ca_expires_at", trust_first_end(runner->authority.trust));
	json_object_set_new(
	    object, "token_keys", list_token_keys(runner->authority.keys));
	key_id(runner->audit_key, id);
	json_object_set_new(object, "audit_key", json_string(id));
}

static void
record_done(struct reload *reload, bool is_ordered)
{
	struct runner *runner = reload->runner;
	struct audit_entry *entry =
	    tasks_entry(&runner->tasks, EVENT_RELOAD_DONE);

	entry->principal = principal_of(reload, is_ordered);
	entry->object = json_pack("{s:s}", "process", "runner");
	runner_describe_credentials(runner, entry->object);
	tasks_record_take(&runner->tasks, entry);
}

static void
record_refused(struct reload *reload, bool is_ordered, const struct err *why)
{
	struct runner *runner = reload->runner;
	struct audit_entry *entry =
	    tasks_entry(&runner->tasks, EVENT_RELOAD_REFUSED);

	entry->principal = principal_of(reload, is_ordered);
	entry->object = json_pack("{s:s, s:o}", "process", "runner", "reason",
	    audit_text(why->detail));
	tasks_record_take(&runner->tasks, entry);
}

/* What was accepted before keeps the principal that it was accepted with. */
static int
reload_own(struct reload *reload, bool is_ordered, struct err *err)
{
	AUTO(in_force_done) struct in_force next = {0};
	struct runner *runner = reload->runner;

	if (in_force_load(&runner->config, &next, err) != 0) {
		log_failure(LOG_LEVEL_ERROR, "runner.reload_failed", err, NULL);
		record_refused(reload, is_ordered, err);
		return -1;
	}
	runner_take_up(runner, &next);
	runner_forget_verified(runner);
	record_done(reload, is_ordered);
	runner_record_policy(runner);
	/* Behind the record: what it starts or ends now comes by it. */
	tasks_dispatch(&runner->tasks);
	runner_state_changed(runner);
	log_info("runner.reloaded", NULL);
	return 0;
}

void
reload_by_signal(struct reload *reload)
{
	struct err err;

	(void)reload_own(reload, false, &err);
}

/* -- the operator's */

static void
add_process(
    struct reload *reload, const char *name, const char *result, json_t *reason)
{
	json_t *process =
	    json_pack("{s:s, s:s}", "process", name, "result", result);

	if (reason != NULL)
		json_object_set_new(process, "reason", reason);
	json_array_append_new(reload->processes, process);
}

static void
answer(struct reload *reload)
{
	uv_timer_stop(&reload->timer);
	reload->waiting = 0;
	question_reply_take(take(reload->question), 200,
	    json_pack("{s:o}", "processes", take(reload->processes)), -1);
}

static bool
is_asked(const struct reload *reload, const struct peer *peer)
{
	return reload->question != NULL && reload->waiting > 0 &&
	    peer->reload_order == reload->order;
}

static void
hear(struct reload *reload, struct peer *peer, const char *result,
    json_t *reason)
{
	peer->reload_order = 0;
	add_process(reload, "gateway", result, reason);
	if (--reload->waiting == 0)
		answer(reload);
}

void
reload_peer_gone(struct reload *reload, struct peer *peer)
{
	if (is_asked(reload, peer))
		hear(reload, peer, "gone", NULL);
}

static void
on_late(uv_timer_t *timer)
{
	struct reload *reload = timer->data;
	struct peer *next;

	for (struct peer *peer = reload->runner->peers; peer != NULL;
	     peer = next) {
		next = peer->next;
		if (is_asked(reload, peer))
			hear(reload, peer, "silent", NULL);
	}
}

static void
order_gateways(struct reload *reload)
{
	auto_json *members =
	    json_pack("{s:I}", "order", (json_int_t)++reload->order);
	struct err err;

	for (struct peer *peer = reload->runner->peers; peer != NULL;
	     peer = peer->next) {
		if (!peer->takes_orders)
			continue;
		if (channel_send(peer->channel, MESSAGE_reload_order, members,
			NULL, 0, &err) != 0) {
			add_process(reload, "gateway", "gone", NULL);
			continue;
		}
		peer->reload_order = reload->order;
		reload->waiting++;
	}
}

static void
begin(struct reload *reload, struct question *question, uid_t uid)
{
	struct err err;

	reload->question = question;
	reload->uid = uid;
	reload->processes = json_array();
	if (reload_own(reload, true, &err) == 0)
		add_process(reload, "runner", "done", NULL);
	else
		add_process(
		    reload, "runner", "refused", audit_text(err.detail));
	order_gateways(reload);
	if (reload->waiting == 0)
		answer(reload);
	else
		uv_timer_start(&reload->timer, on_late, ANSWER_MS, 0);
}

int
peer_handle_reload(struct peer *peer, struct message *message, struct err *err)
{
	struct asked {
		int64_t request;
	} asked;
	static const struct json_field fields[] = {
	    JSON_FIELD(struct asked, request, "request", JSON_KIND_INTEGER,
		true, 1, INT64_MAX),
	};
	struct reload *reload = peer->runner->reload;
	struct question *question;
	struct err busy;

	if (json_read_fields(message->members, "", fields, COUNT(fields), false,
		&asked, err) != 0)
		return -1;
	question = question_new(peer, asked.request, err);
	if (question == NULL)
		return -1;
	if (reload->question == NULL) {
		begin(reload, question, channel_peer_uid(peer->channel));
		return 0;
	}
	err_set(&busy, ERR_BUSY, "another reload is under way");
	question_fail(question, &busy);
	return 0;
}

/* -- what a gateway says */

struct result {
	int64_t order, certificate_not_after;
	bool done;
	const char *reason;
};

/* A gateway that reports reloads without end must not fill the log. */
static bool
may_record(struct reload *reload)
{
	int64_t now_ms = clock_boot_ms();

	if (now_ms - reload->unasked_ms >= UNASKED_EACH_MS) {
		reload->unasked_ms = now_ms;
		reload->unasked = 0;
	}
	if (reload->unasked++ < UNASKED_MAX)
		return true;
	reload->unrecorded++;
	return false;
}

static json_t *
describe_result(struct reload *reload, const struct result *result)
{
	json_t *object = json_pack("{s:s}", "process", "gateway");

	json_set_time(
	    object, "certificate_expires_at", result->certificate_not_after);
	if (reload->unrecorded > 0)
		json_object_set_new(
		    object, "unrecorded", json_integer(reload->unrecorded));
	reload->unrecorded = 0;
	return object;
}

static void
record_result(
    struct reload *reload, const struct result *result, bool is_ordered)
{
	struct tasks *tasks = &reload->runner->tasks;
	struct audit_entry *entry;

	if (!is_ordered && !may_record(reload))
		return;
	entry = tasks_entry(
	    tasks, result->done ? EVENT_RELOAD_DONE : EVENT_RELOAD_REFUSED);
	entry->principal = principal_of(reload, is_ordered);
	entry->object = describe_result(reload, result);
	if (!result->done)
		entry->untrusted =
		    json_pack("{s:o}", "reason", audit_text(result->reason));
	tasks_record_take(tasks, entry);
}

int
peer_handle_reload_result(
    struct peer *peer, struct message *message, struct err *err)
{
	static const struct json_field fields[] = {
	    JSON_FIELD(struct result, order, "order", JSON_KIND_INTEGER, false,
		1, INT64_MAX),
	    JSON_FIELD(
		struct result, done, "done", JSON_KIND_BOOLEAN, true, 0, 0),
	    JSON_FIELD(struct result, reason, "reason", JSON_KIND_STRING, false,
		0, ERR_DETAIL_MAX),
	    JSON_FIELD(struct result, certificate_not_after,
		"certificate_not_after", JSON_KIND_INTEGER, true, 0,
		PEER_TIME_MAX_S),
	};
	struct reload *reload = peer->runner->reload;
	struct result result = {.reason = ""};
	bool is_ordered;

	if (json_read_fields(message->members, "", fields, COUNT(fields), false,
		&result, err) != 0)
		return -1;
	if (!peer->takes_orders)
		return err_set(err, ERR_MALFORMED,
		    "reload_result by a connection that takes no orders");
	is_ordered = result.order > 0 && is_asked(reload, peer) &&
	    result.order == reload->order;
	peer->certificate_not_after_s = result.certificate_not_after;
	record_result(reload, &result, is_ordered);
	if (is_ordered)
		hear(reload, peer, result.done ? "done" : "refused",
		    result.done ? NULL : audit_text(result.reason));
	return 0;
}

/* -- life */

struct reload *
reload_new(struct runner *runner)
{
	struct reload *reload = alloc_zero(1, sizeof(*reload));

	reload->runner = runner;
	if (uv_timer_init(&runner->loop, &reload->timer) != 0)
		die("uv_timer_init");
	reload->timer.data = reload;
	return reload;
}

static void
closed(uv_handle_t *handle)
{
	free(handle->data);
}

void
reload_free(struct reload *reload)
{
	if (reload->question != NULL)
		answer(reload);
	uv_close((uv_handle_t *)&reload->timer, closed);
}
