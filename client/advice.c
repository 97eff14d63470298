/*
 * Advice by table: a slug, and who can help. Pure but for what it is given.
 */
#include "client/advice.h"

#include <stdlib.h>
#include <string.h>

#include "client/credential.h"
#include "lib/alloc.h"
#include "lib/cleanup.h"

void
advice_for_context(const struct err *err, struct failure *failure)
{
	/* The sentence about modes names its own remedy. */
	if (strstr(err->detail, "chmod ") != NULL)
		return;
	if (err->code == ERR_NOT_FOUND)
		failure_hint(failure,
		    "taskgate context import PATH (the folder or file that "
		    "\"taskgate-admin enroll\" made), or taskgate context "
		    "list");
	else
		failure_hint(failure, "taskgate doctor");
}

char *
advice_token(const struct context *context)
{
	return alloc_printf("ask the operator: taskgate-admin token issue %s "
			    "--cert CERTIFICATE; the token goes into %s/token, "
			    "mode 0600",
	    context->subject,
	    context->folder != NULL ? context->folder : "the context's folder");
}

char *
advice_enroll(const struct context *context)
{
	return alloc_printf("ask the operator: taskgate-admin enroll %s; then "
			    "taskgate context import --replace PATH",
	    context->subject);
}

static void
advise_credentials(
    const struct context *context, int64_t now_s, struct failure *failure)
{
	auto_free char *reason = credential_explain(context, now_s);
	auto_free char *detail = NULL;
	auto_free char *help = NULL;

	if (reason == NULL) {
		failure_hint(failure, "taskgate doctor");
		return;
	}
	detail = failure->detail != NULL
	    ? alloc_printf("%s (%s)", reason, failure->detail)
	    : alloc_string(reason);
	free(failure->detail);
	failure->detail = take(detail);
	help = strstr(reason, "token") != NULL ? advice_token(context)
					       : advice_enroll(context);
	failure_hint(failure, "%s", help);
}

static void
advise_revoked(
    const struct context *context, int64_t now_s, struct failure *failure)
{
	const char *detail = failure->detail != NULL ? failure->detail : "";

	(void)now_s;
	/* certs/revocations.c: what is refused is the subject, whatever is
	 * issued to it later, or one certificate or token. */
	if (strstr(detail, "subject is locked") != NULL)
		failure_hint(failure,
		    "ask the operator why; who may come again is let in by "
		    "taskgate-admin unlock %s",
		    context->subject);
	else if (strstr(detail, "subject was revoked") != NULL)
		failure_hint(failure,
		    "ask the operator why; who may come again is let in by "
		    "taskgate-admin revoke remove subject %s",
		    context->subject);
	else
		failure_hint(failure,
		    "ask the operator why; who may come again gets what was "
		    "revoked anew: taskgate-admin enroll %s",
		    context->subject);
}

static void
advise_scope(
    const struct context *context, int64_t now_s, struct failure *failure)
{
	(void)now_s;
	failure_hint(failure,
	    "taskgate whoami shows what your token is good for; the operator "
	    "issues another: taskgate-admin token issue %s --cert CERTIFICATE "
	    "--scope %s",
	    context->subject, failure->scope != NULL ? failure->scope : "...");
}

static void
advise_denied(
    const struct context *context, int64_t now_s, struct failure *failure)
{
	(void)now_s;
	failure_hint(failure,
	    "taskgate catalog shows what you may run; or ask the operator "
	    "whether the policy should let %s do this",
	    context->subject);
}

static void
advise_unreachable(
    const struct context *context, int64_t now_s, struct failure *failure)
{
	(void)context;
	(void)now_s;
	failure_hint(failure, "taskgate doctor");
}

static void
advise_not_found(
    const struct context *context, int64_t now_s, struct failure *failure)
{
	(void)context;
	(void)now_s;
	failure_hint(failure, "taskgate ps --all");
}

/* Rounded up where seconds would tell nobody anything. */
static char *
describe_wait(int seconds)
{
	static const struct {
		int seconds;
		const char *name;
	} units[] = {{86400, "days"}, {3600, "hours"}, {60, "minutes"}};

	for (size_t i = 0; i < COUNT(units); i++) {
		int unit = units[i].seconds;

		if (seconds >= 2 * unit)
			return alloc_printf("%d %s",
			    seconds / unit + (seconds % unit > 0 ? 1 : 0),
			    units[i].name);
	}
	return alloc_printf("%d s", seconds);
}

static void
advise_busy(
    const struct context *context, int64_t now_s, struct failure *failure)
{
	auto_free char *wait = describe_wait(failure->retry_after_s);

	(void)context;
	(void)now_s;
	if (failure->retry_after_s > 0)
		failure_hint(failure, "the same again in %s", wait);
	else
		failure_hint(failure, "the same again in a while");
}

static void
advise_unavailable(
    const struct context *context, int64_t now_s, struct failure *failure)
{
	(void)context;
	(void)now_s;
	failure_hint(failure, "taskgate status says what is missing");
}

void
advice_for_reply(
    const struct context *context, int64_t now_s, struct failure *failure)
{
	static const struct {
		const char *slug;
		void (*advise)(
		    const struct context *, int64_t, struct failure *);
	} table[] = {
	    {"unauthenticated", advise_credentials},
	    {"revoked", advise_revoked},
	    {"insufficient-scope", advise_scope},
	    {"denied", advise_denied},
	    {"unreachable", advise_unreachable},
	    {"context", advise_unreachable},
	    {"not-found", advise_not_found},
	    {"busy", advise_busy},
	    {"over-rate", advise_busy},
	    {"unavailable", advise_unavailable},
	};

	for (size_t i = 0; i < COUNT(table); i++) {
		if (strcmp(table[i].slug, failure->slug) == 0)
			table[i].advise(context, now_s, failure);
	}
}
