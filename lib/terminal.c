/*
 * What is shown to a person. The text may be a stranger's: nothing in it may
 * move the cursor, change colours or turn the direction of writing.
 */
#include "lib/terminal.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/alloc.h"
#include "lib/buffer.h"
#include "lib/cleanup.h"
#include "lib/utf8.h"

char *
terminal_neutralise(const char *text)
{
	auto_buffer out = BUFFER_INIT(SIZE_MAX);

	utf8_append_neutral(&out, text, strlen(text));
	return buffer_take(&out);
}

void
terminal_print_text(const char *text, FILE *stream)
{
	if (isatty(fileno(stream)) != 1) {
		fputs(text, stream);
		return;
	}
	while (*text != '\0') {
		size_t len = strcspn(text, "\n");
		auto_free char *line = alloc_bytes(text, len);
		auto_free char *safe = terminal_neutralise(line);

		fprintf(stream, "%s\n", safe);
		text += text[len] == '\n' ? len + 1 : len;
	}
}

bool
terminal_has_colour(FILE *stream)
{
	const char *no_colour = getenv("NO_COLOR");
	const char *term = getenv("TERM");

	/* no-color.org: present and not empty. */
	if (no_colour != NULL && *no_colour != '\0')
		return false;
	if (term == NULL || strcmp(term, "dumb") == 0)
		return false;
	return isatty(fileno(stream)) == 1;
}

struct table {
	size_t columns;
	size_t rows;
	char **cells; /* rows times columns; the first row are the headings */
	size_t *widths;
};

/* Characters, not bytes; a wide one counts as one. */
static size_t
measure(const char *text)
{
	size_t width = 0;

	for (; *text != '\0'; text++)
		width += (*text & 0xc0) != 0x80 ? 1 : 0;
	return width;
}

struct table *
table_new(const char *const *headings, size_t columns)
{
	struct table *table = alloc_zero(1, sizeof(*table));

	table->columns = columns;
	table->widths = alloc_zero(columns, sizeof(*table->widths));
	table_add(table, headings);
	return table;
}

void
table_add(struct table *table, const char *const *cells)
{
	char **row = NULL;

	table->cells = alloc_resize(table->cells,
	    (table->rows + 1) * table->columns, sizeof(*table->cells));
	row = table->cells + table->rows * table->columns;
	for (size_t i = 0; i < table->columns; i++) {
		size_t width;

		row[i] = terminal_neutralise(cells[i] != NULL ? cells[i] : "");
		width = measure(row[i]);
		if (width > table->widths[i])
			table->widths[i] = width;
	}
	table->rows++;
}

static void
print_row(const struct table *table, char *const *row, FILE *stream)
{
	size_t pending = 0;

	/* Blanks are written before a cell, so that none trail. */
	for (size_t i = 0; i < table->columns; i++) {
		if (*row[i] != '\0') {
			fprintf(stream, "%*s%s", (int)pending, "", row[i]);
			pending = 0;
		}
		pending += table->widths[i] - measure(row[i]) + 2;
	}
	fputc('\n', stream);
}

void
table_print(const struct table *table, FILE *stream)
{
	for (size_t row = 0; row < table->rows; row++)
		print_row(table, table->cells + row * table->columns, stream);
}

void
table_free(struct table *table)
{
	for (size_t i = 0; i < table->rows * table->columns; i++)
		free(table->cells[i]);
	free(table->cells);
	free(table->widths);
	free(table);
}
