/*
 * A rule's allowances, found by its id.
 */
#include "policy/allowances.h"

#include <string.h>

#include "policy/policy_data.h"

static const struct rule *
find_rule(const struct policy *policy, const char *id)
{
	size_t low = 0, high = policy != NULL ? policy->nrules : 0;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct rule *rule = policy->by_id[middle];
		int order = strcmp(id, rule->id);

		if (order == 0)
			return rule;
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

void
allowances_find(
    const struct policy *policy, const char *rule, struct allowances *ret)
{
	const struct rule *found = find_rule(policy, rule);

	*ret = found != NULL ? found->allowances : (struct allowances){0};
}

json_t *
allowances_write_rate(const struct allowances *allowances)
{
	json_t *list = json_array();

	for (size_t k = 0; k < allowances->nwindows; k++) {
		const struct allowance_window *window = &allowances->rate[k];

		json_array_append_new(list,
		    json_pack("{s:I, s:I}", "tasks", (json_int_t)window->tasks,
			"per", (json_int_t)window->per_s));
	}
	return list;
}

json_t *
allowances_write_concurrency(const struct allowances *allowances)
{
	json_t *bounds = json_object();

	if (allowances->running_per_subject > 0)
		json_object_set_new(bounds, "per_subject",
		    json_integer((json_int_t)allowances->running_per_subject));
	if (allowances->running_total > 0)
		json_object_set_new(bounds, "total",
		    json_integer((json_int_t)allowances->running_total));
	if (json_object_size(bounds) > 0)
		return bounds;
	json_decref(bounds);
	return NULL;
}

int64_t
allowances_longest_s(const struct allowances *allowances)
{
	int64_t longest_s = 0;

	for (size_t k = 0; k < allowances->nwindows; k++) {
		if (allowances->rate[k].per_s > longest_s)
			longest_s = allowances->rate[k].per_s;
	}
	return longest_s;
}

bool
allowances_name_approver(const struct policy *policy, const char *rule,
    const struct policy_principal *approver)
{
	const struct rule *found = find_rule(policy, rule);

	if (found == NULL)
		return false;
	return found->napprovers == 0 ||
	    rule_subjects_name(found->approvers, found->napprovers, approver);
}
