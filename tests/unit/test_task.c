/* A task's life as tables, its end as a decision, its forms as JSON. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/json.h"
#include "runner/task.h"
#include "runner/task_store.h"
#include "tests/unit/folder.h"

#define ID "01932f0e-6f0a-7c3e-8a55-3f1f0c1b2a11"
#define BODY                                                               \
	"{\"image\":\"demo/busybox\",\"args\":[\"sh\",\"-c\",\"exit 7\"]," \
	"\"env\":{\"LANG\":\"C\",\"SECRET\":\"swordfish\"}}"

static void
test_only_listed_steps_are_possible(void **state)
{
	static const int next[TASK_STATE_COUNT][TASK_EVENT_COUNT] = {
	    [TASK_WAITING_APPROVAL] = {TASK_QUEUED, -1, -1, -1, -1,
		TASK_FINISHED},
	    [TASK_QUEUED] = {-1, TASK_STARTING, -1, -1, -1, TASK_FINISHED},
	    [TASK_STARTING] = {-1, -1, TASK_QUEUED, TASK_RUNNING, -1,
		TASK_FINISHED},
	    [TASK_RUNNING] = {-1, -1, -1, -1, TASK_RUNNING, TASK_FINISHED},
	    [TASK_FINISHED] = {-1, -1, -1, -1, -1, -1},
	};

	(void)state;
	for (int from = 0; from < TASK_STATE_COUNT; from++) {
		for (int event = 0; event < TASK_EVENT_COUNT; event++) {
			enum task_state to = TASK_FINISHED;
			bool may = task_step(
			    (enum task_state)from, (enum task_event)event, &to);

			assert_int_equal(may, next[from][event] >= 0);
			if (may)
				assert_int_equal((int)to, next[from][event]);
		}
	}
}

static void
test_words_are_read_as_they_are_written(void **state)
{
	enum task_state found;

	(void)state;
	for (int i = 0; i < TASK_STATE_COUNT; i++) {
		assert_true(task_state_parse(
		    task_state_text((enum task_state)i), &found));
		assert_int_equal((int)found, i);
	}
	assert_false(task_state_parse("Running", &found));
	assert_false(task_state_parse("", &found));
}

struct ending {
	struct sandbox_end end;
	struct task_end_context context;
	enum task_outcome outcome;
};

static const struct ending endings[] = {
    {{.how = SANDBOX_EXITED}, {0}, OUTCOME_SUCCEEDED},
    {{.how = SANDBOX_EXITED, .exit_code = 7}, {0}, OUTCOME_FAILED},
    {{.how = SANDBOX_EXITED, .exit_code = 137}, {0}, OUTCOME_FAILED},
    /* A child was killed for memory, the task itself ended well. */
    {{.how = SANDBOX_EXITED, .oom_killed = true}, {0}, OUTCOME_SUCCEEDED},
    /* It tidied up on TERM. */
    {{.how = SANDBOX_EXITED, .exit_code = 3}, {.cancelled = true},
	OUTCOME_CANCELLED},
    {{.how = SANDBOX_KILLED, .signal = SIGSEGV}, {0}, OUTCOME_KILLED},
    {{.how = SANDBOX_KILLED, .signal = SIGKILL}, {0}, OUTCOME_KILLED},
    {{.how = SANDBOX_KILLED, .signal = SIGKILL, .oom_killed = true}, {0},
	OUTCOME_OUT_OF_MEMORY},
    {{.how = SANDBOX_KILLED, .signal = SIGABRT, .oom_killed = true}, {0},
	OUTCOME_KILLED},
    {{.how = SANDBOX_KILLED, .signal = SIGTERM}, {.cancelled = true},
	OUTCOME_CANCELLED},
    {{.how = SANDBOX_KILLED, .signal = SIGKILL}, {.timed_out = true},
	OUTCOME_TIMED_OUT},
    {{.how = SANDBOX_NOT_STARTED, .failure = SANDBOX_FAILURE_IMAGE}, {0},
	OUTCOME_NOT_STARTED},
    {{.how = SANDBOX_NOT_STARTED, .failure = SANDBOX_FAILURE_ENGINE},
	{.cancelled = true}, OUTCOME_CANCELLED},
    {{.how = SANDBOX_LOST}, {0}, OUTCOME_LOST},
    {{.how = SANDBOX_LOST, .oom_killed = true}, {0}, OUTCOME_OUT_OF_MEMORY},
    {{.how = SANDBOX_LOST}, {.cancelled = true}, OUTCOME_CANCELLED},
    {{.how = SANDBOX_LOST}, {.timed_out = true}, OUTCOME_TIMED_OUT},
    /* Its deadline passed while no runner was there to see. */
    {{.how = SANDBOX_EXITED}, {.overdue = true}, OUTCOME_SUCCEEDED},
    {{.how = SANDBOX_KILLED, .signal = SIGSEGV}, {.overdue = true},
	OUTCOME_KILLED},
    {{.how = SANDBOX_KILLED, .signal = SIGKILL}, {.overdue = true},
	OUTCOME_TIMED_OUT},
    {{.how = SANDBOX_NOT_STARTED, .failure = SANDBOX_FAILURE_SECRET}, {0},
	OUTCOME_NOT_STARTED},
    {{.how = SANDBOX_NOT_STARTED, .failure = SANDBOX_FAILURE_INPUT}, {0},
	OUTCOME_NOT_STARTED},
};

static void
test_each_end_has_its_outcome(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(endings); i++) {
		struct task_data data;

		task_data_init(&data);
		task_facts_end(
		    &data.facts, &endings[i].end, &endings[i].context, 42);
		if (data.facts.outcome != endings[i].outcome)
			fail_msg("ending %zu: %s, not %s", i,
			    task_outcome_text(data.facts.outcome),
			    task_outcome_text(endings[i].outcome));
		assert_int_equal(data.facts.state, TASK_FINISHED);
		assert_int_equal(data.facts.finished_ms, 42);
		task_data_done(&data);
	}
}

static void
test_a_command_that_is_not_there_says_which_error(void **state)
{
	const struct sandbox_end end = {
	    .how = SANDBOX_NOT_STARTED,
	    .failure = SANDBOX_FAILURE_COMMAND,
	    .errnum = ENOENT,
	    .detail = "nothere: no such file",
	};
	const struct task_end_context context = {0};
	struct task_data data;

	(void)state;
	task_data_init(&data);
	data.facts.started_ms = 1;
	task_facts_end(&data.facts, &end, &context, 42);
	assert_string_equal(data.facts.reason, "command");
	assert_int_equal(data.facts.errnum, ENOENT);
	assert_string_equal(data.facts.detail, "nothere: no such file");
	/* It never ran. */
	assert_int_equal(data.facts.started_ms, TASK_UNKNOWN);
	task_data_done(&data);
}

static void
test_each_reason_is_known_again_by_its_word(void **state)
{
	(void)state;
	for (int i = 0; i < SANDBOX_FAILURE_COUNT; i++) {
		const struct sandbox_end end = {.how = SANDBOX_NOT_STARTED,
		    .failure = (enum sandbox_failure)i};
		const struct task_end_context context = {0};
		struct task_data data;
		auto_free char *word = NULL;

		task_data_init(&data);
		task_facts_end(&data.facts, &end, &context, 42);
		word = alloc_string(data.facts.reason);
		assert_ptr_equal(task_reason_find(word), data.facts.reason);
		task_data_done(&data);
	}
	assert_null(task_reason_find("weather"));
	assert_null(task_reason_find(""));
}

/* -- JSON */

static void
make_data(struct task_data *data)
{
	struct err err;

	task_data_init(data);
	memcpy(data->id, ID, sizeof(ID));
	strcpy(data->owner.subject, "alice");
	strcpy(data->owner.thumbprint, "thumb");
	strcpy(data->owner.token_id, "jti");
	data->owner.address = alloc_string("127.0.0.1");
	strcpy(data->owner.roles[0], "builder");
	data->owner.nroles = 1;
	if (request_parse(BODY, strlen(BODY), &data->request, &err) != 0)
		fail_msg("%s", err.detail);
	digest_sha256_hex(BODY, strlen(BODY), data->request_sha256);
	data->rule = alloc_string("demo");
	strcpy(data->policy_sha256, "abc");
	data->limits[LIMIT_MEMORY] = 64 << 20;
	data->limits[LIMIT_CPUS] = 500;
	data->limits[LIMIT_PIDS] = 64;
	data->limits[LIMIT_TIMEOUT] = 60;
	data->limits[LIMIT_OUTPUT] = 1 << 20;
	data->limits[LIMIT_TMP] = 1 << 20;
	data->limits[LIMIT_STDIN] = 1 << 20;
	data->created_ms = INT64_C(1767323045678);
}

static void
end_data(struct task_data *data)
{
	const struct sandbox_end end = {
	    .how = SANDBOX_KILLED,
	    .signal = SIGKILL,
	    .user_us = 1,
	    .system_us = 2,
	    .memory_peak_bytes = 3,
	    .oom_killed = true,
	};
	const struct task_end_context context = {0};

	strcpy(data->facts.image_id, "sha256:00");
	data->facts.started_ms = data->created_ms + 1;
	task_facts_end(&data->facts, &end, &context, data->created_ms + 2);
	data->facts.kept[STREAM_STDOUT] = 4;
	data->facts.truncated = true;
}

/* What a task has to say besides. */
static void
add_facts(struct task_data *data)
{
	data->facts.warm = true;
	data->facts.container_age_ms = 1500;
	data->facts.queued_us = 10;
	data->facts.starting_us = 20;
	data->facts.running_us = 30;
	strcpy(data->facts.output_sha256[STREAM_STDOUT], "aa");
	strcpy(data->facts.output_sha256[STREAM_STDERR], "bb");
	data->facts.files = json_pack(
	    "[{s:s, s:s}]", "name", "report.pdf", "status", "missing");
}

static void
check_json(json_t *taken, const char *expected)
{
	auto_json *json = taken;
	auto_free char *text = json_encode_canonical(json, NULL);

	assert_string_equal(text, expected);
}

#define COMMON_AFTER_ID                                                        \
	"\"image\":\"demo/busybox\"," IMAGE_ID "\"limits\":{\"cpus\":\"0.5\"," \
	"\"memory\":67108864,\"output\":1048576,\"pids\":64,"                  \
	"\"stdin\":1048576,\"timeout\":60,\"tmp\":1048576},"

static void
test_a_waiting_task_shows_names_of_its_environment_alone(void **state)
{
	const struct task_standing standing = {3, TASK_UNKNOWN, NULL};
	struct task_data data;

	(void)state;
	make_data(&data);
#define IMAGE_ID
	check_json(task_render(&data, &standing),
	    "{\"args\":[\"sh\",\"-c\",\"exit 7\"],"
	    "\"created_at\":\"2026-01-02T03:04:05.678Z\","
	    "\"env\":[\"LANG\",\"SECRET\"],\"id\":\"" ID "\"," COMMON_AFTER_ID
	    "\"output\":{\"stderr\":0,\"stdout\":0,\"truncated\":false},"
	    "\"place\":3,\"rule\":\"demo\",\"state\":\"queued\","
	    "\"subject\":\"alice\"}");
#undef IMAGE_ID
	task_data_done(&data);
}

static void
test_what_is_set_aside_says_for_which_rule(void **state)
{
	const struct task_standing standing = {1, TASK_UNKNOWN, "demo"};
	struct task_data data;

	(void)state;
	make_data(&data);
	auto_json *task = task_render(&data, &standing);

	assert_string_equal(
	    json_string_value(json_object_get(task, "waits_for")),
	    "concurrency of rule demo");
	assert_int_equal(json_integer_value(json_object_get(task, "place")), 1);
	assert_null(json_object_get(task, "estimate_s"));
	task_data_done(&data);
}

/* All that the rule gives to it, and none of the operator's own names. */
static void
test_who_is_to_approve_is_shown_what_the_task_gets(void **state)
{
	struct task_data data;

	(void)state;
	make_data(&data);
	data.uid = 0;
	data.gid = 7;
	data.mounts = alloc_string("[{\"read_only\":true,\"source\":"
				   "\"/srv/mine\",\"target\":\"/in\"}]");
	data.secrets = alloc_string("{\"pin\":\"my-file\",\"token\":\"x\"}");
	auto_json *shown = task_render_request(&data);
	auto_json *user =
	    json_pack("{s:I, s:i}", "uid", (json_int_t)data.uid, "gid", 7);
	auto_json *secrets = json_pack("[s, s]", "pin", "token");
	auto_json *mounts =
	    json_pack("[{s:s, s:b}]", "target", "/in", "read_only", 1);

	assert_true(json_equal(json_object_get(shown, "user"), user));
	assert_true(json_equal(json_object_get(shown, "secrets"), secrets));
	assert_true(json_equal(json_object_get(shown, "mounts"), mounts));
	/* Nobody in particular. */
	data.uid = data.gid = -1;
	auto_json *usual = task_render_request(&data);

	assert_null(json_object_get(usual, "user"));
	task_data_done(&data);
}

static void
test_an_ended_task_shows_how_it_ended(void **state)
{
	struct task_data data;

	(void)state;
	make_data(&data);
	end_data(&data);
	add_facts(&data);
#define IMAGE_ID "\"image_id\":\"sha256:00\","
	check_json(task_render(&data, NULL),
	    "{\"args\":[\"sh\",\"-c\",\"exit 7\"],"
	    "\"container_age_ms\":1500,"
	    "\"created_at\":\"2026-01-02T03:04:05.678Z\","
	    "\"env\":[\"LANG\",\"SECRET\"],"
	    "\"finished_at\":\"2026-01-02T03:04:05.680Z\","
	    "\"id\":\"" ID "\"," COMMON_AFTER_ID
	    "\"outcome\":\"out_of_memory\","
	    "\"output\":{\"stderr\":0,\"stderr_sha256\":\"bb\","
	    "\"stdout\":4,\"stdout_sha256\":\"aa\",\"truncated\":true},"
	    "\"outputs\":[{\"name\":\"report.pdf\","
	    "\"status\":\"missing\"}],"
	    "\"resources\":{\"memory_peak\":3,\"oom_killed\":true,"
	    "\"system_us\":2,\"user_us\":1},\"rule\":\"demo\","
	    "\"signal\":\"KILL\","
	    "\"stages\":{\"queued_us\":10,\"running_us\":30,"
	    "\"starting_us\":20},\"start\":\"warm\","
	    "\"started_at\":\"2026-01-02T03:04:05.679Z\","
	    "\"state\":\"finished\",\"subject\":\"alice\"}");
#undef IMAGE_ID
	task_data_done(&data);
}

static void
test_a_detail_of_any_bytes_can_be_shown(void **state)
{
	struct task_data data;

	(void)state;
	make_data(&data);
	end_data(&data);
	strcpy(data.facts.detail, "cut \xc3");
	auto_json *task = task_render(&data, NULL);

	assert_string_equal(
	    json_string_value(json_object_get(task, "detail")), "cut \\xc3");
	task_data_done(&data);
}

#define FILES_BODY                                                          \
	"{\"image\":\"demo/busybox\",\"stdin\":{\"text\":"                  \
	"\"open sesame\"},\"inputs\":{\"b\":\"" DIGEST "\",\"a\":\"" DIGEST \
	"\"},\"outputs\":[\"z\",\"y\"]}"
#define DIGEST                             \
	"00000000000000000000000000000000" \
	"00000000000000000000000000000000"

static void
make_files_data(struct task_data *data)
{
	struct err err;

	make_data(data);
	request_done(&data->request);
	if (request_parse(
		FILES_BODY, strlen(FILES_BODY), &data->request, &err) != 0)
		fail_msg("%s", err.detail);
}

static void
test_what_a_task_reads_is_shown_by_number_and_name(void **state)
{
	struct task_data data;

	(void)state;
	make_files_data(&data);
	data.facts.input = (struct task_stdin){
	    .received = 11, .ended = true, .taken = 7, .closed = true};
	auto_json *task = task_render(&data, NULL);
	auto_json *expected = json_pack("{s:s, s:i, s:b, s:i, s:b}", "mode",
	    "inline", "received", 11, "ended", 1, "taken", 7, "closed", 1);
	auto_json *inputs = json_pack("[s, s]", "a", "b");

	assert_true(json_equal(json_object_get(task, "stdin"), expected));
	assert_true(json_equal(json_object_get(task, "inputs"), inputs));
	/* What becomes of them is not known yet. */
	assert_null(json_object_get(task, "outputs"));
	task_data_done(&data);
}

static void
test_a_scrubbed_request_reads_back_without_its_standard_input(void **state)
{
	struct task_data data;
	struct request again;
	struct err err;

	(void)state;
	make_files_data(&data);
	auto_free char *text = task_request_scrub(&data.request);

	assert_null(strstr(text, "sesame"));
	assert_int_equal(request_parse(text, strlen(text), &again, &err), 0);
	assert_int_equal((int)again.stdin_mode, REQUEST_STDIN_INLINE);
	assert_int_equal(again.stdin_len, 0);
	assert_int_equal(again.ninputs, 2);
	request_done(&again);
	task_data_done(&data);
}

static void
test_a_scrubbed_request_reads_back_without_values(void **state)
{
	struct task_data data;
	struct request again;
	struct err err;

	(void)state;
	make_data(&data);
	auto_free char *text = task_request_scrub(&data.request);

	assert_null(strstr(text, "swordfish"));
	assert_int_equal(request_parse(text, strlen(text), &again, &err), 0);
	assert_int_equal(again.nenv, 2);
	assert_string_equal(again.env[1].name, "SECRET");
	assert_string_equal(again.env[1].value, "");
	/* The request itself is as it was. */
	assert_string_equal(data.request.env[1].value, "swordfish");
	request_done(&again);
	task_data_done(&data);
}

/* -- rows */

static void
open_database(struct database *database, const char *folder)
{
	auto_free char *path = folder_path(folder, "store.db");
	struct err err;

	if (database_open(path, database, &err) != 0)
		fail_msg("%s", err.detail);
}

static void
check_same(const struct task_data *one, const struct task_data *two)
{
	auto_json *left = task_render(one, NULL);
	auto_json *right = task_render(two, NULL);

	assert_true(json_equal(left, right));
	assert_string_equal(one->owner.token_id, two->owner.token_id);
	assert_string_equal(one->owner.thumbprint, two->owner.thumbprint);
	assert_string_equal(one->owner.address, two->owner.address);
	assert_int_equal(one->owner.nroles, two->owner.nroles);
	assert_string_equal(one->owner.roles[0], two->owner.roles[0]);
	assert_string_equal(one->request_sha256, two->request_sha256);
	assert_int_equal(one->uid, two->uid);
}

static void
test_a_row_reads_back_as_it_was_written(void **state)
{
	struct database database = {0};
	struct task_data data, found;
	struct err err;

	open_database(&database, *state);
	make_data(&data);
	assert_int_equal(task_store_insert(&database, &data, &err), 0);
	assert_int_equal(task_store_get(&database, ID, &found, &err), 1);
	check_same(&data, &found);
	assert_string_equal(found.request.env[1].value, "swordfish");
	task_data_done(&found);
	data.facts.state = TASK_RUNNING;
	strcpy(data.facts.image_id, "sha256:00");
	data.facts.started_ms = data.created_ms + 1;
	assert_int_equal(task_store_start(&database, ID, &data.facts, &err), 0);
	assert_int_equal(task_store_get(&database, ID, &found, &err), 1);
	check_same(&data, &found);
	task_data_done(&found);
	end_data(&data);
	auto_free char *request = task_request_scrub(&data.request);

	assert_int_equal(
	    task_store_finish(&database, ID, &data.facts, request, &err), 0);
	assert_int_equal(task_store_get(&database, ID, &found, &err), 1);
	check_same(&data, &found);
	assert_string_equal(found.request.env[1].value, "");
	task_data_done(&found);
	assert_int_equal(task_store_get(&database, "other", &found, &err), 0);
	task_data_done(&data);
	database_close(&database);
}

static void
test_a_start_that_is_taken_back_leaves_nothing(void **state)
{
	struct database database = {0};
	struct task_data data, found;
	struct task_facts waiting;
	struct err err;

	open_database(&database, *state);
	make_data(&data);
	assert_int_equal(task_store_insert(&database, &data, &err), 0);
	waiting = data.facts;
	data.facts.state = TASK_RUNNING;
	strcpy(data.facts.image_id, "sha256:00");
	strcpy(data.facts.sandbox, "a1");
	data.facts.warm = true;
	data.facts.started_ms = data.created_ms + 1;
	data.facts.deadline_ms = data.created_ms + 1000;
	assert_int_equal(task_store_start(&database, ID, &data.facts, &err), 0);
	assert_int_equal(task_store_return(&database, ID, &err), 0);
	data.facts = waiting;
	assert_int_equal(task_store_get(&database, ID, &found, &err), 1);
	check_same(&data, &found);
	assert_string_equal(found.facts.sandbox, "");
	assert_int_equal(found.facts.deadline_ms, TASK_UNKNOWN);
	assert_false(found.facts.warm);
	task_data_done(&found);
	task_data_done(&data);
	database_close(&database);
}

static void
test_limits_written_before_there_was_one_more_have_its_usual_value(void **state)
{
	auto_json *json =
	    json_pack("{s:i, s:s}", "memory", 8 << 20, "cpus", "2");
	int64_t limits[LIMIT_COUNT];

	(void)state;
	assert_true(task_limits_read(json, limits));
	assert_int_equal(limits[LIMIT_MEMORY], 8 << 20);
	assert_int_equal(limits[LIMIT_CPUS], 2000);
	assert_int_equal(limits[LIMIT_STDIN], limit_usual(LIMIT_STDIN));
	json_object_set_new(json, "stdin", json_integer(-1));
	assert_false(task_limits_read(json, limits));
}

static void
test_a_damaged_row_is_reported_not_guessed(void **state)
{
	static const char *const damages[] = {
	    "UPDATE task SET state = 'sleeping'",
	    "UPDATE task SET state = 'queued', outcome = 'fine'",
	    "UPDATE task SET outcome = NULL, limits = '{\"tmp\":1}'",
	    "UPDATE task SET principal = '{\"subject\":1}'",
	    "UPDATE task SET request = '{'",
	};
	struct database database = {0};
	struct task_data data, found;
	struct err err;

	open_database(&database, *state);
	make_data(&data);
	assert_int_equal(task_store_insert(&database, &data, &err), 0);
	for (size_t i = 0; i < COUNT(damages); i++) {
		assert_int_equal(
		    sqlite3_exec(database.handle, damages[i], NULL, NULL, NULL),
		    SQLITE_OK);
		assert_int_equal(
		    task_store_get(&database, ID, &found, &err), -1);
		assert_non_null(strstr(err.detail, "damaged"));
	}
	task_data_done(&data);
	database_close(&database);
}

static void
test_a_key_stands_for_one_task_for_a_day(void **state)
{
	struct database database = {0};
	struct task_data data;
	char task[UUID_TEXT];
	bool same = false;
	struct err err;
	int64_t end_ms;

	open_database(&database, *state);
	make_data(&data);
	end_ms = data.created_ms + TASK_KEY_AGE_MS;
	assert_int_equal(task_store_insert(&database, &data, &err), 0);
	assert_int_equal(task_store_add_key(&database, &data, "k", &err), 0);
#define FIND(subject, key, sha256, now_ms) \
	task_store_find_key(               \
	    &database, subject, key, sha256, now_ms, task, &same, &err)
	assert_int_equal(FIND("alice", "k", data.request_sha256, end_ms), 1);
	assert_true(same);
	assert_string_equal(task, ID);
	assert_int_equal(FIND("alice", "k", "another", end_ms), 1);
	assert_false(same);
	assert_int_equal(FIND("bob", "k", data.request_sha256, end_ms), 0);
	assert_int_equal(FIND("alice", "j", data.request_sha256, end_ms), 0);
	assert_int_equal(
	    FIND("alice", "k", data.request_sha256, end_ms + 1), 0);
	/* Then it can stand for another. */
	data.id[0] = '1';
	data.created_ms = end_ms + 1;
	assert_int_equal(task_store_insert(&database, &data, &err), 0);
	assert_int_equal(task_store_add_key(&database, &data, "k", &err), 0);
	task_data_done(&data);
	database_close(&database);
}

int
main(void)
{
#define STORED(name) \
	cmocka_unit_test_setup_teardown(name, folder_make, folder_remove)
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_what_is_set_aside_says_for_which_rule),
	    cmocka_unit_test(test_only_listed_steps_are_possible),
	    cmocka_unit_test(test_words_are_read_as_they_are_written),
	    cmocka_unit_test(
		test_who_is_to_approve_is_shown_what_the_task_gets),
	    cmocka_unit_test(test_each_end_has_its_outcome),
	    cmocka_unit_test(test_a_command_that_is_not_there_says_which_error),
	    cmocka_unit_test(test_each_reason_is_known_again_by_its_word),
	    cmocka_unit_test(
		test_a_waiting_task_shows_names_of_its_environment_alone),
	    cmocka_unit_test(test_an_ended_task_shows_how_it_ended),
	    cmocka_unit_test(test_a_detail_of_any_bytes_can_be_shown),
	    cmocka_unit_test(
		test_what_a_task_reads_is_shown_by_number_and_name),
	    cmocka_unit_test(
		test_a_scrubbed_request_reads_back_without_its_standard_input),
	    cmocka_unit_test(test_a_scrubbed_request_reads_back_without_values),
	    STORED(test_a_row_reads_back_as_it_was_written),
	    STORED(test_a_start_that_is_taken_back_leaves_nothing),
	    cmocka_unit_test(
		test_limits_written_before_there_was_one_more_have_its_usual_value),
	    STORED(test_a_damaged_row_is_reported_not_guessed),
	    STORED(test_a_key_stands_for_one_task_for_a_day),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
