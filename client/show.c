/*
 * Results on standard output. What a server said is neutralised here or
 * escaped as JSON, never printed as it is.
 */
#include "client/show.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/alloc.h"
#include "lib/buffer.h"
#include "lib/cleanup.h"
#include "lib/terminal.h"

static const char *const formats[] = {
    [SHOW_TABLE] = "table",
    [SHOW_JSON] = "json",
    [SHOW_JSONL] = "jsonl",
    [SHOW_ID] = "id",
};

int
show_parse(
    const struct invocation *invocation, enum show_format *ret, struct err *err)
{
	const char *text = option_value(invocation, "format");

	if (text == NULL) {
		*ret = SHOW_TABLE;
		return 0;
	}
	for (size_t i = 0; i < COUNT(formats); i++) {
		if (strcmp(text, formats[i]) == 0) {
			*ret = (enum show_format)i;
			return 0;
		}
	}
	return err_set(err, ERR_UNPROCESSABLE,
	    "--format: \"%s\" is none of table, json, jsonl, id", text);
}

void
show_document(enum show_format format, const json_t *document)
{
	size_t flags = format == SHOW_JSON ? JSON_INDENT(2) : JSON_COMPACT;

	if (isatty(STDOUT_FILENO) == 1)
		flags |= JSON_ENSURE_ASCII;
	json_dumpf(document, stdout, flags);
	putchar('\n');
}

void
show_id(const json_t *document, const char *name)
{
	const char *id = json_string_value(json_object_get(document, name));
	auto_free char *clean = terminal_neutralise(id != NULL ? id : "");

	printf("%s\n", clean);
}

void
show_lines(enum show_format format, const json_t *documents)
{
	size_t i;
	const json_t *document = NULL;

	json_array_foreach(documents, i, document)
	{
		if (format == SHOW_ID)
			show_id(document, "id");
		else
			show_document(SHOW_JSONL, document);
	}
}

void
show_fact(const char *name, const char *value)
{
	auto_free char *label = NULL;
	auto_free char *clean = NULL;

	if (value == NULL)
		return;
	label = terminal_neutralise(name);
	clean = terminal_neutralise(value);
	printf("%-14s %s\n", label, clean);
}

char *
show_member_text(const json_t *document, const char *name)
{
	const json_t *value = json_object_get(document, name);

	if (json_is_string(value))
		return alloc_string(json_string_value(value));
	if (json_is_integer(value))
		return alloc_printf(
		    "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	if (json_is_boolean(value))
		return alloc_string(json_is_true(value) ? "yes" : "no");
	return NULL;
}

void
show_member(const char *label, const json_t *document, const char *name)
{
	auto_free char *text = show_member_text(document, name);

	show_fact(label, text);
}

void
show_list(const char *label, const json_t *document, const char *name)
{
	struct buffer line = BUFFER_INIT(64 * 1024);
	auto_free char *text = NULL;
	const json_t *list = json_object_get(document, name);
	const json_t *item = NULL;
	size_t i;

	if (json_array_size(list) == 0)
		return;
	json_array_foreach(list, i, item)
	{
		buffer_printf(&line, "%s%s", i > 0 ? " " : "",
		    json_is_string(item) ? json_string_value(item) : "?");
	}
	text = buffer_take(&line);
	show_fact(label, text);
}

char *
show_time(const char *stamp)
{
	char *text = NULL;

	if (stamp == NULL)
		return alloc_string("");
	text = alloc_string(stamp);
	if (strlen(text) > 19 && text[10] == 'T') {
		text[10] = ' ';
		text[19] = '\0';
	}
	return text;
}
