/*
 * A receipt: what became of one task, and the proof that the audit log says
 * so. One line of canonical JSON (lib/json.h):
 *
 *	checkpoint	the log's signed head (lib/checkpoint.h)
 *	inclusion	proof that the record is in that log (lib/proof.h)
 *	record		`task.finished`, as it was hashed
 *	untrusted	what the client named in it; absent: nothing, or taken
 *out untrusted_salt	likewise version		1
 *
 * Every byte of it is held by the signature, the proof, or the one form that
 * it may have. Trusts nothing but the audit public key, which the operator
 * handed over: never one that came with a receipt.
 */
#ifndef LIB_RECEIPT_H
#define LIB_RECEIPT_H

#include "lib/audit_keys.h"
#include "lib/record.h"

/* A record, 64 KiB of `untrusted` with all that JSON makes of them, a note. */
#define RECEIPT_MAX (1024 * 1024)

/* Of what its parts are: borrowed. The caller frees; a newline at its end. */
char *receipt_write(const struct record_parts *parts, const char *note,
    const struct merkle_proof *inclusion, size_t *ret_len);

struct receipt {
	json_t *document;
	const json_t *record; /* borrowed from it, as what follows */
	const json_t *object; /* the record's: what became of the task */
	const json_t *untrusted; /* NULL: not there */
	const char *task; /* its id */
	int64_t seq;
	struct checkpoint head;
};

/*
 * Reads and verifies all of it. ERR_UNPROCESSABLE: it is no receipt;
 * ERR_CONFLICT: it is one that does not hold, or of another log than these
 * keys'. Nothing of it may be used before.
 */
int receipt_open(const char *text, size_t len, const struct audit_keys *keys,
    struct receipt *ret, struct err *err);
void receipt_done(struct receipt *receipt);

#endif
