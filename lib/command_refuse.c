/*
 * Refusals of the command line. What they repeat may have been pasted from
 * anywhere: it is neutralised.
 */
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/command_parse.h"
#include "lib/terminal.h"

int
command_refuse(const struct invocation *invocation, const char *format, ...)
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

void
suggestion_consider(struct suggestion *suggestion, const char *name)
{
	size_t d = distance(suggestion->wrong, name);
	/* A third of the word, and never more than three letters. */
	size_t most = strlen(name) / 3 + 1;

	if (d <= (most > 3 ? 3 : most) && d < suggestion->distance) {
		suggestion->best = name;
		suggestion->distance = d;
	}
}

int
command_refuse_name(const struct invocation *invocation, const char *what,
    const struct suggestion *suggestion, const char *prefix)
{
	if (suggestion->best == NULL)
		return command_refuse(
		    invocation, "%s \"%s%s\"", what, prefix, suggestion->wrong);
	return command_refuse(invocation, "%s \"%s%s\"; did you mean \"%s%s\"?",
	    what, prefix, suggestion->wrong, prefix, suggestion->best);
}
