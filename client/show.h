/*
 * How results are shown: a table for people, JSON for programs, or ids alone.
 */
#ifndef CLIENT_SHOW_H
#define CLIENT_SHOW_H

#include <jansson.h>

#include "lib/command.h"

enum show_format { SHOW_TABLE, SHOW_JSON, SHOW_JSONL, SHOW_ID };

/* Of every command. */
#define SHOW_OPTION                                                       \
	{                                                                 \
		"format", 'o', "FORMAT", "TASKGATE_FORMAT",               \
		    "table, json, jsonl (a document a line) or id", false \
	}

/* ERR_UNPROCESSABLE. */
int show_parse(const struct invocation *invocation, enum show_format *ret,
    struct err *err);

/* A document to standard output: indented (SHOW_JSON) or as one line. On a
 * terminal whatever is not ASCII is escaped. */
void show_document(enum show_format format, const json_t *document);
/* The documents of an array, one a line, or their ids. */
void show_lines(enum show_format format, const json_t *documents);
/* One member of a document, neutralised, on a line of its own. */
void show_id(const json_t *document, const char *name);
/* "name  value", both neutralised; nothing where the value is NULL. */
void show_fact(const char *name, const char *value);

/* A stamp of the server's as "2026-01-02 03:04:05"; "" for NULL. The caller
 * frees. */
char *show_time(const char *stamp);

/* A member as text, for the caller to free: strings as they are, numbers in
 * decimal; NULL: neither. */
char *show_member_text(const json_t *document, const char *name);
/* As show_fact(); nothing where the document does not say. */
void show_member(const char *label, const json_t *document, const char *name);
/* Strings, side by side. */
void show_list(const char *label, const json_t *document, const char *name);

#endif
