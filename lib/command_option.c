/*
 * Options, out of their tables: from arguments, and from the environment.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/command_help.h"
#include "lib/command_parse.h"

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
			suggestion_consider(
			    &suggestion, tables[i].options[k].name);
	}
	return command_refuse_name(
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
			return command_refuse(parser->invocation,
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
		return command_refuse(parser->invocation, "--%s wants %s",
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
		return command_refuse(
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
		return command_refuse(parser->invocation,
		    "no such option: \"-%c\"; if it belongs to the operands, "
		    "put \"--\" before them",
		    letter);
	return command_refuse(
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

bool
command_is_option(const char *arg)
{
	return arg[0] == '-' && arg[1] != '\0';
}

int
command_parse_option(struct parser *parser)
{
	const char *arg = parser->argv[parser->at++];

	return arg[1] == '-' ? parse_long(parser, arg + 2)
			     : parse_letters(parser, arg + 1);
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
