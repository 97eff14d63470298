/*
 * A task as the server describes it (docs/api.md, "A task"), read leniently:
 * a member that a newer server adds is passed over, one of the wrong type
 * counts as absent.
 */
#ifndef CLIENT_TASK_H
#define CLIENT_TASK_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/err.h"

/* Everything is borrowed from the document; NULL or -1: not there. */
struct task {
	const char *id;
	const char *state;
	const char *outcome;
	const char *signal;
	const char *reason;
	const char *detail;
	const char *errno_name;
	const char *subject;
	const char *image;
	const char *rule;
	const char *created_at, *started_at, *finished_at;
	int64_t exit_code;
	const char *waits_for; /* NULL: its turn alone */
	int64_t place, estimate_s;
	int64_t stdout_bytes, stderr_bytes;
	bool truncated;
};

/* -1 with ERR_MALFORMED: no object with the id and state of a task. */
int task_read(const json_t *document, struct task *ret, struct err *err);
bool task_is_finished(const struct task *task);
/* -1: the object has no such number. */
int64_t task_integer(const json_t *object, const char *name);

/*
 * The output that a finished task's document carries when it is small:
 * 1 and *ret (the caller frees) and *ret_len; 0: it is not in there;
 * -1: it is, and is not what it should be. `name`: "stdout", "stderr".
 */
int task_inline_output(const json_t *document, const char *name, char **ret,
    size_t *ret_len, struct err *err);

/* One sentence for a person about how a task ended; names nothing twice that
 * the exit code says already. The caller frees; NULL: nothing to say. */
char *task_describe_end(const struct task *task);

#endif
