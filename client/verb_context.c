/*
 * `context ...`: which servers there are, and which is meant.
 */
#include "client/verbs.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "client/context_store.h"
#include "client/credential.h"
#include "client/exit_code.h"
#include "client/identity.h"
#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/json.h"
#include "lib/terminal.h"

/* These commands need no connection: a session without one. */
static int
open_local(const struct invocation *invocation, struct session *session,
    struct failure *failure)
{
	struct err err;

	*session = (struct session){.quiet = option_flag(invocation, "quiet")};
	if (show_parse(invocation, &session->format, &err) != 0)
		return failure_from_err(failure, "usage", &err);
	return 0;
}

static const struct {
	enum err_code code;
	const char *slug;
} slugs[] = {
    {ERR_NOT_FOUND, "not-found"},
    {ERR_CONFLICT, "conflict"},
    {ERR_UNPROCESSABLE, "usage"},
};

static int
fail(struct failure *failure, const struct err *err)
{
	const char *slug = "local";

	for (size_t i = 0; i < COUNT(slugs); i++) {
		if (slugs[i].code == err->code)
			slug = slugs[i].slug;
	}
	failure_from_err(failure, slug, err);
	if (err->code == ERR_NOT_FOUND)
		failure_hint(failure, "taskgate context list");
	return -1;
}

/* What is known of a context, without secrets. */
static json_t *
describe(const char *name, const struct context *context, bool is_current)
{
	json_t *document = json_object();
	struct token_facts token;
	struct certificate_facts certificate;
	struct err ignored;
	char time[CLOCK_TEXT];

	if (name != NULL)
		json_object_set_new(document, "name", json_string(name));
	json_object_set_new(document, "current", json_boolean(is_current));
	json_object_set_new(document, "server", json_string(context->server));
	json_object_set_new(document, "subject", json_string(context->subject));
	if (credential_read_token(context->token, &token, &ignored) == 0) {
		clock_format(token.expires_s * 1000, time);
		json_object_set_new(
		    document, "token_expires_at", json_string(time));
	}
	if (credential_read_certificate(
		context->certificate, &certificate, &ignored) == 0) {
		clock_format(certificate.not_after_s * 1000, time);
		json_object_set_new(
		    document, "certificate_expires_at", json_string(time));
		json_object_set_new(document, "thumbprint",
		    json_string(certificate.thumbprint));
	}
	return document;
}

/* One that cannot be read is listed too, with why. */
static json_t *
describe_by_name(const char *name, const char *current)
{
	bool is_current = current != NULL && strcmp(current, name) == 0;
	auto_context context = {0};
	auto_free char *folder = NULL;
	json_t *document = NULL;
	struct err err;

	folder = context_find(name, &err);
	if (folder != NULL && context_load(folder, &context, &err) == 0) {
		document = describe(name, &context, is_current);
	} else {
		auto_free char *why = terminal_neutralise(err.detail);

		document = json_pack("{s:s, s:b, s:s}", "name", name, "current",
		    is_current, "problem", why);
	}
	if (folder != NULL)
		json_object_set_new(document, "folder", json_string(folder));
	return document;
}

static void
show_table(const json_t *contexts)
{
	static const char *const headings[] = {
	    "", "NAME", "SUBJECT", "SERVER", "TOKEN UNTIL (UTC)", "PROBLEM"};
	struct table *table = table_new(headings, COUNT(headings));
	const json_t *document = NULL;
	size_t i;

	json_array_foreach(contexts, i, document)
	{
		auto_free char *time = show_time(json_string_value(
		    json_object_get(document, "token_expires_at")));

		table_add(table,
		    (const char *const[]){
			json_is_true(json_object_get(document, "current")) ? "*"
									   : "",
			json_string_value(json_object_get(document, "name")),
			json_string_value(json_object_get(document, "subject")),
			json_string_value(json_object_get(document, "server")),
			time,
			json_string_value(
			    json_object_get(document, "problem"))});
	}
	table_print(table, stdout);
	table_free(table);
}

static void
show_names(const json_t *contexts)
{
	const json_t *document = NULL;
	size_t i;

	json_array_foreach(contexts, i, document)
	{
		show_id(document, "name");
	}
}

int
verb_context_list(struct invocation *invocation)
{
	auto_session session = {0};
	auto_failure failure = FAILURE_INIT;
	auto_free char *current = context_current();
	auto_json *contexts = json_array();
	__attribute__((cleanup(context_list_free))) char **names = NULL;
	struct err err;

	if (open_local(invocation, &session, &failure) != 0)
		return session_fail_verb(&session, &failure);
	names = context_list(&err);
	if (names == NULL) {
		fail(&failure, &err);
		return session_fail_verb(&session, &failure);
	}
	for (size_t i = 0; names[i] != NULL; i++)
		json_array_append_new(
		    contexts, describe_by_name(names[i], current));
	if (session.format == SHOW_TABLE)
		show_table(contexts);
	else if (session.format == SHOW_ID)
		show_names(contexts);
	else if (session.format == SHOW_JSONL)
		show_lines(SHOW_JSONL, contexts);
	else
		show_document(SHOW_JSON, contexts);
	if (names[0] == NULL)
		session_note(&session,
		    "no contexts yet: taskgate context "
		    "import PATH");
	return 0;
}

/* What became of a context that was imported or chosen. */
static void
show_result(const struct session *session, const char *name)
{
	auto_free char *current = context_current();
	auto_json *document = describe_by_name(name, current);

	if (session->format == SHOW_JSON || session->format == SHOW_JSONL)
		show_document(session->format, document);
	else if (!session->quiet)
		printf("%s\n", name);
	if (current != NULL && strcmp(current, name) != 0)
		session_note(session,
		    "taskgate context use %s makes it the current one", name);
}

static void
show_one(const json_t *document)
{
	static const struct {
		const char *label, *name;
	} facts[] = {
	    {"name", "name"},
	    {"folder", "folder"},
	    {"server", "server"},
	    {"subject", "subject"},
	    {"token until", "token_expires_at"},
	    {"cert. until", "certificate_expires_at"},
	    {"thumbprint", "thumbprint"},
	};

	for (size_t i = 0; i < COUNT(facts); i++)
		show_fact(facts[i].label,
		    json_string_value(
			json_object_get(document, facts[i].name)));
}

static int
describe_wish(
    const struct invocation *invocation, json_t **ret_document, struct err *err)
{
	const char *wish = invocation->noperands > 0
	    ? invocation->operands[0]
	    : option_value(invocation, "context");
	auto_free char *folder = context_find(wish, err);
	auto_free char *current = context_current();
	auto_context context = {0};
	const char *name = wish != NULL ? wish : current;
	json_t *document = NULL;

	if (folder == NULL || context_load(folder, &context, err) != 0)
		return -1;
	if (strchr(name, '/') != NULL)
		name = NULL;
	document = describe(name, &context,
	    name != NULL && current != NULL && strcmp(name, current) == 0);
	json_object_set_new(document, "folder", json_string(folder));
	*ret_document = document;
	return 0;
}

int
verb_context_show(struct invocation *invocation)
{
	auto_session session = {0};
	auto_failure failure = FAILURE_INIT;
	auto_json *document = NULL;
	struct err err;

	if (open_local(invocation, &session, &failure) != 0)
		return session_fail_verb(&session, &failure);
	if (describe_wish(invocation, &document, &err) != 0) {
		fail(&failure, &err);
		return session_fail_verb(&session, &failure);
	}
	if (session.format == SHOW_TABLE)
		show_one(document);
	else if (session.format == SHOW_ID)
		show_id(document, "subject");
	else
		show_document(session.format, document);
	return 0;
}

int
verb_context_use(struct invocation *invocation)
{
	auto_failure failure = FAILURE_INIT;
	auto_session session = {0};
	struct err err;

	if (open_local(invocation, &session, &failure) != 0)
		return session_fail_verb(&session, &failure);
	if (context_use(invocation->operands[0], &err) != 0) {
		fail(&failure, &err);
		return session_fail_verb(&session, &failure);
	}
	show_result(&session, invocation->operands[0]);
	return 0;
}

int
verb_context_remove(struct invocation *invocation)
{
	auto_failure failure = FAILURE_INIT;
	auto_session session = {0};
	struct err err;

	if (open_local(invocation, &session, &failure) != 0)
		return session_fail_verb(&session, &failure);
	if (context_remove(invocation->operands[0], &err) != 0) {
		fail(&failure, &err);
		return session_fail_verb(&session, &failure);
	}
	session_note(&session, "removed, with its key and token");
	return 0;
}

static int
load_any(const char *path, struct context *ret, struct err *err)
{
	struct stat st;

	if (stat(path, &st) != 0) {
		err_errno(err, "%s", path);
		err->code = ERR_NOT_FOUND;
		return -1;
	}
	return S_ISDIR(st.st_mode) ? context_load(path, ret, err)
				   : context_load_bundle(path, ret, err);
}

static int
import(const struct invocation *invocation, char **ret_name, struct err *err)
{
	const char *wish = option_value(invocation, "name");
	auto_free char *current = context_current();
	auto_context context = {0};
	auto_identity identity = {0};
	const char *name = NULL;

	if (load_any(invocation->operands[0], &context, err) != 0)
		return -1;
	name = wish != NULL ? wish : context.subject;
	if (identity_read(context.certificate, context.key, &identity, err) !=
	    0)
		return err_prefix(err, "%s", invocation->operands[0]);
	if (context_save(
		name, &context, option_flag(invocation, "replace"), err) != 0)
		return -1;
	/* The first is the one that is meant. */
	if (current == NULL && context_use(name, err) != 0)
		return -1;
	*ret_name = alloc_string(name);
	return 0;
}

int
verb_context_import(struct invocation *invocation)
{
	auto_failure failure = FAILURE_INIT;
	auto_session session = {0};
	auto_free char *name = NULL;
	struct err err;

	if (open_local(invocation, &session, &failure) != 0)
		return session_fail_verb(&session, &failure);
	if (import(invocation, &name, &err) != 0) {
		fail(&failure, &err);
		if (err.code == ERR_CONFLICT)
			failure_hint(
			    &failure, "--replace, or --name for another one");
		return session_fail_verb(&session, &failure);
	}
	show_result(&session, name);
	return 0;
}
