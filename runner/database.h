/*
 * The runner's database: SQLite, written by one process alone, used by one
 * thread. What this file knows is how SQLite fails; what is in the tables is
 * others' to know.
 */
#ifndef RUNNER_DATABASE_H
#define RUNNER_DATABASE_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/err.h"
#include "runner/wal.h"

/* The columns of a task, in the order in which runner/task_store.c reads. */
#define TASK_COLUMNS                                                         \
	"id, subject, principal, request, request_sha256, rule, "            \
	"policy_sha256, limits, uid, gid, network, state, created_ms, "      \
	"image_id, container, started_ms, finished_ms, outcome, "            \
	"exit_code, signal, reason, errnum, detail, stdout_bytes, "          \
	"stderr_bytes, truncated, user_us, system_us, memory_peak, "         \
	"oom_killed, sandbox, init_pid, warm, container_age_ms, queued_us, " \
	"starting_us, running_us, stdin_received, stdin_ended, "             \
	"stdin_taken, stdin_closed, stdout_sha256, stderr_sha256, files, "   \
	"cancelled, deadline_ms, discarded, secrets, launch, mounts, approval"

enum statement {
#define STATEMENT(name, sql) STATEMENT_##name,
#include "runner/statements.def"
#undef STATEMENT
	STATEMENT_COUNT
};

/* What a failing store fails of. */
enum fault {
	FAULT_NONE,
#define FAULT(name, slug, text) FAULT_##name,
#include "runner/fault.def"
#undef FAULT
	FAULT_COUNT
};

const char *fault_slug(enum fault fault);

/* How an earlier life left it. */
struct database_past {
	bool crashed; /* its last record is not that of its end */
	struct wal_state wal;
};

struct database {
	sqlite3 *handle;
	sqlite3_stmt *statements[STATEMENT_COUNT];
	int log_pages; /* of the write-ahead log, as of the last commit */
	bool written; /* something was; whoever looks takes it back */
	int64_t migrated_from; /* an earlier version; 0: it was ours */
	struct database_past past;
	enum fault fault; /* the last; whoever looks takes it back */
	bool purging; /* something was dropped that the log still holds */
	bool damaged; /* nothing is written; database_recheck() */
};

/* Makes it where there is none, and brings an earlier version's to ours. *ret
 * must stay where it is. ERR_CONFLICT: of a newer version; then nothing is
 * changed. */
int database_open(const char *path, struct database *ret, struct err *err);
/* Another connection to one that is open, for reading alone: nothing that it
 * does can hold up a writer. */
int
database_open_reading(const char *path, struct database *ret, struct err *err);
void database_close_reading(struct database *database);
/* Brings what the write-ahead log holds into the file. */
void database_close(struct database *database);

/*
 * `format` has a character for each value:
 *	s  const char *, NULL for none	i  int64_t, DATABASE_NONE for none
 *	b  const void *, size_t
 * Bytes are borrowed until the statement is run or reset.
 * ERR_UNAVAILABLE where the disk is at fault (and `fault` says how),
 * ERR_INTERNAL where we are. A failed fsync does not return.
 */
#define DATABASE_NONE INT64_MIN
int database_run(struct database *database, enum statement statement,
    struct err *err, const char *format, ...);

/* A query: begin, then next until it says 0 (no more rows) or -1; then end. */
int database_begin(struct database *database, enum statement statement,
    struct err *err, const char *format, ...);
int database_next(
    struct database *database, enum statement statement, struct err *err);
void database_end(struct database *database, enum statement statement);

/* Of the row at hand; text is borrowed until the next row. */
const char *
database_text(struct database *database, enum statement statement, int column);
int64_t database_integer(
    struct database *database, enum statement statement, int column);
const void *database_blob(struct database *database, enum statement statement,
    int column, size_t *ret_len);

/* Statements without a result, and one whose result is a number (-1: none):
 * for the schema, which comes before the prepared ones. */
int database_execute(struct database *database, const char *sql,
    const char *what, struct err *err);
int database_query(
    struct database *database, const char *sql, int64_t *ret, struct err *err);

/* Whether a transaction is open: an error may have ended it. */
int database_in_transaction(const struct database *database);
/* Of one that is damaged: reads all of it anew from the disk. 0: it is whole,
 * and may be written again. Takes as long as reading it. */
int database_recheck(struct database *database, struct err *err);
/* Between transactions: moves the log into the file when it has grown; `idle`,
 * where none waits for it: already when it has grown by less. */
void database_checkpoint(struct database *database, bool idle);

#endif
