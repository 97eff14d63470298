/*
 * Who is refused, and how often. The table of those who were is small: whoever
 * has no place in it shares one.
 */
#include "runner/refusals.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/bucket.h"
#include "lib/cleanup.h"
#include "lib/log.h"
#include "lib/message.h"

#define TICK_MS 1000
#define WINDOW_MAX_MS 16000
#define PLACES 64

/* Records that name one refusal: of one subject (or address), of all that
 * gateways report, and of all together. */
#define OF_ONE BUCKET_INIT(50, 2000)
#define OF_GATEWAYS BUCKET_INIT(100, 1000)
#define OF_ALL BUCKET_INIT(200, 500)

struct place {
	char who[SUBJECT_MAX + 1]; /* "": free */
	struct bucket singly;
	int64_t window_ends_ms, window_ms; /* of what is summed up */
	int64_t summed[ERR_COUNT_];
	int64_t total; /* of those; 0: none */
};

struct refusals {
	struct tasks *tasks;
	uv_timer_t timer;
	struct bucket all;
	struct place places[PLACES + 1]; /* the last: all others */
};

static void
set(json_t *object, const char *name, const char *value)
{
	if (value != NULL && *value != '\0')
		json_object_set_new(object, name, audit_text(value));
}

static json_t *
render_principal(const struct refusal *refusal)
{
	json_t *principal = json_object();

	set(principal, "subject", refusal->subject);
	set(principal, "thumbprint", refusal->thumbprint);
	set(principal, "token_id", refusal->token_id);
	set(principal, "address", refusal->address);
	if (json_array_size(refusal->roles) > 0)
		json_object_set(principal, "roles", refusal->roles);
	return principal;
}

static json_t *
render_object(const struct refusal *refusal)
{
	json_t *object = json_object();

	json_object_set_new(object, "by",
	    json_string(refusal->by_gateway ? "gateway" : "runner"));
	if (refusal->count > 1)
		json_object_set_new(
		    object, "count", json_integer((json_int_t)refusal->count));
	set(object, "condition", refusal->condition);
	set(object, "request_sha256", refusal->request_sha256);
	if (refusal->shadows != NULL)
		json_object_set(object, "shadows", refusal->shadows);
	if (refusal->count == 1)
		set(object, "task", refusal->task);
	if (refusal->of_task)
		json_object_set_new(
		    object, "signed", json_boolean(refusal->is_signed));
	return object;
}

struct audit_entry *
refusals_entry(
    const struct refusal *refusal, int64_t wall_ms, const char *policy_sha256)
{
	/* By the policy: not who may decide about it. */
	bool denied = refusal->code == ERR_DENIED && refusal->task == NULL;
	struct audit_entry *entry =
	    audit_entry_new(denied ? EVENT_TASK_DENIED : EVENT_REQUEST_REFUSED,
		wall_ms, policy_sha256);

	entry->principal = render_principal(refusal);
	entry->object = render_object(refusal);
	if (refusal->rule != NULL)
		entry->rule = alloc_string(refusal->rule);
	entry->outcome = alloc_string(err_slug(refusal->code));
	audit_set_message(entry, "%s: %s",
	    denied ? "The policy denied a task" : "A request was refused",
	    err_title(refusal->code));
	entry->untrusted = json_incref(refusal->untrusted);
	return entry;
}

static void
record(struct refusals *refusals, const struct refusal *refusal)
{
	const struct policy *policy = refusals->tasks->policy;
	struct audit_entry *entry = refusals_entry(refusal, clock_wall_ms(),
	    policy != NULL ? policy_sha256(policy) : NULL);
	enum event event = entry->event;

	tasks_record_take(refusals->tasks, entry);
	log_info(event_code(event), "outcome", err_slug(refusal->code),
	    "subject", refusal->subject != NULL ? refusal->subject : "",
	    "address", refusal->address, NULL);
}

static void
record_sum(struct refusals *refusals, const struct place *place)
{
	struct audit_entry *entry =
	    tasks_entry(refusals->tasks, EVENT_REQUEST_REFUSED);
	json_t *codes = json_object();

	for (int code = 0; code < ERR_COUNT_; code++)
		if (place->summed[code] > 0)
			json_object_set_new(codes,
			    err_slug((enum err_code)code),
			    json_integer((json_int_t)place->summed[code]));
	entry->principal = json_object();
	set(entry->principal, "subject", place->who);
	entry->object = json_pack(
	    "{s:I, s:o}", "count", (json_int_t)place->total, "codes", codes);
	audit_set_message(
	    entry, "More requests were refused than are recorded singly");
	tasks_record_take(refusals->tasks, entry);
}

/* What is summed up until its end is recorded then. The longer it goes on, the
 * longer the next. */
static void
open_window(struct place *place, int64_t now_ms)
{
	place->window_ms =
	    place->window_ms == 0 ? TICK_MS : 2 * place->window_ms;
	if (place->window_ms > WINDOW_MAX_MS)
		place->window_ms = WINDOW_MAX_MS;
	place->window_ends_ms = now_ms + place->window_ms;
}

static void
close_window(struct refusals *refusals, struct place *place, int64_t now_ms)
{
	if (place->total > 0) {
		record_sum(refusals, place);
		memset(place->summed, 0, sizeof(place->summed));
		place->total = 0;
		open_window(place, now_ms);
		return;
	}
	place->window_ms = 0;
	if (bucket_is_full(&place->singly, now_ms))
		*place = (struct place){0};
}

static void
on_timer(uv_timer_t *timer)
{
	struct refusals *refusals = timer->data;
	int64_t now_ms = clock_boot_ms();

	for (size_t i = 0; i < COUNT(refusals->places); i++) {
		struct place *place = &refusals->places[i];

		if (place->who[0] != '\0' && now_ms >= place->window_ends_ms)
			close_window(refusals, place, now_ms);
	}
}

struct refusals *
refusals_new(struct tasks *tasks)
{
	struct refusals *refusals = alloc_zero(1, sizeof(*refusals));

	refusals->tasks = tasks;
	refusals->all = (struct bucket)OF_ALL;
	if (uv_timer_init(tasks->loop, &refusals->timer) != 0 ||
	    uv_timer_start(&refusals->timer, on_timer, TICK_MS, TICK_MS) != 0)
		die("refusals: libuv gives no timer");
	refusals->timer.data = refusals;
	return refusals;
}

static void
on_closed(uv_handle_t *timer)
{
	free(timer->data);
}

void
refusals_free(struct refusals *refusals)
{
	for (size_t i = 0; i < COUNT(refusals->places); i++)
		if (refusals->places[i].total > 0)
			record_sum(refusals, &refusals->places[i]);
	uv_close((uv_handle_t *)&refusals->timer, on_closed);
}

static struct place *
find_place(struct refusals *refusals, const char *who)
{
	struct place *found = &refusals->places[PLACES];

	for (size_t i = 0; i < PLACES; i++) {
		struct place *place = &refusals->places[i];

		if (strcmp(place->who, who) == 0)
			return place;
		if (place->who[0] == '\0' &&
		    found->who == refusals->places[PLACES].who)
			found = place;
	}
	return found;
}

/* No sum is more than one message may say: whoever adds up records, of which
 * there can be many, stays far from the end of the numbers. */
static int64_t
add_counts(int64_t a, int64_t b)
{
	return b > MESSAGE_REFUSALS_MAX - a ? MESSAGE_REFUSALS_MAX : a + b;
}

/* The place of who was refused. What the gateway says is verified by nobody:
 * one for all of that. */
static struct place *
take_place(struct refusals *refusals, const struct refusal *refusal)
{
	char who[SUBJECT_MAX + 1];
	struct place *place;

	snprintf(who, sizeof(who), "%s",
	    refusal->by_gateway            ? "(gateway)"
		: refusal->subject != NULL ? refusal->subject
					   : refusal->address);
	place = find_place(refusals, who);
	if (place->who[0] == '\0') {
		snprintf(place->who, sizeof(place->who), "%s",
		    place == &refusals->places[PLACES] ? "(others)" : who);
		place->singly = refusal->by_gateway ? (struct bucket)OF_GATEWAYS
						    : (struct bucket)OF_ONE;
	}
	return place;
}

void
refusals_add(struct refusals *refusals, const struct refusal *refusal)
{
	struct place *place = take_place(refusals, refusal);
	int64_t *summed = &place->summed[refusal->code];
	int64_t now_ms = clock_boot_ms();

	if (bucket_has(&place->singly, now_ms) &&
	    bucket_has(&refusals->all, now_ms)) {
		bucket_take(&place->singly);
		bucket_take(&refusals->all);
		record(refusals, refusal);
		return;
	}
	if (place->total == 0 && now_ms >= place->window_ends_ms)
		open_window(place, now_ms);
	*summed = add_counts(*summed, refusal->count);
	place->total = add_counts(place->total, refusal->count);
}
