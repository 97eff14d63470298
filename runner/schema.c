/*
 * Tables and migrations. A step that has been released is never changed: what
 * it made is on somebody's disk.
 */
#include "runner/schema.h"

#include <stdlib.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"

static const char version_1[] =
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;"
    "CREATE TABLE task ("
    " id TEXT PRIMARY KEY,"
    " subject TEXT NOT NULL,"
    " principal TEXT NOT NULL," /* JSON: who was accepted */
    " request TEXT NOT NULL," /* JSON; env values until it ends */
    " request_sha256 TEXT NOT NULL," /* of the body's bytes */
    " rule TEXT NOT NULL,"
    " policy_sha256 TEXT NOT NULL,"
    " limits TEXT NOT NULL," /* JSON, as granted */
    " uid INTEGER, gid INTEGER, network TEXT,"
    " state TEXT NOT NULL,"
    " created_ms INTEGER NOT NULL,"
    " image_id TEXT, container TEXT,"
    " started_ms INTEGER, finished_ms INTEGER,"
    " outcome TEXT, exit_code INTEGER, signal INTEGER,"
    " reason TEXT, errnum INTEGER, detail TEXT,"
    " stdout_bytes INTEGER NOT NULL DEFAULT 0,"
    " stderr_bytes INTEGER NOT NULL DEFAULT 0,"
    " truncated INTEGER NOT NULL DEFAULT 0,"
    " user_us INTEGER, system_us INTEGER, memory_peak INTEGER,"
    " oom_killed INTEGER"
    ") WITHOUT ROWID;"
    "CREATE INDEX task_subject ON task (subject, id);"
    "CREATE INDEX task_open ON task (id) WHERE outcome IS NULL;"
    "CREATE TABLE idempotency ("
    " subject TEXT NOT NULL, key TEXT NOT NULL,"
    " task TEXT NOT NULL REFERENCES task (id),"
    " request_sha256 TEXT NOT NULL,"
    " created_ms INTEGER NOT NULL,"
    " PRIMARY KEY (subject, key)"
    ") WITHOUT ROWID;"
    "CREATE INDEX idempotency_age ON idempotency (created_ms);"
    "CREATE INDEX idempotency_task ON idempotency (task);"
    "CREATE TABLE audit ("
    " seq INTEGER PRIMARY KEY,"
    " time_ms INTEGER NOT NULL,"
    " event TEXT NOT NULL,"
    " task TEXT," /* id, where it is about one */
    " record TEXT NOT NULL," /* the hashed form */
    " leaf BLOB NOT NULL," /* RFC 9162 2.1.1 */
    " untrusted TEXT, salt BLOB"
    ");"
    "CREATE INDEX audit_task ON audit (task, seq) WHERE task IS NOT NULL;"
    "INSERT INTO meta (key, value) VALUES ('version', 1);";

static const char version_2[] =
    "ALTER TABLE task ADD COLUMN sandbox TEXT;"
    "ALTER TABLE task ADD COLUMN init_pid INTEGER;"
    "ALTER TABLE task ADD COLUMN warm INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE task ADD COLUMN container_age_ms INTEGER;"
    "ALTER TABLE task ADD COLUMN queued_us INTEGER;"
    "ALTER TABLE task ADD COLUMN starting_us INTEGER;"
    "ALTER TABLE task ADD COLUMN running_us INTEGER;"
    "ALTER TABLE task ADD COLUMN stdin_received INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE task ADD COLUMN stdin_ended INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE task ADD COLUMN stdin_taken INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE task ADD COLUMN stdin_closed INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE task ADD COLUMN stdout_sha256 TEXT;"
    "ALTER TABLE task ADD COLUMN stderr_sha256 TEXT;"
    "ALTER TABLE task ADD COLUMN files TEXT;" /* JSON: "outputs" */
    /* Someone asked for its end: who is in the audit log. */
    "ALTER TABLE task ADD COLUMN cancelled INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE task ADD COLUMN deadline_ms INTEGER;" /* wall clock */
    /* Of output and files, on the disk; their sum is in meta. */
    "ALTER TABLE task ADD COLUMN kept_bytes INTEGER NOT NULL DEFAULT 0;"
    /* Output and files are gone, to make room for others'. */
    "ALTER TABLE task ADD COLUMN discarded INTEGER NOT NULL DEFAULT 0;"
    "UPDATE task SET kept_bytes = stdout_bytes + stderr_bytes"
    " WHERE outcome IS NOT NULL AND stdout_bytes + stderr_bytes > 0;"
    "CREATE INDEX task_ended ON task (id) WHERE outcome IS NOT NULL;"
    "CREATE INDEX task_ended_of ON task (subject, id)"
    " WHERE outcome IS NOT NULL;"
    "CREATE INDEX task_age ON task (finished_ms) WHERE outcome IS NOT NULL;"
    "CREATE INDEX task_kept ON task (finished_ms) WHERE kept_bytes > 0;"
    "INSERT INTO meta (key, value)"
    " SELECT 'kept_bytes', coalesce(sum(kept_bytes), 0) FROM task;"
    "CREATE TABLE blob ("
    " subject TEXT NOT NULL, sha256 TEXT NOT NULL,"
    " size INTEGER NOT NULL,"
    " created_ms INTEGER NOT NULL, used_ms INTEGER NOT NULL,"
    " PRIMARY KEY (subject, sha256)"
    ") WITHOUT ROWID;"
    "CREATE INDEX blob_sha256 ON blob (sha256);"
    "CREATE INDEX blob_used ON blob (used_ms);"
    /* What a task that has not ended is to read: kept for it. */
    "CREATE TABLE input ("
    " task TEXT NOT NULL, subject TEXT NOT NULL, sha256 TEXT NOT NULL,"
    " PRIMARY KEY (task, sha256)"
    ") WITHOUT ROWID;"
    "CREATE INDEX input_blob ON input (subject, sha256);"
    /* Files that nothing refers to any more, until they are removed. */
    "CREATE TABLE garbage ("
    " kind TEXT NOT NULL, name TEXT NOT NULL,"
    " PRIMARY KEY (kind, name)"
    ") WITHOUT ROWID;"
    "UPDATE meta SET value = 2 WHERE key = 'version';";

static const char version_3[] =
    /* Of the tree over the records: complete nodes above the leaves. */
    "CREATE TABLE tree ("
    " level INTEGER NOT NULL, place INTEGER NOT NULL,"
    " hash BLOB NOT NULL,"
    " PRIMARY KEY (level, place)"
    ") WITHOUT ROWID;"
    "CREATE TABLE head ("
    " id INTEGER PRIMARY KEY CHECK (id = 1),"
    " size INTEGER NOT NULL, root BLOB NOT NULL,"
    " note TEXT NOT NULL" /* the two of them, signed */
    ");"
    "UPDATE meta SET value = 3 WHERE key = 'version';";

static const char version_4[] =
    "CREATE TABLE revocation ("
    " kind TEXT NOT NULL, value TEXT NOT NULL," /* certs/revocations.def */
    " reason TEXT,"
    " uid INTEGER NOT NULL," /* who revoked it */
    " created_ms INTEGER NOT NULL,"
    " until_ms INTEGER," /* wall clock */
    " PRIMARY KEY (kind, value)"
    ") WITHOUT ROWID;"
    "UPDATE meta SET value = 4 WHERE key = 'version';";

#define MEMBER(text, path)                                                    \
	"CASE WHEN json_valid(" text ") THEN CASE json_type(" text ", '" path \
	"') WHEN 'text' THEN json_extract(" text ", '" path "') END END"
#define INDEX(column)                                                       \
	"CREATE INDEX audit_" column " ON audit (" column ") WHERE " column \
	" IS NOT NULL;"

/* What searches go by: members of the record, and of what stands beside it. */
static const char version_5[] =
    "ALTER TABLE audit ADD COLUMN subject TEXT;"
    "ALTER TABLE audit ADD COLUMN thumbprint TEXT;"
    "ALTER TABLE audit ADD COLUMN rule TEXT;"
    "ALTER TABLE audit ADD COLUMN outcome TEXT;"
    /* Of a rule's own task its name, else what ran. */
    "ALTER TABLE audit ADD COLUMN image_id TEXT;"
    /* As the client named it, where it did, else as it ran. */
    "ALTER TABLE audit ADD COLUMN image TEXT;"
    "UPDATE audit SET subject = " MEMBER(
	"record", "$.principal.subject") ", thumbprint = " MEMBER("record",
	"$.principal.thumbprint") ", rule = " MEMBER("record",
	"$.rule") ", outcome = " MEMBER("record",
	"$.outcome") ", image_id = " MEMBER("record",
	"$.object.image_id") ", image = coalesce(" MEMBER("untrusted",
	"$.image") ", " MEMBER("record",
	"$.object.image_id") ");" INDEX("subject") INDEX("thumbprint")
	INDEX("rule") INDEX("outcome")
	    INDEX("image") "CREATE INDEX audit_event ON audit (event);"
			   "CREATE INDEX audit_time ON audit (time_ms);"
			   /* What a client wrote does not outlive it. */
			   "CREATE TRIGGER audit_redacted AFTER UPDATE OF "
			   "untrusted ON audit"
			   " WHEN NEW.untrusted IS NULL BEGIN"
			   " UPDATE audit SET image = image_id WHERE seq = "
			   "NEW.seq; END;"
			   "UPDATE meta SET value = 5 WHERE key = 'version';";

static const char version_6[] =
    /* JSON: what its rule gave it of the machine (policy/secret.h: names
     * alone; policy/mount.h). */
    "ALTER TABLE task ADD COLUMN secrets TEXT;"
    "ALTER TABLE task ADD COLUMN mounts TEXT;"
    "UPDATE meta SET value = 6 WHERE key = 'version';";

static const char version_7[] =
    "ALTER TABLE task ADD COLUMN launch TEXT;" /* JSON: policy/launch.h */
    "UPDATE meta SET value = 7 WHERE key = 'version';";

static const char version_8[] =
    /* JSON: that somebody else has to agree, and what became of it. */
    "ALTER TABLE task ADD COLUMN approval TEXT;"
    "UPDATE meta SET value = 8 WHERE key = 'version';";

static const char version_9[] =
    /* An entry ends with its row's number by itself. Written twice, one of the
     * two could be changed and nobody see it. */
    "DROP INDEX audit_task;"
    "CREATE INDEX audit_task ON audit (task) WHERE task IS NOT NULL;"
    "UPDATE meta SET value = 9 WHERE key = 'version';";

static const char version_10[] =
    /* runner/admission.h: who had tasks of which rule accepted. */
    "CREATE TABLE admission ("
    " rule TEXT NOT NULL, subject TEXT NOT NULL,"
    " seq INTEGER NOT NULL," /* from 1, of rule and subject */
    " at_ms INTEGER NOT NULL," /* wall clock */
    " until_ms INTEGER NOT NULL," /* it counts no longer than this */
    " PRIMARY KEY (rule, subject, seq)"
    ") WITHOUT ROWID;"
    "CREATE INDEX admission_until ON admission (until_ms);"
    "UPDATE meta SET value = 10 WHERE key = 'version';";

/* steps[n] leads from version n to n + 1. */
static const char *const steps[SCHEMA_VERSION] = {version_1, version_2,
    version_3, version_4, version_5, version_6, version_7, version_8, version_9,
    version_10};

int
schema_version(struct database *database, int64_t *ret_version, struct err *err)
{
	int64_t tables = 0, version = 0;

	if (database_query(database, "SELECT count(*) FROM sqlite_schema",
		&tables, err) != 0)
		return -1;
	if (tables > 0 &&
	    database_query(database,
		"SELECT value FROM meta WHERE key = 'version'", &version,
		err) != 0)
		return -1;
	if (version > SCHEMA_VERSION)
		return err_set(err, ERR_CONFLICT,
		    "was written by a newer taskgate-runner (its version is "
		    "%lld, ours %d); start that one",
		    (long long)version, SCHEMA_VERSION);
	if (tables > 0 && version < 1)
		return err_set(err, ERR_CONFLICT, "is no store of ours");
	*ret_version = version;
	return 0;
}

int
schema_begin(struct database *database, struct err *err)
{
	return database_execute(
	    database, "PRAGMA auto_vacuum = INCREMENTAL", "open", err);
}

/* Without this, what is removed leaves its room to the file for ever. A copy
 * is made, moved in as one transaction. */
static int
make_shrinkable(
    struct database *database, const char *directory, struct err *err)
{
	int64_t mode = 0;
	char *before = sqlite3_temp_directory;
	int result;

	if (database_query(database, "PRAGMA auto_vacuum", &mode, err) != 0)
		return -1;
	if (mode == 2)
		return 0;
	if (schema_begin(database, err) != 0)
		return -1;
	sqlite3_temp_directory = sqlite3_mprintf("%s", directory);
	result = database_execute(
	    database, "VACUUM", "copy it, which takes its size again", err);
	sqlite3_free(sqlite3_temp_directory);
	sqlite3_temp_directory = before;
	return result;
}

int
schema_migrate(struct database *database, int64_t version,
    const char *directory, struct err *err)
{
	auto_free char *sql = alloc_string("BEGIN IMMEDIATE;");
	struct err ignored;

	if (version == SCHEMA_VERSION)
		return 0;
	if (version > 0 && make_shrinkable(database, directory, err) != 0)
		return err_prefix(err, "bring version %lld to %d",
		    (long long)version, SCHEMA_VERSION);
	for (int64_t i = version; i < SCHEMA_VERSION; i++) {
		char *longer = alloc_printf("%s%s", sql, steps[i]);

		free(sql);
		sql = longer;
	}
	if (database_execute(database, sql, "make the tables", err) == 0 &&
	    database_execute(database, "COMMIT", "make the tables", err) == 0)
		return 0;
	if (database_in_transaction(database))
		(void)database_execute(
		    database, "ROLLBACK", "make the tables", &ignored);
	return version == 0 ? -1
			    : err_prefix(err, "bring version %lld to %d",
				  (long long)version, SCHEMA_VERSION);
}
