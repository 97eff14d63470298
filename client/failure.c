/*
 * Failures. Everything in one may come from the server or from whoever stands
 * in its place: it is bounded, and neutralised before a person sees it.
 *
 * Slugs of our own, beside those of lib/errors.def: "context" (nothing usable
 * to authenticate with), "unreachable", "waited" (a time limit of the
 * user's), "interrupted", "no-reader", "usage", "declined" (by who was
 * asked), "reply" (not what the API
 * promises), "not-proved" (by the audit log), "local".
 */
#include "client/failure.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/json.h"
#include "lib/terminal.h"

#define TYPE_PREFIX "urn:taskgate:error:"
#define TEXT_MAX 4096

void
failure_done(struct failure *failure)
{
	char **const texts[] = {&failure->slug, &failure->title,
	    &failure->detail, &failure->rule, &failure->condition,
	    &failure->scope, &failure->request_id, &failure->task,
	    &failure->hint};

	for (size_t i = 0; i < COUNT(texts); i++)
		free(*texts[i]);
	*failure = (struct failure)FAILURE_INIT;
}

__attribute__((format(printf, 1, 0))) static char *
format_text(const char *format, va_list ap)
{
	char *text = NULL;

	if (vasprintf(&text, format, ap) < 0)
		die("out of memory");
	return text;
}

int
failure_set(struct failure *failure, const char *slug, const char *format, ...)
{
	char *detail = NULL;
	va_list ap;

	va_start(ap, format);
	detail = format_text(format, ap);
	va_end(ap);
	failure_done(failure);
	failure->slug = alloc_string(slug);
	failure->detail = detail;
	return -1;
}

int
failure_from_err(
    struct failure *failure, const char *slug, const struct err *err)
{
	return failure_set(failure, slug, "%s", err->detail);
}

void
failure_hint(struct failure *failure, const char *format, ...)
{
	char *hint = NULL;
	va_list ap;

	va_start(ap, format);
	hint = format_text(format, ap);
	va_end(ap);
	free(failure->hint);
	failure->hint = hint;
}

static char *
copy_member(const json_t *document, const char *name)
{
	const char *text = json_string_value(json_object_get(document, name));

	return text != NULL ? alloc_bytes(text, strnlen(text, TEXT_MAX)) : NULL;
}

static int
set_foreign(struct failure *failure, int status)
{
	failure_set(failure, "reply",
	    "the server answered %d without saying why in a form that we "
	    "know; is it a taskgate gateway?",
	    status);
	failure->status = status;
	return -1;
}

int
failure_from_reply(
    struct failure *failure, int status, const char *body, size_t len)
{
	struct err ignored;
	auto_json *document = json_parse_strict(body, len, &ignored);
	auto_free char *type = copy_member(document, "type");

	if (type == NULL ||
	    strncmp(type, TYPE_PREFIX, sizeof(TYPE_PREFIX) - 1) != 0)
		return set_foreign(failure, status);
	failure_done(failure);
	failure->slug = alloc_string(type + sizeof(TYPE_PREFIX) - 1);
	failure->title = copy_member(document, "title");
	failure->detail = copy_member(document, "detail");
	failure->rule = copy_member(document, "rule");
	failure->condition = copy_member(document, "condition");
	failure->request_id = copy_member(document, "request_id");
	failure->status = status;
	return -1;
}

json_t *
failure_document(const struct failure *failure, int exit_code)
{
	json_t *document = json_object();
	auto_free char *type = alloc_printf(TYPE_PREFIX "%s", failure->slug);
	const struct {
		const char *name, *text;
	} members[] = {
	    {"type", type},
	    {"title", failure->title},
	    {"detail", failure->detail},
	    {"rule", failure->rule},
	    {"condition", failure->condition},
	    {"request_id", failure->request_id},
	    {"task", failure->task},
	    {"hint", failure->hint},
	};

	for (size_t i = 0; i < COUNT(members); i++) {
		auto_free char *clean = NULL;

		if (members[i].text == NULL)
			continue;
		/* What we say of files and arguments need not be UTF-8. */
		clean = json_object_set_new(document, members[i].name,
			    json_string(members[i].text)) == 0
		    ? NULL
		    : terminal_neutralise(members[i].text);
		if (clean != NULL)
			json_object_set_new(
			    document, members[i].name, json_string(clean));
	}
	if (failure->status != 0)
		json_object_set_new(
		    document, "status", json_integer(failure->status));
	json_object_set_new(
	    document, "client_exit_code", json_integer(exit_code));
	return document;
}

static void
print_line(const char *label, const char *text)
{
	auto_free char *clean = NULL;

	if (text == NULL)
		return;
	clean = terminal_neutralise(text);
	fprintf(stderr, "  %-10s %s\n", label, clean);
}

void
failure_print(const struct failure *failure)
{
	bool colour = terminal_has_colour(stderr);
	const char *what =
	    failure->title != NULL ? failure->title : failure->detail;
	auto_free char *clean =
	    terminal_neutralise(what != NULL ? what : failure->slug);

	fprintf(stderr, "%staskgate:%s %s\n", colour ? "\033[1;31m" : "",
	    colour ? "\033[0m" : "", clean);
	if (failure->title != NULL)
		print_line("why:", failure->detail);
	print_line("rule:", failure->rule);
	print_line("condition:", failure->condition);
	print_line("scope:", failure->scope);
	print_line("task:", failure->task);
	print_line("try:", failure->hint);
	/* An operator finds the request by it; for what the user can mend
	 * alone it would be noise. */
	if (failure->status == 401 || failure->status >= 500)
		print_line("request:", failure->request_id);
}
