/*
 * What the store's thread does with the operations that are handed in: those
 * of one turn are one transaction, each in a savepoint of its own, and the
 * audit log's head is signed within it.
 *
 * Of one thread alone.
 */
#ifndef RUNNER_WRITER_H
#define RUNNER_WRITER_H

#include <stdbool.h>

#include "runner/audit_head.h"
#include "runner/database.h"

struct store_op;

struct op_list {
	struct store_op *first, **last;
};

void op_list_init(struct op_list *list);
void op_list_append(struct op_list *list, struct store_op *op);
/* All of `from` behind `to`; `from` is empty then. */
void op_list_move(struct op_list *to, struct op_list *from);

struct writer {
	struct database database;
	struct audit_head head;
	/* Of a damaged database: CLOCK_BOOTTIME of the next look, and how long
	 * it is to the one after that. */
	int64_t recheck_ms, recheck_after_ms;
};

/* Each operation is carried out, or says why not. True: a transaction was
 * committed. */
bool writer_run(struct writer *writer, struct op_list *batch);

#endif
