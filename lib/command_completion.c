/*
 * Completion for the shells, written out of the table of commands. Each script
 * holds all it needs; none runs the program.
 */
#include <string.h>

#include "lib/cleanup.h"
#include "lib/command_help.h"

/* The text within single quotes of sh, zsh and fish alike; `special` is
 * escaped for the shell's own sake. */
static void
print_inside_quotes(FILE *stream, const char *text, char special)
{
	for (; text != NULL && *text != '\0'; text++) {
		if (*text == '\'')
			fputs("'\\''", stream);
		else if (*text == special && special != '\0')
			fprintf(stream, "\\%c", special);
		else
			fputc(*text == '\n' ? ' ' : *text, stream);
	}
}

/* "taskgate-admin" names no function: "_taskgate_admin" does. */
static void
print_function(FILE *stream, const char *name)
{
	fputc('_', stream);
	for (; *name != '\0'; name++)
		fputc(*name == '-' ? '_' : *name, stream);
}

/* Whether an earlier command begins with the same word. */
static bool
is_repeated_group(const struct program_spec *program, size_t k)
{
	size_t len = strcspn(program->commands[k].name, " ");

	for (size_t i = 0; i < k; i++) {
		const char *name = program->commands[i].name;

		if (strcspn(name, " ") == len &&
		    strncmp(name, program->commands[k].name, len) == 0)
			return true;
	}
	return false;
}

/* How a shell lists one candidate. */
struct shell {
	void (*option)(FILE *stream, const struct option_spec *option);
	void (*word)(
	    FILE *stream, const char *word, size_t len, const char *summary);
};

static void
print_options(const struct shell *shell, FILE *stream,
    const struct option_spec *options, size_t count)
{
	for (size_t i = 0; i < count; i++)
		shell->option(stream, &options[i]);
}

static void
print_first_words(
    const struct shell *shell, FILE *stream, const struct program_spec *program)
{
	for (size_t i = 0; i < program->ncommands; i++) {
		const char *name = program->commands[i].name;
		size_t len = strcspn(name, " ");

		if (!is_repeated_group(program, i))
			shell->word(stream, name, len,
			    name[len] == ' ' ? ""
					     : program->commands[i].summary);
	}
	for (size_t i = 0; i < command_nbuilt_in; i++)
		shell->word(stream, command_built_in[i].name,
		    strlen(command_built_in[i].name),
		    command_built_in[i].summary);
}

static void
print_second_words(const struct shell *shell, FILE *stream,
    const struct program_spec *program, const char *group, size_t len)
{
	for (size_t i = 0; i < program->ncommands; i++) {
		const char *name = program->commands[i].name;

		if (strncmp(name, group, len) == 0 && name[len] == ' ')
			shell->word(stream, name + len + 1,
			    strlen(name + len + 1),
			    program->commands[i].summary);
	}
}

/* Bash and zsh share their grammar: the words before the cursor, without
 * options and their values, make the verb. */
static void
print_value_options(
    FILE *stream, const struct option_spec *options, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (options[i].argument == NULL)
			continue;
		fprintf(stream, "|--%s", options[i].name);
		if (options[i].letter != 0)
			fprintf(stream, "|-%c", options[i].letter);
	}
}

static void
print_verb_loop(
    const struct program_spec *program, const char *before, FILE *stream)
{
	fprintf(stream,
	    "\tlocal word='' verb='' skip=''\n"
	    "\tfor word in %s; do\n"
	    "\t\t[[ -n $skip ]] && { skip=''; continue; }\n"
	    "\t\tcase \"$word\" in\n"
	    "\t\t--) return 1 ;;\n"
	    "\t\t' '",
	    before);
	print_value_options(stream, program->options, program->noptions);
	for (size_t i = 0; i < program->ncommands; i++)
		print_value_options(stream, program->commands[i].options,
		    program->commands[i].noptions);
	fputs(") skip=1 ;;\n"
	      "\t\t-*) ;;\n"
	      "\t\t*) verb=\"${verb:+$verb }$word\" ;;\n"
	      "\t\tesac\n"
	      "\tdone\n",
	    stream);
}

static void
print_option_cases(
    const struct shell *shell, const struct program_spec *program, FILE *stream)
{
	fputs("\t\tcase \"$verb\" in\n", stream);
	for (size_t i = 0; i < program->ncommands; i++) {
		const struct command_spec *command = &program->commands[i];

		fprintf(stream, "\t\t'%s'|'%s '*) found+=(", command->name,
		    command->name);
		print_options(
		    shell, stream, command->options, command->noptions);
		fputs(") ;;\n", stream);
	}
	fputs("\t\tesac\n\t\tfound+=(", stream);
	print_options(shell, stream, program->options, program->noptions);
	print_options(
	    shell, stream, command_standard_options, command_nstandard_options);
	fputs(")\n", stream);
}

static void
print_word_cases(
    const struct shell *shell, const struct program_spec *program, FILE *stream)
{
	fputs("\t\tcase \"$verb\" in\n\t\t'') found+=(", stream);
	print_first_words(shell, stream, program);
	fputs(") ;;\n\t\tcompletion) found+=(bash zsh fish) ;;\n", stream);
	for (size_t i = 0; i < program->ncommands; i++) {
		const char *name = program->commands[i].name;
		size_t len = strcspn(name, " ");

		if (name[len] != ' ' || is_repeated_group(program, i))
			continue;
		fprintf(stream, "\t\t%.*s) found+=(", (int)len, name);
		print_second_words(shell, stream, program, name, len);
		fputs(") ;;\n", stream);
	}
	fputs("\t\tesac\n", stream);
}

static void
print_bash_option(FILE *stream, const struct option_spec *option)
{
	fprintf(stream, " --%s", option->name);
}

static void
print_bash_word(FILE *stream, const char *word, size_t len, const char *summary)
{
	(void)summary;
	fprintf(stream, " %.*s", (int)len, word);
}

static void
print_bash(const struct program_spec *program, FILE *stream)
{
	static const struct shell shell = {print_bash_option, print_bash_word};

	print_function(stream, program->name);
	fputs("()\n{\n\tlocal current=\"${COMP_WORDS[COMP_CWORD]}\"\n"
	      "\tlocal -a found=()\n",
	    stream);
	print_verb_loop(program, "\"${COMP_WORDS[@]:1:COMP_CWORD-1}\"", stream);
	fputs("\tif [[ $current == -* ]]; then\n", stream);
	print_option_cases(&shell, program, stream);
	fputs("\telse\n", stream);
	print_word_cases(&shell, program, stream);
	fputs("\tfi\n\tmapfile -t COMPREPLY < "
	      "<(compgen -W \"${found[*]}\" -- \"$current\")\n}\n"
	      "complete -o default -F ",
	    stream);
	print_function(stream, program->name);
	fprintf(stream, " %s\n", program->name);
}

/* zshcompsys(1), _describe: 'word:what it is'. */
static void
print_zsh_option(FILE *stream, const struct option_spec *option)
{
	fprintf(stream, " '--%s:", option->name);
	print_inside_quotes(stream, option->help, ':');
	fputc('\'', stream);
}

static void
print_zsh_word(FILE *stream, const char *word, size_t len, const char *summary)
{
	fprintf(stream, " '%.*s:", (int)len, word);
	print_inside_quotes(stream, summary, ':');
	fputc('\'', stream);
}

static void
print_zsh(const struct program_spec *program, FILE *stream)
{
	static const struct shell shell = {print_zsh_option, print_zsh_word};

	fprintf(stream, "#compdef %s\n", program->name);
	print_function(stream, program->name);
	fputs("()\n{\n\tlocal -a found=()\n", stream);
	print_verb_loop(program, "\"${(@)words[2,CURRENT-1]}\"", stream);
	fputs("\tif [[ ${words[CURRENT]} == -* ]]; then\n", stream);
	print_option_cases(&shell, program, stream);
	fputs("\t\t_describe -o option found\n\telse\n", stream);
	print_word_cases(&shell, program, stream);
	fputs("\t\tif (( ${#found} )); then\n"
	      "\t\t\t_describe command found\n"
	      "\t\telse\n"
	      "\t\t\t_files\n"
	      "\t\tfi\n"
	      "\tfi\n}\ncompdef ",
	    stream);
	print_function(stream, program->name);
	fprintf(stream, " %s\n", program->name);
}

/* fish's own complete(1): one line a candidate, `condition` before it. */
static void
print_fish_options(const struct program_spec *program, const char *condition,
    const struct option_spec *options, size_t count, FILE *stream)
{
	for (size_t i = 0; i < count; i++) {
		fprintf(stream, "complete -c %s %s -l %s", program->name,
		    condition, options[i].name);
		if (options[i].letter != 0)
			fprintf(stream, " -s %c", options[i].letter);
		fprintf(stream, "%s -d '",
		    options[i].argument != NULL ? " -r" : "");
		print_inside_quotes(stream, options[i].help, '\0');
		fputs("'\n", stream);
	}
}

static void
print_fish_command(const struct program_spec *program, size_t k, FILE *stream)
{
	const struct command_spec *command = &program->commands[k];
	size_t len = strcspn(command->name, " ");
	const char *second = command->name + len;
	char condition[256];

	if (!is_repeated_group(program, k)) {
		fprintf(stream,
		    "complete -c %s -n __fish_use_subcommand -f -a %.*s -d '",
		    program->name, (int)len, command->name);
		print_inside_quotes(
		    stream, *second == ' ' ? "" : command->summary, '\0');
		fputs("'\n", stream);
	}
	if (*second == ' ') {
		fprintf(stream,
		    "complete -c %s -n '__fish_seen_subcommand_from %.*s' "
		    "-f -a %s -d '",
		    program->name, (int)len, command->name, second + 1);
		print_inside_quotes(stream, command->summary, '\0');
		fputs("'\n", stream);
	}
	snprintf(condition, sizeof(condition),
	    "-n '__fish_seen_subcommand_from %.*s%s%s'", (int)len,
	    command->name,
	    *second == ' ' ? "; and __fish_seen_subcommand_from " : "",
	    *second == ' ' ? second + 1 : "");
	print_fish_options(
	    program, condition, command->options, command->noptions, stream);
}

static void
print_fish(const struct program_spec *program, FILE *stream)
{
	for (size_t i = 0; i < program->ncommands; i++)
		print_fish_command(program, i, stream);
	for (size_t i = 0; i < command_nbuilt_in; i++)
		fprintf(stream,
		    "complete -c %s -n __fish_use_subcommand -f -a %s -d "
		    "'%s'\n",
		    program->name, command_built_in[i].name,
		    command_built_in[i].summary);
	fprintf(stream,
	    "complete -c %s -n '__fish_seen_subcommand_from completion' -f -a "
	    "'bash zsh fish'\n",
	    program->name);
	print_fish_options(
	    program, "", program->options, program->noptions, stream);
	print_fish_options(program, "", command_standard_options,
	    command_nstandard_options, stream);
}

bool
command_completion_print(
    const struct program_spec *program, const char *shell, FILE *stream)
{
	static const struct {
		const char *name;
		void (*print)(const struct program_spec *, FILE *);
	} shells[] = {
	    {"bash", print_bash},
	    {"zsh", print_zsh},
	    {"fish", print_fish},
	};

	for (size_t i = 0; i < COUNT(shells); i++) {
		if (strcmp(shell, shells[i].name) == 0) {
			shells[i].print(program, stream);
			return true;
		}
	}
	return false;
}
