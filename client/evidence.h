/*
 * What proofs of the audit log are tried against: the audit public key, which
 * came with the context or is named, and never by the server; checkpoints that
 * were kept; proofs between them.
 */
#ifndef CLIENT_EVIDENCE_H
#define CLIENT_EVIDENCE_H

#include "client/context.h"
#include "client/failure.h"
#include "lib/audit_keys.h"
#include "lib/command.h"
#include "lib/merkle.h"

#define KEY_OPTION                                                         \
	{                                                                  \
		"key", 0, "FILE", "TASKGATE_AUDIT_KEY",                    \
		    "The audit public key, as the operator handed it out " \
		    "(the context's audit.pub)",                           \
		    true                                                   \
	}

/* The files of --key, else the context's. */
int evidence_keys(const struct invocation *invocation,
    const struct context *context, struct audit_keys *ret,
    struct failure *failure);
/* The same where there is no connection: a context is only looked for where no
 * key is named. */
int evidence_keys_offline(const struct invocation *invocation,
    struct audit_keys *ret, struct failure *failure);

/* A file. `origin` NULL: of whichever log. */
int evidence_checkpoint(const char *path, const struct audit_keys *keys,
    const char *origin, struct checkpoint *ret, struct failure *failure);

/* That one log begins with the other. */
struct extension {
	int64_t first, second;
	struct merkle_proof proof;
};

/* As GET /v1/audit/proof answers it. ERR_UNPROCESSABLE. */
int evidence_read_extension(
    const json_t *document, struct extension *ret, struct err *err);
/*
 * That a log with the head `head` is the log of another checkpoint: by the one
 * of the files of --proof that is of these two sizes, or by none where they
 * are the same.
 */
int evidence_compare(const struct invocation *invocation,
    const struct checkpoint *head, const struct checkpoint *other,
    struct failure *failure);

#endif
