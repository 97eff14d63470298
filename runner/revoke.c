/*
 * The list: in memory, in the store, at the gateways. In memory first where it
 * grows, in the store first where it shrinks before its time.
 */
#include "runner/revoke.h"

#include <stdlib.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/log.h"
#include "runner/peers.h"
#include "runner/revocation_store.h"

#define TICK_MS 1000

/* One change of the store. */
struct change {
	struct store_op op;
	struct runner *runner;
	struct change *next; /* among those that are late */
	struct revocation revocation; /* its strings are the change's own */
	struct audit_entry *entry; /* NULL: its time was over, all knew that */
	void (*done)(void *arg, const struct err *err);
	void *arg;
};

static struct change *
new_change(struct runner *runner, const struct revocation *revocation)
{
	struct change *change = alloc_zero(1, sizeof(*change));

	change->runner = runner;
	change->revocation = *revocation;
	change->revocation.value = alloc_string(revocation->value);
	if (revocation->reason != NULL)
		change->revocation.reason = alloc_string(revocation->reason);
	return change;
}

static void
free_change(struct change *change)
{
	audit_entry_free(change->entry);
	free(change->revocation.value);
	free(change->revocation.reason);
	free(change);
}

/* The entry that this change was about, unless another has come since. */
static struct revocation *
find_unchanged(const struct change *change)
{
	struct revocation *found =
	    revocations_find(&change->runner->revoked.set,
		change->revocation.kind, change->revocation.value);

	return found != NULL && found->change == change->revocation.change
	    ? found
	    : NULL;
}

/* -- what the records say */

static const struct {
	enum event revoked, restored;
} events[REVOCATION_KIND_COUNT] = {
    [REVOCATION_CERTIFICATE] = {EVENT_CERTIFICATE_REVOKED, EVENT_COUNT},
    [REVOCATION_TOKEN] = {EVENT_TOKEN_REVOKED, EVENT_COUNT},
    [REVOCATION_SUBJECT] = {EVENT_SUBJECT_REVOKED, EVENT_SUBJECT_RESTORED},
    [REVOCATION_LOCK] = {EVENT_SUBJECT_LOCKED, EVENT_SUBJECT_UNLOCKED},
    [REVOCATION_IMAGE] = {EVENT_IMAGE_REVOKED, EVENT_IMAGE_RESTORED},
};

static void
add_until(json_t *object, const struct revocation *revocation)
{
	char text[CLOCK_TEXT];

	if (revocation->until_ms == 0)
		return;
	clock_format(revocation->until_ms, text);
	json_object_set_new(object, "until", json_string(text));
}

static struct audit_entry *
new_entry(const struct runner *runner, const struct revocation *revocation,
    enum event event, int64_t uid)
{
	struct audit_entry *entry = tasks_entry(&runner->tasks, event);

	entry->principal = json_pack("{s:I}", "uid", (json_int_t)uid);
	entry->object = json_pack("{s:s, s:s}", "kind",
	    revocation_kind_text(revocation->kind), "value", revocation->value);
	add_until(entry->object, revocation);
	if (revocation->reason != NULL)
		json_object_set_new(
		    entry->object, "reason", audit_text(revocation->reason));
	return entry;
}

json_t *
revoke_render(const struct revocation *revocation)
{
	json_t *json = json_pack("{s:s, s:s, s:I, s:b}", "kind",
	    revocation_kind_text(revocation->kind), "value", revocation->value,
	    "uid", (json_int_t)revocation->uid, "recorded",
	    !revocation->unrecorded);
	char created[CLOCK_TEXT];

	clock_format(revocation->created_ms, created);
	json_object_set_new(json, "created_at", json_string(created));
	add_until(json, revocation);
	if (revocation->reason != NULL)
		json_object_set_new(
		    json, "reason", audit_text(revocation->reason));
	return json;
}

/* -- the gateways */

/* What they have to know of one. */
static json_t *
render_for_gateway(const struct revocation *revocation)
{
	json_t *json = json_pack("{s:s, s:s}", "kind",
	    revocation_kind_text(revocation->kind), "value", revocation->value);

	if (revocation->until_ms != 0)
		json_object_set_new(
		    json, "until_ms", json_integer(revocation->until_ms));
	return json;
}

/* Images are the runner's alone to know. */
static bool
is_for_gateways(const struct revocation *revocation)
{
	return revocation->kind != REVOCATION_IMAGE;
}

static void
tell(struct runner *runner, const struct revocation *revocation, bool lifted)
{
	auto_json *members = render_for_gateway(revocation);

	if (!is_for_gateways(revocation))
		return;
	json_object_set_new(
	    members, "change", json_integer((json_int_t)revocation->change));
	json_object_set_new(members, "lifted", json_boolean(lifted));
	peers_tell(runner, MESSAGE_revocation, members);
}

int
revoke_tell_all(struct peer *peer, struct err *err)
{
	const struct revoke_list *list = &peer->runner->revoked;
	auto_json *entries = json_array();
	auto_json *members =
	    json_pack("{s:I}", "change", (json_int_t)list->change);
	auto_free char *text = NULL;
	auto_fd int fd = -1;

	for (size_t i = 0; i < list->set.count; i++) {
		if (is_for_gateways(list->set.entries[i]))
			json_array_append_new(
			    entries, render_for_gateway(list->set.entries[i]));
	}
	text = json_dumps(entries, JSON_COMPACT);
	if (text == NULL)
		die("a list that cannot be written");
	if (packet_seal(text, strlen(text), &fd, err) != 0)
		return -1;
	return channel_send(
	    peer->channel, MESSAGE_revocations, members, &fd, 1, err);
}

/* -- the store */

static int
run_keep(struct store_op *op, struct database *database, struct err *err)
{
	const struct change *change = (struct change *)op;

	if (revocation_store_keep(database, &change->revocation, err) != 0)
		return -1;
	return audit_append(database, change->entry, err);
}

static void
put_off(struct revoke_list *list, struct change *change)
{
	change->entry->is_late = true;
	change->next = NULL;
	if (list->late == NULL)
		list->late = change;
	else
		list->latest->next = change;
	list->latest = change;
}

static void
keep_done(struct store_op *op, const struct err *err)
{
	struct change *change = (struct change *)op;
	struct runner *runner = change->runner;
	struct revoke_list *list = &runner->revoked;
	struct revocation *revocation = find_unchanged(change);

	if (err != NULL && !list->failing)
		log_failure(LOG_LEVEL_ERROR, "revocation.not_recorded", err,
		    "value", change->revocation.value, NULL);
	list->failing = err != NULL;
	if (revocation != NULL) {
		revocation->recording = false;
		revocation->unrecorded = err != NULL;
	}
	if (err != NULL)
		put_off(list, change);
	else
		free_change(change);
	revoke_settle(runner);
}

static void
submit_keep(struct change *change)
{
	change->op = (struct store_op){.run = run_keep, .done = keep_done};
	store_submit(change->runner->store, &change->op);
}

static void
record(struct runner *runner, struct revocation *revocation)
{
	struct change *change = new_change(runner, revocation);

	revocation->recording = true;
	change->entry = new_entry(runner, revocation,
	    events[revocation->kind].revoked, revocation->uid);
	submit_keep(change);
}

/* What is not as it was then is not brought back; that it was is on record all
 * the same. */
static void
record_late(struct change *change)
{
	struct revocation *revocation = find_unchanged(change);

	if (revocation != NULL) {
		revocation->recording = true;
		submit_keep(change);
		return;
	}
	tasks_record_take(&change->runner->tasks, take(change->entry));
	free_change(change);
}

static void
record_all_late(struct runner *runner)
{
	struct change *next;

	for (struct change *change = take(runner->revoked.late); change != NULL;
	     change = next) {
		next = change->next;
		record_late(change);
	}
}

static int
run_remove(struct store_op *op, struct database *database, struct err *err)
{
	const struct change *change = (struct change *)op;

	if (revocation_store_remove(database, change->revocation.kind,
		change->revocation.value, err) != 0)
		return -1;
	return change->entry == NULL
	    ? 0
	    : audit_append(database, change->entry, err);
}

static void
expire_done(struct store_op *op, const struct err *err)
{
	/* Else the next life finds it and that its time is over. */
	(void)err;
	free_change((struct change *)op);
}

static void
forget(struct runner *runner, struct revocation *revocation)
{
	bool was_image = revocation->kind == REVOCATION_IMAGE;

	revocation->change = ++runner->revoked.change;
	tell(runner, revocation, true);
	revocations_remove(
	    &runner->revoked.set, revocation->kind, revocation->value);
	/* What it would make ready is not put off any longer. */
	if (was_image && runner->pool != NULL)
		pool_set_policy(runner->pool, runner->policy);
}

static void
lift_done(struct store_op *op, const struct err *err)
{
	struct change *change = (struct change *)op;
	struct revocation *revocation = find_unchanged(change);

	if (err == NULL && revocation != NULL) {
		log_info("revocation.lifted", "kind",
		    revocation_kind_text(revocation->kind), "value",
		    revocation->value, NULL);
		forget(change->runner, revocation);
	}
	change->done(change->arg, err);
	free_change(change);
}

bool
revoke_may_use(void *arg, const char *image)
{
	const struct runner *runner = arg;
	const struct revocable shown = {.image = image};
	struct err ignored;

	return revocations_check(&runner->revoked.set, &shown, clock_wall_ms(),
		   &ignored) == 0;
}

/* -- changes */

static void
set_reason(struct revocation *revocation, const char *reason)
{
	free(revocation->reason);
	revocation->reason = reason != NULL ? alloc_string(reason) : NULL;
}

int
revoke_put(struct runner *runner, const struct revoke_order *order,
    revoke_done *done, void *arg, struct err *err)
{
	struct revoke_list *list = &runner->revoked;
	struct revocation *revocation;

	if (list->set.count >= REVOCATIONS_MAX &&
	    revocations_find(&list->set, order->kind, order->value) == NULL)
		return err_set(err, ERR_BUSY,
		    "the list is full: it has %d entries", REVOCATIONS_MAX);
	revocation = revocations_put(&list->set, order->kind, order->value);
	set_reason(revocation, order->reason);
	revocation->uid = order->uid;
	revocation->created_ms = clock_wall_ms();
	revocation->until_ms = order->until_ms;
	revocation->change = ++list->change;
	revocation->unrecorded = true;
	log_warning("revocation.put", "kind", revocation_kind_text(order->kind),
	    "value", order->value, NULL);
	tell(runner, revocation, false);
	record(runner, revocation);
	effect_begin(runner, revocation, done, arg);
	return 0;
}

int
revoke_lift(struct runner *runner, enum revocation_kind kind, const char *value,
    int64_t uid, void (*done)(void *arg, const struct err *err), void *arg,
    struct err *err)
{
	const struct revocation *found =
	    revocations_find(&runner->revoked.set, kind, value);
	struct change *change;

	if (found == NULL)
		return err_set(err, ERR_NOT_FOUND, "%s %s is not on the list",
		    revocation_kind_text(kind), value);
	/* Behind its end its beginning must not be written any more. */
	if (found->unrecorded)
		return err_set(err, ERR_UNAVAILABLE,
		    "%s %s is not on record yet: it stays until it is",
		    revocation_kind_text(kind), value);
	change = new_change(runner, found);
	change->op = (struct store_op){.run = run_remove, .done = lift_done};
	change->entry = new_entry(runner, found, events[kind].restored, uid);
	change->done = done;
	change->arg = arg;
	store_submit(runner->store, &change->op);
	return 0;
}

/* -- time */

static void
expire(struct runner *runner, struct revocation *revocation)
{
	struct change *change = new_change(runner, revocation);

	change->op = (struct store_op){.run = run_remove, .done = expire_done};
	store_submit(runner->store, &change->op);
	forget(runner, revocation);
}

static void
on_tick(uv_timer_t *timer)
{
	struct runner *runner = timer->data;
	const struct revocations *set = &runner->revoked.set;
	int64_t now_ms = clock_wall_ms();

	/* Backwards: some go meanwhile. */
	for (size_t i = set->count; i-- > 0;) {
		struct revocation *revocation = set->entries[i];

		if (revocation->until_ms != 0 && now_ms >= revocation->until_ms)
			expire(runner, revocation);
	}
	record_all_late(runner);
	effect_finish_late(runner, false);
}

/* -- life */

struct load {
	struct store_op op;
	struct revocations *set;
	struct err err;
};

static int
run_load(struct store_op *op, struct database *database, struct err *err)
{
	return revocation_store_load(database, ((struct load *)op)->set, err);
}

static void
load_done(struct store_op *op, const struct err *err)
{
	if (err != NULL)
		((struct load *)op)->err = *err;
}

int
revoke_open(struct runner *runner, struct err *err)
{
	struct revoke_list *list = &runner->revoked;
	struct load load = {
	    .op = {.reads = true, .run = run_load, .done = load_done},
	    .set = &list->set,
	};

	store_submit(runner->store, &load.op);
	store_drain(runner->store);
	if (load.err.code != ERR_NONE) {
		*err = load.err;
		return err_prefix(err, "what was revoked cannot be read");
	}
	if (uv_timer_init(&runner->loop, &list->timer) != 0 ||
	    uv_timer_start(&list->timer, on_tick, TICK_MS, TICK_MS) != 0)
		die("revoke: libuv gives no timer");
	list->timer.data = runner;
	runner->tasks.revocations = &list->set;
	return 0;
}

void
revoke_close(struct runner *runner)
{
	effect_finish_late(runner, true);
	/* Once more: the next life knows of it by the store alone. */
	record_all_late(runner);
	uv_close((uv_handle_t *)&runner->revoked.timer, NULL);
}

void
revoke_list_done(struct revoke_list *list)
{
	struct change *next;

	for (struct change *change = list->late; change != NULL;
	     change = next) {
		next = change->next;
		log_error("revocation.lost", "kind",
		    revocation_kind_text(change->revocation.kind), "value",
		    change->revocation.value, NULL);
		free_change(change);
	}
	list->late = NULL;
	revocations_done(&list->set);
}
