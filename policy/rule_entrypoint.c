/*
 * What a rule says runs first, in place of the image's ENTRYPOINT.
 */
#include <string.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "policy/rule.h"

int
rule_entrypoint_read(
    const json_t *json, const char *path, struct rule *rule, struct err *err)
{
	for (size_t k = 0; k < json_array_size(json); k++) {
		auto_free char *inner =
		    alloc_printf("%s.entrypoint[%zu]", path, k);
		const json_t *item = json_array_get(json, k);

		if (!json_is_string(item))
			return rule_refuse(err, inner, "must be a string");
		if (json_string_length(item) >= REQUEST_ARG_MAX)
			return rule_refuse(
			    err, inner, "longer than an argument can be");
		if (k == 0 && json_string_length(item) == 0)
			return rule_refuse(err, inner, "empty, and no program");
	}
	rule->entrypoint = json;
	return 0;
}

/* Whether some request that the rule allows has no arguments. */
static bool
may_have_no_args(const struct rule *rule)
{
	if (rule->task.name != NULL)
		return rule->task.nargs == 0;
	return rule->nargs == 0 && (!rule->has_rest || rule->rest_min == 0);
}

int
rule_entrypoint_check(
    const struct rule *rule, const char *path, struct err *err)
{
	auto_free char *inner = rule_member_path(path, "entrypoint");

	if (rule->entrypoint != NULL &&
	    json_array_size(rule->entrypoint) == 0 && may_have_no_args(rule))
		return rule_refuse(err, inner,
		    "empty, and args may be too: there would be nothing to "
		    "run");
	return 0;
}
