/*
 * SQLite, and how it fails. A failed fsync ends the process: what the kernel
 * has then dropped cannot be told from what it has written, and asking again
 * reports success (the "fsyncgate" of 2018).
 */
#include "runner/database.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "runner/schema.h"

/* Pages of the log (4 KiB each) from which on it is moved into the file: where
 * nobody waits, and at the latest. A record alone writes some 14, and who comes
 * during the move waits for two fsyncs and some milliseconds. */
#define CHECKPOINT_PAGES 500
#define CHECKPOINT_PAGES_BUSY 3000

static const char *const sqls[] = {
#define STATEMENT(name, sql) [STATEMENT_##name] = sql,
#include "runner/statements.def"
#undef STATEMENT
};

/* How long another may hold it. */
#define BUSY_MS 5000

/* An operator may read along, or take a copy with sqlite3's .backup. */
static const char settings[] = "PRAGMA journal_mode = WAL;"
			       "PRAGMA synchronous = FULL;"
			       "PRAGMA foreign_keys = ON;"
			       "PRAGMA trusted_schema = OFF;"
			       "PRAGMA wal_autocheckpoint = 0;"
			       /* It can open no file outside of the state. */
			       "PRAGMA temp_store = MEMORY;"
			       /* What is dropped or redacted is gone. */
			       "PRAGMA secure_delete = ON;"
			       /* What a large change made of the log. */
			       "PRAGMA journal_size_limit = 16777216;";

static const struct {
	const char *slug;
	const char *text;
} faults[] = {
    [FAULT_NONE] = {"none", ""},
#define FAULT(name, slug, text) [FAULT_##name] = {slug, text},
#include "runner/fault.def"
#undef FAULT
};

const char *
fault_slug(enum fault fault)
{
	return faults[fault].slug;
}

/* SQLite knows ENOSPC alone; of the rest it says "disk I/O error". */
static enum fault
judge_errno(int number)
{
	switch (number) {
	case ENOSPC:
	case EDQUOT:
		return FAULT_NO_ROOM;
	case EROFS:
	case EACCES:
	case EPERM:
		return FAULT_READ_ONLY;
	default:
		return FAULT_DISK;
	}
}

/* What a write met with. SQLite's own word for it is of the call that came
 * last, which can be another one. */
static int
find_errno(sqlite3 *handle, int code)
{
	static const int files[] = {
	    SQLITE_FCNTL_JOURNAL_POINTER, SQLITE_FCNTL_FILE_POINTER};
	int number = 0;

	if (code != SQLITE_IOERR_WRITE && code != SQLITE_IOERR_TRUNCATE)
		return sqlite3_system_errno(handle);
	for (size_t i = 0; i < COUNT(files) && number == 0; i++) {
		sqlite3_file *file = NULL;

		if (sqlite3_file_control(handle, "main", files[i], &file) ==
			SQLITE_OK &&
		    file != NULL && file->pMethods != NULL)
			(void)file->pMethods->xFileControl(
			    file, SQLITE_FCNTL_LAST_ERRNO, &number);
	}
	return number;
}

/* FAULT_NONE: it is nobody's fault but ours. */
static enum fault
judge(int code, int number)
{
	switch (code & 0xff) {
	case SQLITE_FULL:
		return FAULT_NO_ROOM;
	case SQLITE_IOERR:
	case SQLITE_CANTOPEN:
		return judge_errno(number);
	case SQLITE_READONLY:
	case SQLITE_PERM:
		return FAULT_READ_ONLY;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return FAULT_HELD;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return FAULT_DAMAGED;
	default:
		return FAULT_NONE;
	}
}

static int
explain(struct database *database, const char *what, struct err *err)
{
	int code = sqlite3_extended_errcode(database->handle);
	const char *text = sqlite3_errmsg(database->handle);
	enum fault fault = judge(code, find_errno(database->handle, code));

	if (code == SQLITE_IOERR_FSYNC || code == SQLITE_IOERR_DIR_FSYNC)
		die("the store: %s: fsync failed: %s", what, text);
	if ((code & 0xff) == SQLITE_NOMEM)
		die("the store: %s: no memory", what);
	if (fault == FAULT_NONE)
		return err_set(
		    err, ERR_INTERNAL, "%s: %s (%d)", what, text, code);
	database->fault = fault;
	database->damaged |= fault == FAULT_DAMAGED;
	return err_set(err, ERR_UNAVAILABLE, "%s (%.60s: %s)",
	    faults[fault].text, what, text);
}

int
database_execute(struct database *database, const char *sql, const char *what,
    struct err *err)
{
	if (sqlite3_exec(database->handle, sql, NULL, NULL, NULL) != SQLITE_OK)
		return explain(database, what, err);
	return 0;
}

int
database_query(
    struct database *database, const char *sql, int64_t *ret, struct err *err)
{
	sqlite3_stmt *statement = NULL;
	int result;

	if (sqlite3_prepare_v2(database->handle, sql, -1, &statement, NULL) !=
	    SQLITE_OK)
		return explain(database, "read the schema", err);
	result = sqlite3_step(statement);
	*ret = result == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : -1;
	sqlite3_finalize(statement);
	if (result != SQLITE_ROW && result != SQLITE_DONE)
		return explain(database, "read the schema", err);
	return 0;
}

static int
prepare_statements(struct database *database, struct err *err)
{
	for (size_t i = 0; i < STATEMENT_COUNT; i++) {
		if (sqlite3_prepare_v3(database->handle, sqls[i], -1,
			SQLITE_PREPARE_PERSISTENT, &database->statements[i],
			NULL) != SQLITE_OK)
			return explain(database, sqls[i], err);
	}
	return 0;
}

static void
close_quietly(struct database *database)
{
	for (size_t i = 0; i < STATEMENT_COUNT; i++)
		sqlite3_finalize(database->statements[i]);
	sqlite3_close(database->handle);
	*database = (struct database){0};
}

static int
count_pages(void *arg, sqlite3 *handle, const char *name, int pages)
{
	struct database *database = arg;

	(void)handle;
	(void)name;
	database->log_pages = pages;
	database->written = true;
	return SQLITE_OK;
}

static int
open_file(const char *path, struct database *database, struct err *err)
{
	if (sqlite3_open_v2(path, &database->handle,
		SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE |
		    SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW,
		NULL) != SQLITE_OK)
		return err_set(err, ERR_UNAVAILABLE, "open %s: %s", path,
		    sqlite3_errmsg(database->handle));
	sqlite3_extended_result_codes(database->handle, 1);
	(void)sqlite3_busy_timeout(database->handle, BUSY_MS);
	/* What is refused stays as it is: nothing of its log is moved. */
	if (sqlite3_db_config(database->handle, SQLITE_DBCONFIG_DEFENSIVE, 1,
		NULL) != SQLITE_OK ||
	    sqlite3_db_config(database->handle,
		SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL) != SQLITE_OK)
		die("sqlite3_db_config");
	return 0;
}

static int
find_crash(struct database *database, struct err *err)
{
	int64_t crashed = 0;

	if (database_query(database,
		"SELECT event <> 'runner.stopped' FROM audit "
		"ORDER BY seq DESC LIMIT 1",
		&crashed, err) != 0)
		return -1;
	database->past.crashed = crashed == 1;
	return 0;
}

static int
prepare(struct database *database, const char *directory, struct err *err)
{
	int64_t version = 0;

	if (schema_version(database, &version, err) != 0 ||
	    (version == 0 && schema_begin(database, err) != 0) ||
	    database_execute(database, settings, "open", err) != 0 ||
	    schema_migrate(database, version, directory, err) != 0 ||
	    prepare_statements(database, err) != 0 ||
	    find_crash(database, err) != 0)
		return -1;
	database->migrated_from =
	    version > 0 && version < SCHEMA_VERSION ? version : 0;
	return 0;
}

/* Before SQLite looks at it: it mends it without a word. */
static int
examine_log(const char *path, struct wal_state *ret, struct err *err)
{
	auto_free char *name = alloc_printf("%s-wal", path);
	auto_file FILE *file = fopen(name, "rbe");

	if (file == NULL)
		return errno == ENOENT ? 0 : err_errno(err, "open %s", name);
	return wal_examine(file, ret, err);
}

int
database_open(const char *path, struct database *ret, struct err *err)
{
	AUTO(close_quietly) struct database database = {0};
	const char *slash = strrchr(path, '/');
	auto_free char *directory = slash != NULL && slash != path
	    ? alloc_bytes(path, (size_t)(slash - path))
	    : alloc_string(slash == path ? "/" : ".");

	if (examine_log(path, &database.past.wal, err) != 0 ||
	    open_file(path, &database, err) != 0)
		return -1;
	if (prepare(&database, directory, err) != 0)
		return err_prefix(err, "%s", path);
	*ret = database;
	database = (struct database){0};
	sqlite3_wal_hook(ret->handle, count_pages, ret);
	return 0;
}

int
database_open_reading(const char *path, struct database *ret, struct err *err)
{
	static const char reading[] = "PRAGMA busy_timeout = 5000;"
				      "PRAGMA trusted_schema = OFF;"
				      "PRAGMA temp_store = MEMORY;";
	AUTO(close_quietly) struct database database = {0};

	if (sqlite3_open_v2(path, &database.handle,
		SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX |
		    SQLITE_OPEN_NOFOLLOW,
		NULL) != SQLITE_OK)
		return err_set(err, ERR_UNAVAILABLE, "open %s: %s", path,
		    sqlite3_errmsg(database.handle));
	sqlite3_extended_result_codes(database.handle, 1);
	if (database_execute(&database, reading, "open", err) != 0 ||
	    prepare_statements(&database, err) != 0)
		return err_prefix(err, "%s", path);
	*ret = database;
	database = (struct database){0};
	return 0;
}

void
database_close_reading(struct database *database)
{
	close_quietly(database);
}

void
database_close(struct database *database)
{
	struct err err;

	if (database->handle == NULL)
		return;
	if (sqlite3_wal_checkpoint_v2(database->handle, NULL,
		SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL) != SQLITE_OK)
		(void)explain(database, "checkpoint", &err);
	close_quietly(database);
}

static int
bind(sqlite3_stmt *statement, const char *format, va_list ap)
{
	for (int at = 1; *format != '\0'; format++, at++) {
		int result;

		if (*format == 's') {
			const char *text = va_arg(ap, const char *);

			result = sqlite3_bind_text(
			    statement, at, text, -1, SQLITE_STATIC);
		} else if (*format == 'i') {
			int64_t value = va_arg(ap, int64_t);

			result = value == DATABASE_NONE
			    ? sqlite3_bind_null(statement, at)
			    : sqlite3_bind_int64(statement, at, value);
		} else {
			const void *data = va_arg(ap, const void *);
			size_t len = va_arg(ap, size_t);

			result = sqlite3_bind_blob64(
			    statement, at, data, len, SQLITE_STATIC);
		}
		if (result != SQLITE_OK)
			return -1;
	}
	return 0;
}

static int
begin(struct database *database, enum statement statement, struct err *err,
    const char *format, va_list ap)
{
	if (bind(database->statements[statement], format, ap) == 0)
		return 0;
	explain(database, sqls[statement], err);
	database_end(database, statement);
	return -1;
}

int
database_begin(struct database *database, enum statement statement,
    struct err *err, const char *format, ...)
{
	va_list ap;
	int result;

	va_start(ap, format);
	result = begin(database, statement, err, format, ap);
	va_end(ap);
	return result;
}

int
database_next(
    struct database *database, enum statement statement, struct err *err)
{
	int result = sqlite3_step(database->statements[statement]);

	if (result == SQLITE_ROW)
		return 1;
	if (result == SQLITE_DONE)
		return 0;
	return explain(database, "the store", err);
}

void
database_end(struct database *database, enum statement statement)
{
	/* Says again what the last step said. */
	(void)sqlite3_reset(database->statements[statement]);
	(void)sqlite3_clear_bindings(database->statements[statement]);
}

int
database_run(struct database *database, enum statement statement,
    struct err *err, const char *format, ...)
{
	va_list ap;
	int result;

	va_start(ap, format);
	result = begin(database, statement, err, format, ap);
	va_end(ap);
	if (result != 0)
		return -1;
	result = database_next(database, statement, err);
	database_end(database, statement);
	return result < 0 ? -1 : 0;
}

const char *
database_text(struct database *database, enum statement statement, int column)
{
	return (const char *)sqlite3_column_text(
	    database->statements[statement], column);
}

int64_t
database_integer(
    struct database *database, enum statement statement, int column)
{
	sqlite3_stmt *row = database->statements[statement];

	return sqlite3_column_type(row, column) == SQLITE_NULL
	    ? DATABASE_NONE
	    : sqlite3_column_int64(row, column);
}

const void *
database_blob(struct database *database, enum statement statement, int column,
    size_t *ret_len)
{
	sqlite3_stmt *row = database->statements[statement];
	const void *data = sqlite3_column_blob(row, column);

	*ret_len = (size_t)sqlite3_column_bytes(row, column);
	return data;
}

int
database_in_transaction(const struct database *database)
{
	return sqlite3_get_autocommit(database->handle) == 0;
}

/* What was dropped is to be in no file any more. Who reads along may hold the
 * log: then the next time. */
static void
purge(struct database *database)
{
	struct err err;

	(void)sqlite3_busy_timeout(database->handle, 0);
	if (sqlite3_wal_checkpoint_v2(database->handle, NULL,
		SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL) == SQLITE_OK)
		database->purging = false;
	else if (sqlite3_errcode(database->handle) != SQLITE_BUSY)
		(void)explain(database, "checkpoint", &err);
	(void)sqlite3_busy_timeout(database->handle, BUSY_MS);
}

/* By hand, because SQLite's own passes over a failed fsync. */
void
database_checkpoint(struct database *database, bool idle)
{
	struct err err;

	if (database->purging)
		purge(database);
	if (database->log_pages <
	    (idle ? CHECKPOINT_PAGES : CHECKPOINT_PAGES_BUSY))
		return;
	if (sqlite3_wal_checkpoint_v2(database->handle, NULL,
		SQLITE_CHECKPOINT_PASSIVE, NULL, NULL) != SQLITE_OK)
		(void)explain(database, "checkpoint", &err);
}

int
database_recheck(struct database *database, struct err *err)
{
	sqlite3_stmt *check = NULL;
	bool is_whole;

	/* Or the pages that were read badly would be asked again. */
	(void)sqlite3_db_release_memory(database->handle);
	is_whole = sqlite3_prepare_v2(database->handle, "PRAGMA quick_check(1)",
		       -1, &check, NULL) == SQLITE_OK &&
	    sqlite3_step(check) == SQLITE_ROW &&
	    strcmp((const char *)sqlite3_column_text(check, 0), "ok") == 0;
	sqlite3_finalize(check);
	database->damaged = !is_whole;
	if (is_whole)
		return 0;
	database->fault = FAULT_DAMAGED;
	return err_set(err, ERR_UNAVAILABLE, "%s", faults[FAULT_DAMAGED].text);
}
