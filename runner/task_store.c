/*
 * Tasks as rows. What is read back was written by us; a row that does not say
 * what it must is reported, never guessed at.
 */
#include "runner/task_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/json.h"
#include "policy/launch.h"
#include "runner/blob_store.h"

/* The places of TASK_COLUMNS. */
enum column {
	COLUMN_ID,
	COLUMN_SUBJECT,
	COLUMN_PRINCIPAL,
	COLUMN_REQUEST,
	COLUMN_REQUEST_SHA256,
	COLUMN_RULE,
	COLUMN_POLICY_SHA256,
	COLUMN_LIMITS,
	COLUMN_UID,
	COLUMN_GID,
	COLUMN_NETWORK,
	COLUMN_STATE,
	COLUMN_CREATED_MS,
	COLUMN_IMAGE_ID,
	COLUMN_CONTAINER,
	COLUMN_STARTED_MS,
	COLUMN_FINISHED_MS,
	COLUMN_OUTCOME,
	COLUMN_EXIT_CODE,
	COLUMN_SIGNAL,
	COLUMN_REASON,
	COLUMN_ERRNUM,
	COLUMN_DETAIL,
	COLUMN_STDOUT_BYTES,
	COLUMN_STDERR_BYTES,
	COLUMN_TRUNCATED,
	COLUMN_USER_US,
	COLUMN_SYSTEM_US,
	COLUMN_MEMORY_PEAK,
	COLUMN_OOM_KILLED,
	COLUMN_SANDBOX,
	COLUMN_INIT_PID,
	COLUMN_WARM,
	COLUMN_CONTAINER_AGE_MS,
	COLUMN_QUEUED_US,
	COLUMN_STARTING_US,
	COLUMN_RUNNING_US,
	COLUMN_STDIN_RECEIVED,
	COLUMN_STDIN_ENDED,
	COLUMN_STDIN_TAKEN,
	COLUMN_STDIN_CLOSED,
	COLUMN_STDOUT_SHA256,
	COLUMN_STDERR_SHA256,
	COLUMN_FILES,
	COLUMN_CANCELLED,
	COLUMN_DEADLINE_MS,
	COLUMN_DISCARDED,
	COLUMN_SECRETS,
	COLUMN_LAUNCH,
	COLUMN_MOUNTS,
	COLUMN_APPROVAL
};

static const char *
none_if_empty(const char *text)
{
	return text != NULL && *text != '\0' ? text : NULL;
}

/* The subject has uploaded it, and it is kept until the task has ended. */
static int
keep_input(struct database *database, const struct task_data *data,
    const struct request_input *input, struct err *err)
{
	int found = blob_store_use(database, data->owner.subject, input->sha256,
	    data->created_ms, err);

	if (found < 0)
		return -1;
	if (found == 0)
		return err_set(err, ERR_UNPROCESSABLE,
		    "inputs.%s: was never uploaded, or is gone", input->name);
	return database_run(database, STATEMENT_INPUT_INSERT, err, "sss",
	    data->id, data->owner.subject, input->sha256);
}

static int
let_inputs_go(
    struct database *database, const char *id, int64_t now_ms, struct err *err)
{
	if (database_run(
		database, STATEMENT_INPUT_USED, err, "si", id, now_ms) != 0)
		return -1;
	return database_run(database, STATEMENT_INPUT_DELETE, err, "s", id);
}

static char *
encode_approval(const struct task_approval *approval)
{
	auto_json *json = task_approval_write(approval);

	return json_encode_canonical(json, NULL);
}

int
task_store_insert(
    struct database *database, const struct task_data *data, struct err *err)
{
	auto_json *owner = task_owner_write(&data->owner);
	auto_json *limits = task_limits_write(data->limits);
	auto_free char *owner_text = json_encode_canonical(owner, NULL);
	auto_free char *limits_text = json_encode_canonical(limits, NULL);
	auto_free char *request =
	    json_encode_canonical(data->request.body, NULL);
	auto_free char *launch = data->launch != NULL
	    ? json_encode_canonical(data->launch, NULL)
	    : NULL;
	/* Its turn may have come already; that is for task_store_start(). */
	enum task_state state =
	    data->approval != NULL ? TASK_WAITING_APPROVAL : TASK_QUEUED;
	auto_free char *approval =
	    data->approval != NULL ? encode_approval(data->approval) : NULL;

	for (size_t i = 0; i < data->request.ninputs; i++) {
		if (keep_input(database, data, &data->request.inputs[i], err) !=
		    0)
			return -1;
	}
	return database_run(database, STATEMENT_TASK_INSERT, err,
	    "ssssssssiississss", data->id, data->owner.subject, owner_text,
	    request, data->request_sha256, data->rule, data->policy_sha256,
	    limits_text, data->uid, data->gid, data->network,
	    task_state_text(state), data->created_ms, data->secrets, launch,
	    data->mounts, approval);
}

int
task_store_start(struct database *database, const char *id,
    const struct task_facts *facts, struct err *err)
{
	return database_run(database, STATEMENT_TASK_START, err, "ssssisiiiiii",
	    id, task_state_text(facts->state), none_if_empty(facts->image_id),
	    none_if_empty(facts->container), facts->started_ms,
	    none_if_empty(facts->sandbox), facts->init_pid,
	    (int64_t)facts->warm, facts->container_age_ms, facts->queued_us,
	    facts->deadline_ms, facts->starting_us);
}

int
task_store_return(struct database *database, const char *id, struct err *err)
{
	return database_run(database, STATEMENT_TASK_RETURN, err, "ss", id,
	    task_state_text(TASK_QUEUED));
}

int
task_store_decide(struct database *database, const char *id,
    enum task_state state, const struct task_approval *approval,
    struct err *err)
{
	auto_free char *text = encode_approval(approval);

	return database_run(database, STATEMENT_TASK_DECIDE, err, "sss", id,
	    task_state_text(state), text);
}

int
task_store_cancel(struct database *database, const char *id, const char *detail,
    struct err *err)
{
	return database_run(
	    database, STATEMENT_TASK_CANCEL, err, "ss", id, detail);
}

/* Of the files, as they are told. */
static int64_t
sum_sizes(const json_t *files)
{
	int64_t bytes = 0;

	for (size_t i = 0; i < json_array_size(files); i++)
		bytes += json_integer_value(
		    json_object_get(json_array_get(files, i), "size"));
	return bytes;
}

int
task_store_finish(struct database *database, const char *id,
    const struct task_facts *facts, const char *request, struct err *err)
{
	auto_free char *files = facts->files != NULL
	    ? json_encode_canonical(facts->files, NULL)
	    : NULL;
	const char *const sha256[] = {
	    none_if_empty(facts->output_sha256[STREAM_STDOUT]),
	    none_if_empty(facts->output_sha256[STREAM_STDERR])};
	int64_t kept = facts->kept[STREAM_STDOUT] + facts->kept[STREAM_STDERR] +
	    sum_sizes(facts->files);

	if (database_run(database, STATEMENT_TASK_FINISH, err,
		"sssiisisiiiiiiiiissiiiiiiiisssii", id,
		task_state_text(facts->state),
		task_outcome_text(facts->outcome), facts->exit_code,
		facts->signal, facts->reason, facts->errnum,
		none_if_empty(facts->detail), facts->started_ms,
		facts->finished_ms, facts->kept[STREAM_STDOUT],
		facts->kept[STREAM_STDERR], (int64_t)facts->truncated,
		facts->user_us, facts->system_us, facts->memory_peak,
		(int64_t)facts->oom_killed, request,
		none_if_empty(facts->image_id), facts->container_age_ms,
		facts->queued_us, facts->starting_us, facts->running_us,
		facts->input.received, (int64_t)facts->input.ended,
		facts->input.taken, (int64_t)facts->input.closed, sha256[0],
		sha256[1], files, (int64_t)facts->cancelled, kept) != 0)
		return -1;
	if (kept > 0 &&
	    database_run(database, STATEMENT_KEPT_ADD, err, "i", kept) != 0)
		return -1;
	return let_inputs_go(database, id, facts->finished_ms, err);
}

static bool
copy(const char *text, char *ret, size_t size)
{
	size_t len = text != NULL ? strlen(text) : 0;

	if (len >= size)
		return false;
	memcpy(ret, text != NULL ? text : "", len + 1);
	return true;
}

static json_t *
parse(const char *text)
{
	struct err ignored;

	return text != NULL ? json_parse_strict(text, strlen(text), &ignored)
			    : NULL;
}

static bool
read_reason(const char *text, const char **ret)
{
	*ret = text == NULL ? NULL : task_reason_find(text);
	return text == NULL || *ret != NULL;
}

static bool
read_outcome(const char *text, enum task_outcome *ret)
{
	*ret = OUTCOME_NONE;
	if (text == NULL)
		return true;
	for (int i = OUTCOME_NONE + 1; i < OUTCOME_COUNT; i++) {
		if (strcmp(task_outcome_text((enum task_outcome)i), text) == 0)
			*ret = (enum task_outcome)i;
	}
	return *ret != OUTCOME_NONE;
}

#define INTEGER(column) database_integer(database, row, column)
#define TEXT(column) database_text(database, row, column)

static void
read_numbers(
    struct database *database, enum statement row, struct task_facts *facts)
{
	facts->started_ms = INTEGER(COLUMN_STARTED_MS);
	facts->finished_ms = INTEGER(COLUMN_FINISHED_MS);
	facts->deadline_ms = INTEGER(COLUMN_DEADLINE_MS);
	facts->cancelled = INTEGER(COLUMN_CANCELLED) == 1;
	facts->init_pid = INTEGER(COLUMN_INIT_PID);
	facts->warm = INTEGER(COLUMN_WARM) == 1;
	facts->container_age_ms = INTEGER(COLUMN_CONTAINER_AGE_MS);
	facts->queued_us = INTEGER(COLUMN_QUEUED_US);
	facts->starting_us = INTEGER(COLUMN_STARTING_US);
	facts->running_us = INTEGER(COLUMN_RUNNING_US);
	facts->input = (struct task_stdin){
	    .received = INTEGER(COLUMN_STDIN_RECEIVED),
	    .ended = INTEGER(COLUMN_STDIN_ENDED) == 1,
	    .taken = INTEGER(COLUMN_STDIN_TAKEN),
	    .closed = INTEGER(COLUMN_STDIN_CLOSED) == 1,
	};
	facts->exit_code = INTEGER(COLUMN_EXIT_CODE);
	facts->signal = INTEGER(COLUMN_SIGNAL);
	facts->errnum = INTEGER(COLUMN_ERRNUM);
	facts->kept[STREAM_STDOUT] = INTEGER(COLUMN_STDOUT_BYTES);
	facts->kept[STREAM_STDERR] = INTEGER(COLUMN_STDERR_BYTES);
	facts->truncated = INTEGER(COLUMN_TRUNCATED) == 1;
	facts->discarded = INTEGER(COLUMN_DISCARDED) == 1;
	facts->user_us = INTEGER(COLUMN_USER_US);
	facts->system_us = INTEGER(COLUMN_SYSTEM_US);
	facts->memory_peak = INTEGER(COLUMN_MEMORY_PEAK);
	facts->oom_killed = INTEGER(COLUMN_OOM_KILLED) == 1;
}

static bool
read_files(const char *text, json_t **ret)
{
	if (text == NULL)
		return true;
	*ret = parse(text);
	return json_is_array(*ret);
}

static bool
read_facts(
    struct database *database, enum statement row, struct task_facts *facts)
{
	read_numbers(database, row, facts);
	return TEXT(COLUMN_STATE) != NULL &&
	    task_state_parse(TEXT(COLUMN_STATE), &facts->state) &&
	    read_outcome(TEXT(COLUMN_OUTCOME), &facts->outcome) &&
	    read_reason(TEXT(COLUMN_REASON), &facts->reason) &&
	    copy(TEXT(COLUMN_DETAIL), facts->detail, sizeof(facts->detail)) &&
	    copy(TEXT(COLUMN_IMAGE_ID), facts->image_id,
		sizeof(facts->image_id)) &&
	    copy(TEXT(COLUMN_CONTAINER), facts->container,
		sizeof(facts->container)) &&
	    copy(
		TEXT(COLUMN_SANDBOX), facts->sandbox, sizeof(facts->sandbox)) &&
	    copy(TEXT(COLUMN_STDOUT_SHA256),
		facts->output_sha256[STREAM_STDOUT], SHA256_HEX) &&
	    copy(TEXT(COLUMN_STDERR_SHA256),
		facts->output_sha256[STREAM_STDERR], SHA256_HEX) &&
	    read_files(TEXT(COLUMN_FILES), &facts->files);
}

static bool
read_request(const char *text, struct request *ret)
{
	struct err ignored;

	return text != NULL &&
	    request_parse(text, strlen(text), ret, &ignored) == 0;
}

static bool
read_launch(const char *text, json_t **ret)
{
	*ret = text != NULL ? parse(text) : NULL;
	return text == NULL || launch_is_valid(*ret);
}

static bool
read_approval(const char *text, struct task_approval **ret)
{
	auto_json *json = parse(text);

	if (text == NULL)
		return true;
	*ret = json != NULL ? task_approval_read(json) : NULL;
	return *ret != NULL;
}

static bool
read_members(
    struct database *database, enum statement row, struct task_data *data)
{
	auto_json *owner = parse(TEXT(COLUMN_PRINCIPAL));
	auto_json *limits = parse(TEXT(COLUMN_LIMITS));

	if (!copy(TEXT(COLUMN_ID), data->id, sizeof(data->id)) ||
	    !copy(TEXT(COLUMN_REQUEST_SHA256), data->request_sha256,
		sizeof(data->request_sha256)) ||
	    !copy(TEXT(COLUMN_POLICY_SHA256), data->policy_sha256,
		sizeof(data->policy_sha256)) ||
	    owner == NULL || !task_owner_read(owner, &data->owner) ||
	    limits == NULL || !task_limits_read(limits, data->limits) ||
	    !read_request(TEXT(COLUMN_REQUEST), &data->request) ||
	    !read_launch(TEXT(COLUMN_LAUNCH), &data->launch) ||
	    !read_approval(TEXT(COLUMN_APPROVAL), &data->approval) ||
	    TEXT(COLUMN_RULE) == NULL)
		return false;
	data->rule = alloc_string(TEXT(COLUMN_RULE));
	if (TEXT(COLUMN_NETWORK) != NULL)
		data->network = alloc_string(TEXT(COLUMN_NETWORK));
	if (TEXT(COLUMN_MOUNTS) != NULL)
		data->mounts = alloc_string(TEXT(COLUMN_MOUNTS));
	if (TEXT(COLUMN_SECRETS) != NULL)
		data->secrets = alloc_string(TEXT(COLUMN_SECRETS));
	data->uid = INTEGER(COLUMN_UID);
	data->gid = INTEGER(COLUMN_GID);
	data->created_ms = INTEGER(COLUMN_CREATED_MS);
	return true;
#undef INTEGER
#undef TEXT
}

static int
read_row(struct database *database, enum statement row, struct task_data *ret,
    struct err *err)
{
	task_data_init(ret);
	if (read_members(database, row, ret) &&
	    read_facts(database, row, &ret->facts))
		return 0;
	err_set(err, ERR_INTERNAL, "the store's row of task %s is damaged",
	    ret->id);
	task_data_done(ret);
	return -1;
}

int
task_store_get(struct database *database, const char *id, struct task_data *ret,
    struct err *err)
{
	int result = database_begin(database, STATEMENT_TASK_GET, err, "s", id);

	if (result != 0)
		return -1;
	result = database_next(database, STATEMENT_TASK_GET, err);
	if (result > 0 && read_row(database, STATEMENT_TASK_GET, ret, err) != 0)
		result = -1;
	database_end(database, STATEMENT_TASK_GET);
	return result;
}

/* The query has begun; ends it. */
static int
visit(struct database *database, enum statement statement, task_store_row *row,
    void *arg, struct err *err)
{
	bool more = true;
	int result = 0;

	while (more && (result = database_next(database, statement, err)) > 0) {
		struct task_data data;

		result = read_row(database, statement, &data, err);
		if (result != 0)
			break;
		more = row(arg, &data);
		task_data_done(&data);
	}
	database_end(database, statement);
	return result < 0 ? -1 : 0;
}

int
task_store_list(struct database *database, const struct task_query *query,
    task_store_row *row, void *arg, struct err *err)
{
	/* Above every id. */
	const char *before = query->before[0] != '\0' ? query->before : "g";
	bool of_one = query->subject[0] != '\0';
	enum statement statement = query->finished
	    ? (of_one ? STATEMENT_TASK_LIST_FINISHED_OF
		      : STATEMENT_TASK_LIST_FINISHED)
	    : (of_one ? STATEMENT_TASK_LIST_OF : STATEMENT_TASK_LIST);
	int result = of_one ? database_begin(database, statement, err, "sis",
				  before, query->limit, query->subject)
			    : database_begin(database, statement, err, "si",
				  before, query->limit);

	return result != 0 ? -1 : visit(database, statement, row, arg, err);
}

int
task_store_open(
    struct database *database, task_store_row *row, void *arg, struct err *err)
{
	if (database_begin(database, STATEMENT_TASK_OPEN, err, "") != 0)
		return -1;
	return visit(database, STATEMENT_TASK_OPEN, row, arg, err);
}

int
task_store_last(struct database *database, char ret[UUID_TEXT], struct err *err)
{
	int result = database_begin(database, STATEMENT_TASK_LAST, err, "");

	if (result != 0)
		return -1;
	result = database_next(database, STATEMENT_TASK_LAST, err);
	if (result > 0 &&
	    !copy(database_text(database, STATEMENT_TASK_LAST, 0), ret,
		UUID_TEXT))
		result = err_set(err, ERR_INTERNAL,
		    "the store holds a task with a damaged id");
	database_end(database, STATEMENT_TASK_LAST);
	return result < 0 ? -1 : 0;
}

int
task_store_find_key(struct database *database, const char *subject,
    const char *key, const char *request_sha256, int64_t now_ms,
    char ret_task[UUID_TEXT], bool *ret_same, struct err *err)
{
	const enum statement find = STATEMENT_KEY_FIND;
	const char *sha256;
	int result = database_begin(
	    database, find, err, "ssi", subject, key, now_ms - TASK_KEY_AGE_MS);

	if (result != 0)
		return -1;
	result = database_next(database, find, err);
	if (result > 0) {
		sha256 = database_text(database, find, 1);
		*ret_same =
		    sha256 != NULL && strcmp(sha256, request_sha256) == 0;
		if (!copy(
			database_text(database, find, 0), ret_task, UUID_TEXT))
			result = err_set(err, ERR_INTERNAL,
			    "the store holds a damaged idempotency key");
	}
	database_end(database, find);
	return result;
}

int
task_store_add_key(struct database *database, const struct task_data *data,
    const char *key, struct err *err)
{
	if (database_run(database, STATEMENT_KEY_FORGET, err, "i",
		data->created_ms - TASK_KEY_AGE_MS) != 0)
		return -1;
	return database_run(database, STATEMENT_KEY_INSERT, err, "ssssi",
	    data->owner.subject, key, data->id, data->request_sha256,
	    data->created_ms);
}
