/*
 * Summing up refusals. What the client wrote goes into `untrusted` alone and
 * is bounded; the runner encodes it.
 */
#include <stdio.h>
#include <string.h>

#include "gateway/link.h"
#include "gateway/refusals.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/json.h"
#include "lib/log.h"
#include "lib/message.h"

#define WINDOW_MS 1000
#define WINDOW_MAX_MS 16000

static void
set_text(json_t *object, const char *name, const char *value)
{
	if (value[0] != '\0')
		json_object_set_new(object, name, json_string(value));
}

static json_t *
describe(const struct refusals_entry *entry)
{
	json_t *untrusted = json_object();
	json_t *members =
	    json_pack("{s:s, s:I, s:s}", "code", err_slug(entry->code), "count",
		(json_int_t)entry->count, "address", entry->address);

	set_text(members, "subject", entry->subject);
	set_text(members, "thumbprint", entry->thumbprint);
	set_text(members, "token_id", entry->token_id);
	set_text(members, "rule", entry->rule);
	set_text(untrusted, "method", entry->method);
	set_text(untrusted, "path", entry->path);
	set_text(untrusted, "detail", entry->detail);
	json_object_set_new(members, "untrusted", untrusted);
	if (entry->task != NULL)
		json_object_set(members, "task", entry->task);
	return members;
}

/* False: the runner is away, the entry stays. */
static bool
tell(struct refusals *refusals, struct refusals_entry *entry)
{
	auto_json *members = describe(entry);
	struct err err;

	if (refusals->link == NULL ||
	    link_tell(refusals->link, MESSAGE_refusal, members, &err) < 0)
		return false;
	entry->count = 0;
	/* It is known again by its hash. */
	if (entry->task != NULL)
		json_object_del(entry->task, "request");
	return true;
}

/* What the wanted one holds goes over to it. */
static void
put(struct refusals_entry *entry, struct refusals_entry *wanted)
{
	json_decref(entry->task);
	*entry = *wanted;
	wanted->task = NULL;
}

static bool
is_free(const struct refusals_entry *entry, int64_t now_ms)
{
	return entry->count == 0 && entry->window_ends_ms <= now_ms;
}

/* What is summed up until its end is told then. */
static void
open_window(struct refusals_entry *entry, int64_t now_ms)
{
	entry->window_ms =
	    entry->window_ms == 0 ? WINDOW_MS : 2 * entry->window_ms;
	if (entry->window_ms > WINDOW_MAX_MS)
		entry->window_ms = WINDOW_MAX_MS;
	entry->window_ends_ms = now_ms + entry->window_ms;
}

void
refusals_flush(struct refusals *refusals, int64_t now_ms)
{
	for (size_t i = 0; i < COUNT(refusals->entries); i++) {
		struct refusals_entry *entry = &refusals->entries[i];

		if (entry->count > 0 && entry->window_ends_ms <= now_ms &&
		    tell(refusals, entry))
			open_window(entry, now_ms);
	}
}

static void
on_flush(uv_timer_t *timer)
{
	refusals_flush(timer->data, clock_boot_ms());
}

static void
copy(char *to, size_t size, const char *from)
{
	snprintf(to, size, "%s", from == NULL ? "" : from);
}

static void
fill(struct refusals_entry *entry, const struct refusal *refusal)
{
	const struct certificate *certificate = refusal->certificate;

	memset(entry, 0, sizeof(*entry));
	entry->code = refusal->code;
	copy(entry->address, sizeof(entry->address), refusal->address);
	if (certificate != NULL) {
		copy(entry->subject, sizeof(entry->subject),
		    certificate->subject);
		copy(entry->thumbprint, sizeof(entry->thumbprint),
		    certificate->thumbprint);
	}
	copy(entry->token_id, sizeof(entry->token_id), refusal->token_id);
	copy(entry->rule, sizeof(entry->rule), refusal->rule);
	copy(entry->method, sizeof(entry->method), refusal->method);
	copy(entry->path, sizeof(entry->path), refusal->path);
	copy(entry->detail, sizeof(entry->detail), refusal->detail);
	entry->task = json_incref(refusal->task);
}

static const char *
request_of(const struct refusals_entry *entry)
{
	const char *sha256 =
	    json_string_value(json_object_get(entry->task, "request_sha256"));

	return sha256 != NULL ? sha256 : "";
}

/* One kind: same code, address, subject and rule. */
static bool
is_same(const struct refusals_entry *a, const struct refusals_entry *b)
{
	return a->code == b->code && strcmp(a->address, b->address) == 0 &&
	    strcmp(a->subject, b->subject) == 0 &&
	    strcmp(a->rule, b->rule) == 0;
}

/* What is told stands for the first that was not told yet. */
static void
describe_anew(struct refusals_entry *entry, struct refusals_entry *wanted)
{
	int64_t window_ends_ms = entry->window_ends_ms;
	int64_t window_ms = entry->window_ms;

	put(entry, wanted);
	entry->window_ends_ms = window_ends_ms;
	entry->window_ms = window_ms;
}

static struct refusals_entry *
find(struct refusals *refusals, const struct refusals_entry *wanted,
    int64_t now_ms)
{
	struct refusals_entry *unused = NULL, *alike = NULL;
	size_t of_one = 0;

	for (size_t i = 0; i < REFUSALS_MAX; i++) {
		struct refusals_entry *entry = &refusals->entries[i];

		if (is_free(entry, now_ms)) {
			if (unused == NULL)
				unused = entry;
			continue;
		}
		if (strcmp(entry->address, wanted->address) == 0)
			of_one++;
		if (!is_same(entry, wanted))
			continue;
		if (strcmp(request_of(entry), request_of(wanted)) == 0)
			return entry;
		alike = entry;
	}
	if (alike != NULL && (of_one >= REFUSALS_OF_ONE_MAX || unused == NULL))
		return alike;
	if (unused != NULL)
		unused->window_ends_ms = unused->window_ms = 0;
	return unused;
}

/* No entry is left: the many are counted together. */
static struct refusals_entry *
find_rest(struct refusals *refusals, const struct refusals_entry *wanted,
    int64_t now_ms)
{
	struct refusals_entry *rest = &refusals->entries[REFUSALS_MAX];

	if (is_free(rest, now_ms)) {
		json_decref(rest->task);
		memset(rest, 0, sizeof(*rest));
		rest->code = wanted->code;
		copy(rest->address, sizeof(rest->address), "many");
	}
	return rest;
}

void
refusals_open(struct refusals *refusals, uv_loop_t *loop, struct link *link)
{
	memset(refusals, 0, sizeof(*refusals));
	refusals->link = link;
	uv_timer_init(loop, &refusals->flush);
	refusals->flush.data = refusals;
	uv_timer_start(&refusals->flush, on_flush, WINDOW_MS, WINDOW_MS);
}

void
refusals_report(
    struct refusals *refusals, const struct refusal *refusal, int64_t now_ms)
{
	struct refusals_entry wanted;
	struct refusals_entry *entry;

	fill(&wanted, refusal);
	entry = find(refusals, &wanted, now_ms);
	if (entry == NULL)
		entry = find_rest(refusals, &wanted, now_ms);
	else if (entry->count == 0)
		describe_anew(entry, &wanted);
	else if (strcmp(request_of(entry), request_of(&wanted)) != 0)
		json_decref(take(entry->task));
	json_decref(wanted.task);
	if (entry->count < MESSAGE_REFUSALS_MAX)
		entry->count++;
	if (entry->window_ends_ms > now_ms)
		return;
	tell(refusals, entry);
	open_window(entry, now_ms);
}

void
refusals_close(struct refusals *refusals, uv_close_cb closed)
{
	for (size_t i = 0; i < COUNT(refusals->entries); i++) {
		if (refusals->entries[i].count > 0)
			tell(refusals, &refusals->entries[i]);
		json_decref(take(refusals->entries[i].task));
	}
	uv_close((uv_handle_t *)&refusals->flush, closed);
}
