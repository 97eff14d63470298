/*
 * A host's addresses. An address is its own answer at once; a name is looked
 * up beside everything else, so that ^C is not kept waiting by a name server.
 */
#ifndef CLIENT_LOOKUP_H
#define CLIENT_LOOKUP_H

#include <netdb.h>
#include <stdbool.h>

struct lookup;

struct lookup *lookup_start(const char *host, const char *port);
void lookup_free(struct lookup *lookup);

enum lookup_state { LOOKUP_WAITING, LOOKUP_FOUND, LOOKUP_FAILED };
/* *ret_error: a sentence, where it has failed. */
enum lookup_state lookup_take(struct lookup *lookup, const char **ret_error);

/* One address after the other; NULL past the last. */
const struct addrinfo *lookup_next(struct lookup *lookup);
bool lookup_has_more(const struct lookup *lookup);

#endif
