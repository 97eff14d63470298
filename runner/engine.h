/*
 * The container engine, as far as the runner knows it. docker.c speaks to one
 * on this machine. Every call is asynchronous, has a deadline and ends with
 * exactly one `done`, never from within the call itself, unless it is
 * cancelled or the engine freed.
 *
 * The engine is root and could do what it likes; its answers are nevertheless
 * bounded and read strictly, since much in them was written by strangers.
 */
#ifndef RUNNER_ENGINE_H
#define RUNNER_ENGINE_H

#include <jansson.h>
#include <stdbool.h>
#include <uv.h>

#include "lib/err.h"

/* The API versions that we speak, as minor numbers of version 1. */
#define ENGINE_API_LEAST 41
#define ENGINE_API_MOST 44

struct engine;
struct engine_call;

/*
 * answer: what the engine said (an empty object where it says nothing), or
 * NULL and *err:
 *	ERR_UNAVAILABLE, ERR_TIMEOUT	it could not be reached
 *	ERR_NOT_FOUND, ERR_CONFLICT	404, 409
 *	ERR_UNPROCESSABLE		another 4xx
 *	ERR_INTERNAL			5xx
 *	ERR_MALFORMED, ERR_TOO_LARGE	an answer that we do not accept
 */
struct engine_done {
	void (*call)(void *arg, json_t *answer, const struct err *err);
	void *arg;
};

/* The path in "unix:///path" (borrowed); NULL, ERR_UNPROCESSABLE, for anything
 * else. */
const char *engine_socket(const char *uri, struct err *err);
struct engine *engine_new(uv_loop_t *loop, const char *uri, struct err *err);
/* Memory goes when the loop has turned. */
void engine_free(struct engine *engine);
void engine_cancel(struct engine_call *call);

/* Agrees on a version of the API; everything else comes after it. An engine
 * that speaks none of ours is ERR_UNAVAILABLE, with both ranges. */
struct engine_call *
engine_connect(struct engine *engine, struct engine_done done);
/* Before it, no other call can be made. */
bool engine_is_agreed(const struct engine *engine);
struct engine_call *engine_ping(struct engine *engine, struct engine_done done);

struct engine_call *engine_inspect_image(
    struct engine *engine, const char *name, struct engine_done done);
struct engine_call *engine_inspect_network(
    struct engine *engine, const char *name, struct engine_done done);
/* answer.Id is the container's id. */
struct engine_call *engine_create(struct engine *engine, const char *name,
    const json_t *body, struct engine_done done);
struct engine_call *
engine_inspect(struct engine *engine, const char *id, struct engine_done done);
struct engine_call *
engine_start(struct engine *engine, const char *id, struct engine_done done);
/* Gives it other limits while it runs: the members of Docker's Resources that
 * change. */
struct engine_call *engine_update(struct engine *engine, const char *id,
    const json_t *body, struct engine_done done);
/* SIGKILL to every process of the container. */
struct engine_call *
engine_kill(struct engine *engine, const char *id, struct engine_done done);
/* Kills it first where it runs; its volumes go too. */
struct engine_call *
engine_remove(struct engine *engine, const char *id, struct engine_done done);
/*
 * What happens to things of one type ("image"), from the moment of the call
 * on; perhaps a little from before it too. It has no end and no deadline:
 * `opened` says that it is heard, and `ended` comes once, with why, unless it
 * is cancelled. An event is Docker's, borrowed, or NULL where it could not be
 * read: something has happened all the same.
 */
struct engine_listener {
	void (*opened)(void *arg);
	void (*event)(void *arg, const json_t *event);
	void (*ended)(void *arg, const struct err *err);
	void *arg;
};
struct engine_call *engine_events(struct engine *engine, const char *type,
    const struct engine_listener *listener);

/* Every container, also stopped ones, that has the label: an array. */
struct engine_call *engine_list(struct engine *engine, const char *label,
    const char *value, struct engine_done done);

#endif
