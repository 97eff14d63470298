#include "lib/audit_story.h"

#include <string.h>

#include "lib/alloc.h"
#include "lib/audit_line.h"
#include "lib/buffer.h"
#include "lib/cleanup.h"

/* More would be no sentence. The record has it whole. */
#define ARGUMENTS_MAX 400
#define STORY_MAX ((size_t)64 * 1024)

static const char *
text_of(const json_t *object, const char *member)
{
	return json_string_value(json_object_get(object, member));
}

static const json_t *
object_of(const json_t *record)
{
	return json_object_get(record, "object");
}

/* -- phrases; each adds nothing where the record has nothing for it */

static void
add_who(struct buffer *story, const json_t *record)
{
	const json_t *principal = json_object_get(record, "principal");
	const json_t *uid = json_object_get(principal, "uid");
	const char *subject = text_of(principal, "subject");

	if (subject != NULL)
		buffer_append_string(story, subject);
	else if (json_is_integer(uid))
		buffer_printf(story, "The operator (uid %lld)",
		    (long long)json_integer_value(uid));
	else
		buffer_append_string(story, "Someone");
}

static void
add_from(struct buffer *story, const json_t *record)
{
	const char *address =
	    text_of(json_object_get(record, "principal"), "address");

	if (address != NULL)
		buffer_printf(story, " from %s", address);
}

static void
add_rule(struct buffer *story, const char *before, const json_t *record)
{
	const char *rule = text_of(record, "rule");

	if (rule != NULL)
		buffer_printf(story, "%srule %s", before, rule);
}

static void
add_argument(struct buffer *story, const char *argument)
{
	bool plain = *argument != '\0' && strpbrk(argument, " \t\"'") == NULL;

	buffer_printf(story, plain ? " %s" : " \"%s\"", argument);
}

static void
add_arguments(struct buffer *story, const json_t *args)
{
	size_t start = story->len, k;
	const json_t *arg;

	json_array_foreach(args, k, arg)
	{
		buffer_append_string(story, k == 0 ? ":" : "");
		/* The rest was too large for the record. */
		if (story->len - start > ARGUMENTS_MAX ||
		    json_object_get(arg, "dropped_bytes") != NULL) {
			buffer_append_string(story, " ...");
			break;
		}
		add_argument(
		    story, json_is_string(arg) ? json_string_value(arg) : "?");
	}
}

/* One that a rule defines: its name, what is filled in, and its image. */
static void
add_named(struct buffer *story, const char *task, const json_t *untrusted,
    const json_t *record)
{
	json_t *params = json_object_get(untrusted, "params");
	const char *image = text_of(object_of(record), "image");
	const char *name;
	json_t *value;

	buffer_append_string(story, task != NULL ? " task " : " a task");
	if (task != NULL)
		buffer_append_string(story, task);
	json_object_foreach(params, name, value)
	{
		auto_free char *text = audit_line_member(params, NULL, name);

		buffer_printf(story, " %s=%s", name, text);
	}
	if (image != NULL)
		buffer_printf(story, " (image %s)", image);
}

/* What was to run: of the client's own words. */
static void
add_request(struct buffer *story, const json_t *record)
{
	const json_t *untrusted = json_object_get(record, "untrusted");
	const json_t *args = json_object_get(untrusted, "args");
	const char *image = text_of(untrusted, "image");
	const char *task = text_of(untrusted, "task");
	if (json_is_true(json_object_get(record, "redacted"))) {
		buffer_append_string(story, " a task [redacted]");
		return;
	}
	if (image != NULL)
		buffer_printf(story, " image %s", image);
	else
		add_named(story, task, untrusted, record);
	add_arguments(story, args);
}

static void
add_why(struct buffer *story, const json_t *record)
{
	const char *outcome = text_of(record, "outcome");
	const char *detail =
	    text_of(json_object_get(record, "untrusted"), "detail");
	const char *reason = text_of(object_of(record), "reason");

	if (detail != NULL)
		buffer_printf(story, ": %s", detail);
	else if (reason != NULL)
		buffer_printf(story, ": %s", reason);
	else if (outcome != NULL)
		buffer_printf(story, ": %s", outcome);
}

static void
add_count(struct buffer *story, const json_t *record)
{
	json_int_t count =
	    json_integer_value(json_object_get(object_of(record), "count"));

	if (count > 1)
		buffer_printf(story, " (%lld times)", (long long)count);
}

/* -- sentences, by event */

static void
tell_accepted(struct buffer *story, const json_t *record)
{
	add_who(story, record);
	buffer_append_string(story, " asked for");
	add_request(story, record);
	add_from(story, record);
	add_rule(story, "; ", record);
	buffer_append_string(story, " accepted it");
}

static void
tell_denied(struct buffer *story, const json_t *record)
{
	add_who(story, record);
	buffer_append_string(story, " asked for");
	add_request(story, record);
	add_from(story, record);
	buffer_append_string(story, "; the policy denied it");
	add_rule(story, " by ", record);
	add_count(story, record);
	add_why(story, record);
}

static void
tell_refused(struct buffer *story, const json_t *record)
{
	const json_t *untrusted = json_object_get(record, "untrusted");
	const char *method = text_of(untrusted, "method");
	const char *path = text_of(untrusted, "path");

	buffer_append_string(story, "A request of ");
	add_who(story, record);
	add_from(story, record);
	buffer_append_string(story, " was refused");
	add_count(story, record);
	if (method != NULL && path != NULL)
		buffer_printf(story, " (%s %s)", method, path);
	add_why(story, record);
}

static void
tell_started(struct buffer *story, const json_t *record)
{
	const json_t *object = object_of(record);
	const char *start = text_of(object, "start");
	const char *container = text_of(object, "container");
	const char *image = text_of(object, "image_id");

	buffer_append_string(story, "It was started");
	if (start != NULL)
		buffer_printf(story, " %s", start);
	if (container != NULL)
		buffer_printf(story, " in container %.12s", container);
	if (image != NULL)
		buffer_printf(story, " from image %.19s", image);
}

static void
add_duration(struct buffer *story, const json_t *object)
{
	json_int_t us = json_integer_value(
	    json_object_get(json_object_get(object, "stages"), "running_us"));

	if (us > 0)
		buffer_printf(story, " after %lld.%03lld s",
		    (long long)us / 1000000, (long long)us / 1000 % 1000);
}

static void
tell_finished(struct buffer *story, const json_t *record)
{
	const json_t *object = object_of(record);
	const json_t *code = json_object_get(object, "exit_code");
	const json_t *output = json_object_get(object, "output");
	const json_t *out = json_object_get(output, "stdout");
	const json_t *errors = json_object_get(output, "stderr");
	const char *outcome = text_of(record, "outcome");
	const char *signal = text_of(object, "signal");

	buffer_printf(
	    story, "It ended: %s", outcome != NULL ? outcome : "nobody knows");
	if (json_is_integer(code))
		buffer_printf(story, ", exit code %lld",
		    (long long)json_integer_value(code));
	if (signal != NULL)
		buffer_printf(story, ", signal %s", signal);
	add_duration(story, object);
	if (json_is_integer(out) && json_is_integer(errors))
		buffer_printf(story, "; %lld bytes of output, %lld of errors",
		    (long long)json_integer_value(out),
		    (long long)json_integer_value(errors));
	const char *detail =
	    text_of(json_object_get(record, "untrusted"), "detail");
	if (detail != NULL)
		buffer_printf(story, ": %s", detail);
}

static void
tell_cancel(struct buffer *story, const json_t *record)
{
	const json_t *grace = json_object_get(object_of(record), "grace_s");

	add_who(story, record);
	add_from(story, record);
	buffer_append_string(story, " asked for its end");
	if (json_is_integer(grace))
		buffer_printf(story, ", within %lld s",
		    (long long)json_integer_value(grace));
	add_why(story, record);
}

static void
tell_signalled(struct buffer *story, const json_t *record)
{
	const char *signal = text_of(object_of(record), "signal");

	add_who(story, record);
	add_from(story, record);
	buffer_printf(story, " sent it the signal %s",
	    signal != NULL ? signal : "[unknown]");
}

static void
tell_read(struct buffer *story, const json_t *record)
{
	add_who(story, record);
	add_from(story, record);
	buffer_append_string(story, " read it, a task of another subject's");
}

/* -- of a task that waits for somebody else */

static void
tell_approval_asked(struct buffer *story, const json_t *record)
{
	const char *until = text_of(object_of(record), "expires_at");

	buffer_append_string(story, "It waits for somebody else to approve it");
	if (until != NULL)
		buffer_printf(story, ", until %s", until);
}

/* Why is what the approver wrote. */
static void
tell_decision(struct buffer *story, const json_t *record, const char *verb)
{
	const char *owner = text_of(object_of(record), "subject");
	const char *reason =
	    text_of(json_object_get(record, "untrusted"), "reason");

	add_who(story, record);
	add_from(story, record);
	buffer_printf(story, " %s it", verb);
	if (owner != NULL)
		buffer_printf(story, ", a task of %s", owner);
	if (reason != NULL)
		buffer_printf(story, ": %s", reason);
}

static void
tell_approval_given(struct buffer *story, const json_t *record)
{
	tell_decision(story, record, "approved");
}

static void
tell_approval_denied(struct buffer *story, const json_t *record)
{
	tell_decision(story, record, "denied");
}

static void
tell_approval_lapsed(struct buffer *story, const json_t *record)
{
	(void)record;
	buffer_append_string(story, "Nobody approved it in time");
}

/* Of whatever else: the record's own sentence, and what it is about. */
static void
tell_other(struct buffer *story, const json_t *record)
{
	static const char *const members[] = {
	    "kind", "value", "process", "until", "subject", "version"};
	const json_t *object = object_of(record);
	const json_t *principal = json_object_get(record, "principal");
	const char *message = text_of(record, "message");
	const char *reason = text_of(object, "reason");

	buffer_append_string(
	    story, message != NULL ? message : "A record without a sentence");
	for (size_t i = 0; i < COUNT(members); i++) {
		const char *text = text_of(object, members[i]);

		if (text != NULL)
			buffer_printf(story, "; %s %s", members[i], text);
	}
	if (json_object_size(principal) > 0) {
		buffer_append_string(story, "; by ");
		add_who(story, record);
		add_from(story, record);
	}
	if (reason != NULL)
		buffer_printf(story, ": %s", reason);
}

static const struct {
	const char *event;
	void (*tell)(struct buffer *story, const json_t *record);
} tellers[] = {
    {"task.accepted", tell_accepted},
    {"task.denied", tell_denied},
    {"request.refused", tell_refused},
    {"approval.asked", tell_approval_asked},
    {"approval.given", tell_approval_given},
    {"approval.denied", tell_approval_denied},
    {"approval.lapsed", tell_approval_lapsed},
    {"task.started", tell_started},
    {"task.finished", tell_finished},
    {"task.cancel_asked", tell_cancel},
    {"task.signalled", tell_signalled},
    {"task.read_by_other", tell_read},
};

char *
audit_story_tell(const json_t *record)
{
	auto_buffer story = BUFFER_INIT(STORY_MAX);
	const char *event = text_of(record, "event");
	void (*tell)(struct buffer *, const json_t *) = tell_other;

	if (json_is_true(json_object_get(record, "dropped")))
		return alloc_string("[dropped] What it said is not kept any "
				    "more; that it was there, is.");
	if (json_is_true(json_object_get(record, "unreadable")))
		return alloc_string(
		    "[unreadable] It is no record: see audit verify.");
	for (size_t i = 0; event != NULL && i < COUNT(tellers); i++) {
		if (strcmp(event, tellers[i].event) == 0)
			tell = tellers[i].tell;
	}
	tell(&story, record);
	buffer_append_string(&story, ".");
	if (story.full)
		return alloc_string("Its sentence would be too long.");
	return buffer_take(&story);
}
