/*
 * One table of commands drives the parser, --help, shell completion and the
 * man page's list. Every option can also be given by an environment variable;
 * no secret is ever an argument.
 */
#ifndef LIB_COMMAND_H
#define LIB_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/err.h"

struct option_spec {
	const char *name; /* "memory": --memory VALUE */
	char letter; /* 'm', or 0 */
	const char *argument; /* "SIZE"; NULL: a flag */
	const char *environment; /* "TASKGATE_MEMORY", or NULL */
	const char *help;
	bool repeats;
};

struct invocation;

struct command_spec {
	const char *name; /* "run", "token issue" */
	const char *operands; /* "IMAGE [-- ARG...]" */
	const char *summary; /* one line */
	const char *help; /* paragraphs, or NULL */
	const struct option_spec *options;
	size_t noptions;
	int least; /* operands */
	int most; /* -1: any number */
	int (*run)(struct invocation *invocation); /* the exit code */
};

struct program_spec {
	const char *name;
	const char *summary;
	const struct option_spec *options; /* of every command */
	size_t noptions;
	const struct command_spec *commands;
	size_t ncommands;
	const char *footer; /* where to read more */
};

struct invocation {
	const struct program_spec *program;
	const struct command_spec *command;
	const char **operands;
	int noperands;
	void *parsed; /* options, command.c's */
};

#define EXIT_USAGE 2

/* Parses, prints help, --version or a usage error with the nearest command's
 * name, or runs the command. `completion bash|zsh|fish` and `help` are
 * built in. Options may stand before or after operands; "--" ends them. */
int command_main(const struct program_spec *program, int argc, char **argv);

/* The option's value, else its environment variable's, else NULL. */
const char *option_value(const struct invocation *invocation, const char *name);
bool option_flag(const struct invocation *invocation, const char *name);
/* The k-th value of a repeated option, or NULL past the last. */
const char *
option_each(const struct invocation *invocation, const char *name, size_t k);
/* A decimal integer within min..max. ERR_UNPROCESSABLE names the option. */
int option_integer(const struct invocation *invocation, const char *name,
    long long fallback, long long min, long long max, long long *ret,
    struct err *err);

/* man page: roff of all commands to standard output (built in, "man"). */

#endif
