/*
 * Whom a rule is for. A name that nobody can have would make it a rule for
 * nobody: it is refused.
 */
#include <string.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "policy/rule.h"

#define ROLE_PREFIX "role:"

static int
read_subject(const json_t *json, const char *path, struct rule_subject *ret,
    struct err *err)
{
	const char *text = json_string_value(json);
	const char *why = NULL;

	if (text == NULL)
		return rule_refuse(err, path, "must be a string");
	ret->is_role = strncmp(text, ROLE_PREFIX, strlen(ROLE_PREFIX)) == 0;
	if (ret->is_role)
		text += strlen(ROLE_PREFIX);
	if (rule_text_is_pattern(text)) {
		ret->pattern = pattern_new(text, &why);
		if (ret->pattern == NULL)
			return rule_refuse(err, path, why);
	}
	/* Nobody can have another name, so the rule would be for nobody. */
	if (ret->pattern == NULL
		? !rule_text_is_name(text)
		: !rule_text_has_only(text, RULE_NAME_BYTES RULE_SPECIAL_BYTES))
		return rule_refuse(err, path,
		    "a subject is [a-z0-9][a-z0-9._-]*, a role the same "
		    "behind role:, or a pattern of them");
	if (ret->pattern != NULL)
		return 0;
	ret->name = text;
	return 0;
}

int
rule_subjects_read(const json_t *subjects, const char *path,
    struct rule_subject **ret, size_t *ret_count, struct err *err)
{
	size_t count = json_array_size(subjects);

	*ret = alloc_zero(count, sizeof(**ret));
	for (size_t k = 0; k < count; k++) {
		auto_free char *inner = alloc_printf("%s[%zu]", path, k);

		++*ret_count;
		if (read_subject(json_array_get(subjects, k), inner, &(*ret)[k],
			err) != 0)
			return -1;
	}
	return 0;
}

int
rule_for_read(
    const json_t *json, const char *path, struct rule *rule, struct err *err)
{
	auto_free char *inner = rule_member_path(path, "subjects");

	return rule_subjects_read(
	    json, inner, &rule->subjects, &rule->nsubjects, err);
}
