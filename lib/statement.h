/* SQLite's prepared statements, finalized by scope. */
#ifndef LIB_STATEMENT_H
#define LIB_STATEMENT_H

#include <sqlite3.h>

#include "lib/cleanup.h"

DEFINE_CLEANUP(sqlite3_stmt, sqlite3_finalize);

#define auto_statement AUTO(sqlite3_finalizep) sqlite3_stmt

#endif
