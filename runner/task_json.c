/*
 * A task as JSON: for the client, for the store, for the records. Values of
 * the environment and standard input do not leave here.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/json.h"
#include "policy/launch.h"
#include "policy/mount.h"
#include "policy/secret.h"
#include "runner/audit.h"
#include "runner/task.h"

static void
set(json_t *object, const char *name, json_t *value)
{
	if (json_object_set_new(object, name, value) != 0)
		die("a task's member %s cannot be set", name);
}

static void
set_string(json_t *object, const char *name, const char *value)
{
	if (value != NULL && *value != '\0')
		set(object, name, json_string(value));
}

static void
set_known(json_t *object, const char *name, int64_t value)
{
	if (value != TASK_UNKNOWN)
		set(object, name, json_integer((json_int_t)value));
}

static void
set_time(json_t *object, const char *name, int64_t wall_ms)
{
	char text[CLOCK_TEXT];

	if (wall_ms == TASK_UNKNOWN)
		return;
	clock_format(wall_ms, text);
	set(object, name, json_string(text));
}

json_t *
task_limits_write(const int64_t limits[LIMIT_COUNT])
{
	json_t *object = json_object();

	for (int i = 0; i < LIMIT_COUNT; i++)
		set(object, limit_name((enum limit)i),
		    limit_write((enum limit)i, limits[i]));
	return object;
}

bool
task_limits_read(const json_t *json, int64_t ret[LIMIT_COUNT])
{
	for (int i = 0; i < LIMIT_COUNT; i++) {
		const json_t *value =
		    json_object_get(json, limit_name((enum limit)i));

		/* Written before there was this limit. */
		if (value == NULL)
			ret[i] = limit_usual((enum limit)i);
		else if (!limit_read((enum limit)i, value, &ret[i]))
			return false;
	}
	return true;
}

json_t *
task_roles_write(const struct task_owner *owner)
{
	json_t *roles = json_array();

	for (size_t i = 0; i < owner->nroles; i++)
		json_array_append_new(roles, json_string(owner->roles[i]));
	return roles;
}

json_t *
task_owner_write(const struct task_owner *owner)
{
	json_t *object = json_object();

	set_string(object, "subject", owner->subject);
	set_string(object, "thumbprint", owner->thumbprint);
	set_string(object, "token_id", owner->token_id);
	set_string(object, "address", owner->address);
	set(object, "roles", task_roles_write(owner));
	return object;
}

static bool
copy_member(const json_t *json, const char *name, char *ret, size_t size)
{
	const char *text = json_string_value(json_object_get(json, name));

	if (text == NULL || strlen(text) >= size)
		return false;
	strcpy(ret, text);
	return true;
}

bool
task_owner_read(const json_t *json, struct task_owner *ret)
{
	const json_t *roles = json_object_get(json, "roles");
	const json_t *address = json_object_get(json, "address");
	struct task_owner owner = {.nroles = json_array_size(roles)};

	if (!copy_member(
		json, "subject", owner.subject, sizeof(owner.subject)) ||
	    !copy_member(json, "thumbprint", owner.thumbprint,
		sizeof(owner.thumbprint)) ||
	    !copy_member(
		json, "token_id", owner.token_id, sizeof(owner.token_id)) ||
	    owner.nroles > TOKEN_ROLES_MAX)
		return false;
	for (size_t i = 0; i < owner.nroles; i++) {
		const char *role = json_string_value(json_array_get(roles, i));

		if (role == NULL || strlen(role) > TOKEN_ROLE_MAX)
			return false;
		strcpy(owner.roles[i], role);
	}
	owner.address =
	    alloc_string(address != NULL ? json_string_value(address) : "");
	*ret = owner;
	return true;
}

json_t *
task_approval_write(const struct task_approval *approval)
{
	json_t *object = json_object();

	set(object, "until_ms", json_integer((json_int_t)approval->until_ms));
	if (approval->decision == DECISION_NONE)
		return object;
	set(object, "decision",
	    json_string(task_decision_text(approval->decision)));
	set(object, "decided_ms",
	    json_integer((json_int_t)approval->decided_ms));
	if (approval->by.subject[0] != '\0')
		set(object, "by", task_owner_write(&approval->by));
	set_string(object, "reason", approval->reason);
	return object;
}

static bool
read_decision(const json_t *json, struct task_approval *ret)
{
	const json_t *decision = json_object_get(json, "decision");
	const json_t *by = json_object_get(json, "by");

	if (decision == NULL)
		return true;
	ret->decided_ms =
	    json_integer_value(json_object_get(json, "decided_ms"));
	if (json_object_get(json, "reason") != NULL &&
	    !copy_member(json, "reason", ret->reason, sizeof(ret->reason)))
		return false;
	return json_is_string(decision) &&
	    task_decision_parse(json_string_value(decision), &ret->decision) &&
	    (by == NULL ? ret->decision == DECISION_LAPSED
			: task_owner_read(by, &ret->by));
}

struct task_approval *
task_approval_read(const json_t *json)
{
	const json_t *until = json_object_get(json, "until_ms");
	struct task_approval *approval;

	if (!json_is_integer(until))
		return NULL;
	approval = task_approval_new(json_integer_value(until));
	if (read_decision(json, approval))
		return approval;
	task_approval_free(approval);
	return NULL;
}

static json_t *
render_names(const char *const *names, size_t count)
{
	json_t *array = json_array();

	for (size_t i = 0; i < count; i++)
		json_array_append_new(array, json_string(names[i]));
	return array;
}

static json_t *
render_args(const struct request *request, const json_t *launch)
{
	size_t count;
	auto_free const char **args = launch_args(launch, request, &count);

	return render_names(args, count);
}

/* As a client gave them, and numbers as they are written. */
static json_t *
render_params(const struct request *request)
{
	json_t *params = json_object();

	for (size_t i = 0; i < request->nparams; i++)
		set(params, request->params[i].name,
		    json_string(request->params[i].value));
	return params;
}

/* What was asked for, and what it comes to. */
static void
render_launch(const struct task_data *data, json_t *task)
{
	const struct request *request = &data->request;

	set_string(task, "task", request->task);
	if (request->nparams > 0)
		set(task, "params", render_params(request));
	set_string(task, "image",
	    request->image != NULL ? request->image
				   : launch_image(data->launch, request));
}

static json_t *
render_env_names(const struct request *request)
{
	json_t *names = json_array();

	for (size_t i = 0; i < request->nenv; i++)
		json_array_append_new(names, json_string(request->env[i].name));
	return names;
}

static void
render_end(const struct task_facts *facts, json_t *task)
{
	if (facts->outcome == OUTCOME_NONE)
		return;
	set(task, "outcome", json_string(task_outcome_text(facts->outcome)));
	set_known(task, "exit_code", facts->exit_code);
	if (facts->signal != TASK_UNKNOWN) {
		const char *name = sigabbrev_np((int)facts->signal);
		auto_free char *number = alloc_printf("%d", (int)facts->signal);

		/* A real-time signal has no name. */
		set_string(task, "signal", name != NULL ? name : number);
	}
	set_string(task, "reason", facts->reason);
	if (facts->errnum != TASK_UNKNOWN)
		set_string(task, "errno", strerrorname_np((int)facts->errnum));
	if (facts->detail[0] != '\0')
		set(task, "detail", audit_text(facts->detail));
}

static void
render_resources(const struct task_facts *facts, json_t *task)
{
	json_t *resources;

	if (facts->user_us == TASK_UNKNOWN)
		return;
	resources = json_object();
	set_known(resources, "user_us", facts->user_us);
	set_known(resources, "system_us", facts->system_us);
	set_known(resources, "memory_peak", facts->memory_peak);
	set(resources, "oom_killed", json_boolean(facts->oom_killed));
	set(task, "resources", resources);
}

static void
render_output(const struct task_facts *facts, json_t *task)
{
	json_t *output = json_object();

	set_known(output, "stdout", facts->kept[STREAM_STDOUT]);
	set_known(output, "stderr", facts->kept[STREAM_STDERR]);
	set_string(
	    output, "stdout_sha256", facts->output_sha256[STREAM_STDOUT]);
	set_string(
	    output, "stderr_sha256", facts->output_sha256[STREAM_STDERR]);
	set(output, "truncated", json_boolean(facts->truncated));
	if (facts->discarded)
		set(output, "discarded", json_true());
	set(task, "output", output);
}

static void
render_start(const struct task_facts *facts, json_t *task)
{
	auto_json *stages = json_object();

	if (facts->started_ms != TASK_UNKNOWN) {
		set_string(task, "start", facts->warm ? "warm" : "cold");
		set_known(task, "container_age_ms", facts->container_age_ms);
	}
	set_known(stages, "queued_us", facts->queued_us);
	set_known(stages, "starting_us", facts->starting_us);
	set_known(stages, "running_us", facts->running_us);
	if (json_object_size(stages) > 0)
		set(task, "stages", json_incref(stages));
}

static void
render_standing(const struct task_standing *standing, json_t *task)
{
	if (standing == NULL)
		return;
	set_known(task, "place", standing->place);
	set_known(task, "estimate_s", standing->estimate_s);
	if (standing->held_by != NULL) {
		auto_free char *what =
		    alloc_printf("concurrency of rule %s", standing->held_by);

		set_string(task, "waits_for", what);
	}
}

static json_t *
render_input_names(const struct request *request)
{
	json_t *names = json_array();

	for (size_t i = 0; i < request->ninputs; i++)
		json_array_append_new(
		    names, json_string(request->inputs[i].name));
	return names;
}

static void
render_stdin(const struct task_data *data, json_t *task)
{
	const struct task_stdin *input = &data->facts.input;
	bool streamed = data->request.stdin_mode == REQUEST_STDIN_STREAM;

	if (data->request.stdin_mode == REQUEST_STDIN_NONE)
		return;
	set(task, "stdin",
	    json_pack("{s:s, s:I, s:b, s:I, s:b}", "mode",
		streamed ? "stream" : "inline", "received",
		(json_int_t)input->received, "ended", input->ended, "taken",
		(json_int_t)input->taken, "closed", input->closed));
}

static json_t *
render_inputs(const struct request *request)
{
	json_t *inputs = json_array();

	for (size_t i = 0; i < request->ninputs; i++)
		json_array_append_new(inputs,
		    json_pack("{s:s, s:s}", "name", request->inputs[i].name,
			"sha256", request->inputs[i].sha256));
	return inputs;
}

static json_t *
render_stdin_hash(const struct request *request)
{
	char sha256[SHA256_HEX];

	digest_sha256_hex(request->stdin_data, request->stdin_len, sha256);
	return json_pack("{s:I, s:s}", "bytes", (json_int_t)request->stdin_len,
	    "sha256", sha256);
}

json_t *
task_render_request(const struct task_data *data)
{
	const struct request *request = &data->request;
	json_t *shown = json_object();

	set_string(shown, "subject", data->owner.subject);
	set_string(shown, "rule", data->rule);
	render_launch(data, shown);
	set(shown, "args", render_args(request, data->launch));
	set_string(shown, "network", data->network);
	if (data->mounts != NULL)
		set(shown, "mounts", mounts_show(data->mounts));
	if (data->secrets != NULL)
		set(shown, "secrets", secrets_show(data->secrets));
	if (data->uid >= 0)
		set(shown, "user",
		    json_pack("{s:I, s:I}", "uid", (json_int_t)data->uid, "gid",
			(json_int_t)data->gid));
	set(shown, "env", render_env_names(request));
	if (request->stdin_mode == REQUEST_STDIN_INLINE)
		set(shown, "stdin", render_stdin_hash(request));
	set(shown, "inputs", render_inputs(request));
	set(shown, "outputs",
	    render_names(request->outputs, request->noutputs));
	set(shown, "limits", task_limits_write(data->limits));
	set_string(shown, "sha256", data->request_sha256);
	return shown;
}

static void
render_approval(const struct task_data *data, json_t *task)
{
	const struct task_approval *approval = data->approval;
	json_t *shown;

	if (approval == NULL)
		return;
	shown = json_object();
	set_time(shown, "expires_at", approval->until_ms);
	if (data->facts.state == TASK_WAITING_APPROVAL)
		set(shown, "request", task_render_request(data));
	if (approval->decision != DECISION_NONE) {
		set_string(
		    shown, "decision", task_decision_text(approval->decision));
		set_string(shown, "decided_by", approval->by.subject);
		set_time(shown, "decided_at", approval->decided_ms);
	}
	if (approval->reason[0] != '\0')
		set(shown, "reason", audit_text(approval->reason));
	set(task, "approval", shown);
}

json_t *
task_render(const struct task_data *data, const struct task_standing *standing)
{
	const struct task_facts *facts = &data->facts;
	json_t *task = json_object();

	set_string(task, "id", data->id);
	set_string(task, "state", task_state_text(facts->state));
	render_end(facts, task);
	set_string(task, "subject", data->owner.subject);
	render_launch(data, task);
	if (facts->image_id[0] != '\0')
		set(task, "image_id", audit_text(facts->image_id));
	set(task, "args", render_args(&data->request, data->launch));
	set(task, "env", render_env_names(&data->request));
	render_stdin(data, task);
	if (data->request.ninputs > 0)
		set(task, "inputs", render_input_names(&data->request));
	set_string(task, "rule", data->rule);
	set(task, "limits", task_limits_write(data->limits));
	render_approval(data, task);
	render_standing(standing, task);
	set_time(task, "created_at", data->created_ms);
	set_time(task, "started_at", facts->started_ms);
	set_time(task, "finished_at", facts->finished_ms);
	render_start(facts, task);
	render_output(facts, task);
	if (facts->files != NULL)
		set(task, "outputs", json_incref(facts->files));
	render_resources(facts, task);
	return task;
}

char *
task_request_scrub(const struct request *request)
{
	auto_json *body = json_deep_copy(request->body);
	json_t *env = json_object_get(body, "env");

	for (size_t i = 0; env != NULL && i < request->nenv; i++)
		set(env, request->env[i].name, json_string(""));
	if (request->stdin_mode == REQUEST_STDIN_INLINE)
		set(body, "stdin", json_pack("{s:s}", "text", ""));
	return json_encode_canonical(body, NULL);
}
