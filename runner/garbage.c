/*
 * Names of files that are to be removed.
 */
#include "runner/garbage.h"

#include <stdio.h>

int
garbage_add(struct database *database, const char *kind, const char *name,
    struct err *err)
{
	return database_run(
	    database, STATEMENT_GARBAGE_INSERT, err, "ss", kind, name);
}

int
garbage_list(struct database *database, const char *kind,
    char (*ret)[GARBAGE_NAME_MAX], int max, struct err *err)
{
	const enum statement list = STATEMENT_GARBAGE_LIST;
	int count = 0, result;

	if (database_begin(database, list, err, "si", kind, (int64_t)max) != 0)
		return -1;
	while ((result = database_next(database, list, err)) > 0 && count < max)
		snprintf(ret[count++], GARBAGE_NAME_MAX, "%s",
		    database_text(database, list, 0));
	database_end(database, list);
	return result < 0 ? -1 : count;
}

int
garbage_forget(struct database *database, const char *kind, const char *name,
    struct err *err)
{
	return database_run(
	    database, STATEMENT_GARBAGE_DELETE, err, "ss", kind, name);
}
