/*
 * A task's document. Trusts the server to mean well, not to be right: every
 * member is looked at before it is used.
 */
#include "client/task.h"

#include <inttypes.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/digest.h"

static const char *
read_string(const json_t *document, const char *name)
{
	return json_string_value(json_object_get(document, name));
}

int64_t
task_integer(const json_t *document, const char *name)
{
	const json_t *value = json_object_get(document, name);

	return json_is_integer(value) ? json_integer_value(value) : -1;
}

int
task_read(const json_t *document, struct task *ret, struct err *err)
{
	const json_t *output = json_object_get(document, "output");
	struct task task = {
	    .id = read_string(document, "id"),
	    .state = read_string(document, "state"),
	    .outcome = read_string(document, "outcome"),
	    .signal = read_string(document, "signal"),
	    .reason = read_string(document, "reason"),
	    .detail = read_string(document, "detail"),
	    .errno_name = read_string(document, "errno"),
	    .subject = read_string(document, "subject"),
	    .image = read_string(document, "image"),
	    .rule = read_string(document, "rule"),
	    .created_at = read_string(document, "created_at"),
	    .started_at = read_string(document, "started_at"),
	    .finished_at = read_string(document, "finished_at"),
	    .exit_code = task_integer(document, "exit_code"),
	    .waits_for = read_string(document, "waits_for"),
	    .place = task_integer(document, "place"),
	    .estimate_s = task_integer(document, "estimate_s"),
	    .stdout_bytes = task_integer(output, "stdout"),
	    .stderr_bytes = task_integer(output, "stderr"),
	    .truncated = json_is_true(json_object_get(output, "truncated")),
	};

	if (task.id == NULL || !uuid_is_valid(task.id) || task.state == NULL)
		return err_set(err, ERR_MALFORMED,
		    "the server's reply does not describe a task");
	*ret = task;
	return 0;
}

bool
task_is_finished(const struct task *task)
{
	return strcmp(task->state, "finished") == 0;
}

int
task_inline_output(const json_t *document, const char *name, char **ret,
    size_t *ret_len, struct err *err)
{
	auto_free char *encoded_name = alloc_printf("%s_base64", name);
	const json_t *text = json_object_get(document, name);
	const json_t *encoded = json_object_get(document, encoded_name);
	uint8_t *bytes = NULL;

	if (json_is_string(text)) {
		*ret_len = json_string_length(text);
		*ret = alloc_bytes(json_string_value(text), *ret_len);
		return 1;
	}
	if (!json_is_string(encoded))
		return 0;
	if (!base64_decode(json_string_value(encoded),
		json_string_length(encoded), &bytes, ret_len))
		return err_set(err, ERR_MALFORMED,
		    "the server's reply: %s is not base64", encoded_name);
	*ret = (char *)bytes;
	return 1;
}

static char *
describe_start(const struct task *task)
{
	const char *why = task->detail != NULL ? task->detail
	    : task->errno_name != NULL         ? task->errno_name
					       : "no reason given";

	return alloc_printf("not started: %s", why);
}

static char *
describe_lost(const struct task *task)
{
	return alloc_printf("lost: %s",
	    task->detail != NULL ? task->detail : "how it ended is not known");
}

static char *
describe_timeout(const struct task *task)
{
	(void)task;
	return alloc_string("timed out: it was still running at its deadline, "
			    "and was killed");
}

static char *
describe_memory(const struct task *task)
{
	(void)task;
	return alloc_string("out of memory: it needed more than its limit, "
			    "and was killed");
}

static char *
describe_cancel(const struct task *task)
{
	(void)task;
	return alloc_string("cancelled");
}

static char *
describe_other(const struct task *task)
{
	return alloc_printf("%s%s%s", task->outcome,
	    task->detail != NULL ? ": " : "",
	    task->detail != NULL ? task->detail : "");
}

char *
task_describe_end(const struct task *task)
{
	static const struct {
		const char *outcome;
		char *(*describe)(const struct task *);
	} sentences[] = {
	    {"succeeded", NULL},
	    {"failed", NULL},
	    {"killed", NULL},
	    {"timed_out", describe_timeout},
	    {"out_of_memory", describe_memory},
	    {"cancelled", describe_cancel},
	    {"not_started", describe_start},
	    {"lost", describe_lost},
	};

	if (task->outcome == NULL)
		return NULL;
	for (size_t i = 0; i < COUNT(sentences); i++) {
		if (strcmp(sentences[i].outcome, task->outcome) == 0)
			return sentences[i].describe != NULL
			    ? sentences[i].describe(task)
			    : NULL;
	}
	return describe_other(task);
}
