/*
 * An installation's folder with an audit log as a busy runner would have left
 * it, written by the store itself: what reviews are measured and looked at
 * with.
 *
 *	make_log FOLDER DAYS TASKS_A_DAY END
 *
 * END: RFC 3339, when the last day ends. People work by day, a machine all the
 * time; in the last week there is all that a report has to show: names that
 * are markup, a burst of refusals, a night's work, a clock that was set back.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/pem.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/file.h"
#include "runner/audit.h"
#include "runner/store.h"

#define RUNNER_ID "01932f0e-6f0a-7c3e-8a55-3f1f0c1b2a11"
#define HOUR_MS INT64_C(3600000)
#define DAY_MS (24 * HOUR_MS)
#define BATCH 256

struct append {
	struct store_op op;
	struct audit_entry *entry;
};

struct maker {
	uv_loop_t loop;
	struct store *store;
	uint64_t random;
	struct append **day; /* what it is to have, in no order */
	size_t length, size;
};

static uint64_t
draw(struct maker *maker, uint64_t below)
{
	maker->random ^= maker->random << 13;
	maker->random ^= maker->random >> 7;
	maker->random ^= maker->random << 17;
	return (maker->random >> 11) % below;
}

/* -- writing */

static int
run_append(struct store_op *op, struct database *database, struct err *err)
{
	return audit_append(database, ((struct append *)op)->entry, err);
}

static void
append_done(struct store_op *op, const struct err *err)
{
	if (err != NULL)
		die("make_log: %s", err->detail);
	audit_entry_free(((struct append *)op)->entry);
	free(op);
}

static void
settle(struct maker *maker)
{
	while (store_pending(maker->store) > 0)
		uv_run(&maker->loop, UV_RUN_ONCE);
}

static void
write_take(struct maker *maker, struct audit_entry *entry)
{
	struct append *append = alloc_zero(1, sizeof(*append));

	append->op = (struct store_op){.run = run_append, .done = append_done};
	append->entry = entry;
	if (maker->length == maker->size) {
		maker->size = 2 * maker->size + 1024;
		maker->day =
		    alloc_resize(maker->day, maker->size, sizeof(*maker->day));
	}
	maker->day[maker->length++] = append;
}

static int
compare(const void *a, const void *b)
{
	int64_t first = (*(struct append *const *)a)->entry->wall_ms;
	int64_t second = (*(struct append *const *)b)->entry->wall_ms;

	return (first > second) - (first < second);
}

static void
end_day(struct maker *maker)
{
	qsort(maker->day, maker->length, sizeof(*maker->day), compare);
	for (size_t i = 0; i < maker->length; i++) {
		store_submit(maker->store, &maker->day[i]->op);
		if (i % BATCH == BATCH - 1)
			settle(maker);
	}
	settle(maker);
	maker->length = 0;
}

/* -- records */

struct who {
	const char *subject;
	const char *address;
};

static struct audit_entry *
make(enum event event, int64_t wall_ms, const struct who *who)
{
	static const char policy[] =
	    "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
	struct audit_entry *entry = audit_entry_new(event, wall_ms, policy);

	if (who == NULL)
		return entry;
	entry->principal =
	    json_pack("{s:o}", "address", audit_text(who->address));
	if (who->subject != NULL) {
		json_object_set_new(
		    entry->principal, "subject", audit_text(who->subject));
		json_object_set_new(entry->principal, "thumbprint",
		    json_string("hV7BzZTSN6qPcLmJ0aQd3hYkWm1xEo9rUu2tGfKsXyA"));
	}
	return entry;
}

static void
write_task(struct maker *maker, int64_t wall_ms, const struct who *who,
    const char *image, const char *rule, const char *outcome)
{
	char task[UUID_TEXT];
	int64_t run_ms = 20 + (int64_t)draw(maker, 4000);
	struct audit_entry *entry = make(EVENT_TASK_ACCEPTED, wall_ms, who);

	uuid_make(wall_ms, task);
	entry->object = json_pack("{s:s}", "task", task);
	entry->rule = alloc_string(rule);
	entry->untrusted =
	    json_pack("{s:o, s:[s, o]}", "image", audit_text(image), "args",
		"convert", audit_text("in put.png\033[31m<b>"));
	write_take(maker, entry);
	entry = make(EVENT_TASK_STARTED, wall_ms + 2, who);
	entry->object = json_pack("{s:s, s:s, s:s, s:s}", "task", task, "start",
	    "warm", "container", "3f1f0c1b2a1101932f0e6f0a7c3e8a55", "image_id",
	    "sha256:"
	    "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae");
	entry->rule = alloc_string(rule);
	write_take(maker, entry);
	entry = make(EVENT_TASK_FINISHED, wall_ms + 2 + run_ms, who);
	entry->object = json_pack("{s:s, s:i, s:{s:I}}", "task", task,
	    "exit_code", strcmp(outcome, "failed") == 0 ? 1 : 0, "stages",
	    "running_us", (json_int_t)run_ms * 1000);
	entry->rule = alloc_string(rule);
	entry->outcome = alloc_string(outcome);
	write_take(maker, entry);
}

static void
write_refusal(struct maker *maker, int64_t wall_ms, const struct who *who,
    const char *outcome, const char *image, const char *detail)
{
	bool denied = strcmp(outcome, "denied") == 0;
	struct audit_entry *entry = make(
	    denied ? EVENT_TASK_DENIED : EVENT_REQUEST_REFUSED, wall_ms, who);

	entry->object = json_pack("{s:s}", "by", "gateway");
	entry->outcome = alloc_string(outcome);
	entry->untrusted = json_pack("{s:o}", "detail", audit_text(detail));
	if (image != NULL)
		json_object_set_new(
		    entry->untrusted, "image", audit_text(image));
	write_take(maker, entry);
}

/* As runner/refusals.c sums up: who it was stands for a subject. */
static void
write_sum(
    struct maker *maker, int64_t wall_ms, const char *who, json_int_t count)
{
	struct audit_entry *entry = make(EVENT_REQUEST_REFUSED, wall_ms, NULL);

	entry->principal = json_pack("{s:s}", "subject", who);
	entry->object =
	    json_pack("{s:I, s:{s:I, s:I}}", "count", count, "codes",
		"unauthenticated", count - count / 10, "malformed", count / 10);
	write_take(maker, entry);
}

static void
write_revocation(struct maker *maker, int64_t wall_ms, enum event event,
    const char *kind, const char *value, const char *reason)
{
	struct audit_entry *entry = make(event, wall_ms, NULL);

	entry->principal = json_pack("{s:i}", "uid", 0);
	entry->object = json_pack("{s:s, s:o, s:o}", "kind", kind, "value",
	    audit_text(value), "reason", audit_text(reason));
	write_take(maker, entry);
}

/* -- days */

static const struct who people[] = {
    {"alice", "192.0.2.10"},
    {"bob", "192.0.2.11"},
    {"carol", "192.0.2.12"},
    {"dave", "2001:db8::17"},
};
static const struct who machine = {"ci-bot", "192.0.2.80"};
static const char *const images[] = {"registry.example.org/imaging/convert:4",
    "tools/lint:2026.1", "demo/busybox", "registry.example.org/pdf/render:11"};
static const char *const rules[] = {"convert", "lint", "demo", "render"};
static const char *const outcomes[] = {"succeeded", "succeeded", "succeeded",
    "succeeded", "succeeded", "succeeded", "succeeded", "succeeded",
    "succeeded", "failed", "succeeded", "succeeded", "succeeded", "succeeded",
    "failed", "succeeded", "succeeded", "succeeded", "timed_out", "succeeded",
    "succeeded", "out_of_memory"};

static void
write_one(struct maker *maker, int64_t wall_ms, const struct who *who)
{
	size_t image = draw(maker, 10) < 5 ? 0 : draw(maker, COUNT(images));
	const char *outcome = outcomes[draw(maker, COUNT(outcomes))];

	/* dave only ever renders. */
	if (who == &people[3])
		image = 3;
	if (draw(maker, 60) == 0)
		write_refusal(maker, wall_ms, who, "denied",
		    "docker.io/library/ubuntu",
		    "no rule lets you run the image "
		    "docker.io/library/ubuntu:latest");
	else if (draw(maker, 150) == 0)
		write_refusal(maker, wall_ms, who, "busy", NULL,
		    "too many tasks at once; try again in 2 s");
	else
		write_task(
		    maker, wall_ms, who, images[image], rules[image], outcome);
}

/* Weekdays from eight to six, less around noon, hardly ever else. */
static bool
is_at_work(struct maker *maker, int64_t wall_ms)
{
	int64_t hour = wall_ms / HOUR_MS % 24;
	int64_t weekday = (wall_ms / DAY_MS + 4) % 7; /* 0: Sunday */
	bool is_weekend = weekday == 0 || weekday == 6;

	if (is_weekend || hour < 8 || hour >= 18)
		return draw(maker, 200) == 0;
	return hour != 12 || draw(maker, 3) == 0;
}

static void
write_day(struct maker *maker, int64_t start_ms, int64_t tasks)
{
	int64_t step = DAY_MS / tasks;

	for (int64_t i = 0; i < tasks; i++) {
		int64_t wall_ms =
		    start_ms + i * step + (int64_t)draw(maker, (uint64_t)step);
		bool by_person = draw(maker, 4) != 0;

		if (!by_person)
			write_one(maker, wall_ms, &machine);
		else if (is_at_work(maker, wall_ms))
			write_one(maker, wall_ms,
			    &people[draw(maker, COUNT(people))]);
	}
}

/* -- what is not of every day */

static void
write_strange_names(struct maker *maker, int64_t at_ms)
{
	static const struct who strange = {
	    "mallory </title><script>alert(1)</script>", "198.51.100.23"};

	write_task(maker, at_ms, &strange, "evil/<img src=x onerror=\"x\">&'\"",
	    "demo", "succeeded");
	write_refusal(maker, at_ms + 9000, &strange, "denied",
	    "a\033[2J\007\xff\xe2\x80\xae]]>--><svg onload=x>",
	    "line one\nline two\r\xc2\x9b"
	    "31m <b>bold</b> &amp; \"quotes\"");
}

static void
write_burst(struct maker *maker, int64_t at_ms)
{
	static const struct who stranger = {NULL, "203.0.113.66"};

	for (int64_t i = 0; i < 40; i++)
		write_refusal(maker, at_ms + i * 300, &stranger,
		    "unauthenticated", NULL,
		    "the certificate is not of a CA that is trusted");
	write_sum(maker, at_ms + 20000, stranger.address, 460);
}

static void
write_last_days(struct maker *maker, int64_t day_ms, int day)
{
	static const struct who alice = {"alice", "192.0.2.10"};
	static const struct who erin = {"erin", "192.0.2.14"};

	if (day == 1)
		write_strange_names(maker, day_ms + 11 * HOUR_MS);
	if (day == 2)
		write_burst(maker, day_ms + 2 * HOUR_MS);
	for (int64_t i = 0; day == 3 && i < 6; i++)
		write_task(maker, day_ms + 3 * HOUR_MS + i * 400000, &alice,
		    images[0], rules[0], "succeeded");
	for (int64_t i = 0; day == 3 && i < 9; i++)
		write_task(maker, day_ms + 10 * HOUR_MS + i * 90000, &erin,
		    "registry.example.org/ml/train:1", "train", "succeeded");
	if (day == 4) {
		write_task(maker, day_ms + 14 * HOUR_MS, &people[3], images[1],
		    rules[1], "failed");
		write_revocation(maker, day_ms + 15 * HOUR_MS,
		    EVENT_CERTIFICATE_REVOKED, "certificate",
		    "hV7BzZTSN6qPcLmJ0aQd3hYkWm1xEo9rUu2tGfKsXyA",
		    "laptop lost in <Zürich>");
		write_revocation(maker, day_ms + 15 * HOUR_MS + 60000,
		    EVENT_SUBJECT_LOCKED, "lock", "bob", "");
	}
	/* The clock is two hours ahead for a moment. */
	if (day == 5) {
		end_day(maker);
		write_take(maker,
		    make(EVENT_RUNNER_STARTED, day_ms + 26 * HOUR_MS, NULL));
	}
}

/* -- the installation */

static EVP_PKEY *
make_key(void)
{
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");

	if (key == NULL)
		die("make_log: no key");
	return key;
}

static void
write_public(const char *folder, EVP_PKEY *key)
{
	auto_free char *path = alloc_printf("%s/audit.pub", folder);
	auto_file FILE *file = fopen(path, "w");

	if (file == NULL || PEM_write_PUBKEY(file, key) != 1)
		die("make_log: write %s", path);
}

static void
write_configuration(const char *folder)
{
	auto_free char *path = alloc_printf("%s/runner.json", folder);
	auto_free char *text = alloc_printf(
	    "{\"state\": \"%s\", \"id\": \"" RUNNER_ID "\"}\n", folder);
	struct err err;

	if (file_write(path, text, strlen(text), 0644, &err) != 0)
		die("make_log: %s", err.detail);
}

static void
on_changed(void *arg)
{
	(void)arg;
}

int
main(int argc, char **argv)
{
	struct maker maker = {.random = 0x9e3779b97f4a7c15};
	struct store_signer signer = {.key = make_key()};
	auto_free char *origin = checkpoint_origin(RUNNER_ID);
	auto_free char *path = NULL;
	int64_t end_ms = 0;
	struct err err;

	if (argc != 5 || !clock_parse(argv[4], &end_ms) || atoi(argv[2]) < 1 ||
	    atoi(argv[3]) < 1)
		die("usage: make_log FOLDER DAYS TASKS_A_DAY END");
	signer.origin = origin;
	path = alloc_printf("%s/store.db", argv[1]);
	write_configuration(argv[1]);
	write_public(argv[1], signer.key);
	uv_loop_init(&maker.loop);
	maker.store =
	    store_open(&maker.loop, path, &signer, on_changed, NULL, &err);
	if (maker.store == NULL)
		die("make_log: %s", err.detail);
	for (int day = -atoi(argv[2]); day < 0; day++) {
		write_day(&maker, end_ms + day * DAY_MS, atoi(argv[3]));
		write_last_days(&maker, end_ms + day * DAY_MS, day + 7);
		end_day(&maker);
	}
	free(maker.day);
	store_close(maker.store);
	uv_run(&maker.loop, UV_RUN_DEFAULT);
	EVP_PKEY_free(signer.key);
	return uv_loop_close(&maker.loop) == 0 ? 0 : 1;
}
