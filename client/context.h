/*
 * A context: where the server is, and what shows it who is asking
 * (docs/configuration.md, "A context"). Holds secrets; context_done() wipes
 * them.
 */
#ifndef CLIENT_CONTEXT_H
#define CLIENT_CONTEXT_H

#include <jansson.h>
#include <stdbool.h>

#include "lib/err.h"

struct context {
	char *folder; /* where it was read; NULL: from a bundle */
	char *server; /* "https://HOST:PORT", nothing behind it */
	char *subject;
	char *certificate; /* PEM */
	char *key; /* PEM; secret */
	char *ca; /* PEM */
	char *token; /* secret */
	char *audit_key; /* PEM, or NULL */
};

/* ERR_NOT_FOUND: there is none. ERR_UNPROCESSABLE: a file that is not what it
 * should be, or that others can read, with the chmod that helps. */
int context_load(const char *folder, struct context *ret, struct err *err);
/* From the one file that `taskgate-admin enroll --bundle` writes; as secret
 * as a key. */
int context_load_bundle(const char *path, struct context *ret, struct err *err);
void context_done(struct context *context);

/* https, a host, perhaps a port, nothing else. ERR_UNPROCESSABLE. The caller
 * frees; NULL on failure. */
char *context_normalise_server(const char *url, struct err *err);

#define auto_context __attribute__((cleanup(context_done))) struct context

#endif
