/*
 * Which image a rule is for: one, or those of a pattern.
 */
#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "policy/rule.h"

#define IMAGE_BYTES RULE_NAME_BYTES "ABCDEFGHIJKLMNOPQRSTUVWXYZ/:@"

static int
read_image_pattern(
    const char *image, const char *path, struct rule *rule, struct err *err)
{
	const char *why = NULL;
	bool add_latest;

	rule->image_kind = image_pattern_kind(image, &add_latest);
	auto_free char *whole =
	    alloc_printf("%s%s", image, add_latest ? ":latest" : "");
	rule->image_pattern = pattern_new(image, &why);
	if (rule->image_pattern == NULL)
		return rule_refuse(err, path, why);
	if (!rule_text_has_only(image, IMAGE_BYTES RULE_SPECIAL_BYTES))
		return rule_refuse(
		    err, path, "has a byte that no image's name can have");
	pattern_free(take(rule->image_pattern));
	rule->image_pattern = pattern_new(whole, &why);
	return rule->image_pattern != NULL ? 0 : rule_refuse(err, path, why);
}

int
rule_image_read(
    const json_t *json, const char *path, struct rule *rule, struct err *err)
{
	auto_free char *inner = rule_member_path(path, "image");
	const char *image = json_string_value(json);
	const char *why;

	if (rule_text_is_pattern(image))
		return read_image_pattern(image, inner, rule, err);
	why = image_read(image, rule->image, &rule->image_kind);
	return why == NULL ? 0 : rule_refuse(err, inner, why);
}
