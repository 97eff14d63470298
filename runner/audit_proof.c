#include "runner/audit_proof.h"

#include <stdlib.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/json.h"
#include "lib/receipt.h"
#include "runner/audit_head.h"

int
audit_signed_read(
    struct database *database, struct audit_signed *ret, struct err *err)
{
	int result = database_begin(database, STATEMENT_HEAD_NOTE, err, "");

	if (result == 0)
		result = database_next(database, STATEMENT_HEAD_NOTE, err);
	if (result > 0)
		*ret = (struct audit_signed){
		    .note = alloc_string(
			database_text(database, STATEMENT_HEAD_NOTE, 0)),
		    .size = database_integer(database, STATEMENT_HEAD_NOTE, 1),
		};
	database_end(database, STATEMENT_HEAD_NOTE);
	if (result < 0)
		return -1;
	return result > 0 ? 0
			  : err_set(err, ERR_UNAVAILABLE,
				"audit: nothing has been signed yet");
}

void
audit_signed_done(struct audit_signed *head)
{
	free(head->note);
	*head = (struct audit_signed){0};
}

int
audit_prove_inclusion(struct database *database, int64_t size, int64_t seq,
    struct merkle_proof *ret, struct err *err)
{
	const struct merkle_source source = {audit_head_find_node, database};

	return merkle_prove_inclusion(
	    &source, (uint64_t)size, (uint64_t)seq - 1, ret, err);
}

int
audit_prove_extension(struct database *database, int64_t size1, int64_t size2,
    struct merkle_proof *ret, struct err *err)
{
	const struct merkle_source source = {audit_head_find_node, database};

	return merkle_prove_extension(
	    &source, (uint64_t)size1, (uint64_t)size2, ret, err);
}

/* -- receipts */

static json_t *
read_json(struct database *database, int column)
{
	const char *text =
	    database_text(database, STATEMENT_AUDIT_END_OF_TASK, column);
	struct err ignored;

	return text != NULL ? json_parse_strict(text, strlen(text), &ignored)
			    : NULL;
}

static json_t *
read_salt(struct database *database)
{
	char hex[2 * RECORD_SALT_BYTES + 1];
	size_t len = 0;
	const void *salt =
	    database_blob(database, STATEMENT_AUDIT_END_OF_TASK, 2, &len);

	if (len != RECORD_SALT_BYTES)
		return NULL;
	hex_encode(salt, len, hex);
	return json_string(hex);
}

/* What the client wrote may have been taken out of it since. */
static int
find_end(struct database *database, const char *task, struct record_parts *ret,
    struct err *err)
{
	int result = database_begin(
	    database, STATEMENT_AUDIT_END_OF_TASK, err, "s", task);

	if (result == 0)
		result =
		    database_next(database, STATEMENT_AUDIT_END_OF_TASK, err);
	if (result > 0) {
		ret->record = read_json(database, 0);
		ret->untrusted = read_json(database, 1);
		ret->salt = ret->untrusted != NULL ? read_salt(database) : NULL;
	}
	database_end(database, STATEMENT_AUDIT_END_OF_TASK);
	if (result < 0)
		return -1;
	return ret->record != NULL
	    ? 0
	    : err_set(err, ERR_NOT_FOUND,
		  "the audit log has no record of the task's end any more");
}

static int
write_receipt(struct database *database, const struct record_parts *parts,
    char **ret, size_t *ret_len, struct err *err)
{
	int64_t seq = json_integer_value(json_object_get(parts->record, "seq"));
	AUTO(audit_signed_done) struct audit_signed head = {0};
	struct merkle_proof inclusion;

	if (audit_signed_read(database, &head, err) != 0 ||
	    audit_prove_inclusion(database, head.size, seq, &inclusion, err) !=
		0)
		return -1;
	*ret = receipt_write(parts, head.note, &inclusion, ret_len);
	return 0;
}

int
audit_receipt(struct database *database, const char *task, char **ret,
    size_t *ret_len, struct err *err)
{
	AUTO(record_parts_done) struct record_parts parts = {0};

	if (find_end(database, task, &parts, err) != 0)
		return -1;
	return write_receipt(database, &parts, ret, ret_len, err);
}
