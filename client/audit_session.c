#include "client/audit_session.h"

#include "client/evidence.h"
#include "lib/cleanup.h"

static void
audit_done(struct audit *audit)
{
	audit_keys_done(&audit->keys);
	session_close(&audit->session);
}

static int
open_audit(const struct invocation *invocation, struct audit *audit,
    struct failure *failure)
{
	if (session_open(invocation, &audit->session, failure) != 0)
		return -1;
	return evidence_keys(
	    invocation, &audit->session.context, &audit->keys, failure);
}

int
audit_run(struct invocation *invocation,
    int (*act)(const struct invocation *, struct audit *, struct failure *))
{
	AUTO(audit_done) struct audit audit = {0};
	auto_failure failure = FAILURE_INIT;

	if (open_audit(invocation, &audit, &failure) != 0 ||
	    act(invocation, &audit, &failure) != 0)
		return session_fail_verb(&audit.session, &failure);
	return 0;
}

int
audit_read_from(const struct invocation *invocation, const struct audit *audit,
    struct checkpoint *ret, struct failure *failure)
{
	const char *path = option_value(invocation, "from");

	if (path == NULL)
		return 0;
	return evidence_checkpoint(path, &audit->keys, NULL, ret, failure) == 0
	    ? 1
	    : -1;
}
