/*
 * What is shown to a person: whatever a stranger wrote has its control bytes
 * neutralised, colours only on a terminal and never against NO_COLOR.
 */
#ifndef LIB_TERMINAL_H
#define LIB_TERMINAL_H

#include <stdbool.h>
#include <stdio.h>

/* Control bytes (C0, DEL, C1), bidirectional controls and invalid UTF-8 come
 * out as \xNN. The caller frees. */
char *terminal_neutralise(const char *text);
/* Lines, each neutralised where the stream is a terminal; elsewhere every byte
 * is as it was, for whoever verifies it. */
void terminal_print_text(const char *text, FILE *stream);
bool terminal_has_colour(FILE *stream);

/* A table: columns as wide as their content, two blanks between. */
struct table;
struct table *table_new(const char *const *headings, size_t columns);
/* Copies and neutralises; cells[k] may be NULL. */
void table_add(struct table *table, const char *const *cells);
void table_print(const struct table *table, FILE *stream);
void table_free(struct table *table);

#endif
