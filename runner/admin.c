/*
 * The operator's requests, by the admin socket: its peer's uid is all that
 * says who asks.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "runner/peers.h"

/* -- status */

struct lookup {
	struct store_op op;
	struct question *question;
	struct audit_query query;
	struct buffer lines;
	int64_t count, last;
};

static int
run_lookup(struct store_op *op, struct database *database, struct err *err)
{
	struct lookup *lookup = (struct lookup *)op;

	return audit_select(database, &lookup->query, &lookup->lines,
	    &lookup->count, &lookup->last, err);
}

static struct lookup *
new_lookup(struct question *question, const struct audit_query *query,
    void (*done)(struct store_op *op, const struct err *err))
{
	struct lookup *lookup = alloc_zero(1, sizeof(*lookup));

	lookup->op =
	    (struct store_op){.reads = true, .run = run_lookup, .done = done};
	lookup->question = question;
	lookup->query = *query;
	lookup->lines.max = 4 * AUDIT_READ_MAX;
	return lookup;
}

static void
free_lookup(struct lookup *lookup)
{
	buffer_done(&lookup->lines);
	free(lookup);
}

static void
status_done(struct store_op *op, const struct err *err)
{
	struct lookup *lookup = (struct lookup *)op;
	struct question *question = lookup->question;
	const struct runner *runner = question->runner;
	json_t *body = runner_state(runner);

	json_object_set_new(body, "version", json_string(TASKGATE_VERSION));
	json_object_set_new(body, "uptime_s",
	    json_integer((clock_boot_ms() - runner->started_ms) / 1000));
	if (runner->policy != NULL)
		json_object_set_new(body, "policy_sha256",
		    json_string(policy_sha256(runner->policy)));
	runner_describe_credentials(runner, body);
	/* A log that cannot be read is one of the reasons there. */
	if (err == NULL)
		json_object_set_new(
		    body, "audit_seq", json_integer(lookup->last));
	question_reply_take(question, 200, body, -1);
	free_lookup(lookup);
}

int
peer_handle_status(struct peer *peer, struct message *message, struct err *err)
{
	struct status {
		int64_t request;
	} status;
	static const struct json_field fields[] = {
	    JSON_FIELD(struct status, request, "request", JSON_KIND_INTEGER,
		true, 1, INT64_MAX),
	};
	const struct audit_query newest = {.limit = 1, .newest = true};
	struct question *question;

	if (json_read_fields(message->members, "", fields, COUNT(fields), false,
		&status, err) != 0)
		return -1;
	question = question_new(peer, status.request, err);
	if (question == NULL)
		return -1;
	store_submit(peer->runner->store,
	    &new_lookup(question, &newest, status_done)->op);
	return 0;
}

/* -- audit_read */

struct audit_read {
	int64_t request, after, limit;
	const char *task;
	bool newest;
};

static void
reply_lines(struct lookup *lookup)
{
	auto_fd int fd = -1;
	struct err err;

	if (packet_seal(lookup->lines.data != NULL ? lookup->lines.data : "",
		lookup->lines.len, &fd, &err) != 0) {
		question_fail(lookup->question, &err);
		return;
	}
	question_reply_take(lookup->question, 200,
	    json_pack("{s:I, s:I}", "count", (json_int_t)lookup->count, "last",
		(json_int_t)lookup->last),
	    fd);
}

static void
audit_done(struct store_op *op, const struct err *err)
{
	struct lookup *lookup = (struct lookup *)op;

	if (err != NULL)
		question_fail(lookup->question, err);
	else
		reply_lines(lookup);
	free_lookup(lookup);
}

static void
record_reading(const struct peer *peer, const struct audit_read *asked)
{
	struct tasks *tasks = &peer->runner->tasks;
	struct audit_entry *entry = tasks_entry(tasks, EVENT_AUDIT_READ);

	entry->principal = json_pack(
	    "{s:I}", "uid", (json_int_t)channel_peer_uid(peer->channel));
	/* Not under "task": that is for what happened to one. */
	entry->object =
	    json_pack("{s:I, s:I, s:b}", "after", (json_int_t)asked->after,
		"limit", (json_int_t)asked->limit, "newest", asked->newest);
	if (asked->task != NULL)
		json_object_set_new(
		    entry->object, "of_task", json_string(asked->task));
	tasks_record_take(tasks, entry);
}

int
peer_handle_audit_read(
    struct peer *peer, struct message *message, struct err *err)
{
	static const struct json_field fields[] = {
	    JSON_FIELD(struct audit_read, request, "request", JSON_KIND_INTEGER,
		true, 1, INT64_MAX),
	    JSON_FIELD(struct audit_read, after, "after", JSON_KIND_INTEGER,
		false, 0, INT64_MAX),
	    JSON_FIELD(struct audit_read, limit, "limit", JSON_KIND_INTEGER,
		true, 1, 1000),
	    JSON_FIELD(struct audit_read, task, "task", JSON_KIND_STRING, false,
		36, 36),
	    JSON_FIELD(struct audit_read, newest, "newest", JSON_KIND_BOOLEAN,
		true, 0, 0),
	};
	struct audit_read asked = {0};
	struct audit_query query = {0};
	struct question *question;

	if (json_read_fields(message->members, "", fields, COUNT(fields), false,
		&asked, err) != 0)
		return -1;
	if (asked.task != NULL && !uuid_is_valid(asked.task))
		return err_set(err, ERR_MALFORMED, "task: not an id");
	question = question_new(peer, asked.request, err);
	if (question == NULL)
		return -1;
	query.after = asked.after;
	query.limit = asked.limit;
	query.newest = asked.newest;
	if (asked.task != NULL)
		memcpy(query.task, asked.task, UUID_TEXT);
	/* Once for each connection: else following the log would feed it. */
	if (!peer->has_read_audit)
		record_reading(peer, &asked);
	peer->has_read_audit = true;
	store_submit(
	    peer->runner->store, &new_lookup(question, &query, audit_done)->op);
	return 0;
}
