/*
 * The worker's own connection to the runner: asks, and hands each answer to
 * who asked. Connects again by itself; meanwhile asking fails at once.
 *
 * Trusts that the peer is the runner only because its uid (SO_PEERCRED) is the
 * one configured, and even then only as far as one connection: a bad message
 * drops it, never the process.
 */
#ifndef GATEWAY_LINK_H
#define GATEWAY_LINK_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

#include "certs/revocations.h"
#include "gateway/runner_message.h"
#include "lib/err.h"
#include "lib/message.h"

struct link;

/* What whoever asks something meanwhile is told. */
#define LINK_UNREACHABLE "the runner cannot be reached at the moment"

/* What the runner answered; valid during the call only. */
struct link_answer {
	const struct err *failure; /* NULL: a reply */
	const char *rule, *condition; /* of a failure; NULL: none */
	int64_t retry_after_s; /* of a failure; 0: none */
	int64_t received; /* of a failure: where it stands; -1: not said */
	int64_t status; /* of a reply */
	struct runner_timing timing; /* of a reply */
	json_t *body; /* of a reply; NULL: none */
	int *fd; /* set to -1 to keep it; or it is -1 */
};

struct link_state {
	bool connected; /* welcomed, and still there */
	pid_t process; /* whose the other end is; 0: none, or one that a pid
			  namespace hides from us */
	/* What was revoked, as long as the runner says so: `listed`. */
	bool listed;
	struct revocations revoked;
	/* What the runner last said of itself; all zero and NULL before. */
	struct runner_state said;
};

typedef void link_answered(void *arg, const struct link_answer *answer);
/* The body that the question is about may come, into this pipe; set *fd to -1
 * to keep it. */
typedef void link_began(void *arg, int *fd);

struct link *link_open(uv_loop_t *loop, const char *path, uid_t uid);
/* `changed` is called when the runner has welcomed us, and when it is lost. */
void link_on_change(
    struct link *link, void (*changed)(void *arg, bool connected), void *arg);
/* Of the process' connections this is the one that says in its hello when our
 * certificate ends, and takes the runner's orders. Before the loop runs. */
struct link_orders {
	int64_t (*certificate_not_after)(void *arg); /* seconds */
	void (*connected)(void *arg); /* the runner has welcomed us */
	void (*reload)(void *arg, int64_t order);
};
void link_take_orders(
    struct link *link, const struct link_orders *orders, void *arg);
/* `enforce` is called whenever the list has changed, and says how many
 * connections it ended. */
void
link_on_revocation(struct link *link, size_t (*enforce)(void *arg), void *arg);
const struct link_state *link_state(const struct link *link);

/*
 * Sends a request and calls `answered` exactly once, later: with the reply,
 * or with a failure (also when the connection ends, or after timeout_s). -1:
 * nothing was sent and nothing will be called. `members` stays the caller's;
 * "request" is added to it. fd: -1 or a descriptor that stays the caller's.
 * `began` is called at most once, before `answered`; from then on there is no
 * time limit until link_expect() sets one. NULL: the question has no body.
 */
struct link_question {
	enum message_type type;
	json_t *members;
	int fd;
	int64_t timeout_s;
	link_began *began;
};
int link_ask(struct link *link, const struct link_question *question,
    link_answered *answered, void *arg, uint64_t *ret_request, struct err *err);
/* The asker has gone: the runner is told, and nothing will be called. */
void link_forget(struct link *link, uint64_t request);
/* The answer must come within this time from now. */
void link_expect(struct link *link, uint64_t request, int64_t timeout_s);
/* A message without an answer. */
int link_tell(struct link *link, enum message_type type, json_t *members,
    struct err *err);

/* Every request that is open fails. Memory goes when the loop has turned. */
void link_close(struct link *link);

#endif
