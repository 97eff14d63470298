/*
 * The tree's nodes stand in a table of their own; what is needed to go on is
 * kept in memory, and read once at the start.
 */
#include "runner/audit_head.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"

void
audit_head_set_key(struct audit_head *head, EVP_PKEY *key)
{
	if (EVP_PKEY_up_ref(key) != 1)
		die("EVP_PKEY_up_ref");
	EVP_PKEY_free(head->key);
	head->key = key;
}

void
audit_head_init(struct audit_head *head, EVP_PKEY *key, const char *origin)
{
	*head = (struct audit_head){0};
	audit_head_set_key(head, key);
	snprintf(head->origin, sizeof(head->origin), "%s", origin);
}

void
audit_head_done(struct audit_head *head)
{
	EVP_PKEY_free(head->key);
	*head = (struct audit_head){0};
}

/* -- what an earlier life signed */

/* Nothing can be added to a log that is not the signed one. */
static int
refuse(struct database *database, const char *why, struct err *err)
{
	database->fault = FAULT_LOG;
	return err_set(err, ERR_UNAVAILABLE,
	    "audit: %s; see taskgate-admin audit verify", why);
}

static int
copy_hash(struct database *database, enum statement statement, int column,
    uint8_t ret[SHA256_BYTES])
{
	size_t len = 0;
	const void *hash = database_blob(database, statement, column, &len);

	if (len != SHA256_BYTES)
		return -1;
	memcpy(ret, hash, SHA256_BYTES);
	return 0;
}

static int
find_hash(struct database *database, enum statement statement, int result,
    uint8_t ret[SHA256_BYTES], struct err *err)
{
	bool found = result > 0 && copy_hash(database, statement, 0, ret) == 0;

	database_end(database, statement);
	if (result < 0)
		return -1;
	return found
	    ? 0
	    : refuse(database, "a part of the log's tree is missing", err);
}

int
audit_head_find_node(void *arg, unsigned level, uint64_t index,
    uint8_t ret[SHA256_BYTES], struct err *err)
{
	struct database *database = arg;
	enum statement statement =
	    level == 0 ? STATEMENT_AUDIT_LEAF : STATEMENT_TREE_GET;
	int result = level == 0
	    ? database_begin(database, statement, err, "i", (int64_t)index + 1)
	    : database_begin(database, statement, err, "ii", (int64_t)level,
		  (int64_t)index);

	if (result == 0)
		result = database_next(database, statement, err);
	return find_hash(database, statement, result, ret, err);
}

/* *ret_size is 0 where nothing has been signed. */
static int
read_head(struct database *database, int64_t *ret_size,
    uint8_t ret_root[SHA256_BYTES], struct err *err)
{
	int result = database_begin(database, STATEMENT_HEAD_GET, err, "");

	if (result == 0)
		result = database_next(database, STATEMENT_HEAD_GET, err);
	*ret_size = 0;
	if (result > 0) {
		*ret_size = database_integer(database, STATEMENT_HEAD_GET, 1);
		result = copy_hash(database, STATEMENT_HEAD_GET, 0, ret_root);
	}
	database_end(database, STATEMENT_HEAD_GET);
	if (result < 0)
		return err->code != 0
		    ? -1
		    : refuse(database, "the signed head is damaged", err);
	return 0;
}

static int
load(struct audit_head *head, struct database *database, struct err *err)
{
	const struct merkle_source source = {audit_head_find_node, database};
	uint8_t signed_root[SHA256_BYTES], root[SHA256_BYTES];
	int64_t size;

	if (read_head(database, &size, signed_root, err) != 0 ||
	    merkle_load(&source, (uint64_t)size, &head->edge, err) != 0)
		return -1;
	merkle_root(&head->edge, root);
	if (size > 0 && memcmp(root, signed_root, SHA256_BYTES) != 0)
		return refuse(
		    database, "the log is not the one that was signed", err);
	head->loaded = true;
	return 0;
}

/* -- what is new */

static int
keep_node(void *arg, unsigned level, uint64_t index,
    const uint8_t hash[SHA256_BYTES], struct err *err)
{
	return database_run(arg, STATEMENT_TREE_INSERT, err, "iib",
	    (int64_t)level, (int64_t)index, hash, (size_t)SHA256_BYTES);
}

static int
take_in(struct audit_head *head, struct database *database, struct err *err)
{
	uint8_t leaf[SHA256_BYTES];
	int64_t seq;
	int result;

	while ((result = database_next(database, STATEMENT_AUDIT_LEAVES, err)) >
	    0) {
		seq = database_integer(database, STATEMENT_AUDIT_LEAVES, 0);
		if (seq != (int64_t)head->next.size + 1 ||
		    copy_hash(database, STATEMENT_AUDIT_LEAVES, 1, leaf) != 0)
			return refuse(
			    database, "a record is missing or damaged", err);
		if (merkle_append(
			&head->next, leaf, keep_node, database, err) != 0)
			return -1;
	}
	return result;
}

static int
sign(const struct audit_head *head, struct database *database, struct err *err)
{
	struct checkpoint checkpoint = {.size = head->next.size};
	auto_free char *note = NULL;

	memcpy(checkpoint.origin, head->origin, sizeof(checkpoint.origin));
	merkle_root(&head->next, checkpoint.root);
	note = checkpoint_sign(&checkpoint, head->key);
	return database_run(database, STATEMENT_HEAD_SET, err, "ibs",
	    (int64_t)checkpoint.size, checkpoint.root, (size_t)SHA256_BYTES,
	    note);
}

int
audit_head_seal(
    struct audit_head *head, struct database *database, struct err *err)
{
	int result;

	if (!head->loaded && load(head, database, err) != 0)
		return -1;
	head->next = head->edge;
	if (database_begin(database, STATEMENT_AUDIT_LEAVES, err, "i",
		(int64_t)head->edge.size) != 0)
		return -1;
	result = take_in(head, database, err);
	database_end(database, STATEMENT_AUDIT_LEAVES);
	if (result != 0)
		return -1;
	if (head->next.size == head->edge.size)
		return 0;
	return sign(head, database, err);
}

void
audit_head_committed(struct audit_head *head)
{
	head->edge = head->next;
}
