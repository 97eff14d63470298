/*
 * What every verb of the operator's tool needs: where the installation is,
 * how a result is printed, how a failure is told.
 */
#ifndef ADMIN_TOOL_H
#define ADMIN_TOOL_H

#include <jansson.h>
#include <stdint.h>

#include "lib/command.h"
#include "lib/err.h"

#define TOOL_DIRECTORY "/etc/taskgate"

/* One line to standard error; the exit code that fits. */
int tool_fail(const struct err *err);
/* "taskgate-admin: note: ..." to standard error, neutralised: one line. */
void tool_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* What to do now, for people: nothing where a program reads the result. */
void tool_next(const struct invocation *invocation, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

const char *tool_directory(const struct invocation *invocation);
int64_t tool_now_s(void);
/* Seconds since the epoch as RFC 3339. The caller frees. */
char *tool_time(int64_t wall_s);
/* What --reason says, for the record; NULL: nothing. At most `max` bytes. */
int tool_reason(const struct invocation *invocation, size_t max,
    const char **ret, struct err *err);
/* An option's duration ("1h"), at least a second. */
int tool_duration(const struct invocation *invocation, const char *name,
    int64_t fallback_s, int64_t *ret_s, struct err *err);
/* A file's content, or with "-" standard input's. The caller frees. */
char *tool_read(const char *path, size_t max, size_t *ret_len, struct err *err);

enum tool_format { FORMAT_TABLE, FORMAT_JSON, FORMAT_JSONL, FORMAT_ID };
int tool_format(const struct invocation *invocation, enum tool_format *ret,
    struct err *err);

struct column {
	const char *heading;
	const char *member;
};

/* How objects of one kind are shown. */
struct view {
	const struct column *columns;
	size_t ncolumns;
	const char *id; /* the member that -o id prints */
};

/* An array of objects as a table, one JSON text, JSON lines or ids. */
int tool_print_list(const struct invocation *invocation,
    const struct view *view, const json_t *list, struct err *err);
/* One object; as a table it is a line for each member. */
int tool_print_one(const struct invocation *invocation, const struct view *view,
    const json_t *object, struct err *err);

#endif
