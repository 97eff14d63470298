/*
 * The log of a program, written at its edge only: one line an event on
 * standard error, as logfmt or as JSON lines. Where standard error is the
 * journal (JOURNAL_STREAM), a line begins with its syslog priority ("<6>")
 * and carries no time of its own.
 *
 *	log_info("task.started", "task", id, "subject", subject, NULL);
 *
 * Keys and values alternate and are strings; NULL ends them. Control bytes and
 * invalid UTF-8 in values are written as \xNN. No secret is ever a value.
 */
#ifndef LIB_LOG_H
#define LIB_LOG_H

#include <stdbool.h>

#include "lib/err.h"

enum log_level {
	LOG_LEVEL_DEBUG,
	LOG_LEVEL_INFO,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_ERROR
};
enum log_format { LOG_FORMAT_LOGFMT, LOG_FORMAT_JSON };

/* Before any thread is started. `program` is not copied. */
void
log_init(const char *program, enum log_format format, enum log_level least);
/* "logfmt", "json"; "debug", "info", "warning", "error". */
bool log_format_parse(const char *text, enum log_format *ret);
bool log_level_parse(const char *text, enum log_level *ret);

void log_event(enum log_level level, const char *event, ...)
    __attribute__((sentinel));
/* As log_event(), with the members error= and detail= of *err in front. */
void log_failure(enum log_level level, const char *event, const struct err *err,
    ...) __attribute__((sentinel));

/*
 * Lines of this thread are kept back from here to log_release(), which must
 * come before the thread waits for anything, and written as many at a time as
 * a pipe takes in one piece (PIPE_BUF): one write(2) for all that a turn of a
 * loop has to say. Does not nest. die() releases first; what a signal ends says
 * no more of its last turn.
 */
void log_hold(void);
void log_release(void);

#define log_debug(...) log_event(LOG_LEVEL_DEBUG, __VA_ARGS__)
#define log_info(...) log_event(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_warning(...) log_event(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_error(...) log_event(LOG_LEVEL_ERROR, __VA_ARGS__)

#endif
