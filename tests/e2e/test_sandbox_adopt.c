/*
 * A sandbox whose runner has gone, taken over by the next: what it wrote in
 * the meantime, who may speak for it, and what becomes of one that is gone
 * too. Here both lives are of one process; test_sandbox_lives.c kills.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/alloc.h"
#include "runner/control.h"
#include "tests/e2e/sandbox_site.h"

static void
launch(struct record *record, const char *script, bool has_stdin,
    const char *const *outputs, size_t noutputs)
{
	const char *args[] = {"sh", "-c", script};
	struct site_order order;

	site_default_order(&order);
	order.command.args = args;
	order.command.nargs = 3;
	order.command.has_stdin = has_stdin;
	order.command.outputs = outputs;
	order.command.noutputs = noutputs;
	site_launch(record, &order);
}

/* Ends the first life; `second` is told what the store would know. */
static void
let_go(struct record *first, struct record *second, struct sandbox_saved *saved)
{
	site_save(first, saved);
	sandbox_abandon(first->sandbox);
	first->sandbox = NULL;
	for (int i = 0; i < STREAM_COUNT; i++)
		second->before[i] = saved->received[i];
	memcpy(second->id, first->id, sizeof(second->id));
	memcpy(second->container, first->container, sizeof(second->container));
	memcpy(second->image_id, first->image_id, sizeof(second->image_id));
	second->init_pid = first->init_pid;
	second->command.has_stdin = first->command.has_stdin;
	second->input = first->input;
	second->input_len = first->input_len;
}

static void
take_over(struct record *first, struct record *second)
{
	struct sandbox_saved saved;

	let_go(first, second, &saved);
	site_adopt(second, &saved);
}

/* Sends the task USR1 while there is no runner, and waits for what a shell
 * that knows task-init as $init can see. */
static void
signal_meanwhile(const struct record *record, const char *condition)
{
	site_command("init=%d; pkill -USR1 -P $init && "
		     "until %s; do sleep 0.05; done",
	    (int)record->init_pid, condition);
}

static void
test_what_is_written_between_two_lives_is_not_lost(void **state)
{
	RECORD first = {0};
	RECORD second = {0};
	struct sandbox_saved saved;

	(void)state;
	launch(&first,
	    "trap 'echo two; : >/tmp/told' USR1; trap 'exit 7' TERM; "
	    /* The shell says what has ended its sleep. */
	    "echo one; echo err >&2; while :; do sleep 0.1; done 2>/dev/null",
	    false, NULL, 0);
	UNTIL(first.output[STREAM_STDOUT].len == 4 &&
	    first.output[STREAM_STDERR].len == 4);
	let_go(&first, &second, &saved);
	signal_meanwhile(&first, "[ -e /proc/$init/root/tmp/told ]");
	site_adopt(&second, &saved);
	UNTIL(second.output[STREAM_STDOUT].len > 0);
	sandbox_signal(second.sandbox, SIGTERM);
	UNTIL(second.ended);
	assert_true(second.started);
	assert_false(second.ready);
	assert_int_equal(second.end.how, SANDBOX_EXITED);
	assert_int_equal(second.end.exit_code, 7);
	assert_int_equal(second.end.written[STREAM_STDOUT], 8);
	assert_string_equal(site_text(&second, STREAM_STDOUT), "two\n");
	assert_string_equal(site_text(&second, STREAM_STDERR), "");
}

static void
test_an_end_between_two_lives_is_told_to_the_second(void **state)
{
	static const char *const outputs[] = {"kept"};
	RECORD first = {0};
	RECORD second = {0};
	struct sandbox_saved saved;

	(void)state;
	launch(&first, "echo 12345 >/tmp/kept; echo up; exec sleep 1000", false,
	    outputs, 1);
	UNTIL(first.output[STREAM_STDOUT].len == 3);
	let_go(&first, &second, &saved);
	/* Gone from the process table: /proc shows it to us. */
	signal_meanwhile(&first, "! pgrep -P $init >/dev/null");
	site_adopt(&second, &saved);
	UNTIL(second.ended);
	assert_int_equal(second.end.how, SANDBOX_KILLED);
	assert_int_equal(second.end.signal, SIGUSR1);
	assert_int_equal(second.end.written[STREAM_STDOUT], 3);
	assert_int_equal(second.nfiles, 1);
	assert_string_equal(second.files[0].bytes.data, "12345\n");
}

/* What was kept is less than what was acknowledged: a disk that lost it. */
static void
test_output_goes_on_behind_what_nobody_has(void **state)
{
	RECORD first = {0};
	RECORD second = {0};
	struct sandbox_saved saved;

	(void)state;
	launch(&first,
	    "trap 'echo two; exit' USR1; head -c 100000 /dev/zero; "
	    "while :; do sleep 0.1; done",
	    false, NULL, 0);
	UNTIL(first.output[STREAM_STDOUT].len == 100000);
	let_go(&first, &second, &saved);
	saved.received[STREAM_STDOUT] = 1;
	site_adopt(&second, &saved);
	UNTIL(second.started);
	/* task-init may or may not have heard our acknowledgement, which comes
	 * for so much at once. */
	assert_true(second.before[STREAM_STDOUT] == 1 ||
	    second.before[STREAM_STDOUT] >= CONTROL_ACK_EACH);
	sandbox_signal(second.sandbox, SIGUSR1);
	UNTIL(second.ended);
	assert_int_equal(second.end.written[STREAM_STDOUT], 100004);
}

static void
test_input_goes_on_where_task_init_has_it(void **state)
{
	static char bytes[3000000];
	RECORD first = {.input = bytes, .input_len = sizeof(bytes)};
	RECORD second = {0};
	RECORD third = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)('a' + i * 7 % 26);
	launch(&first, "exec cat", true, NULL, 0);
	UNTIL(first.output[STREAM_STDOUT].len > 500000);
	take_over(&first, &second);
	UNTIL(second.output[STREAM_STDOUT].len > 500000);
	take_over(&second, &third);
	UNTIL(third.ended);
	assert_int_equal(third.end.exit_code, 0);
	assert_int_equal(third.end.written[STREAM_STDOUT], sizeof(bytes));
	assert_int_equal(third.output[STREAM_STDOUT].len +
		second.output[STREAM_STDOUT].len +
		first.output[STREAM_STDOUT].len,
	    sizeof(bytes));
	assert_memory_equal(third.output[STREAM_STDOUT].data,
	    bytes + third.before[STREAM_STDOUT],
	    third.output[STREAM_STDOUT].len);
}

static void
wait_for_it(struct record *record)
{
	(void)record;
}

static void
test_one_without_its_order_is_ready_again(void **state)
{
	const char *args[] = {"echo", "late"};
	RECORD first = {.on_ready = wait_for_it};
	RECORD second = {.on_ready = wait_for_it};
	struct sandbox_command command = {
	    .args = args, .nargs = 2, .timeout_s = 60};
	struct err err;

	(void)state;
	launch(&first, "echo never", false, NULL, 0);
	UNTIL(first.ready);
	take_over(&first, &second);
	UNTIL(second.ready);
	assert_string_equal(second.container, first.container);
	assert_string_equal(second.image_id, first.image_id);
	assert_int_equal(second.init_pid, first.init_pid);
	assert_int_equal(sandbox_start(second.sandbox, &command, &err), 0);
	UNTIL(second.ended);
	assert_string_equal(site_text(&second, STREAM_STDOUT), "late\n");
}

static void
test_a_task_cannot_speak_for_its_task_init(void **state)
{
	const char *args[] = {"intruder", "return"};
	auto_free char *told = NULL;
	struct site_order order;
	RECORD first = {0};
	RECORD second = {0};

	(void)state;
	site_default_order(&order);
	order.command.args = args;
	order.command.nargs = 2;
	site_launch(&first, &order);
	UNTIL(strstr(site_text(&first, STREAM_STDOUT), "waiting\n") != NULL);
	/* The task comes first: with its task-init nobody is let in any more.
	 * /proc shows us what it has heard. */
	told = alloc_printf("/proc/%d/root/tmp/told", (int)first.init_pid);
	assert_int_equal(kill(first.init_pid, SIGSTOP), 0);
	take_over(&first, &second);
	UNTIL(access(told, F_OK) == 0);
	assert_int_equal(kill(first.init_pid, SIGCONT), 0);
	UNTIL(second.ended);
	assert_int_equal(second.end.how, SANDBOX_EXITED);
	assert_int_equal(second.end.exit_code, 9);
	assert_string_equal(site_text(&second, STREAM_STDOUT), "turned away\n");
}

static void
test_kill_reaches_an_adopted_task_with_its_hello(void **state)
{
	RECORD first = {0};
	RECORD second = {0};

	(void)state;
	launch(
	    &first, "trap '' TERM; echo up; exec sleep 1000", false, NULL, 0);
	UNTIL(first.output[STREAM_STDOUT].len == 3);
	take_over(&first, &second);
	sandbox_kill(second.sandbox);
	UNTIL(second.ended);
	assert_int_equal(second.end.how, SANDBOX_KILLED);
	assert_int_equal(second.end.signal, SIGKILL);
}

static void
test_a_signal_reaches_an_adopted_task_with_its_hello(void **state)
{
	RECORD first = {0};
	RECORD second = {0};

	(void)state;
	launch(&first, "echo up; exec sleep 1000", false, NULL, 0);
	UNTIL(first.output[STREAM_STDOUT].len == 3);
	take_over(&first, &second);
	sandbox_signal(second.sandbox, SIGTERM);
	UNTIL(second.ended);
	assert_int_equal(second.end.how, SANDBOX_KILLED);
	assert_int_equal(second.end.signal, SIGTERM);
}

static void
test_one_that_was_killed_meanwhile_is_lost_and_not_guessed(void **state)
{
	RECORD first = {0};
	RECORD second = {0};
	struct sandbox_saved saved;

	(void)state;
	launch(&first, "echo up; exec sleep 1000", false, NULL, 0);
	UNTIL(first.output[STREAM_STDOUT].len == 3);
	let_go(&first, &second, &saved);
	site_command("curl -sSf -X POST --unix-socket '%s' "
		     "'http://engine/containers/%s/kill?signal=KILL'",
	    site.engine + strlen("unix://"), first.container);
	site_adopt(&second, &saved);
	UNTIL(second.ended);
	assert_int_equal(second.end.how, SANDBOX_LOST);
	assert_false(second.end.oom_killed);
	assert_false(second.started);
}

static void
test_one_that_was_removed_meanwhile_is_lost(void **state)
{
	RECORD first = {0};
	RECORD second = {0};
	struct sandbox_saved saved;

	(void)state;
	launch(&first, "echo up; exec sleep 1000", false, NULL, 0);
	UNTIL(first.output[STREAM_STDOUT].len == 3);
	let_go(&first, &second, &saved);
	site_command("curl -sSf -X DELETE --unix-socket '%s' "
		     "'http://engine/containers/%s?force=1'",
	    site.engine + strlen("unix://"), first.container);
	site_adopt(&second, &saved);
	UNTIL(second.ended);
	assert_int_equal(second.end.how, SANDBOX_LOST);
}

static void
test_one_whose_folder_is_gone_is_lost(void **state)
{
	RECORD first = {0};
	RECORD second = {0};
	struct sandbox_saved saved;

	(void)state;
	launch(&first, "echo up; exec sleep 1000", false, NULL, 0);
	UNTIL(first.output[STREAM_STDOUT].len == 3);
	let_go(&first, &second, &saved);
	site_command("rm -r '%s/sandboxes/%s'", site.folder, first.id);
	site_adopt(&second, &saved);
	UNTIL(second.ended);
	assert_int_equal(second.end.how, SANDBOX_LOST);
	assert_string_not_equal(second.end.detail, "");
}

/* Its number may be another process's by now. */
static void
test_another_process_of_the_same_uid_is_not_task_init(void **state)
{
	RECORD first = {0};
	RECORD second = {0};
	struct sandbox_saved saved;

	(void)state;
	launch(&first, "echo up; exec sleep 1000", false, NULL, 0);
	UNTIL(first.output[STREAM_STDOUT].len == 3);
	let_go(&first, &second, &saved);
	saved.init_pid++;
	site_adopt(&second, &saved);
	for (int i = 0; i < 20; i++)
		uv_run(&site.loop, UV_RUN_ONCE);
	assert_false(second.started || second.ended);
	sandbox_destroy(second.sandbox);
}

static void
test_kept_ones_outlive_the_sweep_of_a_new_life(void **state)
{
	RECORD first = {0};
	RECORD second = {0};
	struct sandbox_saved saved;

	(void)state;
	launch(&first,
	    "trap 'echo end; exit' USR1; echo up; while :; do sleep 0.1; done",
	    false, NULL, 0);
	UNTIL(first.output[STREAM_STDOUT].len == 3);
	let_go(&first, &second, &saved);
	UNTIL(sandbox_factory_pending(site.factory) == 0);
	sandbox_factory_free(site.factory);
	site_make_factory_keeping(site.engine, &saved, 1);
	UNTIL(site.ready);
	assert_int_equal(site_count_containers(), 1);
	site_adopt(&second, &saved);
	sandbox_signal(second.sandbox, SIGUSR1);
	UNTIL(second.ended);
	assert_int_equal(second.end.how, SANDBOX_EXITED);
	assert_string_equal(site_text(&second, STREAM_STDOUT), "end\n");
}

static void
test_a_destroyed_one_leaves_nothing_though_it_was_adopted(void **state)
{
	RECORD first = {0};
	RECORD second = {0};

	(void)state;
	launch(&first, "echo up; exec sleep 1000", false, NULL, 0);
	UNTIL(first.output[STREAM_STDOUT].len == 3);
	take_over(&first, &second);
	sandbox_destroy(second.sandbox);
	UNTIL(sandbox_factory_pending(site.factory) == 0);
	assert_int_equal(site_count_containers(), 0);
	assert_int_equal(site_count_folders(), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(
		test_what_is_written_between_two_lives_is_not_lost),
	    cmocka_unit_test(
		test_an_end_between_two_lives_is_told_to_the_second),
	    cmocka_unit_test(test_output_goes_on_behind_what_nobody_has),
	    cmocka_unit_test(test_input_goes_on_where_task_init_has_it),
	    cmocka_unit_test(test_one_without_its_order_is_ready_again),
	    cmocka_unit_test(test_a_task_cannot_speak_for_its_task_init),
	    cmocka_unit_test(test_kill_reaches_an_adopted_task_with_its_hello),
	    cmocka_unit_test(
		test_a_signal_reaches_an_adopted_task_with_its_hello),
	    cmocka_unit_test(
		test_one_that_was_killed_meanwhile_is_lost_and_not_guessed),
	    cmocka_unit_test(test_one_that_was_removed_meanwhile_is_lost),
	    cmocka_unit_test(test_one_whose_folder_is_gone_is_lost),
	    cmocka_unit_test(
		test_another_process_of_the_same_uid_is_not_task_init),
	    cmocka_unit_test(test_kept_ones_outlive_the_sweep_of_a_new_life),
	    cmocka_unit_test(
		test_a_destroyed_one_leaves_nothing_though_it_was_adopted),
	};

	return cmocka_run_group_tests(tests, site_set_up, site_tear_down);
}
