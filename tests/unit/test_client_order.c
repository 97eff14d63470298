/* Orders: what becomes of a command line, and of operands that go into a
 * path. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "client/operand.h"
#include "client/order.h"
#include "lib/cleanup.h"
#include "lib/json.h"

/* What the last order was, canonically, or why there was none. */
static char *ordered;

static int
keep_order(struct invocation *invocation)
{
	struct err err;
	auto_json *order = order_build(invocation, &err);

	ordered = order != NULL ? json_encode_canonical(order, NULL)
				: strdup(err.detail);
	return order != NULL ? 0 : 1;
}

static const struct option_spec options[] = {ORDER_OPTIONS};
static const struct command_spec commands[] = {
    {"run", "IMAGE", "Run", NULL, options, COUNT(options), 1, -1, keep_order},
};
static const struct program_spec program = {
    .name = "test",
    .summary = "test",
    .commands = commands,
    .ncommands = COUNT(commands),
};

static void
expect_order(char **argv, int code, const char *text)
{
	int argc = 0;

	while (argv[argc] != NULL)
		argc++;
	ordered = NULL;
	assert_int_equal(command_main(&program, argc, argv), code);
	assert_non_null(ordered);
	if (code == 0)
		assert_string_equal(ordered, text);
	else if (strstr(ordered, text) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", ordered, text);
	free(ordered);
}

#define ARGV(...) ((char *[]){"test", "run", __VA_ARGS__, NULL})

static void
test_an_image_alone_is_an_order(void **state)
{
	(void)state;
	expect_order(ARGV("demo/busybox"), 0, "{\"image\":\"demo/busybox\"}");
}

static void
test_arguments_go_through_as_they_are(void **state)
{
	(void)state;
	expect_order(
	    ARGV("i", "--", "sh", "-c", "echo \"\\$1\" ; --memory", ""), 0,
	    "{\"args\":[\"sh\",\"-c\",\"echo \\\"\\\\$1\\\" ; --memory\","
	    "\"\"],\"image\":\"i\"}");
}

static void
test_params_make_the_operand_a_task(void **state)
{
	(void)state;
	expect_order(ARGV("resize", "--param", "width=300", "-p", "name=a=b",
			 "-pempty="),
	    0,
	    "{\"params\":{\"empty\":\"\",\"name\":\"a=b\","
	    "\"width\":\"300\"},\"task\":\"resize\"}");
	expect_order(ARGV("nightly", "--task"), 0, "{\"task\":\"nightly\"}");
	expect_order(ARGV("resize", "-p", "width"), 1, "not NAME=VALUE");
	expect_order(ARGV("resize", "-p", "=300"), 1, "not NAME=VALUE");
	expect_order(
	    ARGV("resize", "-p", "w=1", "-p", "w=2"), 1, "given twice");
	expect_order(ARGV("resize", "-p", "w=\xff"), 1, "not UTF-8");
	expect_order(ARGV("resize", "-p", "\xff=1"), 1, "not UTF-8");
	expect_order(
	    ARGV("resize", "-p", "w=1", "--", "sh"), 1, "no arguments");
	expect_order(ARGV("resize", "--task", "sh"), 1, "no arguments");
}

static void
test_limits_become_members(void **state)
{
	(void)state;
	expect_order(ARGV("-m", "64MiB", "--cpus", "0.5", "--pids=8", "-t",
			 "2m", "--output-limit", "1KiB", "--tmp", "4096", "i"),
	    0,
	    "{\"image\":\"i\",\"limits\":{\"cpus\":\"0.5\","
	    "\"memory\":67108864,\"output\":1024,\"pids\":8,"
	    "\"timeout\":120,\"tmp\":4096}}");
}

static void
test_environment_is_given_or_looked_up(void **state)
{
	(void)state;
	assert_int_equal(setenv("TG_TEST_HERE", "a=b", 1), 0);
	expect_order(ARGV("-e", "A=1", "-eB=", "--env", "TG_TEST_HERE", "i"), 0,
	    "{\"env\":{\"A\":\"1\",\"B\":\"\",\"TG_TEST_HERE\":\"a=b\"},"
	    "\"image\":\"i\"}");
}

static void
test_what_no_request_can_carry_is_refused_with_the_reason(void **state)
{
	(void)state;
	expect_order(ARGV("-m", "64m", "i"), 1, "--memory: \"64m\"");
	expect_order(ARGV("--pids", "-1", "i"), 1, "--pids");
	expect_order(ARGV("--pids", "1x", "i"), 1, "--pids");
	expect_order(ARGV("--pids", "9999999999", "i"), 1, "--pids");
	expect_order(ARGV("--cpus", "half", "i"), 1, "0.5");
	expect_order(ARGV("-t", "1 hour", "i"), 1, "--timeout");
	expect_order(ARGV("-e", "1A=x", "i"), 1, "not a variable's name");
	expect_order(ARGV("-e", "=x", "i"), 1, "not a variable's name");
	expect_order(ARGV("-e", "A-B=x", "i"), 1, "not a variable's name");
	expect_order(ARGV("-e", "A=1", "-e", "A=2", "i"), 1, "given twice");
	expect_order(
	    ARGV("-e", "TG_TEST_NOT_HERE", "i"), 1, "no such variable");
	expect_order(ARGV("-e", "A=\xff", "i"), 1, "not UTF-8");
	expect_order(ARGV("\xc3", "i"), 1, "image");
	expect_order(ARGV("i", "a", "b\xfe"), 1, "argument 2");
}

static void
test_ids_are_read_whatever_their_case(void **state)
{
	char id[OPERAND_ID];
	struct err err;

	(void)state;
	assert_int_equal(
	    operand_read_id("01932F0E-6f0a-7c3e-8a55-3f1f0c1b2a11", id, &err),
	    0);
	assert_string_equal(id, "01932f0e-6f0a-7c3e-8a55-3f1f0c1b2a11");
}

static void
test_what_is_no_id_never_reaches_a_path(void **state)
{
	static const char *const bad[] = {"", "x", "../../v1/whoami",
	    "01932f0e-6f0a-7c3e-8a55-3f1f0c1b2a1",
	    "01932f0e-6f0a-7c3e-8a55-3f1f0c1b2a111",
	    "01932f0e-6f0a-7c3e-8a55-3f1f0c1b2a1/",
	    "01932f0e-6f0a-7c3e-8a55-3f1f0c1b2a1\n",
	    "01932f0e_6f0a_7c3e_8a55_3f1f0c1b2a11"};
	char id[OPERAND_ID];
	struct err err;

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		if (operand_read_id(bad[i], id, &err) == 0)
			fail_msg("\"%s\" was accepted", bad[i]);
		assert_int_equal(err.code, ERR_UNPROCESSABLE);
	}
}

static void
test_words_of_a_query_need_no_encoding(void **state)
{
	static const char *const bad[] = {
	    "", "a b", "a&b=c", "%41", "a#", "\xc3\xa9", "a/b", "a+b"};
	struct err err;

	(void)state;
	assert_int_equal(operand_check_word("--state", NULL, &err), 0);
	assert_int_equal(operand_check_word("--state", "queued", &err), 0);
	assert_int_equal(operand_check_word("--subject", "a.b_c-9", &err), 0);
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_int_equal(
		    operand_check_word("--state", bad[i], &err), -1);
}

static void
test_signals_are_read_as_people_write_them(void **state)
{
	static const struct {
		const char *text, *name;
	} good[] = {{"HUP", "HUP"}, {"SIGHUP", "HUP"}, {"sigusr1", "USR1"},
	    {"term", "TERM"}, {"9", "KILL"}, {"WINCH", "WINCH"}};
	static const char *const bad[] = {
	    "", "SEGV", "SIG", "0", "64", "11", "HUPX", "KILL\"}", "-9"};
	struct err err;
	char name[8];

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		assert_int_equal(
		    operand_read_signal(good[i].text, name, &err), 0);
		assert_string_equal(name, good[i].name);
	}
	for (size_t i = 0; i < COUNT(bad); i++) {
		if (operand_read_signal(bad[i], name, &err) == 0)
			fail_msg("\"%s\" was accepted", bad[i]);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_an_image_alone_is_an_order),
	    cmocka_unit_test(test_arguments_go_through_as_they_are),
	    cmocka_unit_test(test_params_make_the_operand_a_task),
	    cmocka_unit_test(test_limits_become_members),
	    cmocka_unit_test(test_environment_is_given_or_looked_up),
	    cmocka_unit_test(
		test_what_no_request_can_carry_is_refused_with_the_reason),
	    cmocka_unit_test(test_ids_are_read_whatever_their_case),
	    cmocka_unit_test(test_what_is_no_id_never_reaches_a_path),
	    cmocka_unit_test(test_words_of_a_query_need_no_encoding),
	    cmocka_unit_test(test_signals_are_read_as_people_write_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
