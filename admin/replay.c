#include "admin/replay.h"

#include <stdlib.h>
#include <string.h>

#include "admin/recall.h"
#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/json.h"

struct replay {
	const struct replay_question *question;
	struct replay_report *report;
	json_t *places; /* by what makes a group: its number */
};

/* How it is said, in a record and in a group alike. */
struct outcome {
	enum recall_verdict verdict;
	const char *rule; /* "": none */
	char *why; /* owned; NULL: it is allowed */
	bool unknown;
};

static const char *const verdicts[] = {
    [RECALL_ALLOWED] = "allowed",
    [RECALL_DENIED] = "denied",
    [RECALL_UNSIGNED] = "unsigned",
};

/* -- the decision */

static void
say_denied(const struct policy_verdict *verdict, const struct request *request,
    struct outcome *ret)
{
	const char *rule = NULL, *condition = NULL;
	struct err why;

	policy_explain_to_caller(verdict, request, &rule, &condition, &why);
	ret->verdict = RECALL_DENIED;
	ret->rule = rule != NULL ? rule : "";
	ret->why = alloc_string(why.detail);
}

static void
decide(const struct replay_question *question, struct recall *recall,
    bool hidden_match, struct outcome *ret)
{
	const struct policy_principal principal = {
	    recall->subject, recall->roles, recall->nroles};
	AUTO(policy_verdict_done) struct policy_verdict verdict = {0};

	*ret = (struct outcome){.rule = ""};
	recall->request.hidden_match = hidden_match;
	policy_decide(question->policy, &principal, &recall->request,
	    recall->time_ms, &verdict);
	if (!verdict.allowed) {
		say_denied(&verdict, &recall->request, ret);
		return;
	}
	ret->rule = verdict.rule;
	if (recall->is_signed || verdict.is_unsigned)
		return;
	ret->verdict = RECALL_UNSIGNED;
	ret->why = alloc_string("the request was not signed");
}

static bool
has_hidden(const struct request *request)
{
	for (size_t k = 0; k < request->nenv; k++) {
		if (request->hashes[k].sha256 != NULL)
			return true;
	}
	return false;
}

static bool
is_one(const struct outcome *a, const struct outcome *b)
{
	if (a->verdict != RECALL_ALLOWED)
		return b->verdict != RECALL_ALLOWED;
	return b->verdict == RECALL_ALLOWED && strcmp(a->rule, b->rule) == 0;
}

/*
 * Where a value is hidden it either matches or not. Rules only allow, so that
 * the same rule in both cases is the rule, and a no although it matches is a
 * no.
 */
static struct outcome
judge(const struct replay_question *question, struct recall *recall)
{
	struct outcome least, most;

	if (recall->missing != NULL)
		return (struct outcome){.rule = "",
		    .why = alloc_string(recall->missing),
		    .unknown = true};
	decide(question, recall, false, &least);
	if (!has_hidden(&recall->request))
		return least;
	decide(question, recall, true, &most);
	if (is_one(&least, &most)) {
		free(most.why);
		return least;
	}
	free(least.why);
	free(most.why);
	most.why = alloc_string(
	    "the log keeps only the hash of a value that it depends on");
	most.unknown = true;
	return most;
}

/* -- what comes of it */

static bool
is_same(const struct recall *recall, const struct outcome *outcome)
{
	/* Refused is refused. */
	if (outcome->verdict != RECALL_ALLOWED)
		return recall->verdict != RECALL_ALLOWED;
	return recall->verdict == RECALL_ALLOWED &&
	    strcmp(recall->rule, outcome->rule) == 0;
}

static void
count(struct replay_report *report, const struct recall *recall,
    const struct outcome *outcome)
{
	int64_t calls = recall->count;

	report->records++;
	report->calls += calls;
	if (outcome->unknown)
		report->unknown += calls;
	else if (is_same(recall, outcome))
		report->same += calls;
	else if (outcome->verdict != RECALL_ALLOWED)
		report->denied += calls;
	else if (recall->verdict != RECALL_ALLOWED)
		report->allowed += calls;
	else
		report->other_rule += calls;
}

static void
set_text(json_t *object, const char *name, const char *text)
{
	if (text != NULL && text[0] != '\0')
		json_object_set_new(object, name, json_string(text));
}

static const char *
text_of(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text != NULL ? text : "";
}

/* "denied by demo", as a column of a table wants it. */
static char *
say(const char *verdict, const char *rule)
{
	return rule[0] == '\0' ? alloc_string(verdict)
			       : alloc_printf("%s by %s", verdict, rule);
}

static json_t *
describe(const struct recall *recall, const struct outcome *outcome)
{
	const char *verdict =
	    outcome->unknown ? "unknown" : verdicts[outcome->verdict];
	const char *rule = outcome->unknown ? "" : outcome->rule;
	auto_free char *was = say(verdicts[recall->verdict], recall->rule);
	auto_free char *now = say(verdict, rule);
	json_t *change = json_object();

	set_text(change, "subject", recall->subject);
	set_text(change, "what", recall->what);
	set_text(change, "was", was);
	set_text(change, "now", now);
	set_text(change, "verdict_was", verdicts[recall->verdict]);
	set_text(change, "verdict", verdict);
	set_text(change, "rule_was", recall->rule);
	set_text(change, "rule", rule);
	set_text(change, "why", outcome->why);
	return change;
}

/* Before it is one record's: what it has in common with others. */
static void
add_to_group(
    struct replay *replay, const struct recall *recall, const json_t *change)
{
	char when[CLOCK_TEXT];
	/* Why repeats what was asked for: of a group, the first stands. */
	auto_free char *key = alloc_printf("%s\n%s\n%s\n%s",
	    text_of(change, "subject"), text_of(change, "what"),
	    text_of(change, "was"), text_of(change, "now"));
	const json_t *place = json_object_get(replay->places, key);
	json_t *groups = replay->report->groups, *group;

	clock_format(recall->time_ms, when);
	if (place == NULL) {
		group = json_deep_copy(change);
		json_object_set_new(replay->places, key,
		    json_integer((json_int_t)json_array_size(groups)));
		json_object_set_new(group, "count", json_integer(0));
		json_object_set_new(group, "seq", json_integer(recall->seq));
		set_text(group, "first", when);
		json_array_append_new(groups, group);
	} else {
		group =
		    json_array_get(groups, (size_t)json_integer_value(place));
	}
	set_text(group, "last", when);
	json_object_set_new(group, "count",
	    json_integer(json_integer_value(json_object_get(group, "count")) +
		recall->count));
}

static void
list(struct replay *replay, const struct recall *recall,
    const struct outcome *outcome)
{
	char when[CLOCK_TEXT];
	json_t *change = describe(recall, outcome);

	add_to_group(replay, recall, change);
	clock_format(recall->time_ms, when);
	json_object_set_new(change, "seq", json_integer(recall->seq));
	set_text(change, "time", when);
	set_text(change, "task", recall->task);
	if (recall->count > 1)
		json_object_set_new(
		    change, "count", json_integer(recall->count));
	json_array_append_new(replay->report->changes, change);
}

static void
replay_one(struct replay *replay, const struct recall_row *row)
{
	AUTO(recall_done) struct recall recall;
	struct outcome outcome;

	if (!recall_read(row, &recall)) {
		replay->report->unrecorded += recall_summed(&recall);
		return;
	}
	outcome = judge(replay->question, &recall);
	count(replay->report, &recall, &outcome);
	if (outcome.unknown || !is_same(&recall, &outcome))
		list(replay, &recall, &outcome);
	free(outcome.why);
}

/* -- the log */

static const char *
column_text(sqlite3_stmt *row, int column)
{
	if (sqlite3_column_type(row, column) != SQLITE_TEXT)
		return NULL;
	return (const char *)sqlite3_column_text(row, column);
}

static int
read_rows(struct replay *replay, sqlite3_stmt *rows)
{
	int result;

	while ((result = sqlite3_step(rows)) == SQLITE_ROW) {
		const struct recall_row row = {
		    .seq = sqlite3_column_int64(rows, 0),
		    .time_ms = sqlite3_column_int64(rows, 1),
		    .event = column_text(rows, 2),
		    .record = column_text(rows, 3),
		    .untrusted = column_text(rows, 4),
		};

		if (row.event != NULL && row.record != NULL)
			replay_one(replay, &row);
	}
	return result;
}

int
replay_run(sqlite3 *database, const struct replay_question *question,
    struct replay_report *ret, struct err *err)
{
	static const char sql[] =
	    "SELECT seq, time_ms, event, record, untrusted FROM audit "
	    "WHERE event IN (" RECALL_EVENTS ") "
	    "AND time_ms >= ?1 AND time_ms < ?2 ORDER BY seq";
	auto_json *places = json_object();
	struct replay replay = {
	    .question = question, .report = ret, .places = places};
	sqlite3_stmt *rows = NULL;
	int result;

	*ret = (struct replay_report){
	    .changes = json_array(), .groups = json_array()};
	result = sqlite3_prepare_v2(database, sql, -1, &rows, NULL);
	if (result == SQLITE_OK) {
		sqlite3_bind_int64(rows, 1, question->since_ms);
		sqlite3_bind_int64(rows, 2, question->until_ms);
		result = read_rows(&replay, rows);
	}
	sqlite3_finalize(rows);
	if (result == SQLITE_DONE)
		return 0;
	return err_set(err, ERR_UNAVAILABLE, "the audit log: %s",
	    sqlite3_errmsg(database));
}

void
replay_report_done(struct replay_report *report)
{
	json_decref(report->changes);
	json_decref(report->groups);
	*report = (struct replay_report){0};
}
