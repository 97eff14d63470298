/* The command line: what runs, what is refused and how, and what the table
 * says of itself in help, man page and completion. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/alloc.h"
#include "lib/buffer.h"
#include "lib/cleanup.h"
#include "lib/command.h"
#include "lib/file.h"
#include "tests/unit/capture.h"
#include "tests/unit/folder.h"

/* What the last command saw, as text. */
static struct buffer seen = BUFFER_INIT(4096);

static void
note_values(const struct invocation *invocation, const char *name)
{
	const char *value = NULL;

	for (size_t k = 0; (value = option_each(invocation, name, k)) != NULL;
	     k++)
		buffer_printf(&seen, " %s=%s", name, value);
}

static int
note_run(struct invocation *invocation)
{
	buffer_append_string(&seen, invocation->command->name);
	note_values(invocation, "memory");
	note_values(invocation, "env");
	note_values(invocation, "context");
	if (option_flag(invocation, "detach"))
		buffer_append_string(&seen, " detach");
	for (int i = 0; i < invocation->noperands; i++)
		buffer_printf(&seen, " <%s>", invocation->operands[i]);
	return 7;
}

static int
note_other(struct invocation *invocation)
{
	long long count = -1;
	struct err err = {0};

	buffer_append_string(&seen, invocation->command->name);
	if (option_integer(invocation, "count", 5, 1, 10, &count, &err) != 0)
		buffer_printf(&seen, " error: %s", err.detail);
	else
		buffer_printf(&seen, " count %lld", count);
	return 0;
}

static const struct option_spec program_options[] = {
    {"context", 'c', "NAME", "TG_CONTEXT", "Context to use", false},
};
static const struct option_spec run_options[] = {
    {"memory", 'm', "SIZE", "TG_MEMORY", "Memory of the task", false},
    {"env", 'e', "NAME=VALUE", NULL, "A variable's value", true},
    {"detach", 'd', NULL, "TG_DETACH", "Don't wait: it's quicker", false},
};
static const struct option_spec issue_options[] = {
    {"count", 'n', "N", NULL, "How many", false},
};
static const struct command_spec commands[] = {
    {"run", "IMAGE [-- ARG...]", "Run a task", "First.\nSecond.", run_options,
	COUNT(run_options), 1, -1, note_run},
    {"token issue", "NAME", "Issue a token", NULL, issue_options,
	COUNT(issue_options), 1, 1, note_other},
    {"token list", NULL, "List: tokens", NULL, issue_options,
	COUNT(issue_options), 0, 0, note_other},
};
static const struct program_spec program = {"tg-demo", "Run container tasks",
    program_options, COUNT(program_options), commands, COUNT(commands),
    "More in tg-demo(1)."};

struct line {
	int argc;
	char *argv[16];
};

static int
call_main(void *arg)
{
	struct line *line = arg;

	return command_main(&program, line->argc, line->argv);
}

/* Words are parted by blanks. */
static struct capture
run_line(const char *text)
{
	auto_free char *copy = alloc_printf("tg-demo %s", text);
	struct line line = {0};
	char *state = NULL;

	buffer_done(&seen);
	seen.full = false;
	for (char *word = strtok_r(copy, " ", &state); word != NULL;
	     word = strtok_r(NULL, " ", &state))
		line.argv[line.argc++] = word;
	return capture_run(call_main, &line);
}

static void
expect_seen(const char *text, const char *expected)
{
	AUTO(capture_done) struct capture capture = run_line(text);

	if (seen.data == NULL || strcmp(seen.data, expected) != 0)
		fail_msg("%s: \"%s\", not \"%s\"; %s", text,
		    seen.data != NULL ? seen.data : "", expected, capture.err);
	assert_string_equal(capture.err, "");
}

static void
test_options_are_read_in_every_spelling(void **state)
{
	(void)state;
	expect_seen("run x", "run <x>");
	expect_seen("run -m 5 x", "run memory=5 <x>");
	expect_seen("run -m5 x", "run memory=5 <x>");
	expect_seen("run --memory 5 x", "run memory=5 <x>");
	expect_seen("run --memory=5 x", "run memory=5 <x>");
	expect_seen("run --memory= x", "run memory= <x>");
	expect_seen("run -dm5 x", "run memory=5 detach <x>");
	expect_seen("run -e A=1 x --env B=2", "run env=A=1 env=B=2 <x>");
	expect_seen("run x --memory=a=b", "run memory=a=b <x>");
	expect_seen("run -m -5 x", "run memory=-5 <x>");
	expect_seen("--context a run x", "run context=a <x>");
	expect_seen("run x -c a", "run context=a <x>");
	expect_seen("run -", "run <->");
}

static void
test_two_dashes_end_the_options(void **state)
{
	(void)state;
	expect_seen(
	    "run x -- sh -c -d --help", "run <x> <sh> <-c> <-d> <--help>");
	expect_seen("run x -- -- y", "run <x> <--> <y>");
	expect_seen("run -- -x", "run <-x>");
}

static void
test_commands_of_two_words_are_found(void **state)
{
	(void)state;
	expect_seen("token issue alice", "token issue count 5");
	expect_seen("token list", "token list count 5");
	expect_seen("token issue -n 10 alice", "token issue count 10");
}

static void
test_the_exit_code_is_the_commands(void **state)
{
	AUTO(capture_done) struct capture capture = run_line("run x");

	(void)state;
	assert_int_equal(capture.result, 7);
}

static void
test_the_environment_stands_behind_the_option(void **state)
{
	(void)state;
	setenv("TG_MEMORY", "env", 1);
	setenv("TG_DETACH", "1", 1);
	setenv("TG_CONTEXT", "", 1);
	expect_seen("run x", "run memory=env detach <x>");
	expect_seen("run -m 5 x", "run memory=5 detach <x>");
	setenv("TG_DETACH", "0", 1);
	expect_seen("run x", "run memory=env <x>");
	setenv("TG_DETACH", "false", 1);
	expect_seen("run -d x", "run memory=env detach <x>");
	unsetenv("TG_MEMORY");
	unsetenv("TG_DETACH");
	unsetenv("TG_CONTEXT");
}

static void
test_integers_are_bounded(void **state)
{
	static const char *const bad[] = {"0", "11", "-1", "1x", "x", "+5",
	    "0x5", "5.0", "--", "99999999999999999999"};

	(void)state;
	expect_seen("token list -n 1", "token list count 1");
	expect_seen("token list -n 10", "token list count 10");
	for (size_t i = 0; i < COUNT(bad); i++) {
		auto_free char *line = alloc_printf("token list -n %s", bad[i]);
		auto_free char *expected = alloc_printf(
		    "token list error: --count: must be an integer from 1 to "
		    "10, not \"%s\"",
		    bad[i]);

		expect_seen(line, expected);
	}
}

static void
test_usage_errors_exit_2_and_say_what_was_meant(void **state)
{
	static const struct {
		const char *line, *says;
	} cases[] = {
	    {"rnu x", "no such command: \"rnu\"; did you mean \"run\"?"},
	    {"xyzzy", "no such command: \"xyzzy\"\n"},
	    {"token isue a",
		"no such command: \"token isue\"; did you mean \"token "
		"issue\"?"},
	    {"tokne issue a", "no such command: \"tokne\""},
	    {"hlep", "did you mean \"help\"?"},
	    {"run --memroy 5 x",
		"no such option: \"--memroy\"; did you mean \"--memory\"?"},
	    {"run --memroy=5 x", "did you mean \"--memory\"?"},
	    {"run --zzz x", "no such option: \"--zzz\"\n"},
	    {"run -z", "no such option: \"-z\"\n"},
	    {"run x sh -z", "put \"--\" before them"},
	    {"run -m", "--memory wants SIZE"},
	    {"run x --memory", "--memory wants SIZE"},
	    {"run --detach=1 x", "--detach takes no value"},
	    {"run -m 1 -m 2 x", "--memory is given twice"},
	    {"run", "run wants IMAGE [-- ARG...]"},
	    {"token issue", "token issue wants NAME"},
	    {"token issue a b", "one operand too many: \"b\""},
	    {"token list a", "one operand too many: \"a\""},
	    {"--detach run x", "no such option: \"--detach\""},
	    {"completion", "completion wants bash, zsh or fish"},
	    {"completion tcsh", "completion wants bash, zsh or fish"},
	    {"man x", "man: one operand too many: \"x\""},
	    {"help nonsense", "no such command: \"nonsense\""},
	    {"help nonsense", "Try 'tg-demo --help'."},
	    {"help token list x", "help: one operand too many: \"x\""},
	    {"completion --zzz", "no such option: \"--zzz\""},
	    {"run --\x1b[2Jx y", "no such option: \"--\\x1b[2Jx\""},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		AUTO(capture_done)
		struct capture capture = run_line(cases[i].line);

		if (strstr(capture.err, cases[i].says) == NULL)
			fail_msg("%s: \"%s\"", cases[i].line, capture.err);
		assert_int_equal(capture.result, EXIT_USAGE);
		assert_string_equal(capture.out, "");
		assert_non_null(strstr(capture.err, "--help'.\n"));
		assert_null(seen.data);
	}
}

static void
test_nothing_at_all_is_a_usage_error_with_help(void **state)
{
	AUTO(capture_done) struct capture none = run_line("");
	AUTO(capture_done) struct capture group = run_line("token");

	(void)state;
	assert_int_equal(none.result, EXIT_USAGE);
	assert_non_null(strstr(none.err, "Commands:"));
	assert_int_equal(group.result, EXIT_USAGE);
	assert_non_null(strstr(group.err, "token issue"));
	assert_null(strstr(group.err, "  run"));
}

static void
expect_output(const char *line, const char *const *parts, size_t count)
{
	AUTO(capture_done) struct capture capture = run_line(line);

	assert_int_equal(capture.result, 0);
	assert_string_equal(capture.err, "");
	for (size_t i = 0; i < count; i++) {
		if (strstr(capture.out, parts[i]) == NULL)
			fail_msg("%s does not say \"%s\": %s", line, parts[i],
			    capture.out);
	}
}

static void
test_help_names_every_command_and_option(void **state)
{
	static const char *const whole[] = {"tg-demo: Run container tasks",
	    "  run ", "  token issue ", "  completion SHELL ",
	    "  -c, --context NAME", "[TG_CONTEXT]", "      --version",
	    "More in tg-demo(1)."};
	static const char *const run[] = {
	    "Usage: tg-demo run [OPTION...] IMAGE [-- ARG...]",
	    "First.\nSecond.\n", "  -m, --memory SIZE", "[TG_MEMORY]",
	    "  -e, --env NAME=VALUE", "may be repeated", "  -d, --detach",
	    "  -c, --context NAME", "  -h, --help"};
	static const char *const group[] = {"token issue", "token list"};

	(void)state;
	expect_output("--help", whole, COUNT(whole));
	expect_output("-h", whole, COUNT(whole));
	expect_output("help", whole, COUNT(whole));
	expect_output("run --help", run, COUNT(run));
	expect_output("help run", run, COUNT(run));
	expect_output("help run --help", run, COUNT(run));
	expect_output("--help run", run, COUNT(run));
	/* Help is given even where the rest is not right yet. */
	expect_output("run -m 5 --help", run, COUNT(run));
	expect_output("token --help", group, COUNT(group));
	expect_output("help token", group, COUNT(group));
}

static void
test_what_is_built_in_has_help_like_a_command(void **state)
{
	static const char *const help[] = {
	    "Usage: tg-demo help [OPTION...] [COMMAND]",
	    "Show the help of a command", "  -h, --help"};
	static const char *const completion[] = {
	    "Usage: tg-demo completion [OPTION...] SHELL", "bash, zsh or fish"};
	static const char *const man[] = {
	    "Usage: tg-demo man [OPTION...]\n", "Print the man page"};

	(void)state;
	expect_output("help help", help, COUNT(help));
	expect_output("help --help", help, COUNT(help));
	expect_output("help -h", help, COUNT(help));
	expect_output("help completion", completion, COUNT(completion));
	expect_output("completion --help", completion, COUNT(completion));
	expect_output("--help completion", completion, COUNT(completion));
	expect_output("help man", man, COUNT(man));
	expect_output("man --help", man, COUNT(man));
}

static void
test_help_fits_80_columns(void **state)
{
	AUTO(capture_done) struct capture capture = run_line("run --help");

	(void)state;
	for (const char *at = capture.out; *at != '\0';) {
		size_t len = strcspn(at, "\n");

		assert_true(len < 80);
		at += len + (at[len] == '\n');
	}
}

static void
test_version_is_the_projects(void **state)
{
	AUTO(capture_done) struct capture capture = run_line("--version");

	(void)state;
	assert_string_equal(capture.out, "tg-demo " TASKGATE_VERSION "\n");
	assert_int_equal(capture.result, 0);
}

static void
test_the_man_page_is_roff_of_the_whole_table(void **state)
{
	static const char *const parts[] = {".TH tg-demo 1", ".SH NAME",
	    "tg\\-demo \\- Run container tasks", ".SS \"run\"",
	    ".SS \"token issue\"", "\\fB\\-m\\fR, \\fB\\-\\-memory\\fR",
	    "\\fBTG_MEMORY\\fR", "Don't wait: it's quicker.", ".SH SEE ALSO"};
	AUTO(capture_done) struct capture capture = run_line("man");

	(void)state;
	expect_output("man", parts, COUNT(parts));
	/* A line that begins with a quote would be a request. */
	assert_null(strstr(capture.out, "\n'"));
}

/* Words that a shell which has read the script completes to. */
static void
expect_completions(const char *script, const char *words, const char *expected)
{
	auto_free char *command = alloc_printf(
	    "bash --norc -c 'complete() { :; }; . %s; "
	    "COMP_WORDS=(tg-demo %s); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); "
	    "_tg_demo; echo \"${COMPREPLY[*]}\"' 2>&1",
	    script, words);
	FILE *pipe = popen(command, "re");
	char answer[512] = {0};

	assert_non_null(pipe);
	assert_true(fread(answer, 1, sizeof(answer) - 1, pipe) > 0);
	assert_int_equal(pclose(pipe), 0);
	answer[strcspn(answer, "\n")] = '\0';
	if (strcmp(answer, expected) != 0)
		fail_msg("%s: \"%s\", not \"%s\"", words, answer, expected);
}

static void
test_bash_completes_from_the_table(void **state)
{
	AUTO(capture_done) struct capture capture = run_line("completion bash");
	auto_free char *script = folder_path(*state, "completion");
	struct err err = {0};

	assert_int_equal(capture.result, 0);
	assert_int_equal(
	    file_write(script, capture.out, strlen(capture.out), 0600, &err),
	    0);
	expect_completions(script, "\"\"", "run token help completion man");
	expect_completions(script, "r", "run");
	expect_completions(script, "token \"\"", "issue list");
	expect_completions(script, "token i", "issue");
	expect_completions(script, "completion \"\"", "bash zsh fish");
	expect_completions(script, "run --",
	    "--memory --env --detach --context --help --version");
	expect_completions(script, "run x --m", "--memory");
	expect_completions(script, "token issue --c", "--count --context");
	/* The value of an option is no verb. */
	expect_completions(script, "--context run token l", "list");
	expect_completions(script, "run x -- --m", "");
}

static void
test_zsh_and_fish_name_every_command_and_option(void **state)
{
	static const char *const zsh[] = {"#compdef tg-demo", "_tg_demo()",
	    "'run:Run a task'", "'list:List\\: tokens'",
	    "'--detach:Don'\\''t wait\\: it'\\''s quicker'",
	    "'--context:Context to use'"};
	static const char *const fish[] = {
	    ("complete -c tg-demo -n __fish_use_subcommand -f -a run "
	     "-d 'Run a task'"),
	    "-n '__fish_seen_subcommand_from token' -f -a issue",
	    "-l memory -s m -r -d 'Memory of the task'", "-l context -s c -r",
	    "-l detach -s d -d 'Don'\\''t"};

	(void)state;
	expect_output("completion zsh", zsh, COUNT(zsh));
	expect_output("completion fish", fish, COUNT(fish));
}

static int
print_to_a_full_disk(void *arg)
{
	FILE *kept = stdout;
	int result;

	(void)arg;
	stdout = fopen("/dev/full", "we");
	result = command_main(&program, 2,
	    (char *[]){(char[]){"tg-demo"}, (char[]){"--help"}, NULL});
	fclose(stdout);
	stdout = kept;
	return result;
}

static void
test_output_that_cannot_be_written_is_a_failure(void **state)
{
	AUTO(capture_done)
	struct capture capture = capture_run(print_to_a_full_disk, NULL);

	(void)state;
	assert_int_equal(capture.result, 1);
	assert_non_null(strstr(capture.err, "No space left on device"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_options_are_read_in_every_spelling),
	    cmocka_unit_test(test_two_dashes_end_the_options),
	    cmocka_unit_test(test_commands_of_two_words_are_found),
	    cmocka_unit_test(test_the_exit_code_is_the_commands),
	    cmocka_unit_test(test_the_environment_stands_behind_the_option),
	    cmocka_unit_test(test_integers_are_bounded),
	    cmocka_unit_test(test_usage_errors_exit_2_and_say_what_was_meant),
	    cmocka_unit_test(test_nothing_at_all_is_a_usage_error_with_help),
	    cmocka_unit_test(test_help_names_every_command_and_option),
	    cmocka_unit_test(test_what_is_built_in_has_help_like_a_command),
	    cmocka_unit_test(test_help_fits_80_columns),
	    cmocka_unit_test(test_version_is_the_projects),
	    cmocka_unit_test(test_the_man_page_is_roff_of_the_whole_table),
	    cmocka_unit_test_setup_teardown(
		test_bash_completes_from_the_table, folder_make, folder_remove),
	    cmocka_unit_test(test_zsh_and_fish_name_every_command_and_option),
	    cmocka_unit_test(test_output_that_cannot_be_written_is_a_failure),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	buffer_done(&seen);
	return failed;
}
