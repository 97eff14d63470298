/*
 * What the records of a task say, from its acceptance to its end.
 */
#include "runner/tasks_entry.h"

#include <string.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/json.h"
#include "policy/launch.h"

static json_t *
render_owner(const struct task_owner *owner)
{
	json_t *principal = json_object();

	json_object_set_new(principal, "subject", json_string(owner->subject));
	json_object_set_new(
	    principal, "thumbprint", json_string(owner->thumbprint));
	json_object_set_new(
	    principal, "token_id", json_string(owner->token_id));
	json_object_set_new(principal, "address", audit_text(owner->address));
	if (owner->nroles > 0)
		json_object_set_new(
		    principal, "roles", task_roles_write(owner));
	return principal;
}

struct audit_entry *
tasks_entry(const struct tasks *tasks, enum event event)
{
	return audit_entry_new(event, clock_wall_ms(),
	    tasks->policy != NULL ? policy_sha256(tasks->policy) : NULL);
}

/* About a task: on whose behalf, by which rule. */
static struct audit_entry *
new_entry(const struct task *task, enum event event)
{
	struct audit_entry *entry =
	    audit_entry_new(event, clock_wall_ms(), task->data->policy_sha256);

	entry->principal = render_owner(&task->data->owner);
	entry->object = json_pack("{s:s}", "task", task->data->id);
	entry->rule = alloc_string(task->data->rule);
	return entry;
}

/* JSON that we wrote ourselves; NULL: none. */
static void
add_text(json_t *object, const char *member, const char *text)
{
	struct err ignored;

	if (text != NULL)
		json_object_set_new(object, member,
		    json_parse_strict(text, strlen(text), &ignored));
}

struct audit_entry *
tasks_entry_start(const struct task *task)
{
	const struct task_facts *facts = &task->data->facts;
	struct audit_entry *entry = new_entry(task, EVENT_TASK_STARTED);

	audit_set_message(entry, "A task of %s was started in container %.12s",
	    task->data->owner.subject, facts->container);
	json_object_set_new(
	    entry->object, "image_id", audit_text(facts->image_id));
	json_object_set_new(
	    entry->object, "container", audit_text(facts->container));
	if (task->data->network != NULL)
		json_object_set_new(
		    entry->object, "network", json_string(task->data->network));
	add_text(entry->object, "mounts", task->data->mounts);
	/* Names: what is in them is on no record. */
	add_text(entry->object, "secrets", task->data->secrets);
	json_object_set_new(
	    entry->object, "start", json_string(facts->warm ? "warm" : "cold"));
	return entry;
}

struct audit_entry *
tasks_entry_asked(const struct task *task)
{
	struct audit_entry *entry = new_entry(task, EVENT_APPROVAL_ASKED);

	audit_set_message(entry,
	    "A task of %s waits for somebody else to approve it",
	    task->data->owner.subject);
	json_set_time(
	    entry->object, "expires_at", task->data->approval->until_ms / 1000);
	return entry;
}

struct audit_entry *
tasks_entry_accepted(
    const struct task *task, const struct task_submission *submission)
{
	struct audit_entry *entry = new_entry(task, EVENT_TASK_ACCEPTED);

	audit_set_message(entry, "A task of %s was accepted by rule %s",
	    task->data->owner.subject, task->data->rule);
	json_object_set_new(entry->object, "request_sha256",
	    json_string(task->data->request_sha256));
	json_object_set_new(
	    entry->object, "limits", task_limits_write(task->data->limits));
	json_object_set_new(
	    entry->object, "signed", json_boolean(submission->is_signed));
	if (submission->shadows != NULL)
		json_object_set(entry->object, "shadows", submission->shadows);
	/* The client did not say it. */
	if (task->data->launch != NULL)
		json_object_set_new(entry->object, "image",
		    json_string(launch_image(
			task->data->launch, &task->data->request)));
	entry->untrusted = json_incref(submission->untrusted);
	return entry;
}

struct audit_entry *
tasks_entry_return(const struct task *task)
{
	struct audit_entry *entry = new_entry(task, EVENT_TASK_RETURNED);

	audit_set_message(entry,
	    "A task of %s waits again: its container went before its order",
	    task->data->owner.subject);
	json_object_set_new(entry->object, "container",
	    audit_text(task->data->facts.container));
	return entry;
}

/* The digests are the record's, the names the client's. */
static json_t *
render_files(const json_t *files)
{
	json_t *copy = json_deep_copy(files);

	for (size_t i = 0; i < json_array_size(copy); i++)
		json_object_del(json_array_get(copy, i), "name");
	return copy;
}

static json_t *
render_end(const struct task *task)
{
	struct task_data copy = *task->data;
	json_t *object;

	/* Borrowed: nothing of it is given back. */
	copy.facts = *task->end;
	object = task_render(&copy, NULL);
	json_object_set_new(object, "task", json_string(copy.id));
	json_object_set_new(
	    object, "request_sha256", json_string(copy.request_sha256));
	/* In the record's other members, or, where the client wrote it, in the
	 * record of the acceptance. All that a receipt is to say is here. */
	static const char *const elsewhere[] = {"id", "state", "outcome",
	    "subject", "image", "args", "env", "inputs", "rule", "approval",
	    "detail"};

	for (size_t i = 0; i < COUNT(elsewhere); i++)
		json_object_del(object, elsewhere[i]);
	if (copy.facts.files != NULL)
		json_object_set_new(
		    object, "outputs", render_files(copy.facts.files));
	return object;
}

/* An engine repeats names that a client chose; those of the files are its own.
 * NULL: nothing. */
static json_t *
render_end_untrusted(const struct task_facts *end)
{
	auto_json *untrusted = json_object();
	json_t *names = json_array();

	for (size_t i = 0; i < json_array_size(end->files); i++)
		json_array_append(names,
		    json_object_get(json_array_get(end->files, i), "name"));
	if (json_array_size(names) > 0)
		json_object_set(untrusted, "outputs", names);
	json_decref(names);
	if (end->detail[0] != '\0')
		json_object_set_new(
		    untrusted, "detail", audit_text(end->detail));
	return json_object_size(untrusted) > 0 ? json_incref(untrusted) : NULL;
}

struct audit_entry *
tasks_entry_end(const struct task *task)
{
	struct audit_entry *entry = new_entry(task, EVENT_TASK_FINISHED);
	const char *outcome = task_outcome_text(task->end->outcome);

	json_decref(entry->object);
	entry->object = render_end(task);
	entry->outcome = alloc_string(outcome);
	audit_set_message(entry, "A task of %s ended: %s",
	    task->data->owner.subject, outcome);
	entry->untrusted = render_end_untrusted(task->end);
	return entry;
}
