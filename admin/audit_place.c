#include "admin/audit_place.h"

#include <inttypes.h>
#include <string.h>

int
audit_nodes_open(sqlite3 *database, struct audit_nodes *ret, struct err *err)
{
	*ret = (struct audit_nodes){0};
	if (sqlite3_prepare_v2(database,
		"SELECT leaf FROM audit WHERE seq = ?1", -1, &ret->leaf,
		NULL) == SQLITE_OK &&
	    sqlite3_prepare_v2(database,
		"SELECT hash FROM tree WHERE level = ?1 AND place = ?2", -1,
		&ret->node, NULL) == SQLITE_OK)
		return 0;
	audit_nodes_close(ret);
	return err_set(err, ERR_CONFLICT, "it is no audit log of ours: %s",
	    sqlite3_errmsg(database));
}

void
audit_nodes_close(struct audit_nodes *nodes)
{
	sqlite3_finalize(nodes->leaf);
	sqlite3_finalize(nodes->node);
	*nodes = (struct audit_nodes){0};
}

static int
find_node(void *arg, unsigned level, uint64_t index, uint8_t ret[SHA256_BYTES],
    struct err *err)
{
	struct audit_nodes *nodes = arg;
	sqlite3_stmt *statement = level == 0 ? nodes->leaf : nodes->node;
	bool found;

	sqlite3_reset(statement);
	if (level == 0) {
		sqlite3_bind_int64(statement, 1, (sqlite3_int64)index + 1);
	} else {
		sqlite3_bind_int64(statement, 1, level);
		sqlite3_bind_int64(statement, 2, (sqlite3_int64)index);
	}
	found = sqlite3_step(statement) == SQLITE_ROW &&
	    sqlite3_column_type(statement, 0) == SQLITE_BLOB &&
	    sqlite3_column_bytes(statement, 0) == SHA256_BYTES;
	if (found)
		memcpy(ret, sqlite3_column_blob(statement, 0), SHA256_BYTES);
	sqlite3_reset(statement);
	return found ? 0
		     : err_set(err, ERR_CONFLICT,
			   "the tree's node %" PRIu64 " of level %u is "
			   "missing; see audit verify",
			   index, level);
}

struct merkle_source
audit_nodes_source(struct audit_nodes *nodes)
{
	return (struct merkle_source){.node = find_node, .arg = nodes};
}

int
audit_place_prove(struct audit_nodes *nodes, const struct checkpoint *head,
    const struct audit_row *row, struct merkle_proof *ret_proof,
    bool *ret_holds, struct err *err)
{
	const struct merkle_source source = audit_nodes_source(nodes);
	uint64_t index = (uint64_t)row->seq - 1;
	uint8_t leaf[SHA256_BYTES] = {0};

	if (row->seq < 1 || index >= head->size)
		return err_set(err, ERR_CONFLICT,
		    "record %" PRId64 " is not among the %" PRIu64
		    " that were signed",
		    row->seq, head->size);
	if (merkle_prove_inclusion(
		&source, head->size, index, ret_proof, err) != 0)
		return -1;
	if (row->record_len > 0)
		merkle_hash_leaf(row->record, row->record_len, leaf);
	else if (row->leaf_len == SHA256_BYTES)
		memcpy(leaf, row->leaf, SHA256_BYTES);
	*ret_holds =
	    merkle_includes(head->size, head->root, index, leaf, ret_proof);
	return 0;
}
