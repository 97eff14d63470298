/*
 * A rule from JSON. Whatever its author may have meant otherwise is refused:
 * a rule that says less than it seems to is a nuisance, one that says more is
 * a hole.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/buffer.h"
#include "lib/cleanup.h"
#include "lib/json.h"
#include "lib/json_scan.h"
#include "policy/mount.h"
#include "policy/rule.h"

/* Where a member's value is put when its kind is checked. */
union slot {
	const char *text;
	int64_t integer;
	bool truth;
	json_t *json;
};

static const struct {
	struct json_field field;
	/* NULL: it says nothing to us. */
	int (*read)(const json_t *json, const char *path, struct rule *rule,
	    struct err *err);
} members[] = {
#define MEMBER(name, kind, required, least, most, read) \
	{{name, JSON_KIND_##kind, required, 0, least, most}, read},
#include "policy/rule_members.def"
#undef MEMBER
};

int
rule_refuse(struct err *err, const char *path, const char *why)
{
	return err_set(err, ERR_UNPROCESSABLE, "%s: %s", path, why);
}

char *
rule_member_path(const char *parent, const char *name)
{
	struct buffer path = BUFFER_INIT(SIZE_MAX);

	buffer_append_string(&path, parent);
	json_path_add_key(&path, name, strlen(name));
	return buffer_take(&path);
}

bool
rule_text_has_only(const char *text, const char *bytes)
{
	return text[strspn(text, bytes)] == '\0';
}

bool
rule_text_is_name(const char *text)
{
	return rule_text_has_only(text, RULE_NAME_BYTES) &&
	    strchr("._-", text[0]) == NULL;
}

bool
rule_text_is_pattern(const char *text)
{
	return pattern_is_special(text) || strpbrk(text, "^$\\|+(") != NULL;
}

int
rule_id_read(
    const json_t *json, const char *path, struct rule *rule, struct err *err)
{
	auto_free char *inner = rule_member_path(path, "id");

	rule->id = json_string_value(json);
	if (!rule_text_is_name(rule->id))
		return rule_refuse(err, inner,
		    "an id is [a-z0-9][a-z0-9._-]*, 64 bytes at most");
	return 0;
}

int
rule_stdin_read(
    const json_t *json, const char *path, struct rule *rule, struct err *err)
{
	static const char *const kinds[] = {
	    [REQUEST_STDIN_NONE] = "none",
	    [REQUEST_STDIN_INLINE] = "inline",
	    [REQUEST_STDIN_STREAM] = "stream",
	};

	for (size_t k = 0; k < COUNT(kinds); k++) {
		if (strcmp(kinds[k], json_string_value(json)) != 0)
			continue;
		rule->input = (enum request_stdin)k;
		return 0;
	}
	return err_set(err, ERR_UNPROCESSABLE,
	    "%s.stdin: must be \"none\", \"inline\" or \"stream\"", path);
}

int
rule_inputs_read(
    const json_t *json, const char *path, struct rule *rule, struct err *err)
{
	(void)path;
	(void)err;
	rule->inputs = json_integer_value(json);
	return 0;
}

int
rule_outputs_read(
    const json_t *json, const char *path, struct rule *rule, struct err *err)
{
	(void)path;
	(void)err;
	rule->outputs = json_integer_value(json);
	return 0;
}

int
rule_user_read(
    const json_t *json, const char *path, struct rule *rule, struct err *err)
{
	static const struct json_field fields[] = {
	    JSON_FIELD(struct rule, uid, "uid", JSON_KIND_INTEGER, true, 0,
		RULE_UID_MAX),
	    JSON_FIELD(struct rule, gid, "gid", JSON_KIND_INTEGER, true, 0,
		RULE_UID_MAX),
	};
	auto_free char *inner = rule_member_path(path, "user");

	return json_read_fields(
	    json, inner, fields, COUNT(fields), true, rule, err);
}

int
rule_unsigned_read(
    const json_t *json, const char *path, struct rule *rule, struct err *err)
{
	(void)path;
	(void)err;
	rule->is_unsigned = json_is_true(json);
	return 0;
}

static int
check_members(const json_t *json, const char *path, struct err *err)
{
	struct json_field fields[COUNT(members)];
	union slot slots[COUNT(members)];

	for (size_t k = 0; k < COUNT(members); k++) {
		fields[k] = members[k].field;
		fields[k].offset = k * sizeof(slots[0]);
	}
	return json_read_fields(
	    json, path, fields, COUNT(fields), true, slots, err);
}

DEFINE_CLEANUP(struct rule, rule_done);

int
rule_read(
    const json_t *json, const char *path, struct rule *ret, struct err *err)
{
	struct rule rule = {
	    .uid = -1,
	    .gid = -1,
	    .expires_ms = INT64_MAX,
	};
	AUTO(rule_donep) struct rule *half = &rule;

	for (size_t k = 0; k < LIMIT_COUNT; k++)
		rule.limits[k] = (struct rule_limit){
		    limit_usual((enum limit)k), limit_usual((enum limit)k)};
	if (check_members(json, path, err) != 0)
		return -1;
	for (size_t k = 0; k < COUNT(members); k++) {
		const json_t *value =
		    json_object_get(json, members[k].field.name);

		if (value != NULL && members[k].read != NULL &&
		    members[k].read(value, path, &rule, err) != 0)
			return -1;
	}
	if (rule_task_check(&rule, json, path, err) != 0 ||
	    rule_image_check(&rule, path, err) != 0 ||
	    rule_entrypoint_check(&rule, path, err) != 0)
		return -1;
	*ret = rule;
	half = NULL;
	return 0;
}

void
rule_done(struct rule *rule)
{
	for (size_t k = 0; k < rule->nsubjects; k++)
		pattern_free(rule->subjects[k].pattern);
	for (size_t k = 0; k < rule->napprovers; k++)
		pattern_free(rule->approvers[k].pattern);
	for (size_t k = 0; k < rule->nargs; k++)
		template_done(&rule->args[k]);
	for (size_t k = 0; k < rule->nenv; k++)
		template_done(&rule->env[k].value);
	template_done(&rule->rest);
	named_task_done(&rule->task);
	hours_done(&rule->hours);
	pattern_free(rule->image_pattern);
	free(rule->subjects);
	free(rule->pinned);
	free(rule->approvers);
	free(rule->args);
	free(rule->env);
	free(rule->mounts);
	free(rule->secrets);
	*rule = (struct rule){0};
}
