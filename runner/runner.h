/*
 * The runner as a whole: its parts, and whether it can serve.
 */
#ifndef RUNNER_RUNNER_H
#define RUNNER_RUNNER_H

#include <uv.h>

#include "certs/certificate_cache.h"
#include "certs/principal.h"
#include "lib/bucket.h"
#include "runner/audit_readers.h"
#include "runner/audit_view.h"
#include "runner/config.h"
#include "runner/copy.h"
#include "runner/in_force.h"
#include "runner/mount_source.h"
#include "runner/publish.h"
#include "runner/reload.h"
#include "runner/retention.h"
#include "runner/revoke.h"
#include "runner/tasks.h"

struct intake;
struct peer;
struct stop_step;

/* How far it is on its way out. */
struct runner_stop {
	uv_timer_t timer;
	const struct stop_step *step;
	int64_t late_ms; /* CLOCK_BOOTTIME */
};

struct runner {
	struct config config;
	uv_loop_t loop;
	struct authority authority;
	struct certificate_cache *certificates; /* what verified, */
	struct token_cache *tokens; /* runner_forget_verified() */
	int64_t considered_bytes; /* of requests whose key is looked up */
	EVP_PKEY *audit_key;
	struct policy *policy;
	struct reload *reload;
	int lock; /* whoever has it has the state folder */
	struct store *store;
	struct audit_view *audit_view;
	struct audit_readers audit_readers;
	struct output_store outputs;
	struct files_store files;
	struct blobs *blobs;
	struct retention *retention;
	struct publish *publish; /* NULL: nowhere */
	struct copy *copy, *copy_stdout; /* NULL: none */
	struct mount_guard guard; /* borrows from the configuration */
	struct sandbox_factory *factory;
	struct pool *pool; /* NULL: before the start, and while stopping */
	char *engine_reason; /* NULL: it can be used */
	char *store_reason; /* why nothing can be written; NULL: it can be */
	struct tasks tasks;
	struct revoke_list revoked;
	struct refusals *refusals;
	struct listener *gateway, *admin;
	struct peer *peers;
	size_t npeers;
	struct bucket connections; /* of gateways, that go on record singly */
	int64_t unrecorded; /* of those, since the last that did */
	struct intake *intakes; /* bodies under way */
	uv_timer_t
	    push; /* what changed is told soon, and numbers each second */
	bool push_soon;
	char *pushed; /* the last state, as text */
	int64_t clock_ahead_ms; /* of CLOCK_BOOTTIME, at the last look */
	bool clock_seen;
	uv_signal_t term, interrupt, hangup;
	struct runner_stop stop;
	bool stopping;
	int exit_code;
	int64_t started_ms; /* CLOCK_BOOTTIME */
};

/* Opens everything that `config` (taken over) names. */
int
runner_open_take(struct runner *runner, struct config *config, struct err *err);
/* Takes up its work; the loop is still to be run. */
void runner_start(struct runner *runner);
/* Runs the loop until a signal or runner_stop() ends it, and gives everything
 * back; the exit code. */
int runner_finish(struct runner *runner);

/* Why it cannot serve: strings, none where it can. */
json_t *runner_reasons(const struct runner *runner);
/* ERR_UNAVAILABLE where nothing new can be taken on. */
int runner_check_ready(const struct runner *runner, struct err *err);
/* What was verified is verified anew: after anything that it depends on has
 * changed, such as CA bundle, keys or revocations. */
void runner_forget_verified(struct runner *runner);
/* From now on this is in force; what was before is in *in_force then. */
void runner_take_up(struct runner *runner, struct in_force *in_force);
void runner_record_policy(struct runner *runner);
/* Adds to `object` which keys are in force and what ends when. */
void runner_describe_credentials(const struct runner *runner, json_t *object);
/* What is ready for tasks goes: none of them is given out any more. */
void runner_close_pool(struct runner *runner);
/* Everything that keeps the loop running; what is on its way to the disk is
 * waited for. */
void runner_close(struct runner *runner);

/* runner/stop.c: the way out. */
void runner_stop_open(struct runner *runner);
/* Ends what runs, or leaves it to the next life; then the loop ends. */
void runner_stop(struct runner *runner, bool hand_over);

/* runner/state.c: what peers are told of it. */
json_t *runner_state(const struct runner *runner);
void runner_state_open(struct runner *runner);
void runner_state_changed(struct runner *runner);
/* Looks whether the disk has room; now and then. */
void runner_look_at_room(struct runner *runner);

/* runner/clock_jump.c: puts on record that the wall clock was set since the
 * last look; each second. */
void runner_look_at_clock(struct runner *runner);

#endif
