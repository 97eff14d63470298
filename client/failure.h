/*
 * What went wrong, for a person and for a program: a problem document (RFC
 * 9457) of the server's, or one of the same form made here.
 */
#ifndef CLIENT_FAILURE_H
#define CLIENT_FAILURE_H

#include <jansson.h>

#include "lib/err.h"

/* Strings are the failure's own, NULL where there is nothing to say. */
struct failure {
	char *slug; /* of lib/errors.def, or ours: see failure.c */
	char *title;
	char *detail;
	char *rule, *condition;
	char *scope; /* that the token lacks */
	char *request_id;
	char *task; /* the one it is about */
	char *hint; /* the command that helps */
	int status; /* HTTP; 0: not the server's */
	int retry_after_s; /* -1: not said */
};

#define FAILURE_INIT                \
	{                           \
		.retry_after_s = -1 \
	}

void failure_done(struct failure *failure);
#define auto_failure __attribute__((cleanup(failure_done))) struct failure

/* All return -1. They replace what the failure held. */
int failure_set(struct failure *failure, const char *slug, const char *format,
    ...) __attribute__((format(printf, 3, 4)));
int failure_from_err(
    struct failure *failure, const char *slug, const struct err *err);
/* From the body of a reply with this status; one that is no problem document
 * is told as such. */
int failure_from_reply(
    struct failure *failure, int status, const char *body, size_t len);

/* The command that helps, after the failure was set. */
void failure_hint(struct failure *failure, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A problem document, with `exit_code` for what is waited for. */
json_t *failure_document(const struct failure *failure, int exit_code);
/* To standard error, neutralised. */
void failure_print(const struct failure *failure);

#endif
