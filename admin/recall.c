#include "admin/recall.h"

#include <string.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/json.h"

static const struct {
	const char *event;
	enum recall_verdict verdict;
} events[] = {
    {"task.accepted", RECALL_ALLOWED},
    {"task.denied", RECALL_DENIED},
    {"request.refused", RECALL_UNSIGNED},
};

static const char *
text_of(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text != NULL ? text : "";
}

static json_t *
parse(const char *text)
{
	struct err ignored;
	json_t *json = text == NULL
	    ? NULL
	    : json_parse_strict(text, strlen(text), &ignored);

	if (json_is_object(json))
		return json;
	json_decref(json);
	return NULL;
}

static void
read_principal(struct recall *recall)
{
	const json_t *principal = json_object_get(recall->record, "principal");
	const json_t *roles = json_object_get(principal, "roles"), *role;
	size_t k;

	recall->subject = text_of(principal, "subject");
	json_array_foreach(roles, k, role)
	{
		if (json_is_string(role) && recall->nroles < TOKEN_ROLES_MAX)
			recall->roles[recall->nroles++] =
			    json_string_value(role);
	}
}

/* What stands beside the request. */
static void
drop_others(json_t *untrusted)
{
	static const char *const others[] = {"method", "path", "detail"};

	for (size_t k = 0; k < COUNT(others); k++)
		json_object_del(untrusted, others[k]);
}

static void
read_request(struct recall *recall)
{
	const json_t *object = json_object_get(recall->record, "object");
	const json_t *is_signed = json_object_get(object, "signed");
	struct err ignored;

	recall->is_signed = json_is_true(is_signed);
	recall->what = text_of(recall->untrusted, "image");
	if (recall->what[0] == '\0')
		recall->what = text_of(recall->untrusted, "task");
	if (json_object_get(recall->untrusted, "dropped_bytes") != NULL)
		recall->missing = "the request was too long for the log";
	else if (recall->what[0] == '\0')
		recall->missing = "the request is not on record";
	/* Its records hold neither roles nor the limits that were asked for. */
	else if (!json_is_boolean(is_signed))
		recall->missing = "recorded by an earlier version";
	else if (recorded_read(recall->untrusted, &recall->request, &ignored) !=
	    0)
		recall->missing = "the request is not one of this version";
}

/* A refusal that was not for want of a signature is none of the policy's. */
static bool
is_decided(const struct recall *recall)
{
	if (recall->verdict == RECALL_UNSIGNED)
		return json_object_get(
			   json_object_get(recall->record, "object"),
			   "signed") != NULL;
	return true;
}

static int64_t
clamp(json_int_t count)
{
	if (count < 0)
		return 0;
	return count < RECALL_COUNT_MAX ? count : RECALL_COUNT_MAX;
}

bool
recall_read(const struct recall_row *row, struct recall *ret)
{
	const json_t *object;
	int64_t count;

	*ret = (struct recall){
	    .seq = row->seq, .time_ms = row->time_ms, .count = 1};
	ret->record = parse(row->record);
	if (ret->record == NULL)
		return false;
	for (size_t k = 0; k < COUNT(events); k++) {
		if (strcmp(events[k].event, row->event) == 0)
			ret->verdict = events[k].verdict;
	}
	object = json_object_get(ret->record, "object");
	count = clamp(json_integer_value(json_object_get(object, "count")));
	if (count > 1)
		ret->count = count;
	ret->task = json_string_value(json_object_get(object, "task"));
	ret->rule = text_of(ret->record, "rule");
	if (!is_decided(ret))
		return false;
	ret->untrusted = parse(row->untrusted);
	drop_others(ret->untrusted);
	read_principal(ret);
	read_request(ret);
	return true;
}

int64_t
recall_summed(const struct recall *recall)
{
	const json_t *codes =
	    json_object_get(json_object_get(recall->record, "object"), "codes");

	return clamp(json_integer_value(json_object_get(codes, "denied")));
}

void
recall_done(struct recall *recall)
{
	request_done(&recall->request);
	json_decref(recall->record);
	json_decref(recall->untrusted);
	*recall = (struct recall){0};
}
