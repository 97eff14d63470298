/*
 * One command's dealings with one server: its context, its connection, and
 * single requests with the retries that belong to them.
 */
#ifndef CLIENT_SESSION_H
#define CLIENT_SESSION_H

#include "client/context.h"
#include "client/failure.h"
#include "client/http.h"
#include "client/show.h"
#include "lib/command.h"

struct session {
	struct context context;
	struct http *http;
	enum show_format format;
	bool quiet;
	/* A signal while a request is under way: false gives the request up.
	 * NULL: INT and TERM do. */
	bool (*on_signal)(void *arg, int number);
	/* What else is to be moved on meanwhile, or NULL. */
	void (*on_turn)(void *arg);
	void *arg;
	int64_t until_ms; /* of clock_boot_ms(); a call then fails; 0: never */
	/* The server is there: what is waited for is worth some patience. */
	bool has_answered;
	bool has_next; /* the last reply: there is another page */
	int64_t skew_s; /* the last reply: how far its clock is ahead */
	bool knows_skew;
};

/* The context that the options and TASKGATE_CONTEXT name. */
int session_open(const struct invocation *invocation, struct session *session,
    struct failure *failure);
void session_close(struct session *session);
#define auto_session __attribute__((cleanup(session_close))) struct session

struct session_call {
	const char *method;
	const char *path;
	const char *path_again; /* from the second try on; NULL: the same */
	const char *body; /* or NULL */
	const char *idempotency_key; /* or NULL */
	const struct retry_policy *policy;
	bool is_signed; /* it has a body and a key */
	int wait_s; /* that the server was asked to wait before it answers */
	bool anonymous;
};

/*
 * Sends until there is an answer or the policy has enough. 0: *ret_document
 * (the caller's; NULL where the reply had no body) and *ret_status. -1: the
 * failure, with the command that helps.
 */
int session_call(struct session *session, const struct session_call *call,
    json_t **ret_document, int *ret_status, struct failure *failure);

/* POST /v1/tasks under a key: sent again as often as need be, one task. Once a
 * reply was lost or put off, the next comes without a wait: that there is a
 * task must be known before the line is lost again. */
int
session_create(struct session *session, const json_t *order, const char *key,
    int wait_s, json_t **ret_document, struct failure *failure);
/* The bytes that it sends. The caller frees. */
char *session_order_body(const json_t *order);
/* GET /v1/tasks/ID, waiting on the server's side for its end. */
int session_get_task(struct session *session, const char *id, int wait_s,
    json_t **ret_document, struct failure *failure);

/* Until the transfer is done, while signals and on_turn() are seen to. -1:
 * interrupted, or out of time. */
int session_await(struct session *session, const struct transfer *transfer,
    struct failure *failure);
int session_sleep(
    struct session *session, int64_t delay_ms, struct failure *failure);
/* For what takes long and waits for nothing. */
bool session_is_interrupted(struct session *session, struct failure *failure);

/* Where a server answers at once what it was asked to wait with, it is not
 * asked again at once. -1: interrupted, or out of time. */
int session_pause(struct session *session, struct failure *failure);

/* The failure that a reply is, with what helps. -1. */
int session_fail(const struct session *session, const struct http_reply *reply,
    struct failure *failure);

/* A line about what is going on: on a terminal, and not when quiet. */
void session_note(const struct session *session, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The failure, as the format asks for it; returns the exit code. */
int session_report(const struct session *session, const struct failure *failure,
    int exit_code);
/* The same with the exit code of exit_code_of_problem(). */
int
session_fail_verb(const struct session *session, const struct failure *failure);

#endif
