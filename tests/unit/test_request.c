/* The body of POST /v1/tasks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/alloc.h"
#include "lib/buffer.h"
#include "lib/cleanup.h"
#include "policy/request.h"
#include "tests/unit/corpus.h"

#define auto_request AUTO(request_done) struct request

static void
visit_accepted(const struct corpus_case *one)
{
	size_t len = 0;
	auto_free char *body = corpus_read(one, "body.json", &len);
	auto_request request = {0};
	struct err err = {0};

	if (request_parse(body, len, &request, &err) != 0)
		fail_msg("%s: %s", one->name, err.detail);
	assert_true((request.image != NULL) != (request.task != NULL));
	for (size_t k = 1; k < request.nenv; k++)
		assert_true(
		    strcmp(request.env[k - 1].name, request.env[k].name) < 0);
	/* Nothing shorter is a request, but for white space at the end. */
	while (len > 0 && body[len - 1] != '}')
		len--;
	for (size_t cut = 0; cut < len; cut++) {
		auto_free char *less = alloc_bytes(body, cut);
		auto_request cut_request = {0};

		if (request_parse(less, cut, &cut_request, &err) == 0)
			fail_msg("%s: accepted at byte %zu", one->name, cut);
	}
}

/* `message` is the code's slug, a blank, and how the detail begins. */
static void
visit_rejected(const struct corpus_case *one)
{
	size_t len = 0;
	auto_free char *body = corpus_read(one, "body.json", &len);
	auto_free char *expected = corpus_read(one, "message", NULL);
	auto_request request = {0};
	struct err err = {0};

	expected[strcspn(expected, "\n")] = '\0';
	if (request_parse(body, len, &request, &err) == 0)
		fail_msg("%s: accepted", one->name);
	auto_free char *message =
	    alloc_printf("%s %s", err_slug(err.code), err.detail);

	if (strncmp(message, expected, strlen(expected)) != 0)
		fail_msg("%s: %s", one->name, message);
	assert_null(request.body);
}

static void
test_corpus_requests_are_accepted(void **state)
{
	(void)state;
	corpus_each("request", "accept", visit_accepted);
}

static void
test_corpus_requests_are_refused_with_their_message(void **state)
{
	(void)state;
	corpus_each("request", "reject", visit_rejected);
}

static void
test_request_says_what_it_asked_for(void **state)
{
	static const char body[] =
	    "{\"image\": \"demo/busybox\", \"args\": [\"a\", \"\"],"
	    " \"env\": {\"B\": \"2\", \"A\": \"1\"},"
	    " \"limits\": {\"memory\": \"64MiB\", \"cpus\": \"0.5\"}}";
	auto_request request = {0};
	struct err err = {0};

	(void)state;
	assert_int_equal(request_parse(body, strlen(body), &request, &err), 0);
	assert_string_equal(request.image, "demo/busybox");
	assert_string_equal(request.reference, "demo/busybox:latest");
	assert_int_equal(request.nargs, 2);
	assert_string_equal(request.args[0], "a");
	assert_string_equal(request.args[1], "");
	assert_int_equal(request.nenv, 2);
	assert_string_equal(request.env[0].name, "A");
	assert_string_equal(request.env[0].value, "1");
	assert_string_equal(request.env[1].name, "B");
	assert_int_equal(request.limits[LIMIT_MEMORY], 64 * 1024 * 1024);
	assert_int_equal(request.limits[LIMIT_CPUS], 500);
	assert_int_equal(request.limits[LIMIT_PIDS], LIMIT_UNSET);
	assert_int_equal(request.limits[LIMIT_TIMEOUT], LIMIT_UNSET);
}

#define EMPTY_SHA256                       \
	"e3b0c44298fc1c149afbf4c8996fb924" \
	"27ae41e4649b934ca495991b7852b855"

static void
test_files_are_named_in_their_order(void **state)
{
	static const char body[] =
	    "{\"image\":\"a/b\",\"inputs\":{\"z\":\"" EMPTY_SHA256
	    "\",\"a.b\":\"" EMPTY_SHA256 "\"},\"outputs\":[\"z\",\"y\"]}";
	auto_request request = {0};
	struct err err = {0};

	(void)state;
	assert_int_equal(request_parse(body, strlen(body), &request, &err), 0);
	assert_int_equal(request.stdin_mode, REQUEST_STDIN_NONE);
	assert_null(request.stdin_data);
	assert_int_equal(request.ninputs, 2);
	assert_string_equal(request.inputs[0].name, "a.b");
	assert_string_equal(request.inputs[1].name, "z");
	assert_string_equal(request.inputs[1].sha256, EMPTY_SHA256);
	assert_int_equal(request.noutputs, 2);
	assert_string_equal(request.outputs[0], "z");
	assert_string_equal(request.outputs[1], "y");
}

static void
test_standard_input_is_decoded(void **state)
{
	static const struct {
		const char *member;
		enum request_stdin mode;
		const char *data;
		size_t len;
	} cases[] = {
	    {"{\"text\":\"a\\u00e4\\n\"}", REQUEST_STDIN_INLINE, "a\xc3\xa4\n",
		4},
	    {"{\"text\":\"\"}", REQUEST_STDIN_INLINE, "", 0},
	    {"{\"base64\":\"AP+AAA==\"}", REQUEST_STDIN_INLINE, "\0\xff\x80\0",
		4},
	    {"{\"base64\":\"\"}", REQUEST_STDIN_INLINE, "", 0},
	    {"{\"stream\":true}", REQUEST_STDIN_STREAM, NULL, 0},
	};

	(void)state;
	for (size_t k = 0; k < COUNT(cases); k++) {
		auto_free char *body = alloc_printf(
		    "{\"image\":\"a/b\",\"stdin\":%s}", cases[k].member);
		auto_request request = {0};
		struct err err = {0};

		assert_int_equal(
		    request_parse(body, strlen(body), &request, &err), 0);
		assert_int_equal(request.stdin_mode, cases[k].mode);
		assert_int_equal(request.stdin_len, cases[k].len);
		assert_int_equal(
		    request.stdin_data == NULL, cases[k].data == NULL);
		if (cases[k].data != NULL)
			assert_memory_equal(
			    request.stdin_data, cases[k].data, cases[k].len);
	}
}

static void
test_limits_are_read_back_as_they_were_written(void **state)
{
	static const int64_t values[LIMIT_COUNT] = {
	    [LIMIT_MEMORY] = 64 * 1024 * 1024,
	    [LIMIT_CPUS] = 1500,
	    [LIMIT_PIDS] = 64,
	    [LIMIT_TIMEOUT] = 3600,
	    [LIMIT_OUTPUT] = 0,
	    [LIMIT_TMP] = 4097,
	    [LIMIT_STDIN] = 1,
	};

	(void)state;
	for (size_t k = 0; k < LIMIT_COUNT; k++) {
		json_t *json = limit_write((enum limit)k, values[k]);
		int64_t value = -1;

		assert_true(limit_read((enum limit)k, json, &value));
		assert_int_equal(value, values[k]);
		json_decref(json);
	}
}

static void
assert_integer_limit(enum limit limit, int64_t value, bool expected)
{
	json_t *json = json_integer(value);
	int64_t read = -5;

	assert_int_equal(limit_read(limit, json, &read), expected);
	assert_int_equal(read, expected ? value : -5);
	json_decref(json);
}

static void
test_limits_hold_at_their_ends(void **state)
{
	(void)state;
#define LIMIT(name, text, kind, least, most, usual)                    \
	if (LIMIT_##name != LIMIT_CPUS) {                              \
		assert_string_equal(limit_name(LIMIT_##name), text);   \
		assert_integer_limit(LIMIT_##name, least, true);       \
		assert_integer_limit(LIMIT_##name, (least)-1, false);  \
		assert_integer_limit(LIMIT_##name, most, true);        \
		assert_integer_limit(LIMIT_##name, (most) + 1, false); \
		assert_integer_limit(LIMIT_##name, INT64_MAX, false);  \
		assert_integer_limit(LIMIT_##name, -1, false);         \
		assert_integer_limit(LIMIT_##name, usual, true);       \
		assert_int_equal(limit_usual(LIMIT_##name), usual);    \
	}
#include "policy/limits.def"
#undef LIMIT
}

static char *
make_body(size_t len)
{
	auto_buffer body = BUFFER_INIT(SIZE_MAX);

	buffer_append_string(&body, "{\"image\":\"a/b\"}");
	while (body.len < len)
		buffer_append_string(&body, " ");
	return buffer_take(&body);
}

static void
test_longest_body_is_accepted_and_one_more_is_not(void **state)
{
	auto_free char *body = make_body(REQUEST_BODY_MAX + 1);
	struct request request = {0};
	struct err err = {0};

	(void)state;
	assert_int_equal(
	    request_parse(body, REQUEST_BODY_MAX, &request, &err), 0);
	request_done(&request);
	assert_int_equal(
	    request_parse(body, REQUEST_BODY_MAX + 1, &request, &err), -1);
	assert_int_equal(err.code, ERR_TOO_LARGE);
}

/* {"image":"a/b", BEFORE x..x AFTER */
static int
parse_filled(
    const char *before, size_t count, const char *after, struct err *err)
{
	auto_buffer body = BUFFER_INIT(SIZE_MAX);
	auto_request request = {0};

	buffer_printf(&body, "{\"image\":\"a/b\",%s", before);
	for (size_t k = 0; k < count; k++)
		buffer_append_string(&body, "x");
	buffer_append_string(&body, after);
	*err = (struct err){0};
	return request_parse(body.data, body.len, &request, err);
}

static void
test_longest_argument_and_variable_hold_with_their_nul(void **state)
{
	struct err err;

	(void)state;
	assert_int_equal(
	    parse_filled("\"args\":[\"", REQUEST_ARG_MAX - 1, "\"]}", &err), 0);
	assert_int_equal(
	    parse_filled("\"args\":[\"", REQUEST_ARG_MAX, "\"]}", &err), -1);
	assert_int_equal(err.code, ERR_UNPROCESSABLE);
	assert_int_equal(parse_filled("\"env\":{\"AB\":\"", REQUEST_ARG_MAX - 4,
			     "\"}}", &err),
	    0);
	assert_int_equal(parse_filled("\"env\":{\"AB\":\"", REQUEST_ARG_MAX - 3,
			     "\"}}", &err),
	    -1);
	assert_int_equal(
	    parse_filled("\"env\":{\"", REQUEST_NAME_MAX, "\":\"\"}}", &err),
	    0);
	assert_int_equal(parse_filled("\"env\":{\"", REQUEST_NAME_MAX + 1,
			     "\":\"\"}}", &err),
	    -1);
}

static int
parse_many(
    const char *before, const char *format, unsigned count, const char *after)
{
	auto_buffer body = BUFFER_INIT(SIZE_MAX);
	auto_request request = {0};
	struct err err = {0};

	buffer_printf(&body, "{\"image\":\"a/b\",%s", before);
	for (unsigned k = 0; k < count; k++) {
		buffer_append_string(&body, k > 0 ? "," : "");
		buffer_append_string(&body, "\"");
		if (*format == ':')
			buffer_printf(&body, "V%u", k);
		buffer_append_string(&body, "\"");
		if (*format == ':')
			buffer_append_string(&body, ":\"\"");
	}
	buffer_append_string(&body, after);
	return request_parse(body.data, body.len, &request, &err);
}

static void
test_most_arguments_and_variables_are_accepted_and_one_more_is_not(void **state)
{
	(void)state;
	assert_int_equal(
	    parse_many("\"args\":[", "", REQUEST_ARGS_MAX, "]}"), 0);
	assert_int_equal(
	    parse_many("\"args\":[", "", REQUEST_ARGS_MAX + 1, "]}"), -1);
	assert_int_equal(
	    parse_many("\"env\":{", ":", REQUEST_ENV_MAX, "}}"), 0);
	assert_int_equal(
	    parse_many("\"env\":{", ":", REQUEST_ENV_MAX + 1, "}}"), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_corpus_requests_are_accepted),
	    cmocka_unit_test(
		test_corpus_requests_are_refused_with_their_message),
	    cmocka_unit_test(test_request_says_what_it_asked_for),
	    cmocka_unit_test(test_files_are_named_in_their_order),
	    cmocka_unit_test(test_standard_input_is_decoded),
	    cmocka_unit_test(test_limits_are_read_back_as_they_were_written),
	    cmocka_unit_test(test_limits_hold_at_their_ends),
	    cmocka_unit_test(test_longest_body_is_accepted_and_one_more_is_not),
	    cmocka_unit_test(
		test_longest_argument_and_variable_hold_with_their_nul),
	    cmocka_unit_test(
		test_most_arguments_and_variables_are_accepted_and_one_more_is_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
