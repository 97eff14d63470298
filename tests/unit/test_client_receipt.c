/* Whether a receipt is of what was asked for and of what came. */
#include "client/receipt_check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "client/evidence.h"
#include "lib/cleanup.h"
#include "lib/json.h"

#define TASK "01932f0e-6f0a-7c3e-8a55-3f1f0c1b2a11"
#define REQUEST \
	"0000000000000000000000000000000000000000000000000000000000000001"
#define OUT "0000000000000000000000000000000000000000000000000000000000000002"

struct fixture {
	json_t *record, *untrusted, *document;
	struct receipt_stream stream;
	struct receipt receipt;
	struct receipt_wanted wanted;
};

static json_t *
parse(const char *text)
{
	struct err err;
	json_t *json = json_parse_strict(text, strlen(text), &err);

	if (json == NULL)
		fail_msg("%s", err.detail);
	return json;
}

static void
open_fixture(struct fixture *fixture)
{
	*fixture = (struct fixture){
	    .record = parse(
		"{\"outcome\":\"failed\",\"principal\":{\"thumbprint\":\"me\"},"
		"\"object\":{\"task\":\"" TASK "\",\"exit_code\":7,"
		"\"request_sha256\":\"" REQUEST "\",\"limits\":{\"pids\":64},"
		"\"output\":{\"stdout\":4,\"stdout_sha256\":\"" OUT "\"},"
		"\"outputs\":[{\"status\":\"kept\",\"size\":1,"
		"\"sha256\":\"" OUT "\"}]}}"),
	    .untrusted = parse("{\"outputs\":[\"left\"]}"),
	    .document = parse(
		"{\"id\":\"" TASK "\",\"state\":\"finished\","
		"\"outcome\":\"failed\",\"exit_code\":7,"
		"\"limits\":{\"pids\":64},\"outputs\":[{\"name\":\"left\","
		"\"status\":\"kept\",\"size\":1,\"sha256\":\"" OUT "\"}]}"),
	    .stream = {.name = "stdout", .length = 4, .sha256 = OUT}};
	fixture->receipt = (struct receipt){.record = fixture->record,
	    .object = json_object_get(fixture->record, "object"),
	    .untrusted = fixture->untrusted,
	    .task = TASK};
	fixture->wanted = (struct receipt_wanted){.task = TASK,
	    .thumbprint = "me",
	    .request_sha256 = REQUEST,
	    .document = fixture->document,
	    .streams = &fixture->stream,
	    .nstreams = 1};
}

static void
close_fixture(struct fixture *fixture)
{
	json_decref(fixture->record);
	json_decref(fixture->untrusted);
	json_decref(fixture->document);
}

static void
assert_holds(const struct fixture *fixture)
{
	struct err err;

	if (receipt_check(&fixture->receipt, &fixture->wanted, &err) != 0)
		fail_msg("%s", err.detail);
}

static void
assert_differs(const struct fixture *fixture, const char *words)
{
	struct err err;

	assert_int_equal(
	    receipt_check(&fixture->receipt, &fixture->wanted, &err), -1);
	assert_int_equal(err.code, ERR_CONFLICT);
	if (strstr(err.detail, words) == NULL)
		fail_msg("%s: no %s", err.detail, words);
}

static void
test_what_is_the_same_holds(void **state)
{
	struct fixture fixture;

	(void)state;
	open_fixture(&fixture);
	assert_holds(&fixture);
	/* What is not known here is not compared. */
	fixture.wanted = (struct receipt_wanted){0};
	assert_holds(&fixture);
	close_fixture(&fixture);
}

static void
test_another_task_certificate_or_request_is_told(void **state)
{
	struct fixture fixture;

	(void)state;
	open_fixture(&fixture);
	fixture.wanted.task = "another";
	assert_differs(&fixture, "another task");
	fixture.wanted.task = TASK;
	fixture.wanted.thumbprint = "you";
	assert_differs(&fixture, "another certificate");
	fixture.wanted.thumbprint = "me";
	fixture.wanted.request_sha256[0] = '1';
	assert_differs(&fixture, "another request");
	close_fixture(&fixture);
}

static void
test_output_that_was_changed_cut_or_made_longer_is_told(void **state)
{
	struct fixture fixture;

	(void)state;
	open_fixture(&fixture);
	fixture.stream.length = 3;
	assert_differs(&fixture, "stdout");
	fixture.stream.length = 4;
	fixture.stream.sha256[9] = '1';
	assert_differs(&fixture, "stdout");
	/* We took no more of it ourselves. */
	fixture.stream.length = -1;
	assert_holds(&fixture);
	fixture.stream = (struct receipt_stream){.name = "stderr"};
	assert_differs(&fixture, "stderr");
	close_fixture(&fixture);
}

static void
test_a_server_that_told_of_another_end_is_told(void **state)
{
	struct fixture fixture;
	json_t *file;

	(void)state;
	open_fixture(&fixture);
	json_object_set_new(fixture.document, "exit_code", json_integer(0));
	assert_differs(&fixture, "exit_code");
	json_object_del(fixture.document, "exit_code");
	assert_differs(&fixture, "exit_code");
	json_object_set_new(fixture.document, "exit_code", json_integer(7));
	json_object_set_new(fixture.document, "signal", json_string("KILL"));
	assert_differs(&fixture, "signal");
	json_object_del(fixture.document, "signal");
	json_object_set_new(
	    fixture.document, "outcome", json_string("succeeded"));
	assert_differs(&fixture, "outcome");
	json_object_del(fixture.document, "outcome");
	assert_differs(&fixture, "outcome");
	json_object_set_new(fixture.document, "outcome", json_string("failed"));
	file = json_array_get(json_object_get(fixture.document, "outputs"), 0);
	json_object_set_new(file, "name", json_string("right"));
	assert_differs(&fixture, "files");
	/* Their names were taken out of the log. */
	fixture.receipt.untrusted = NULL;
	assert_holds(&fixture);
	json_object_set_new(file, "size", json_integer(2));
	assert_differs(&fixture, "files");
	json_object_del(fixture.document, "outputs");
	assert_differs(&fixture, "files");
	close_fixture(&fixture);
}

static void
test_a_proof_between_checkpoints_is_read_or_refused(void **state)
{
	static const char *const bad[] = {"{}", "{\"first\":1,\"second\":2}",
	    "{\"first\":\"1\",\"second\":2,\"consistency\":[]}",
	    "{\"first\":1,\"second\":2,\"consistency\":[\"00\"]}",
	    "{\"first\":1,\"second\":2,\"consistency\":{}}", "[]"};
	auto_json *good =
	    parse("{\"first\":1,\"second\":2,\"consistency\":[\"" OUT "\"]}");
	struct extension extension;
	struct err err;

	(void)state;
	assert_int_equal(evidence_read_extension(good, &extension, &err), 0);
	assert_int_equal(extension.second, 2);
	assert_int_equal(extension.proof.count, 1);
	for (size_t i = 0; i < COUNT(bad); i++) {
		auto_json *json = parse(bad[i]);

		assert_int_equal(
		    evidence_read_extension(json, &extension, &err), -1);
		assert_int_equal(err.code, ERR_UNPROCESSABLE);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_what_is_the_same_holds),
	    cmocka_unit_test(test_another_task_certificate_or_request_is_told),
	    cmocka_unit_test(
		test_output_that_was_changed_cut_or_made_longer_is_told),
	    cmocka_unit_test(test_a_server_that_told_of_another_end_is_told),
	    cmocka_unit_test(
		test_a_proof_between_checkpoints_is_read_or_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
