/*
 * One record of the audit log that a policy decided: who asked for what, when,
 * and what was said. Believes nothing of the database; pure.
 */
#ifndef ADMIN_RECALL_H
#define ADMIN_RECALL_H

#include "certs/token.h"
#include "policy/recorded.h"

enum recall_verdict {
	RECALL_ALLOWED,
	RECALL_DENIED,
	RECALL_UNSIGNED /* allowed, had it been signed */
};

/* As the database has it. */
struct recall_row {
	int64_t seq, time_ms;
	const char *event;
	const char *record, *untrusted; /* NULL: none */
};

/* No record stands for more: a sum stays one, whatever somebody wrote there. */
#define RECALL_COUNT_MAX 1000000000

/* Strings are borrowed from the record, or, where it is `whole`, from the
 * request. */
struct recall {
	json_t *record, *untrusted; /* owned */
	int64_t seq, time_ms;
	/* Of such calls, for which it stands: 1 to RECALL_COUNT_MAX. */
	int64_t count;
	const char *task; /* id; NULL: it was not accepted */
	const char *subject; /* "": not known */
	const char *roles[TOKEN_ROLES_MAX];
	size_t nroles;
	const char *what; /* image or named task; "": not known */
	const char *rule; /* "": none */
	enum recall_verdict verdict;
	bool is_signed;
	struct request request;
	/* NULL: all is there that a decision needs; else what is not. */
	const char *missing;
};

/* Events of which there may be such records, as SQL has them. */
#define RECALL_EVENTS "'task.accepted', 'task.denied', 'request.refused'"
/* Whether it is such a record; recall_done() in either case. */
bool recall_read(const struct recall_row *row, struct recall *ret);
void recall_done(struct recall *recall);

/* Of a sum of refusals that are not on record one by one: how many denials. */
int64_t recall_summed(const struct recall *recall);

#endif
