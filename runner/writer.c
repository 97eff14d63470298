/*
 * Group commit, and what becomes of it when the disk fails. Nothing is written
 * to a database that is damaged until all of it has been read and found whole.
 */
#include "runner/writer.h"

#include "lib/clock.h"
#include "runner/store.h"

/* Reading all of it takes its time: not too often. */
#define RECHECK_MS 1000
#define RECHECK_MAX_MS (5 * 60 * 1000)

void
op_list_init(struct op_list *list)
{
	list->first = NULL;
	list->last = &list->first;
}

void
op_list_append(struct op_list *list, struct store_op *op)
{
	op->next = NULL;
	*list->last = op;
	list->last = &op->next;
}

void
op_list_move(struct op_list *to, struct op_list *from)
{
	if (from->first == NULL)
		return;
	*to->last = from->first;
	to->last = from->last;
	op_list_init(from);
}

static void
fail_op(struct store_op *op, const struct err *err)
{
	if (op->failed)
		return;
	op->failed = true;
	op->err = *err;
}

/* Reads are left for later; what failed by itself keeps its own reason. */
static void
fail_all(struct op_list *batch, const struct err *err)
{
	for (struct store_op *op = batch->first; op != NULL; op = op->next) {
		if (!op->reads)
			fail_op(op, err);
	}
}

/* False: the transaction is gone, as SQLite does on a full disk. */
static bool
run_one(struct database *database, struct store_op *op)
{
	struct err err = {0}, ignored;

	if (database_run(database, STATEMENT_SAVEPOINT, &err, "") != 0) {
		fail_op(op, &err);
		return false;
	}
	if (op->run(op, database, &err) == 0 &&
	    database_run(database, STATEMENT_RELEASE, &err, "") == 0)
		return true;
	fail_op(op, &err);
	return database_in_transaction(database) &&
	    database_run(database, STATEMENT_ROLLBACK_TO, &ignored, "") == 0 &&
	    database_run(database, STATEMENT_RELEASE, &ignored, "") == 0;
}

/* Whether it may be written. */
static int
check_whole(struct writer *writer, struct err *err)
{
	struct database *database = &writer->database;
	int64_t now_ms = clock_boot_ms();

	if (!database->damaged)
		return 0;
	if (now_ms < writer->recheck_ms) {
		database->fault = FAULT_DAMAGED;
		return err_set(err, ERR_UNAVAILABLE,
		    "the database is damaged; see sqlite3's .recover");
	}
	if (writer->recheck_after_ms == 0)
		writer->recheck_after_ms = RECHECK_MS;
	if (database_recheck(database, err) == 0) {
		writer->recheck_after_ms = 0;
		return 0;
	}
	writer->recheck_ms = clock_boot_ms() + writer->recheck_after_ms;
	if (writer->recheck_after_ms < RECHECK_MAX_MS)
		writer->recheck_after_ms *= 2;
	return -1;
}

static int
run_writes(struct writer *writer, struct op_list *batch, struct err *err)
{
	struct database *database = &writer->database;

	if (check_whole(writer, err) != 0 ||
	    database_run(database, STATEMENT_BEGIN, err, "") != 0)
		return -1;
	for (struct store_op *op = batch->first; op != NULL; op = op->next) {
		if (op->reads || run_one(database, op))
			continue;
		*err = op->err;
		return -1;
	}
	database->written = false;
	if (audit_head_seal(&writer->head, database, err) != 0 ||
	    database_run(database, STATEMENT_COMMIT, err, "") != 0)
		return -1;
	audit_head_committed(&writer->head);
	for (struct store_op *op = batch->first; op != NULL; op = op->next)
		op->written = database->written;
	return 0;
}

static bool
has_writes(const struct op_list *batch)
{
	const struct store_op *op = batch->first;

	while (op != NULL && op->reads)
		op = op->next;
	return op != NULL;
}

bool
writer_run(struct writer *writer, struct op_list *batch)
{
	struct database *database = &writer->database;
	struct err err = {0}, ignored;
	bool committed = false;

	if (has_writes(batch)) {
		committed = run_writes(writer, batch, &err) == 0;
		if (!committed) {
			if (database_in_transaction(database))
				(void)database_run(
				    database, STATEMENT_ROLLBACK, &ignored, "");
			fail_all(batch, &err);
		}
	}
	for (struct store_op *op = batch->first; op != NULL; op = op->next) {
		err = (struct err){0};
		if (op->reads && op->run(op, database, &err) != 0)
			fail_op(op, &err);
	}
	return committed;
}
