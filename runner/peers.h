/*
 * Who is connected to the private sockets, and what they asked.
 *
 * A peer is known by its uid (SO_PEERCRED) and nothing else. The gateway is
 * not trusted: each of its requests carries the client's certificate and
 * token, which are verified here again. A bad message drops that peer, never
 * the process.
 */
#ifndef RUNNER_PEERS_H
#define RUNNER_PEERS_H

#include "lib/channel.h"
#include "lib/json.h"
#include "runner/runner.h"
#include "runner/table.h"

#define PEERS_MAX 256
/* Gateways leave some of them to operators. */
#define GATEWAY_PEERS_MAX 240
/* Connections made and ended that are recorded singly: so many at once, and
 * one for each period. */
#define CONNECTIONS_BURST 200
#define CONNECTIONS_PERIOD_MS 1000
/* Requests of one peer that are open. */
#define QUESTIONS_MAX 65536
/* A body from which on it travels as a sealed memfd. */
#define REPLY_INLINE_MAX (32 * 1024)

/* What a gateway may say that its certificate ends by: the year 9999. */
#define PEER_TIME_MAX_S INT64_C(253402300799)

enum role { ROLE_GATEWAY = 1, ROLE_ADMIN = 2 };
enum peer_state { STATE_NEW = 1, STATE_READY = 2 };

struct intake;

struct peer {
	struct runner *runner;
	struct peer *next, *previous;
	struct channel *channel;
	enum role role; /* of the socket that it came in by */
	enum peer_state state;
	struct table questions; /* by number */
	uint64_t confirmed; /* of what was revoked: the last change */
	bool has_read_audit; /* and that is on record */
	bool takes_orders; /* a gateway's one connection that does */
	int64_t certificate_not_after_s; /* its own, where it takes orders */
	int64_t reload_order; /* that it has not answered; 0: none */
};

/* A request that has no answer yet. */
struct question {
	struct runner *runner;
	struct peer *peer; /* NULL: nobody waits for the answer any more */
	char number_text[24];
	int64_t number;
	struct task_waiter *waiter; /* NULL, or what it waits for */
	struct intake *intake; /* NULL, or the body that belongs to it */
	int64_t received; /* what a failure says of a task's input; or -1 */
	int status; /* of the answer, once that comes */
	bool inline_output; /* likewise */
	json_t *timing; /* likewise, of the task that was waited for; NULL */
	struct principal principal;
	char address[64];
};

/* Listens on both sockets. */
int peers_listen(struct runner *runner, struct err *err);
/* The name of the socket of such peers. */
const char *peers_socket(enum role role);
/* For the audit, within bounds: who did not get in, or was dropped. `reason` is
 * ours; `detail` may repeat what the peer wrote; NULL: nothing. */
void peers_record_refused(struct runner *runner, enum role role, uid_t uid,
    const char *reason, const char *detail);
void peers_close_listeners(struct runner *runner);
/* A connection that was accepted; taken over. */
struct peer *peer_new_take(struct runner *runner, int fd, enum role role);
void peer_free(struct peer *peer);
/* To every peer that said hello as a gateway. */
void peers_tell(struct runner *runner, enum message_type type, json_t *members);

/* NULL: the number is open already, or too many are; *err says so. */
struct question *
question_new(struct peer *peer, int64_t number, struct err *err);
struct question *question_find(const struct peer *peer, int64_t number);
/* Nobody waits for it any more. Frees it when it only waited, for a task or
 * for a body. */
void question_forget(struct question *question);

/* Each answers, once, and frees the question. `body` is taken, NULL: none;
 * fd: -1 or one that stays the caller's. */
void question_reply_take(
    struct question *question, int status, json_t *body, int fd);
void question_fail(struct question *question, const struct err *err);
void question_fail_rule(struct question *question, const struct err *err,
    const char *rule, const char *condition);

/* -1 with *err: the message was bad, the peer is dropped. */
#define TO_RUNNER(name, roles, states, descriptors) \
	int peer_handle_##name(                     \
	    struct peer *peer, struct message *message, struct err *err);
#define FROM_RUNNER(name, descriptors)
#include "lib/messages.def"
#undef TO_RUNNER
#undef FROM_RUNNER

#endif
