/*
 * `approval` of a rule: that somebody else has to agree, who, and within which
 * time.
 */
#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/json.h"
#include "lib/quantity.h"
#include "policy/rule.h"

#define TTL_USUAL_S 3600

struct approval {
	json_t *by;
	json_t *ttl;
};

static const struct json_field approval_fields[] = {
    JSON_FIELD(struct approval, by, "by", JSON_KIND_ARRAY, false, 1,
	RULE_SUBJECTS_MAX),
    JSON_FIELD(struct approval, ttl, "ttl", JSON_KIND_ANY, false, 0, 0),
};

static int
read_ttl(const json_t *ttl, const char *path, int64_t *ret_s, struct err *err)
{
	int64_t value;

	if (ttl == NULL)
		return 0;
	if (!quantity_read_duration(ttl, &value) || value < 1 ||
	    value > ALLOWANCE_TTL_MAX_S)
		return err_set(err, ERR_UNPROCESSABLE,
		    "%s.ttl: must be seconds, or a duration such as \"1h\", "
		    "from 1s to 7d",
		    path);
	*ret_s = value;
	return 0;
}

int
rule_approval_read(
    const json_t *json, const char *path, struct rule *rule, struct err *err)
{
	auto_free char *inner = alloc_printf("%s.approval", path);
	auto_free char *by = alloc_printf("%s.by", inner);
	struct approval approval = {0};

	rule->allowances.approval = true;
	rule->allowances.approval_ttl_s = TTL_USUAL_S;
	if (json_read_fields(json, inner, approval_fields,
		COUNT(approval_fields), true, &approval, err) != 0 ||
	    read_ttl(approval.ttl, inner, &rule->allowances.approval_ttl_s,
		err) != 0)
		return -1;
	if (approval.by != NULL &&
	    rule_subjects_read(
		approval.by, by, &rule->approvers, &rule->napprovers, err) != 0)
		return -1;
	/* Nobody could see beforehand what they would agree to. */
	if (rule->input == REQUEST_STDIN_STREAM)
		return err_set(err, ERR_UNPROCESSABLE,
		    "%s: contradicts stdin \"stream\", of which nobody who "
		    "approves could see anything",
		    inner);
	return 0;
}
