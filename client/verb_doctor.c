/*
 * `doctor`: looks at everything that stands between the user and a task, and
 * says of each what helps.
 */
#include "client/verbs.h"

#include <stdlib.h>
#include <string.h>

#include "client/advice.h"
#include "client/context_store.h"
#include "client/doctor.h"
#include "client/exit_code.h"
#include "client/identity.h"
#include "lib/alloc.h"
#include "lib/audit_keys.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/json.h"

struct examination {
	struct session session;
	struct findings findings;
	int64_t now_s;
};

static void
examination_done(struct examination *examination)
{
	findings_done(&examination->findings);
	session_close(&examination->session);
}

/* The failure becomes a finding; its hint what helps. */
static void
add_failure(
    struct examination *examination, const char *check, struct failure *failure)
{
	const char *why = failure->detail != NULL ? failure->detail
	    : failure->title != NULL              ? failure->title
						  : failure->slug;

	/* "taskgate doctor" is running. */
	bool helps = failure->hint != NULL &&
	    strcmp(failure->hint, "taskgate doctor") != 0;

	findings_add_take(&examination->findings, check, FINDING_BAD,
	    alloc_string(why), helps ? alloc_string(failure->hint) : NULL);
}

/* Loading it has looked at its files' modes. */
static void
add_context(struct examination *examination)
{
	const struct context *context = &examination->session.context;

	findings_add_take(&examination->findings, "context", FINDING_GOOD,
	    alloc_printf("%s: %s at %s", context->folder, context->subject,
		context->server),
	    NULL);
}

static void
add_err(struct examination *examination, const char *check,
    const struct err *err, const char *help)
{
	findings_add_take(&examination->findings, check, FINDING_BAD,
	    alloc_string(err->detail), alloc_string(help));
}

static void
look_at_credentials(struct examination *examination)
{
	const struct context *context = &examination->session.context;
	struct findings *findings = &examination->findings;
	auto_free char *enroll = advice_enroll(context);
	auto_free char *renew = advice_token(context);
	struct certificate_facts certificate, ca;
	struct token_facts token;
	auto_identity identity = {0};
	struct err err;

	if (identity_read(
		context->certificate, context->key, &identity, &err) != 0)
		add_err(examination, "key", &err, enroll);
	if (credential_read_certificate(context->ca, &ca, &err) != 0)
		add_err(examination, "CA", &err, enroll);
	else
		doctor_judge_certificate(
		    findings, "CA", &ca, examination->now_s, enroll);
	if (credential_read_certificate(
		context->certificate, &certificate, &err) != 0) {
		add_err(examination, "certificate", &err, enroll);
		return;
	}
	doctor_judge_certificate(
	    findings, "certificate", &certificate, examination->now_s, enroll);
	if (credential_read_token(context->token, &token, &err) != 0)
		add_err(examination, "token", &err, renew);
	else
		doctor_judge_token(
		    findings, &token, &certificate, examination->now_s, renew);
}

/* Without it everything but a proof can be had. */
static void
look_at_audit_key(struct examination *examination)
{
	const struct context *context = &examination->session.context;
	AUTO(audit_keys_done) struct audit_keys keys = {0};
	auto_free char *enroll = advice_enroll(context);
	const char *pem = context->audit_key;
	struct err err;

	if (pem == NULL)
		findings_add_take(&examination->findings, "audit key",
		    FINDING_WARNING,
		    alloc_string("there is none: receipts cannot be verified"),
		    take(enroll));
	else if (audit_keys_add(&keys, pem, strlen(pem), &err) != 0)
		add_err(examination, "audit key", &err, enroll);
	else
		findings_add_take(&examination->findings, "audit key",
		    FINDING_GOOD,
		    alloc_printf("receipts can be verified (%zu %s)",
			keys.count, keys.count == 1 ? "key" : "keys"),
		    NULL);
}

static void
add_readiness(struct examination *examination, const json_t *status)
{
	const json_t *reasons = json_object_get(status, "reasons");
	const char *first = json_string_value(json_array_get(reasons, 0));

	if (json_is_true(json_object_get(status, "ready"))) {
		findings_add_take(&examination->findings, "service",
		    FINDING_GOOD, alloc_string("ready"), NULL);
		return;
	}
	findings_add_take(&examination->findings, "service", FINDING_BAD,
	    alloc_printf(
		"not ready: %s", first != NULL ? first : "no reason given"),
	    alloc_string("tell the operator: taskgate-admin status"));
}

static int
ask(struct examination *examination, const char *path, bool anonymous,
    json_t **ret_document, struct failure *failure)
{
	const struct session_call call = {
	    .method = "GET",
	    .path = path,
	    .policy = &retry_call,
	    .anonymous = anonymous,
	};
	int status;

	return session_call(
	    &examination->session, &call, ret_document, &status, failure);
}

static bool
look_at_server(struct examination *examination)
{
	auto_failure failure = FAILURE_INIT;
	auto_json *status = NULL;
	const char *version = NULL;

	if (ask(examination, "/api/status", true, &status, &failure) != 0) {
		add_failure(examination, "server", &failure);
		return false;
	}
	version = json_string_value(json_object_get(status, "version"));
	findings_add_take(&examination->findings, "server", FINDING_GOOD,
	    alloc_printf(
		"answers, version %s", version != NULL ? version : "unknown"),
	    NULL);
	if (examination->session.knows_skew)
		doctor_judge_clock(
		    &examination->findings, examination->session.skew_s);
	add_readiness(examination, status);
	return true;
}

static void
look_at_access(struct examination *examination)
{
	auto_failure failure = FAILURE_INIT;
	auto_json *principal = NULL;
	struct buffer scopes = BUFFER_INIT(4096);
	auto_free char *text = NULL;
	const json_t *scope = NULL;
	size_t i;

	if (ask(examination, "/v1/whoami", false, &principal, &failure) != 0) {
		add_failure(examination, "access", &failure);
		return;
	}
	json_array_foreach(json_object_get(principal, "scopes"), i, scope)
	{
		buffer_append_string(&scopes, " ");
		buffer_append(&scopes, json_string_value(scope),
		    json_string_length(scope));
	}
	text = buffer_take(&scopes);
	findings_add_take(&examination->findings, "access", FINDING_GOOD,
	    alloc_printf("certificate and token are accepted, for%s",
		*text != '\0' ? text : " nothing"),
	    NULL);
}

static int
report(const struct examination *examination)
{
	const struct findings *findings = &examination->findings;

	if (examination->session.format == SHOW_TABLE) {
		findings_print(findings);
	} else {
		auto_json *document = findings_document(findings);

		show_document(examination->session.format, document);
	}
	return findings_are_good(findings) ? 0 : EXIT_NO;
}

int
verb_doctor(struct invocation *invocation)
{
	__attribute__((
	    cleanup(examination_done))) struct examination examination = {
	    .now_s = clock_wall_ms() / 1000};
	auto_failure failure = FAILURE_INIT;

	if (session_open(invocation, &examination.session, &failure) != 0) {
		if (strcmp(failure.slug, "usage") == 0)
			return session_fail_verb(
			    &examination.session, &failure);
		add_failure(&examination, "context", &failure);
		return report(&examination);
	}
	add_context(&examination);
	look_at_credentials(&examination);
	look_at_audit_key(&examination);
	if (look_at_server(&examination))
		look_at_access(&examination);
	return report(&examination);
}
