/* Exit codes: of tasks, of problems, and of signals. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "client/exit_code.h"
#include "lib/cleanup.h"

static const struct {
	const char *what;
	struct task task;
	int code;
} ends[] = {
    {"succeeded", {.outcome = "succeeded", .exit_code = 0}, 0},
    {"failed with 7", {.outcome = "failed", .exit_code = 7}, 7},
    {"failed with 1", {.outcome = "failed", .exit_code = 1}, 1},
    {"failed with 255", {.outcome = "failed", .exit_code = 255}, 255},
    {"failed with 125, its own", {.outcome = "failed", .exit_code = 125}, 125},
    {"failed without a code", {.outcome = "failed", .exit_code = -1}, 125},
    {"failed with no process's code", {.outcome = "failed", .exit_code = 256},
	125},
    {"killed by KILL", {.outcome = "killed", .signal = "KILL"}, 137},
    {"killed by TERM", {.outcome = "killed", .signal = "TERM"}, 143},
    {"killed by SEGV", {.outcome = "killed", .signal = "SEGV"}, 139},
    {"killed by HUP", {.outcome = "killed", .signal = "HUP"}, 129},
    {"killed by what is no signal", {.outcome = "killed", .signal = "NOSUCH"},
	125},
    {"killed by nobody knows what", {.outcome = "killed"}, 125},
    {"timed out", {.outcome = "timed_out", .exit_code = -1}, 124},
    {"timed out, and killed for it",
	{.outcome = "timed_out", .signal = "KILL", .exit_code = -1}, 124},
    {"out of memory", {.outcome = "out_of_memory", .exit_code = 0}, 137},
    {"cancelled", {.outcome = "cancelled", .signal = "TERM"}, 130},
    {"no such image", {.outcome = "not_started", .reason = "image"}, 125},
    {"engine failed", {.outcome = "not_started", .reason = "engine"}, 125},
    {"no reason", {.outcome = "not_started"}, 125},
    {"no such command",
	{.outcome = "not_started", .reason = "command", .errno_name = "ENOENT"},
	127},
    {"command not allowed",
	{.outcome = "not_started", .reason = "command", .errno_name = "EACCES"},
	126},
    {"not a program",
	{.outcome = "not_started",
	    .reason = "command",
	    .errno_name = "ENOEXEC"},
	126},
    {"command, nobody knows why",
	{.outcome = "not_started", .reason = "command"}, 126},
    {"image, whatever errno",
	{.outcome = "not_started", .reason = "image", .errno_name = "ENOENT"},
	125},
    {"lost", {.outcome = "lost"}, 125},
    {"an outcome of the future", {.outcome = "revoked"}, 125},
    {"no outcome", {.outcome = NULL}, 125},
};

static void
test_each_end_of_a_task_has_its_exit_code(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(ends); i++) {
		int code = exit_code_of_task(&ends[i].task);

		if (code != ends[i].code)
			fail_msg(
			    "%s: %d, not %d", ends[i].what, code, ends[i].code);
	}
}

static void
test_each_problem_has_its_exit_code(void **state)
{
	static const struct {
		const char *slug;
		int code;
	} problems[] = {
	    {"internal", 1},
	    {"malformed", 1},
	    {"unprocessable", 1},
	    {"usage", 2},
	    {"not-found", 3},
	    {"unauthenticated", 4},
	    {"revoked", 4},
	    {"context", 4},
	    {"denied", 5},
	    {"insufficient-scope", 5},
	    {"conflict", 6},
	    {"busy", 7},
	    {"unavailable", 8},
	    {"unreachable", 8},
	    {"waited", 9},
	    {"interrupted", 130},
	    {"no-reader", 141},
	    {"of-the-future", 1},
	    {"", 1},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(problems); i++) {
		int code = exit_code_of_problem(problems[i].slug);

		if (code != problems[i].code)
			fail_msg("%s: %d, not %d", problems[i].slug, code,
			    problems[i].code);
	}
}

static void
test_run_exits_with_125_for_all_that_is_ours(void **state)
{
	static const char *const ours[] = {"denied", "insufficient-scope",
	    "unauthenticated", "revoked", "context", "not-found", "conflict",
	    "busy", "unavailable", "unreachable", "usage", "reply", "internal"};

	(void)state;
	for (size_t i = 0; i < COUNT(ours); i++)
		assert_int_equal(
		    exit_code_of_attached_problem(ours[i]), EXIT_OURS);
	assert_int_equal(exit_code_of_attached_problem("interrupted"), 130);
	assert_int_equal(exit_code_of_attached_problem("no-reader"), 141);
	assert_int_equal(exit_code_of_attached_problem("waited"), 9);
}

static void
test_signals_are_known_by_name(void **state)
{
	(void)state;
	assert_int_equal(exit_code_signal_number("KILL"), SIGKILL);
	assert_int_equal(exit_code_signal_number("USR1"), SIGUSR1);
	assert_int_equal(exit_code_signal_number("RTMIN+0"), SIGRTMIN);
	assert_int_equal(exit_code_signal_number("RTMIN+3"), SIGRTMIN + 3);
}

static void
test_what_is_no_signal_has_no_number(void **state)
{
	static const char *const names[] = {"", "SIGKILL", "kill", "9",
	    "RTMIN+", "RTMIN+99", "RTMIN+100", "RTMIN+-1", "RTMIN+ 1", "RTMAX",
	    "KILL "};

	(void)state;
	for (size_t i = 0; i < COUNT(names); i++) {
		if (exit_code_signal_number(names[i]) != 0)
			fail_msg("\"%s\" has a number", names[i]);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_each_end_of_a_task_has_its_exit_code),
	    cmocka_unit_test(test_each_problem_has_its_exit_code),
	    cmocka_unit_test(test_run_exits_with_125_for_all_that_is_ours),
	    cmocka_unit_test(test_signals_are_known_by_name),
	    cmocka_unit_test(test_what_is_no_signal_has_no_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
