/*
 * Help and man page out of the table of commands. The table is ours; nothing
 * here reads what a stranger wrote.
 */
#include "lib/command_help.h"

#include <string.h>

#include "lib/alloc.h"
#include "lib/buffer.h"
#include "lib/cleanup.h"

#define COLUMNS 79
#define NAME_COLUMN 26 /* where the text of an option begins */

const struct option_spec command_standard_options[] = {
    {"help", 'h', NULL, NULL, "Show help and exit", false},
    {"version", 0, NULL, NULL, "Show the version and exit", false},
};
const size_t command_nstandard_options = COUNT(command_standard_options);

/* Words of `text`, wrapped, from column `indent` on; `column` is where the
 * stream stands. A newline in the text stays one. */
static void
print_wrapped(FILE *stream, const char *text, size_t indent, size_t column)
{
	bool first = true;

	while (*text != '\0') {
		size_t len = strcspn(text, " \n");

		if (!first && column + 1 + len > COLUMNS) {
			fprintf(stream, "\n%*s", (int)indent, "");
			column = indent;
			first = true;
		}
		fprintf(stream, "%s%.*s", first ? "" : " ", (int)len, text);
		column += len + (first ? 0 : 1);
		first = false;
		text += len;
		if (*text == '\n') {
			fprintf(stream, "\n%*s", (int)indent, "");
			column = indent;
			first = true;
		}
		if (*text != '\0')
			text++;
	}
	fputc('\n', stream);
}

static void
print_entry(FILE *stream, const char *name, const char *text)
{
	size_t len = strlen(name) + 2;

	fprintf(stream, "  %s", name);
	if (len + 2 > NAME_COLUMN) {
		fputc('\n', stream);
		len = 0;
	}
	fprintf(stream, "%*s", (int)(NAME_COLUMN - len), "");
	print_wrapped(stream, text, NAME_COLUMN, NAME_COLUMN);
}

static void
print_option(FILE *stream, const struct option_spec *option)
{
	auto_free char *name =
	    alloc_printf("%c%c%s--%s%s%s", option->letter != 0 ? '-' : ' ',
		option->letter != 0 ? option->letter : ' ',
		option->letter != 0 ? ", " : "  ", option->name,
		option->argument != NULL ? " " : "",
		option->argument != NULL ? option->argument : "");
	auto_free char *text =
	    alloc_printf("%s%s%s%s%s", option->help != NULL ? option->help : "",
		option->repeats ? "; may be repeated" : "",
		option->environment != NULL ? " [" : "",
		option->environment != NULL ? option->environment : "",
		option->environment != NULL ? "]" : "");

	print_entry(stream, name, text);
}

static void
print_options(FILE *stream, const char *title,
    const struct option_spec *options, size_t count)
{
	if (count == 0)
		return;
	fprintf(stream, "\n%s:\n", title);
	for (size_t i = 0; i < count; i++)
		print_option(stream, &options[i]);
}

static void
print_common(const struct program_spec *program, FILE *stream)
{
	print_options(stream, "Options of every command", program->options,
	    program->noptions);
	for (size_t i = 0; i < command_nstandard_options; i++)
		print_option(stream, &command_standard_options[i]);
}

static void
print_footer(const struct program_spec *program, FILE *stream)
{
	if (program->footer == NULL)
		return;
	fputc('\n', stream);
	print_wrapped(stream, program->footer, 0, 0);
}

static void
print_built_in(FILE *stream, const struct command_spec *command)
{
	auto_free char *name = alloc_printf("%s%s%s", command->name,
	    command->operands != NULL ? " " : "",
	    command->operands != NULL ? command->operands : "");

	print_entry(stream, name, command->summary);
}

void
command_help_program(const struct program_spec *program, FILE *stream)
{
	fprintf(stream,
	    "%s: %s\n\nUsage: %s COMMAND [OPTION...] [OPERAND...]\n"
	    "\nCommands:\n",
	    program->name, program->summary, program->name);
	for (size_t i = 0; i < program->ncommands; i++)
		print_entry(stream, program->commands[i].name,
		    program->commands[i].summary);
	for (size_t i = 0; i < command_nbuilt_in; i++)
		print_built_in(stream, &command_built_in[i]);
	print_common(program, stream);
	print_footer(program, stream);
}

void
command_help_command(const struct program_spec *program,
    const struct command_spec *command, FILE *stream)
{
	fprintf(stream, "%s %s: %s\n\nUsage: %s %s [OPTION...]%s%s\n",
	    program->name, command->name, command->summary, program->name,
	    command->name, command->operands != NULL ? " " : "",
	    command->operands != NULL ? command->operands : "");
	if (command->help != NULL) {
		fputc('\n', stream);
		print_wrapped(stream, command->help, 0, 0);
	}
	print_options(stream, "Options", command->options, command->noptions);
	print_common(program, stream);
	print_footer(program, stream);
}

void
command_help_group(
    const struct program_spec *program, const char *group, FILE *stream)
{
	size_t len = strlen(group);

	fprintf(stream, "Commands of %s %s:\n", program->name, group);
	for (size_t i = 0; i < program->ncommands; i++) {
		const struct command_spec *command = &program->commands[i];

		if (strncmp(command->name, group, len) == 0 &&
		    command->name[len] == ' ')
			print_entry(stream, command->name, command->summary);
	}
}

/* groff_char(7): a hyphen that is typed is "\-", a backslash "\e"; a line must
 * not begin with a request. */
static void
print_roff(FILE *stream, const char *text)
{
	bool at_start = true;

	for (; *text != '\0'; text++) {
		if (at_start && (*text == '.' || *text == '\''))
			fputs("\\&", stream);
		at_start = *text == '\n';
		if (*text == '-')
			fputs("\\-", stream);
		else if (*text == '\\')
			fputs("\\e", stream);
		else if (*text == '\n')
			fputs("\n.PP\n", stream);
		else
			fputc(*text, stream);
	}
}

static void
print_roff_option(FILE *stream, const struct option_spec *option)
{
	fputs(".TP\n", stream);
	if (option->letter != 0)
		fprintf(stream, "\\fB\\-%c\\fR, ", option->letter);
	fputs("\\fB\\-\\-", stream);
	print_roff(stream, option->name);
	fputs("\\fR", stream);
	if (option->argument != NULL)
		fprintf(stream, " \\fI%s\\fR", option->argument);
	fputc('\n', stream);
	print_roff(stream, option->help != NULL ? option->help : "");
	fputs(option->repeats ? "; may be repeated." : ".", stream);
	if (option->environment != NULL)
		fprintf(
		    stream, " Environment: \\fB%s\\fR.", option->environment);
	fputc('\n', stream);
}

static void
print_roff_command(const struct command_spec *command, FILE *stream)
{
	fputs(".SS \"", stream);
	print_roff(stream, command->name);
	fputs("\"\n\\fB", stream);
	print_roff(stream, command->name);
	fputs("\\fR [\\fIoption\\fR...]", stream);
	if (command->operands != NULL) {
		fputc(' ', stream);
		print_roff(stream, command->operands);
	}
	fputs("\n.PP\n", stream);
	print_roff(stream, command->summary);
	fputs(".\n", stream);
	if (command->help != NULL) {
		fputs(".PP\n", stream);
		print_roff(stream, command->help);
		fputc('\n', stream);
	}
	for (size_t i = 0; i < command->noptions; i++)
		print_roff_option(stream, &command->options[i]);
}

void
command_help_man(const struct program_spec *program, FILE *stream)
{
	fprintf(stream, ".TH %s 1 \"\" \"taskgate %s\"\n.SH NAME\n",
	    program->name, TASKGATE_VERSION);
	print_roff(stream, program->name);
	fputs(" \\- ", stream);
	print_roff(stream, program->summary);
	fputs("\n.SH SYNOPSIS\n\\fB", stream);
	print_roff(stream, program->name);
	fputs("\\fR \\fIcommand\\fR [\\fIoption\\fR...] [\\fIoperand\\fR...]\n"
	      ".SH COMMANDS\n",
	    stream);
	for (size_t i = 0; i < program->ncommands; i++)
		print_roff_command(&program->commands[i], stream);
	for (size_t i = 0; i < command_nbuilt_in; i++)
		print_roff_command(&command_built_in[i], stream);
	fputs(".SH OPTIONS\n", stream);
	for (size_t i = 0; i < program->noptions; i++)
		print_roff_option(stream, &program->options[i]);
	for (size_t i = 0; i < command_nstandard_options; i++)
		print_roff_option(stream, &command_standard_options[i]);
	if (program->footer == NULL)
		return;
	fputs(".SH SEE ALSO\n", stream);
	print_roff(stream, program->footer);
	fputc('\n', stream);
}
