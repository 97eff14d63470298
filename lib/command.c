/*
 * The command line, out of one table: which command it is, and its operands.
 */
#include "lib/command.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/command_help.h"
#include "lib/command_parse.h"

static int
refuse_command(const struct invocation *invocation, const char *word)
{
	const struct program_spec *program = invocation->program;
	struct suggestion suggestion = {word, NULL, SIZE_MAX};

	for (size_t i = 0; i < program->ncommands; i++)
		suggestion_consider(&suggestion, program->commands[i].name);
	for (size_t i = 0; i < command_nbuilt_in; i++)
		suggestion_consider(&suggestion, command_built_in[i].name);
	return command_refuse_name(
	    invocation, "no such command:", &suggestion, "");
}

static bool
is_group(const struct program_spec *program, const char *word)
{
	size_t len = strlen(word);

	for (size_t i = 0; i < program->ncommands; i++) {
		if (strncmp(program->commands[i].name, word, len) == 0 &&
		    program->commands[i].name[len] == ' ')
			return true;
	}
	return false;
}

static const struct command_spec *
find_command(
    const struct program_spec *program, const char *first, const char *second)
{
	auto_free char *both = second != NULL
	    ? alloc_printf("%s %s", first, second)
	    : alloc_string(first);

	for (size_t i = 0; i < program->ncommands; i++) {
		if (strcmp(program->commands[i].name, both) == 0)
			return &program->commands[i];
	}
	for (size_t i = 0; i < command_nbuilt_in; i++) {
		if (strcmp(command_built_in[i].name, both) == 0)
			return &command_built_in[i];
	}
	return NULL;
}

/* Options of every command, then the words of one. */
static int
parse_command(struct parser *parser)
{
	struct invocation *invocation = parser->invocation;
	const char *first = NULL;
	const char *second = NULL;
	int code;

	while (parser->at < parser->argc &&
	    command_is_option(parser->argv[parser->at])) {
		if (strcmp(parser->argv[parser->at], "--") == 0)
			break;
		code = command_parse_option(parser);
		if (code != 0)
			return code;
	}
	if (parser->at >= parser->argc)
		return 0;
	first = parser->argv[parser->at];
	if (parser->at + 1 < parser->argc)
		second = parser->argv[parser->at + 1];
	if (second != NULL)
		invocation->command =
		    find_command(invocation->program, first, second);
	if (invocation->command != NULL) {
		parser->at += 2;
		return 0;
	}
	invocation->command = find_command(invocation->program, first, NULL);
	if (invocation->command != NULL)
		parser->at++;
	return 0;
}

static int
parse_rest(struct parser *parser)
{
	struct invocation *invocation = parser->invocation;
	bool options_end = false;

	while (parser->at < parser->argc) {
		const char *arg = parser->argv[parser->at];
		int code;

		if (!options_end && strcmp(arg, "--") == 0) {
			options_end = true;
			parser->at++;
			continue;
		}
		if (options_end || !command_is_option(arg)) {
			invocation->operands[invocation->noperands++] = arg;
			parser->at++;
			continue;
		}
		code = command_parse_option(parser);
		if (code != 0)
			return code;
	}
	return 0;
}

static int
check_operands(const struct invocation *invocation)
{
	const struct command_spec *command = invocation->command;

	if (invocation->noperands < command->least)
		return command_refuse(invocation, "%s wants %s", command->name,
		    command->operands != NULL ? command->operands
					      : "more operands");
	if (command->most >= 0 && invocation->noperands > command->most)
		return command_refuse(invocation,
		    "%s: one operand too many: "
		    "\"%s\"",
		    command->name, invocation->operands[command->most]);
	return 0;
}

static int
show_help(
    const struct invocation *invocation, const char *const *words, int count)
{
	const struct program_spec *program = invocation->program;
	const struct command_spec *command = NULL;

	if (count == 0) {
		command_help_program(program, stdout);
		return 0;
	}
	if (count > 1)
		command = find_command(program, words[0], words[1]);
	if (command == NULL)
		command = find_command(program, words[0], NULL);
	if (command != NULL)
		command_help_command(program, command, stdout);
	else if (is_group(program, words[0]))
		command_help_group(program, words[0], stdout);
	else
		return refuse_command(invocation, words[0]);
	return 0;
}

/* What is refused is the word, and not help's own use. */
static int
run_help(struct invocation *invocation)
{
	invocation->command = NULL;
	return show_help(
	    invocation, invocation->operands, invocation->noperands);
}

static int
run_completion(struct invocation *invocation)
{
	if (invocation->noperands != 1 ||
	    !command_completion_print(
		invocation->program, invocation->operands[0], stdout))
		return command_refuse(
		    invocation, "completion wants bash, zsh or fish");
	return 0;
}

static int
run_man(struct invocation *invocation)
{
	command_help_man(invocation->program, stdout);
	return 0;
}

const struct command_spec command_built_in[] = {
    {"help", "[COMMAND]", "Show the help of a command", NULL, NULL, 0, 0, 2,
	run_help},
    {"completion", "SHELL", "Print completion for bash, zsh or fish", NULL,
	NULL, 0, 0, 1, run_completion},
    {"man", NULL, "Print the man page", NULL, NULL, 0, 0, 0, run_man},
};
const size_t command_nbuilt_in = COUNT(command_built_in);

/* What stands where no command of a table does. */
static int
run_without_command(struct parser *parser)
{
	struct invocation *invocation = parser->invocation;
	char **words = parser->argv + parser->at;
	int count = parser->argc - parser->at;

	if (count == 0) {
		command_help_program(invocation->program, stderr);
		return EXIT_USAGE;
	}
	if (!is_group(invocation->program, words[0]))
		return refuse_command(invocation, words[0]);
	if (count > 1 && strcmp(words[1], "--help") != 0 &&
	    strcmp(words[1], "-h") != 0) {
		auto_free char *both =
		    alloc_printf("%s %s", words[0], words[1]);

		return refuse_command(invocation, both);
	}
	command_help_group(
	    invocation->program, words[0], count > 1 ? stdout : stderr);
	return count > 1 ? 0 : EXIT_USAGE;
}

static int
parse_and_run(struct parser *parser)
{
	struct invocation *invocation = parser->invocation;
	int code = parse_command(parser);

	if (code == 0 && invocation->command != NULL)
		code = parse_rest(parser);
	if (parser->wants_help) {
		if (invocation->command == NULL)
			return show_help(invocation,
			    (const char *const *)parser->argv + parser->at,
			    parser->argc - parser->at);
		/* "help run --help" asks for that of `run`. */
		if (invocation->command->run == run_help &&
		    invocation->noperands > 0)
			return run_help(invocation);
		command_help_command(
		    invocation->program, invocation->command, stdout);
		return 0;
	}
	if (code != 0)
		return code;
	if (parser->wants_version) {
		printf("%s %s\n", invocation->program->name, TASKGATE_VERSION);
		return 0;
	}
	if (invocation->command == NULL)
		return run_without_command(parser);
	code = check_operands(invocation);
	return code != 0 ? code : invocation->command->run(invocation);
}

int
command_main(const struct program_spec *program, int argc, char **argv)
{
	auto_free const char **operands =
	    alloc_zero((size_t)argc + 1, sizeof(*operands));
	struct parsed parsed = {0};
	struct invocation invocation = {
	    .program = program,
	    .operands = operands,
	    .parsed = &parsed,
	};
	struct parser parser = {
	    .invocation = &invocation,
	    .argc = argc,
	    .at = 1,
	    .argv = argv,
	};
	int code = parse_and_run(&parser);

	free(parsed.given);
	/* What could not be written was not said: a full disk behind
	 * "> file" must not look like success. */
	if (fflush(stdout) != 0 && code == 0) {
		fprintf(stderr, "%s: write to standard output: %s\n",
		    program->name, strerror(errno));
		return 1;
	}
	return code;
}
