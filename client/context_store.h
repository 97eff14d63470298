/*
 * The contexts that a user has: $XDG_CONFIG_HOME/taskgate/contexts/NAME/, and
 * the name of the current one in $XDG_CONFIG_HOME/taskgate/current.
 */
#ifndef CLIENT_CONTEXT_STORE_H
#define CLIENT_CONTEXT_STORE_H

#include "client/context.h"

#define CONTEXT_NAME_MAX 64

/* 1 to 64 of [A-Za-z0-9._-], not beginning with a dot. */
bool context_name_is_valid(const char *name);

/*
 * The folder of a context. `wish`: a name, or a path (it holds a slash), or
 * NULL for the current one. ERR_NOT_FOUND says which command helps. The
 * caller frees; NULL on failure.
 */
char *context_find(const char *wish, struct err *err);

/* The current one's name; NULL: none. The caller frees. */
char *context_current(void);
/* ERR_NOT_FOUND: there is no such context. */
int context_use(const char *name, struct err *err);

/* The names there are, sorted, NULL behind the last. */
char **context_list(struct err *err);
void context_list_free(char ***names);

/* Writes a context's files as NAME: 0700, each file 0600, all or nothing.
 * ERR_CONFLICT: there is one, and `replace` is false. */
int context_save(const char *name, const struct context *context, bool replace,
    struct err *err);
/* And is no longer the current one, if it was. ERR_NOT_FOUND. */
int context_remove(const char *name, struct err *err);

#endif
