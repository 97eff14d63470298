/*
 * Role: `revoke`, `lock`, `unlock`: takes away what was given, at once.
 * Trusts the operator, and the runner for what it says came of it.
 * Must never say that all is done where something goes on.
 */
#include <string.h>
#include <unistd.h>

#include "admin/runner_link.h"
#include "admin/site.h"
#include "admin/tool.h"
#include "admin/verbs.h"
#include "certs/issue_key.h"
#include "certs/openssl.h"
#include "certs/revocations.h"
#include "certs/token.h"
#include "lib/alloc.h"
#include "lib/json.h"

#define TOKEN_FILE_MAX ((size_t)64 * 1024)
#define DIGEST_PREFIX "sha256:"

static const struct column report_columns[] = {
    {"Kind", "kind"},
    {"Value", "value"},
    {"Connections closed", "connections"},
    {"Queued tasks dropped", "queued"},
    {"Running tasks stopped", "running"},
    {"Still running", "still_running"},
    {"All tasks known", "known"},
    {"Warm sandboxes removed", "warm"},
    {"Gateway connections", "gateways"},
    {"Of these confirmed", "confirmed"},
    {"On record", "recorded"},
    {"Took (ms)", "took_ms"},
};

static const struct column list_columns[] = {
    {"KIND", "kind"},
    {"VALUE", "value"},
    {"SINCE", "created_at"},
    {"UNTIL", "until"},
    {"UID", "uid"},
    {"REASON", "reason"},
};

static const struct view report_view = {
    report_columns, COUNT(report_columns), "value"};
static const struct view list_view = {
    list_columns, COUNT(list_columns), "value"};

static int
call_take(const struct invocation *invocation, enum message_type type,
    json_t *members, json_t **ret_body, struct err *err)
{
	AUTO(runner_link_close) struct runner_link link = {.sock = -1};
	auto_json *own = members;
	auto_fd int fd = -1;

	if (runner_link_open(invocation, &link, err) != 0)
		return -1;
	return runner_link_call_take(
	    &link, type, json_incref(own), ret_body, &fd, err);
}

/* The runner says the same; to it a longer one is no message at all. */
static int
check_target(const json_t *target, struct err *err)
{
	const char *value = json_string_value(json_object_get(target, "value"));
	enum revocation_kind kind;

	revocation_kind_parse(
	    json_string_value(json_object_get(target, "kind")), &kind);
	return revocation_check_value(kind, value != NULL ? value : "", err);
}

/* What is not UTF-8 is left out, and is no value then. */
static json_t *
name_target(enum revocation_kind kind, const char *value)
{
	json_t *target = json_pack("{s:s}", "kind", revocation_kind_text(kind));

	json_object_set_new(target, "value", json_string(value));
	return target;
}

/* -- what came of it */

static json_int_t
number(const json_t *report, const char *name)
{
	return json_integer_value(json_object_get(report, name));
}

static bool
is_complete(const json_t *report)
{
	bool complete = true;

	if (number(report, "still_running") > 0) {
		tool_note("some tasks have been told to end and still run: "
			  "look at the engine");
		complete = false;
	}
	if (!json_is_true(json_object_get(report, "known"))) {
		tool_note("the runner does not know yet which tasks ran before "
			  "it was started: those that this revokes end once it "
			  "does; see taskgate-admin status");
		complete = false;
	}
	if (number(report, "confirmed") < number(report, "gateways")) {
		tool_note("a gateway has not confirmed that its connections "
			  "are closed; the runner refuses them all the same");
		complete = false;
	}
	if (!json_is_true(json_object_get(report, "recorded"))) {
		tool_note("it is in force, but cannot be put on record yet: a "
			  "runner that is restarted before would not know of "
			  "it; see taskgate-admin status");
		complete = false;
	}
	return complete;
}

/* The exit code. `members` is taken. */
static int
revoke_take(const struct invocation *invocation, json_t *members)
{
	const char *reason;
	auto_json *target = json_deep_copy(members);
	auto_json *body = NULL;
	struct err err;

	json_object_del(target, "not_after_s");
	if (check_target(target, &err) != 0 ||
	    tool_reason(invocation, REVOCATION_REASON_MAX, &reason, &err) !=
		0) {
		json_decref(members);
		return tool_fail(&err);
	}
	if (reason != NULL &&
	    json_object_set_new(members, "reason", json_string(reason)) != 0) {
		json_decref(members);
		err_set(&err, ERR_UNPROCESSABLE, "--reason: not UTF-8");
		return tool_fail(&err);
	}
	if (call_take(invocation, MESSAGE_revoke, members, &body, &err) != 0)
		return tool_fail(&err);
	json_object_update(target, body);
	if (tool_print_one(invocation, &report_view, target, &err) != 0)
		return tool_fail(&err);
	return is_complete(target) ? 0 : 1;
}

/* -- a certificate */

static bool
is_thumbprint(const char *text)
{
	struct err ignored;

	return revocation_check_value(REVOCATION_CERTIFICATE, text, &ignored) ==
	    0;
}

int
verb_revoke_cert(struct invocation *invocation)
{
	const char *operand = invocation->operands[0];
	struct err err;

	if (is_thumbprint(operand))
		return revoke_take(
		    invocation, name_target(REVOCATION_CERTIFICATE, operand));
	AUTO(X509_freep)
	X509 *certificate =
	    site_find_certificate(tool_directory(invocation), operand, &err);
	if (certificate == NULL)
		return tool_fail(&err);
	auto_free char *thumbprint = site_thumbprint(certificate);
	json_t *members = name_target(REVOCATION_CERTIFICATE, thumbprint);
	int64_t not_after_s = site_time(X509_get0_notAfter(certificate));
	if (not_after_s > 0)
		json_object_set_new(
		    members, "not_after_s", json_integer(not_after_s));
	return revoke_take(invocation, members);
}

/* -- a token */

static int
read_token_id(const char *path, char **ret, struct err *err)
{
	size_t len;
	auto_secret char *token = tool_read(path, TOKEN_FILE_MAX, &len, err);
	json_t *header = NULL;
	json_t *payload = NULL;

	if (token == NULL)
		return -1;
	while (len > 0 && strchr(" \t\r\n", token[len - 1]) != NULL)
		len--;
	if (token_read(token, len, &header, &payload, err) != 0)
		return err_prefix(err, "%s", path);
	const char *id = json_string_value(json_object_get(payload, "jti"));
	*ret = alloc_string(id != NULL ? id : "");
	json_decref(header);
	json_decref(payload);
	return 0;
}

int
verb_revoke_token(struct invocation *invocation)
{
	const char *operand = invocation->operands[0];
	auto_free char *id = NULL;
	struct err err;

	if (strcmp(operand, "-") != 0 && access(operand, F_OK) != 0) {
		tool_note("no file is named %s: it is taken for a token's id",
		    operand);
		return revoke_take(
		    invocation, name_target(REVOCATION_TOKEN, operand));
	}
	if (read_token_id(operand, &id, &err) != 0)
		return tool_fail(&err);
	return revoke_take(invocation, name_target(REVOCATION_TOKEN, id));
}

/* -- a subject, an image */

int
verb_revoke_subject(struct invocation *invocation)
{
	return revoke_take(invocation,
	    name_target(REVOCATION_SUBJECT, invocation->operands[0]));
}

/* "sha256:HEX", HEX alone, or a reference that ends in it. */
static char *
spell_digest(const char *operand)
{
	const char *at = strrchr(operand, '@');
	const char *digest = at != NULL ? at + 1 : operand;
	bool has_prefix =
	    strncmp(digest, DIGEST_PREFIX, strlen(DIGEST_PREFIX)) == 0;

	return alloc_printf("%s%s", has_prefix ? "" : DIGEST_PREFIX, digest);
}

int
verb_revoke_image(struct invocation *invocation)
{
	auto_free char *digest = spell_digest(invocation->operands[0]);

	return revoke_take(invocation, name_target(REVOCATION_IMAGE, digest));
}

int
verb_lock(struct invocation *invocation)
{
	json_t *members;
	int64_t ttl_s;
	struct err err;

	if (tool_duration(invocation, "ttl", 0, &ttl_s, &err) != 0)
		return tool_fail(&err);
	if (ttl_s == 0) {
		err_set(&err, ERR_UNPROCESSABLE,
		    "--ttl is missing: for how long; for ever is revoke "
		    "subject");
		return tool_fail(&err);
	}
	if (ttl_s > REVOCATION_LOCK_MAX_S) {
		err_set(&err, ERR_UNPROCESSABLE,
		    "--ttl: at most %lldd; for ever is revoke subject",
		    (long long)REVOCATION_LOCK_MAX_S / (24 * 3600));
		return tool_fail(&err);
	}
	members = name_target(REVOCATION_LOCK, invocation->operands[0]);
	json_object_set_new(members, "ttl_s", json_integer(ttl_s));
	return revoke_take(invocation, members);
}

/* -- back again */

static int
restore(const struct invocation *invocation, enum revocation_kind kind,
    const char *value)
{
	auto_json *target = name_target(kind, value);
	auto_json *body = NULL;
	struct err err;

	if (check_target(target, &err) != 0 ||
	    call_take(invocation, MESSAGE_restore, json_deep_copy(target),
		&body, &err) != 0 ||
	    tool_print_one(invocation, &report_view, target, &err) != 0)
		return tool_fail(&err);
	return 0;
}

int
verb_unlock(struct invocation *invocation)
{
	return restore(invocation, REVOCATION_LOCK, invocation->operands[0]);
}

int
verb_revoke_remove(struct invocation *invocation)
{
	const char *what = invocation->operands[0];
	enum revocation_kind kind;
	struct err err;

	if (!revocation_kind_parse(what, &kind) ||
	    (kind != REVOCATION_SUBJECT && kind != REVOCATION_IMAGE)) {
		err_set(&err, ERR_UNPROCESSABLE,
		    "\"%s\" is not one of subject, image: certificates and "
		    "tokens stay revoked, and a lock ends by unlock",
		    what);
		return tool_fail(&err);
	}
	auto_free char *value = kind == REVOCATION_IMAGE
	    ? spell_digest(invocation->operands[1])
	    : alloc_string(invocation->operands[1]);
	return restore(invocation, kind, value);
}

int
verb_revoke_list(struct invocation *invocation)
{
	auto_json *body = NULL;
	struct err err;

	if (call_take(invocation, MESSAGE_revocations_read, json_object(),
		&body, &err) != 0 ||
	    tool_print_list(invocation, &list_view, body, &err) != 0)
		return tool_fail(&err);
	return 0;
}
