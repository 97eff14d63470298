/*
 * An audit log as its operator opens it: the store's database, read-only and
 * past the runner, the keys that have signed it and what it is called.
 * Believes nothing of the database.
 */
#ifndef ADMIN_AUDIT_LOG_H
#define ADMIN_AUDIT_LOG_H

#include "admin/site.h"
#include "admin/verify_log.h"
#include "lib/command.h"

struct audit_log {
	struct site_log site;
	char *path; /* of the database */
	sqlite3 *database;
	struct verify_question question; /* the origin and the keys */
};

/* The options --database and --key, which LOG_OPTIONS of the table has. */
int audit_log_open(const struct invocation *invocation, struct audit_log *ret,
    struct err *err);
/* The same, but where --database names a copy there need not be an
 * installation, and nothing is known of what the log is called. */
int audit_log_open_copy(const struct invocation *invocation,
    struct audit_log *ret, struct err *err);
/* Reads the public keys: --key, else DIR/audit.pub. */
int audit_log_read_keys(const struct invocation *invocation,
    struct audit_log *log, struct err *err);
/* From here on all that is read is of one moment. */
int audit_log_begin(const struct audit_log *log, struct err *err);
void audit_log_done(struct audit_log *log);

/* The signed head as it stands there: the caller frees it. *ret is what it
 * says, once one of the keys has proved to have signed it. */
char *audit_log_head(
    const struct audit_log *log, struct checkpoint *ret, struct err *err);
/* A note from elsewhere, that one of the keys must have signed. */
int audit_log_check(const struct audit_log *log, const char *note, size_t len,
    struct checkpoint *ret, struct err *err);

#endif
