/*
 * What a revocation ends, at once, and waiting until that has really ended.
 */
#include <stdlib.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "runner/gate.h"
#include "runner/intake.h"
#include "runner/revoke.h"

struct effect {
	struct effect *next;
	enum revocation_kind kind;
	char value[REVOCATION_VALUE_MAX + 1];
	uint64_t change;
	int64_t began_ms; /* CLOCK_BOOTTIME */
	bool early; /* tasks of an earlier life were not known */
	struct revoke_report report;
	revoke_done *done;
	void *arg;
};

/* -- who asks */

/* What waits for a task or brings a body is answered. Of what the store is
 * being asked for, the answer comes by itself, in this moment. */
static void
refuse_question(struct question *question, const struct err *why)
{
	if (question->waiter == NULL && question->intake == NULL)
		return;
	if (question->waiter != NULL)
		tasks_unwait(take(question->waiter));
	if (question->intake != NULL)
		intake_forget(question->intake);
	gate_refuse(question, why);
}

static void
refuse_questions(struct peer *peer)
{
	struct err why;

	for (size_t i = 0; i < peer->questions.size; i++) {
		struct table_slot *slot = &peer->questions.slots[i];

		if (table_slot_is_used(slot) &&
		    gate_check_revocations(slot->thing, NULL, &why) != 0)
			refuse_question(slot->thing, &why);
	}
}

/* -- what is waited for */

static void
count_gateways(const struct effect *effect, const struct runner *runner,
    struct revoke_report *report)
{
	report->gateways = report->confirmed = 0;
	if (effect->kind == REVOCATION_IMAGE)
		return;
	for (const struct peer *peer = runner->peers; peer != NULL;
	     peer = peer->next) {
		if (peer->role != ROLE_GATEWAY || peer->state != STATE_READY)
			continue;
		report->gateways++;
		report->confirmed += peer->confirmed >= effect->change;
	}
}

/* One that was lifted meanwhile is on no list, and has nothing to record. */
static bool
is_recording(const struct effect *effect, const struct runner *runner,
    bool *ret_recorded)
{
	const struct revocation *found =
	    revocations_find(&runner->revoked.set, effect->kind, effect->value);

	*ret_recorded = found == NULL || !found->unrecorded;
	return found != NULL && found->recording;
}

static bool
has_come_about(struct effect *effect, const struct runner *runner)
{
	struct revoke_report *report = &effect->report;
	bool recording = is_recording(effect, runner, &report->recorded);

	count_gateways(effect, runner, report);
	report->still_running = runner->tasks.revoking;
	report->known = runner->tasks.recovered;
	report->took_ms = clock_boot_ms() - effect->began_ms;
	return report->known && report->still_running == 0 && !recording &&
	    report->confirmed == report->gateways;
}

/* Takes it out of the list. */
static struct effect *
take_finished(struct runner *runner, bool late, bool all)
{
	for (struct effect **at = &runner->revoked.effects; *at != NULL;
	     at = &(*at)->next) {
		struct effect *effect = *at;

		if (!has_come_about(effect, runner) && !all &&
		    !(late && effect->report.took_ms >= REVOKE_WAIT_MS))
			continue;
		*at = effect->next;
		return effect;
	}
	return NULL;
}

static void
add_found(struct tasks_revoked *to, const struct tasks_revoked *found)
{
	to->queued += found->queued;
	to->running += found->running;
}

static void
finish(struct runner *runner, bool late, bool all)
{
	struct effect *effect;

	while ((effect = take_finished(runner, late, all)) != NULL) {
		if (effect->early)
			add_found(&effect->report.tasks,
			    &runner->tasks.found_revoked);
		effect->done(effect->arg, &effect->report);
		free(effect);
	}
}

void
revoke_settle(struct runner *runner)
{
	finish(runner, false, false);
}

void
effect_finish_late(struct runner *runner, bool all)
{
	finish(runner, true, all);
}

void
effect_confirm(struct runner *runner, uint64_t change, size_t closed)
{
	for (struct effect *effect = runner->revoked.effects; effect != NULL;
	     effect = effect->next) {
		if (effect->change == change)
			effect->report.connections += closed;
	}
	revoke_settle(runner);
}

void
effect_begin(struct runner *runner, const struct revocation *revocation,
    revoke_done *done, void *arg)
{
	struct effect *effect = alloc_zero(1, sizeof(*effect));

	*effect = (struct effect){
	    .next = runner->revoked.effects,
	    .kind = revocation->kind,
	    .change = revocation->change,
	    .began_ms = clock_boot_ms(),
	    .early = !runner->tasks.recovered,
	    .done = done,
	    .arg = arg,
	};
	snprintf(effect->value, sizeof(effect->value), "%s", revocation->value);
	runner->revoked.effects = effect;
	runner_forget_verified(runner);
	tasks_revoke(&runner->tasks, &effect->report.tasks);
	if (revocation->kind == REVOCATION_IMAGE && runner->pool != NULL)
		effect->report.warm =
		    pool_drop_image(runner->pool, revocation->value);
	for (struct peer *peer = runner->peers; peer != NULL; peer = peer->next)
		if (peer->role == ROLE_GATEWAY)
			refuse_questions(peer);
}
