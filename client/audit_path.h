/*
 * Questions of the audit log, out of the command line. Pure.
 */
#ifndef CLIENT_AUDIT_PATH_H
#define CLIENT_AUDIT_PATH_H

#include "lib/buffer.h"
#include "lib/command.h"

/* The options that say which records are meant. */
#define AUDIT_FILTER_OPTIONS                                                   \
	{"subject", 0, "NAME", "TASKGATE_AUDIT_SUBJECT", "Who asked", false},  \
	    {"thumbprint", 0, "TEXT", "TASKGATE_AUDIT_THUMBPRINT",             \
		"With which certificate (x5t#S256)", false},                   \
	    {"image", 0, "IMAGE", "TASKGATE_AUDIT_IMAGE",                      \
		"For which image, as it was asked for, or the id of what ran", \
		false},                                                        \
	    {"rule", 0, "ID", "TASKGATE_AUDIT_RULE",                           \
		"By which rule of the policy", false},                         \
	    {"outcome", 0, "OUTCOME", "TASKGATE_AUDIT_OUTCOME",                \
		"With what outcome: succeeded, failed, denied ...", false},    \
	    {"event", 'e', "CODE", "TASKGATE_AUDIT_EVENT",                     \
		"What happened: task.denied; task stands for all that begin "  \
		"with task.",                                                  \
		false},                                                        \
	    {"task", 0, "ID", "TASKGATE_AUDIT_TASK", "Of one task alone",      \
		false},                                                        \
	    {"since", 's', "TIME", "TASKGATE_AUDIT_SINCE",                     \
		"Not what came before: 2026-01-02, 2026-01-02T03:04:05Z, or "  \
		"how long ago, such as 7d",                                    \
		false},                                                        \
	    {"until", 'u', "TIME", "TASKGATE_AUDIT_UNTIL",                     \
		"Nor what came then or later", false},                         \
	{                                                                      \
		"text", 't', "TEXT", "TASKGATE_AUDIT_TEXT",                    \
		    "Anywhere in the record or in what the client wrote",      \
		    false                                                      \
	}

/* "/v1/audit?...", with at least one parameter. ERR_UNPROCESSABLE. */
int audit_path_search(const struct invocation *invocation, int64_t now_ms,
    struct buffer *ret, struct err *err);
/* Of one record by its number (*ret_is_one), or all of a task; the caller
 * frees. ERR_UNPROCESSABLE: it is neither. */
int audit_path_show(
    const char *operand, char **ret, bool *ret_is_one, struct err *err);
/* A value as a URI has it (RFC 3986 2.3). */
void audit_path_escape(struct buffer *path, const char *text);

#endif
