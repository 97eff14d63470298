/* The real task-init from its order to its end, whatever the task does. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/alloc.h"
#include "tests/unit/init_site.h"

/* What is promised of task-init's memory, in KiB. */
#define RESIDENT_MAX 2048

static void
assert_output(const struct init_site *site, uint32_t stream, const char *text)
{
	assert_int_equal(site->output[stream].len, strlen(text));
	if (*text != '\0')
		assert_string_equal(site->output[stream].data, text);
}

static void
assert_exited(const struct init_site *site, uint32_t code)
{
	assert_true(site->exited);
	assert_false(site->exit.killed);
	assert_int_equal(site->exit.status, code);
}

static void
say_done(struct init_site *site)
{
	struct control_frame done = {.type = CONTROL_DONE};

	init_site_send(site, &done, NULL, 0);
}

/* Reads until so much of the task's output is there. */
static void
await_output(struct init_site *site, const char *text)
{
	while (site->output[0].data == NULL ||
	    strstr(site->output[0].data, text) == NULL)
		init_site_next(site);
}

static void
test_a_task_runs_and_its_end_is_reported(void **state)
{
	INIT_SITE site = {0};

	(void)state;
	init_site_start(&site);
	init_site_shell(&site, "echo hello; echo bad >&2; pwd; exit 3");
	assert_int_equal(init_site_next(&site), CONTROL_STARTED);
	init_site_until(&site, CONTROL_EXIT);
	assert_output(&site, 0, "hello\n/tmp\n");
	assert_output(&site, 1, "bad\n");
	assert_exited(&site, 3);
	assert_true(site.exit.memory_peak > 0);
	say_done(&site);
	assert_int_equal(init_site_wait(&site), 0);
}

/* It starts out in task-init's memory, where both would be shared. */
static void
test_the_task_alone_is_offered_to_the_oom_killer_and_open_to_others(
    void **state)
{
	INIT_SITE site = {0};

	(void)state;
	init_site_start(&site);
	init_site_shell(&site,
	    "cat /proc/self/oom_score_adj /proc/1/oom_score_adj\n"
	    "stat -c %u /proc/self/fd /proc/1/fd; ls /proc/1/fd");
	init_site_until(&site, CONTROL_EXIT);
	assert_output(&site, 0, "500\n0\n64321\n0\n");
	assert_non_null(
	    strstr(site.output[1].data, "/proc/1/fd': Permission denied"));
}

static void
test_a_task_that_a_signal_ends_is_reported_with_it(void **state)
{
	INIT_SITE site = {0};

	(void)state;
	init_site_start(&site);
	init_site_shell(&site, "kill -SEGV $$");
	init_site_until(&site, CONTROL_EXIT);
	assert_true(site.exit.killed);
	assert_int_equal(site.exit.status, SIGSEGV);
}

static void
test_bytes_of_any_value_come_as_they_were_written(void **state)
{
	static const char expected[] = "\033]0;x\007\0\377\r\b\n";
	INIT_SITE site = {0};

	(void)state;
	init_site_start(&site);
	init_site_shell(&site, "printf '\\033]0;x\\007\\000\\377\\r\\b\\n'");
	init_site_until(&site, CONTROL_EXIT);
	assert_int_equal(site.output[0].len, sizeof(expected) - 1);
	assert_memory_equal(
	    site.output[0].data, expected, sizeof(expected) - 1);
}

static void
test_a_task_that_ignores_term_is_killed(void **state)
{
	INIT_SITE site = {0};

	(void)state;
	init_site_start(&site);
	init_site_shell(&site,
	    "trap '' TERM; trap 'echo alive' USR1; echo ready\n"
	    "while :; do sleep 1000 & wait; done");
	await_output(&site, "ready");
	init_site_signal(&site, CONTROL_GROUP, SIGTERM);
	/* Behind the first, so that it is heard after it. */
	init_site_signal(&site, CONTROL_GROUP, SIGUSR1);
	await_output(&site, "alive");
	init_site_signal(&site, CONTROL_GROUP, SIGKILL);
	init_site_until(&site, CONTROL_EXIT);
	assert_true(site.exit.killed);
	assert_int_equal(site.exit.status, SIGKILL);
	assert_false(init_site_has_processes(&site));
}

static void
test_children_that_are_left_behind_do_not_outlive_the_task(void **state)
{
	INIT_SITE site = {0};

	(void)state;
	init_site_start(&site);
	/* Of another session, deaf, and holding the streams. */
	init_site_shell(&site,
	    "trap 'exit 7' USR1\n"
	    "for i in 1 2 3 4 5; do\n"
	    "setsid sh -c 'trap \"\" TERM HUP INT; echo up; sleep 1000;"
	    " sleep 1000' &\n"
	    "done\n"
	    "while :; do sleep 1000 & wait; done");
	await_output(&site, "up\nup\nup\nup\nup\n");
	assert_true(init_site_has_processes(&site));
	init_site_signal(&site, CONTROL_GROUP, SIGUSR1);
	init_site_until(&site, CONTROL_EXIT);
	assert_exited(&site, 7);
	assert_false(init_site_has_processes(&site));
}

static void
test_a_task_that_forks_without_end_is_ended_all_the_same(void **state)
{
	INIT_SITE site = {0};

	(void)state;
	init_site_start(&site);
	/* Each starts the next and ends: nobody can be killed by its id. */
	init_site_shell(&site,
	    "S='sh -c \"$0\" \"$0\" &'\n"
	    "for i in 1 2 3 4; do setsid sh -c \"$S\" \"$S\" & done\n"
	    "trap 'exit 8' USR1; echo ready\n"
	    "while :; do sleep 1000 & wait; done");
	await_output(&site, "ready");
	init_site_signal(&site, CONTROL_GROUP, SIGUSR1);
	init_site_until(&site, CONTROL_EXIT);
	assert_exited(&site, 8);
	assert_false(init_site_has_processes(&site));
	assert_true(init_site_memory(&site, "VmHWM") < RESIDENT_MAX);
}

static void
test_thousands_of_orphans_are_reaped(void **state)
{
	INIT_SITE site = {0};

	(void)state;
	init_site_start(&site);
	init_site_shell(&site,
	    "i=0; while [ $i -lt 3000 ]; do ( : & ) ; i=$((i+1)); done\n"
	    "trap 'exit 0' USR1; echo ready\n"
	    "while :; do sleep 1000 & wait; done");
	await_output(&site, "ready");
	init_site_signal(&site, CONTROL_GROUP, SIGUSR1);
	init_site_until(&site, CONTROL_EXIT);
	assert_exited(&site, 0);
	assert_false(init_site_has_processes(&site));
}

static void
test_a_task_that_closes_its_streams_early_is_not_over(void **state)
{
	static const char *const args[] = {
	    "sh", "-c", "exec >&- 2>&-; read line; exit 5", NULL};
	struct init_order order = {.args = args, .has_stdin = true};
	INIT_SITE site = {0};

	(void)state;
	init_site_start(&site);
	init_site_order(&site, &order);
	init_site_until(&site, CONTROL_TAKEN);
	assert_true(init_site_has_processes(&site));
	init_site_input(&site, 0, "go\n", 3);
	init_site_until(&site, CONTROL_EXIT);
	assert_exited(&site, 5);
	assert_output(&site, 0, "");
	assert_output(&site, 1, "");
}

static void
test_what_cannot_be_started_is_said_with_its_reason(void **state)
{
	static const char *const absent[] = {"no-such-program", NULL};
	static const char *const denied[] = {"/usr", NULL};
	static const struct {
		const char *const *args;
		int errnum;
	} cases[] = {{absent, ENOENT}, {denied, EACCES}};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct init_order order = {.args = cases[i].args};
		INIT_SITE site = {0};

		init_site_start(&site);
		init_site_order(&site, &order);
		init_site_until(&site, CONTROL_START_FAILED);
		assert_int_equal(site.failure.stage, CONTROL_AT_EXEC);
		assert_int_equal(site.failure.errnum, cases[i].errnum);
		say_done(&site);
		assert_int_equal(init_site_wait(&site), 0);
	}
}

static void
test_an_order_that_is_none_is_refused(void **state)
{
	static const char *const nothing[] = {NULL};
	struct init_order order = {.args = nothing};
	INIT_SITE site = {0};

	(void)state;
	init_site_start(&site);
	init_site_order(&site, &order);
	init_site_until(&site, CONTROL_START_FAILED);
	assert_int_equal(site.failure.stage, CONTROL_AT_ORDER);
	assert_int_equal(site.failure.errnum, EPROTO);
}

static void
test_the_engine_s_term_ends_one_that_waits(void **state)
{
	INIT_SITE site = {0};

	(void)state;
	init_site_start(&site);
	assert_int_equal(kill(site.pid, SIGTERM), 0);
	assert_int_equal(init_site_wait(&site), 0);
}

static void
test_the_engine_s_term_does_not_reach_a_task(void **state)
{
	INIT_SITE site = {0};

	(void)state;
	init_site_start(&site);
	init_site_shell(&site,
	    "trap 'exit 9' TERM; trap 'exit 3' HUP; "
	    "echo ready; while :; do sleep 0.01; done");
	await_output(&site, "ready");
	assert_int_equal(kill(site.pid, SIGTERM), 0);
	assert_int_equal(kill(site.pid, SIGINT), 0);
	/* Another one, given by the runner, does. */
	init_site_signal(&site, CONTROL_GROUP, SIGHUP);
	init_site_until(&site, CONTROL_EXIT);
	assert_false(site.exit.killed);
	assert_int_equal(site.exit.status, 3);
}

static void
test_done_ends_whatever_runs(void **state)
{
	INIT_SITE site = {0};

	(void)state;
	init_site_start(&site);
	init_site_shell(&site, "trap '' TERM HUP; echo ready; sleep 1000");
	await_output(&site, "ready");
	say_done(&site);
	/* The end of PID 1 waits for everybody else's. */
	assert_int_equal(init_site_wait(&site), 0);
}

/* It kills all that it sees. */
static void
test_it_is_nothing_but_the_first_process(void **state)
{
	static char program[] = BINARY_DIR "/bin/task-init";
	char *args[] = {program, NULL};
	char *env[] = {NULL};
	int status;
	pid_t pid;

	(void)state;
	assert_int_equal(posix_spawn(&pid, program, NULL, NULL, args, env), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
}

static void
test_it_stays_small_and_asks_for_no_memory(void **state)
{
	static const char *const args[] = {"sh", "-c",
	    "seq 1 300000 | tee big; seq 1 300000 >&2; cat > copy", NULL};
	static const char *const outputs[] = {"big", "copy", NULL};
	static char block[CONTROL_INPUT_WINDOW / 4];
	struct init_order order = {
	    .args = args, .has_stdin = true, .outputs = outputs};
	INIT_SITE site = {.tmp_size = "16m"};
	unsigned long data, waiting;
	uint64_t given = 0;

	(void)state;
	init_site_start(&site);
	data = init_site_memory(&site, "VmData");
	waiting = init_site_memory(&site, "VmRSS");
	assert_true(data > 0 && waiting > 0 && waiting < RESIDENT_MAX);
	init_site_order(&site, &order);
	while (given < (uint64_t)4 * 1024 * 1024) {
		if (given + sizeof(block) <=
		    site.taken + CONTROL_INPUT_WINDOW) {
			init_site_input(&site, given, block, sizeof(block));
			given += sizeof(block);
		} else {
			init_site_next(&site);
		}
	}
	init_site_input_end(&site, given);
	init_site_until(&site, CONTROL_EXIT);
	init_site_collect(&site, 0, 0);
	while (!site.files[1].ended)
		init_site_next(&site);
	assert_int_equal(site.files[1].size, given);
	assert_true(init_site_memory(&site, "VmHWM") < RESIDENT_MAX);
	assert_int_equal(init_site_memory(&site, "VmData"), data);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_task_runs_and_its_end_is_reported),
	    cmocka_unit_test(
		test_the_task_alone_is_offered_to_the_oom_killer_and_open_to_others),
	    cmocka_unit_test(
		test_a_task_that_a_signal_ends_is_reported_with_it),
	    cmocka_unit_test(test_bytes_of_any_value_come_as_they_were_written),
	    cmocka_unit_test(test_a_task_that_ignores_term_is_killed),
	    cmocka_unit_test(
		test_children_that_are_left_behind_do_not_outlive_the_task),
	    cmocka_unit_test(
		test_a_task_that_forks_without_end_is_ended_all_the_same),
	    cmocka_unit_test(test_thousands_of_orphans_are_reaped),
	    cmocka_unit_test(
		test_a_task_that_closes_its_streams_early_is_not_over),
	    cmocka_unit_test(
		test_what_cannot_be_started_is_said_with_its_reason),
	    cmocka_unit_test(test_an_order_that_is_none_is_refused),
	    cmocka_unit_test(test_the_engine_s_term_ends_one_that_waits),
	    cmocka_unit_test(test_the_engine_s_term_does_not_reach_a_task),
	    cmocka_unit_test(test_done_ends_whatever_runs),
	    cmocka_unit_test(test_it_is_nothing_but_the_first_process),
	    cmocka_unit_test(test_it_stays_small_and_asks_for_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
