/*
 * One request and its answer, inside libmicrohttpd. A handler is called once
 * with the whole body there, or before a body that is passed on; it answers at
 * once, or asks the runner and answers when that did. In between the MHD
 * connection is suspended.
 *
 * The exchange belongs to MHD (its connection's context pointer); the
 * connection only points at it, and takes the pointer away when the client has
 * gone.
 */
#ifndef GATEWAY_EXCHANGE_H
#define GATEWAY_EXCHANGE_H

#include <microhttpd.h>
#include <stdbool.h>

#include "certs/principal.h"
#include "gateway/address.h"
#include "gateway/link.h"
#include "gateway/problem.h"
#include "gateway/route.h"
#include "lib/buffer.h"

struct conn;
struct worker;
struct exchange;
struct follow;
struct upload;

/* Answers with exchange_answer() or exchange_refuse(). */
typedef void
exchange_heard(struct exchange *exchange, const struct link_answer *answer);

struct exchange {
	struct worker *worker;
	struct conn *conn; /* NULL: the client has gone */
	struct MHD_Connection *mhd;
	const char *method, *path; /* MHD's, as long as the exchange lives */
	const struct route *route; /* NULL: no such route */
	struct route_parameters in_path;
	char request_id[UUID_TEXT], address[ADDRESS_TEXT];
	struct principal principal;
	struct buffer body;
	struct upload *upload; /* of a body that is passed on; NULL: none */
	bool in_body; /* MHD takes no answer before all of it has come */
	bool held_at_head; /* was suspended before its body */
	bool handled; /* the handler was called */
	bool suspended; /* as MHD sees it */
	bool queued; /* the answer is MHD's now */
	bool waits; /* for the task, not only for the runner */
	json_t *denied; /* the task that is, for the audit; owned; NULL */
	unsigned status;
	struct MHD_Response *response; /* until it is queued */
	uint64_t request; /* the runner is asked; 0: not */
	exchange_heard *heard;
	int64_t offset; /* of output */
	struct follow *follow; /* borrowed from the response; NULL: none */
	int64_t started_us;
	int64_t auth_us, policy_us; /* -1: neither was asked */
	struct runner_timing timing;
};

struct exchange *exchange_new(struct conn *conn, struct MHD_Connection *mhd,
    const char *method, const char *path);
void exchange_free(struct exchange *exchange);
/* Calls the route's handler: with all of the body, or where it is passed on,
 * before any of it. */
void exchange_handle(struct exchange *exchange);

/* Each takes the first chance to answer; a second is a programmer's error. */
void exchange_answer_take(
    struct exchange *exchange, unsigned status, struct MHD_Response *response);
/* NULL: no body. `json` stays the caller's. */
void exchange_answer_json(
    struct exchange *exchange, unsigned status, const json_t *json);
void exchange_answer_text(struct exchange *exchange, unsigned status,
    const char *text, const char *type);
/* And tells the runner, for the audit. */
void exchange_refuse(struct exchange *exchange, const struct problem *problem);
void exchange_refuse_err(struct exchange *exchange, const struct err *err);
/* Passes on what the runner refused, and knows of. */
void exchange_pass_failure(
    struct exchange *exchange, const struct link_answer *answer);
/* A header field of the answer that has just been given. */
void
exchange_header(struct exchange *exchange, const char *name, const char *value);

/*
 * Asks the runner, with the envelope added to `members` (which is taken).
 * `heard` is called later unless the client goes first. Where it cannot be
 * asked, the exchange is answered at once.
 */
void exchange_ask_take(struct exchange *exchange,
    const struct link_question *question, exchange_heard *heard);

/* The same while the answer is under way already. -1: nothing was sent. */
int exchange_ask_again_take(struct exchange *exchange,
    const struct link_question *question, exchange_heard *heard,
    struct err *err);

/* The client has gone: what is pending is dropped, MHD will call no more. */
void exchange_abandon(struct exchange *exchange);

/* Value of a request's header field, or NULL. */
const char *exchange_field(const struct exchange *exchange, const char *name);
/* Whether a Content-Type is application/json, in UTF-8 if it says so. */
bool exchange_is_json(const char *type);

/* handlers */
#define ROUTE(name, listener, method, path, access, scope, body, body_max) \
	void handle_##name(struct exchange *exchange);
#include "gateway/routes.def"
#undef ROUTE

#endif
