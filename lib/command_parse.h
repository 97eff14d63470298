/*
 * What command.c is made of: options by their tables, and refusals with the
 * nearest name. Used by command.c alone; programs include lib/command.h.
 */
#ifndef LIB_COMMAND_PARSE_H
#define LIB_COMMAND_PARSE_H

#include "lib/command.h"

struct given {
	const struct option_spec *spec;
	const char *value; /* borrowed from argv; "" for a flag */
};

/* What invocation.parsed is. */
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

/* The option at argv[at], and its value; 0 or EXIT_USAGE. */
int command_parse_option(struct parser *parser);
bool command_is_option(const char *argument);

struct suggestion {
	const char *wrong;
	const char *best;
	size_t distance;
};

#define SUGGESTION_INIT(word)                         \
	{                                             \
		.wrong = (word), .distance = SIZE_MAX \
	}

void suggestion_consider(struct suggestion *suggestion, const char *name);

/* Both print, and return EXIT_USAGE. */
int command_refuse(const struct invocation *invocation, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
int command_refuse_name(const struct invocation *invocation, const char *what,
    const struct suggestion *suggestion, const char *prefix);

#endif
