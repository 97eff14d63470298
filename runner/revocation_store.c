/*
 * What was revoked, as rows. A row that cannot be read is no reason to go on
 * without it: what was revoked must never come back by itself.
 */
#include "runner/revocation_store.h"

#include "lib/alloc.h"

enum { KIND, VALUE, REASON, UID, CREATED, UNTIL };

static int64_t
known_or_zero(int64_t value)
{
	return value == DATABASE_NONE ? 0 : value;
}

static int
load_row(struct database *database, enum statement all, struct revocations *set,
    struct err *err)
{
	const char *text = database_text(database, all, KIND);
	const char *value = database_text(database, all, VALUE);
	const char *reason;
	enum revocation_kind kind;
	struct revocation *revocation;

	if (text == NULL || value == NULL ||
	    !revocation_kind_parse(text, &kind) ||
	    revocation_check_value(kind, value, err) != 0)
		return err_set(err, ERR_CONFLICT,
		    "a revocation of a kind or form that is not ours");
	revocation = revocations_put(set, kind, value);
	reason = database_text(database, all, REASON);
	if (reason != NULL)
		revocation->reason = alloc_string(reason);
	revocation->uid = database_integer(database, all, UID);
	revocation->created_ms = database_integer(database, all, CREATED);
	revocation->until_ms =
	    known_or_zero(database_integer(database, all, UNTIL));
	return 0;
}

int
revocation_store_load(
    struct database *database, struct revocations *set, struct err *err)
{
	const enum statement all = STATEMENT_REVOCATION_ALL;
	int result;

	if (database_begin(database, all, err, "") != 0)
		return -1;
	while ((result = database_next(database, all, err)) > 0) {
		if (load_row(database, all, set, err) != 0) {
			result = -1;
			break;
		}
	}
	database_end(database, all);
	return result;
}

int
revocation_store_keep(struct database *database,
    const struct revocation *revocation, struct err *err)
{
	return database_run(database, STATEMENT_REVOCATION_KEEP, err, "sssiii",
	    revocation_kind_text(revocation->kind), revocation->value,
	    revocation->reason, revocation->uid, revocation->created_ms,
	    revocation->until_ms != 0 ? revocation->until_ms : DATABASE_NONE);
}

int
revocation_store_remove(struct database *database, enum revocation_kind kind,
    const char *value, struct err *err)
{
	return database_run(database, STATEMENT_REVOCATION_REMOVE, err, "ss",
	    revocation_kind_text(kind), value);
}
