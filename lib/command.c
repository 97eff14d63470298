/*
 * The command line, out of one table. Arguments are the user's own, but may
 * have been pasted from anywhere: what is repeated of them is neutralised.
 */
#include "lib/command.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/buffer.h"
#include "lib/cleanup.h"
#include "lib/command_help.h"
#include "lib/terminal.h"

struct given {
	const struct option_spec *spec;
	const char *value; /* borrowed from argv; "" for a flag */
};

struct parsed {
	struct given *given;
	size_t count;
};

struct parser {
	struct invocation *invocation;
	int argc, at;
	char **argv;
	bool wants_help, wants_version;
};

__attribute__((format(printf, 2, 3))) static int
usage_error(const struct invocation *invocation, const char *format, ...)
{
	const char *name = invocation->program->name;
	auto_free char *raw = NULL;
	auto_free char *text = NULL;
	va_list ap;

	va_start(ap, format);
	if (vasprintf(&raw, format, ap) < 0)
		die("out of memory");
	va_end(ap);
	text = terminal_neutralise(raw);
	fprintf(stderr, "%s: %s\n", name, text);
	if (invocation->command != NULL)
		fprintf(stderr, "Try '%s %s --help'.\n", name,
		    invocation->command->name);
	else
		fprintf(stderr, "Try '%s --help'.\n", name);
	return EXIT_USAGE;
}

/* Edit distance with neighbours swapped counting one; words beyond 63 bytes
 * are not like any of ours. */
static size_t
distance(const char *a, const char *b)
{
	size_t rows[3][64];
	size_t n = strlen(a), m = strlen(b);

	if (n > 63 || m > 63)
		return SIZE_MAX;
	for (size_t j = 0; j <= m; j++)
		rows[0][j] = j;
	for (size_t i = 1; i <= n; i++) {
		size_t *row = rows[i % 3];
		const size_t *above = rows[(i + 2) % 3];

		row[0] = i;
		for (size_t j = 1; j <= m; j++) {
			size_t least = above[j - 1] + (a[i - 1] != b[j - 1]);

			if (above[j] + 1 < least)
				least = above[j] + 1;
			if (row[j - 1] + 1 < least)
				least = row[j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
			    a[i - 2] == b[j - 1] &&
			    rows[(i + 1) % 3][j - 2] + 1 < least)
				least = rows[(i + 1) % 3][j - 2] + 1;
			row[j] = least;
		}
	}
	return rows[n % 3][m];
}

struct suggestion {
	const char *wrong;
	const char *best;
	size_t distance;
};

static void
consider(struct suggestion *suggestion, const char *name)
{
	size_t d = distance(suggestion->wrong, name);
	/* A third of the word, and never more than three letters. */
	size_t most = strlen(name) / 3 + 1;

	if (d <= (most > 3 ? 3 : most) && d < suggestion->distance) {
		suggestion->best = name;
		suggestion->distance = d;
	}
}

static int
refuse_with_suggestion(const struct invocation *invocation, const char *what,
    const struct suggestion *suggestion, const char *prefix)
{
	if (suggestion->best == NULL)
		return usage_error(
		    invocation, "%s \"%s%s\"", what, prefix, suggestion->wrong);
	return usage_error(invocation, "%s \"%s%s\"; did you mean \"%s%s\"?",
	    what, prefix, suggestion->wrong, prefix, suggestion->best);
}

static int
refuse_command(const struct invocation *invocation, const char *word)
{
	static const char *const built_in[] = {"help", "completion", "man"};
	const struct program_spec *program = invocation->program;
	struct suggestion suggestion = {word, NULL, SIZE_MAX};

	for (size_t i = 0; i < program->ncommands; i++)
		consider(&suggestion, program->commands[i].name);
	for (size_t i = 0; i < COUNT(built_in); i++)
		consider(&suggestion, built_in[i]);
	return refuse_with_suggestion(
	    invocation, "no such command:", &suggestion, "");
}

/* The tables in which an option may stand. */
struct option_table {
	const struct option_spec *options;
	size_t count;
};

static size_t
list_tables(const struct invocation *invocation, struct option_table ret[3])
{
	const struct program_spec *program = invocation->program;
	const struct command_spec *command = invocation->command;
	size_t n = 0;

	if (command != NULL)
		ret[n++] =
		    (struct option_table){command->options, command->noptions};
	ret[n++] = (struct option_table){program->options, program->noptions};
	ret[n++] = (struct option_table){
	    command_standard_options, command_nstandard_options};
	return n;
}

static const struct option_spec *
find_option(const struct invocation *invocation, const char *name, size_t len,
    char letter)
{
	struct option_table tables[3];
	size_t n = list_tables(invocation, tables);

	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < tables[i].count; k++) {
			const struct option_spec *option =
			    &tables[i].options[k];

			if (letter != 0 ? option->letter == letter
					: strlen(option->name) == len &&
				    memcmp(option->name, name, len) == 0)
				return option;
		}
	}
	return NULL;
}

static int
refuse_option(const struct parser *parser, const char *name, size_t len)
{
	auto_free char *word = alloc_bytes(name, len);
	struct suggestion suggestion = {word, NULL, SIZE_MAX};
	struct option_table tables[3];
	size_t n = list_tables(parser->invocation, tables);

	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < tables[i].count; k++)
			consider(&suggestion, tables[i].options[k].name);
	}
	return refuse_with_suggestion(
	    parser->invocation, "no such option:", &suggestion, "--");
}

static int
keep_option(
    struct parser *parser, const struct option_spec *option, const char *value)
{
	struct parsed *parsed = parser->invocation->parsed;

	if (strcmp(option->name, "help") == 0 && option->argument == NULL)
		parser->wants_help = true;
	if (strcmp(option->name, "version") == 0 && option->argument == NULL)
		parser->wants_version = true;
	for (size_t i = 0; i < parsed->count; i++) {
		if (parsed->given[i].spec == option && !option->repeats &&
		    option->argument != NULL)
			return usage_error(parser->invocation,
			    "--%s is given twice", option->name);
	}
	parsed->given = alloc_resize(
	    parsed->given, parsed->count + 1, sizeof(*parsed->given));
	parsed->given[parsed->count++] = (struct given){option, value};
	return 0;
}

/* The value that stands in the next argument. */
static int
keep_with_next(struct parser *parser, const struct option_spec *option)
{
	if (parser->at >= parser->argc)
		return usage_error(parser->invocation, "--%s wants %s",
		    option->name, option->argument);
	return keep_option(parser, option, parser->argv[parser->at++]);
}

static int
parse_long(struct parser *parser, const char *name)
{
	size_t len = strcspn(name, "=");
	const struct option_spec *option =
	    find_option(parser->invocation, name, len, 0);

	if (option == NULL)
		return refuse_option(parser, name, len);
	if (option->argument == NULL && name[len] == '=')
		return usage_error(
		    parser->invocation, "--%s takes no value", option->name);
	if (option->argument == NULL)
		return keep_option(parser, option, "");
	if (name[len] == '=')
		return keep_option(parser, option, name + len + 1);
	return keep_with_next(parser, option);
}

static int
refuse_letter(const struct parser *parser, char letter)
{
	const struct command_spec *command = parser->invocation->command;

	/* "run IMAGE sh -c ..." without the "--" is a natural slip. */
	if (command != NULL && command->most < 0 &&
	    parser->invocation->noperands > 0)
		return usage_error(parser->invocation,
		    "no such option: \"-%c\"; if it belongs to the operands, "
		    "put \"--\" before them",
		    letter);
	return usage_error(
	    parser->invocation, "no such option: \"-%c\"", letter);
}

/* "-it", "-mVALUE", "-m VALUE". */
static int
parse_letters(struct parser *parser, const char *letters)
{
	for (; *letters != '\0'; letters++) {
		const struct option_spec *option =
		    find_option(parser->invocation, NULL, 0, *letters);
		int code;

		if (option == NULL)
			return refuse_letter(parser, *letters);
		if (option->argument != NULL)
			return letters[1] != '\0'
			    ? keep_option(parser, option, letters + 1)
			    : keep_with_next(parser, option);
		code = keep_option(parser, option, "");
		if (code != 0)
			return code;
	}
	return 0;
}

static bool
is_option(const char *arg)
{
	return arg[0] == '-' && arg[1] != '\0';
}

static int
parse_option(struct parser *parser)
{
	const char *arg = parser->argv[parser->at++];

	return arg[1] == '-' ? parse_long(parser, arg + 2)
			     : parse_letters(parser, arg + 1);
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

	while (
	    parser->at < parser->argc && is_option(parser->argv[parser->at])) {
		if (strcmp(parser->argv[parser->at], "--") == 0)
			break;
		code = parse_option(parser);
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
		if (options_end || !is_option(arg)) {
			invocation->operands[invocation->noperands++] = arg;
			parser->at++;
			continue;
		}
		code = parse_option(parser);
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
		return usage_error(invocation, "%s wants %s", command->name,
		    command->operands != NULL ? command->operands
					      : "more operands");
	if (command->most >= 0 && invocation->noperands > command->most)
		return usage_error(invocation,
		    "%s: one operand too many: "
		    "\"%s\"",
		    command->name, invocation->operands[command->most]);
	return 0;
}

static int
show_help(const struct invocation *invocation, char **words, int count)
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

static int
run_help(const struct invocation *invocation, char **words, int count)
{
	return show_help(invocation, words, count);
}

static int
run_completion(const struct invocation *invocation, char **words, int count)
{
	if (count != 1 ||
	    !command_completion_print(invocation->program, words[0], stdout))
		return usage_error(
		    invocation, "completion wants bash, zsh or fish");
	return 0;
}

static int
run_man(const struct invocation *invocation, char **words, int count)
{
	(void)words;
	if (count != 0)
		return usage_error(invocation, "man takes no operands");
	command_help_man(invocation->program, stdout);
	return 0;
}

/* What stands where no command of the table does. */
static int
run_without_command(struct parser *parser)
{
	static const struct {
		const char *name;
		int (*run)(const struct invocation *, char **, int);
	} built_in[] = {
	    {"help", run_help},
	    {"completion", run_completion},
	    {"man", run_man},
	};
	struct invocation *invocation = parser->invocation;
	char **words = parser->argv + parser->at;
	int count = parser->argc - parser->at;

	if (count == 0) {
		command_help_program(invocation->program, stderr);
		return EXIT_USAGE;
	}
	for (size_t i = 0; i < COUNT(built_in); i++) {
		if (strcmp(words[0], built_in[i].name) == 0)
			return built_in[i].run(
			    invocation, words + 1, count - 1);
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
			return show_help(invocation, parser->argv + parser->at,
			    parser->argc - parser->at);
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

static const struct option_spec *
require_option(const struct invocation *invocation, const char *name)
{
	const struct option_spec *option =
	    find_option(invocation, name, strlen(name), 0);

	if (option == NULL)
		die("an option that is in no table: --%s", name);
	return option;
}

static const char *
read_environment(const struct option_spec *option)
{
	const char *value =
	    option->environment != NULL ? getenv(option->environment) : NULL;

	return value != NULL && *value != '\0' ? value : NULL;
}

const char *
option_each(const struct invocation *invocation, const char *name, size_t k)
{
	const struct option_spec *option = require_option(invocation, name);
	const struct parsed *parsed = invocation->parsed;
	size_t seen = 0;

	for (size_t i = 0; i < parsed->count; i++) {
		if (parsed->given[i].spec == option && seen++ == k)
			return parsed->given[i].value;
	}
	return seen == 0 && k == 0 ? read_environment(option) : NULL;
}

const char *
option_value(const struct invocation *invocation, const char *name)
{
	return option_each(invocation, name, 0);
}

bool
option_flag(const struct invocation *invocation, const char *name)
{
	static const char *const off[] = {"0", "no", "false", "off"};
	const char *value = option_each(invocation, name, 0);

	for (size_t i = 0; value != NULL && i < COUNT(off); i++) {
		if (strcmp(value, off[i]) == 0)
			return false;
	}
	return value != NULL;
}

int
option_integer(const struct invocation *invocation, const char *name,
    long long fallback, long long min, long long max, long long *ret,
    struct err *err)
{
	const char *text = option_value(invocation, name);
	long long value;
	char *end = NULL;

	if (text == NULL) {
		*ret = fallback;
		return 0;
	}
	errno = 0;
	value = strtoll(text, &end, 10);
	/* strtoll() passes over blanks and takes a plus. */
	if (strspn(text, "-0123456789") != strlen(text) || end == text ||
	    *end != '\0' || errno != 0 || value < min || value > max)
		return err_set(err, ERR_UNPROCESSABLE,
		    "--%s: must be an integer from %lld to %lld, not \"%s\"",
		    name, min, max, text);
	*ret = value;
	return 0;
}
