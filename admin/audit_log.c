#include "admin/audit_log.h"

#include <stdlib.h>
#include <string.h>

#include "admin/tool.h"
#include "lib/alloc.h"
#include "lib/cleanup.h"

/* A checkpoint of the runner's takes a moment to be written. */
#define BUSY_MS 5000

void
audit_log_done(struct audit_log *log)
{
	audit_keys_done(&log->question.keys);
	sqlite3_close(log->database);
	free(log->path);
	site_log_done(&log->site);
	*log = (struct audit_log){0};
}

static int
open_database(
    const struct invocation *invocation, struct audit_log *log, struct err *err)
{
	const char *named = option_value(invocation, "database");
	int result;

	log->path = alloc_string(named != NULL ? named : log->site.database);
	result = sqlite3_open_v2(log->path, &log->database,
	    SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL);
	if (result == SQLITE_OK) {
		/* What it defines by itself may call no functions. */
		sqlite3_db_config(
		    log->database, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
		sqlite3_busy_timeout(log->database, BUSY_MS);
		return 0;
	}
	return err_set(err,
	    result == SQLITE_CANTOPEN ? ERR_NOT_FOUND : ERR_UNAVAILABLE,
	    "%s: %s; name the store.db with --database", log->path,
	    sqlite3_errmsg(log->database));
}

int
audit_log_open_copy(
    const struct invocation *invocation, struct audit_log *ret, struct err *err)
{
	if (option_value(invocation, "database") == NULL)
		return audit_log_open(invocation, ret, err);
	return open_database(invocation, ret, err);
}

/* -- keys */

/* Every key of a file: a rotation leaves the old ones behind the new. */
static int
read_key(struct audit_log *log, const char *path, struct err *err)
{
	size_t len = 0;
	auto_free char *pem = tool_read(path, AUDIT_KEYS_FILE_MAX, &len, err);

	if (pem == NULL)
		return -1;
	return audit_keys_add(&log->question.keys, pem, len, err) == 0
	    ? 0
	    : err_prefix(err, "%s", path);
}

int
audit_log_read_keys(
    const struct invocation *invocation, struct audit_log *log, struct err *err)
{
	auto_free char *usual =
	    alloc_printf("%s/audit.pub", tool_directory(invocation));
	const char *path;

	for (size_t i = 0; (path = option_each(invocation, "key", i)) != NULL;
	     i++) {
		if (read_key(log, path, err) != 0)
			return -1;
	}
	return log->question.keys.count > 0 ? 0 : read_key(log, usual, err);
}

int
audit_log_open(
    const struct invocation *invocation, struct audit_log *ret, struct err *err)
{
	if (site_find_log(tool_directory(invocation), &ret->site, err) != 0)
		return -1;
	ret->question.origin = ret->site.origin;
	return open_database(invocation, ret, err);
}

int
audit_log_begin(const struct audit_log *log, struct err *err)
{
	return sqlite3_exec(log->database, "BEGIN", NULL, NULL, NULL) ==
		SQLITE_OK
	    ? 0
	    : err_set(err, ERR_UNAVAILABLE, "%s: %s", log->path,
		  sqlite3_errmsg(log->database));
}

/* -- the signed head */

static int
find_note(const struct audit_log *log, char **ret, struct err *err)
{
	sqlite3_stmt *row = NULL;
	const char *note = NULL;

	if (sqlite3_prepare_v2(log->database, "SELECT note FROM head", -1, &row,
		NULL) == SQLITE_OK &&
	    sqlite3_step(row) == SQLITE_ROW)
		note = (const char *)sqlite3_column_text(row, 0);
	if (note != NULL)
		*ret = alloc_string(note);
	sqlite3_finalize(row);
	if (note == NULL)
		return err_set(err, ERR_NOT_FOUND,
		    "%s: nothing has been signed: %s", log->path,
		    sqlite3_errmsg(log->database));
	return 0;
}

int
audit_log_check(const struct audit_log *log, const char *note, size_t len,
    struct checkpoint *ret, struct err *err)
{
	return audit_keys_open(
	    &log->question.keys, note, len, log->site.origin, ret, err);
}

char *
audit_log_head(
    const struct audit_log *log, struct checkpoint *ret, struct err *err)
{
	auto_free char *note = NULL;

	if (find_note(log, &note, err) != 0)
		return NULL;
	if (audit_log_check(log, note, strlen(note), ret, err) != 0) {
		err_prefix(err, "%s", log->path);
		return NULL;
	}
	return take(note);
}
