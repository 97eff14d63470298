/*
 * What was revoked: a set that every request is checked against, by the
 * gateway and by the runner, each with its own. Pure: no I/O, no clock. Who
 * keeps it on the disk is runner/revoke.h.
 */
#ifndef CERTS_REVOCATIONS_H
#define CERTS_REVOCATIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"

#define REVOCATION_VALUE_MAX 80
#define REVOCATION_REASON_MAX 200
/* Ten years. What is to last longer is no lock. */
#define REVOCATION_LOCK_MAX_S (INT64_C(10) * 366 * 24 * 3600)
/* Of one set. */
#define REVOCATIONS_MAX 100000

enum revocation_kind {
#define REVOCATION(name, text) REVOCATION_##name,
#include "certs/revocations.def"
#undef REVOCATION
	REVOCATION_KIND_COUNT
};

const char *revocation_kind_text(enum revocation_kind kind);
bool revocation_kind_parse(const char *text, enum revocation_kind *ret);
/* Each thing has one spelling. ERR_UNPROCESSABLE: this is not it. */
int revocation_check_value(
    enum revocation_kind kind, const char *value, struct err *err);

struct revocation {
	enum revocation_kind kind;
	char *value;
	int64_t until_ms; /* wall clock; 0: for ever */
	/* The runner's alone: */
	char *reason; /* NULL: none was given */
	int64_t uid, created_ms; /* who, when */
	uint64_t change; /* that made it what it is */
	bool unrecorded; /* in force, but not durable yet */
	bool recording; /* that is on its way */
};

struct revocations {
	struct revocation **entries; /* by kind and value */
	size_t count, size;
};

void revocations_done(struct revocations *set);
/* NULL: it is not there. Also where its time is over. */
struct revocation *revocations_find(const struct revocations *set,
    enum revocation_kind kind, const char *value);
/* The one that is there, or a new one; it stays where it is until it is
 * removed. */
struct revocation *revocations_put(
    struct revocations *set, enum revocation_kind kind, const char *value);
/* False: it was not there. */
bool revocations_remove(
    struct revocations *set, enum revocation_kind kind, const char *value);

/* What a request or a task shows; NULL or "": nothing of that kind. */
struct revocable {
	const char *subject, *thumbprint, *token_id;
	const char *image; /* an id, or a reference */
};

/* ERR_REVOKED, of an image ERR_DENIED, with a sentence for whoever asks. A
 * NULL set has nothing in it. */
int revocations_check(const struct revocations *set,
    const struct revocable *shown, int64_t now_ms, struct err *err);

#endif
