/*
 * Which image a rule is for: one, or those of a pattern.
 */
#include <string.h>

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

	rule->image_text = image;
	if (rule_text_is_pattern(image))
		return read_image_pattern(image, inner, rule, err);
	why = image_read(image, rule->image, &rule->image_kind);
	return why == NULL ? 0 : rule_refuse(err, inner, why);
}

int
rule_digest_read(
    const json_t *json, const char *path, struct rule *rule, struct err *err)
{
	auto_free char *inner = rule_member_path(path, "digest");
	const char *digest = json_string_value(json);
	char whole[IMAGE_REFERENCE];
	enum image_kind kind;

	if (image_read(digest, whole, &kind) != NULL || kind != IMAGE_ID)
		return rule_refuse(err, inner,
		    "must be sha256: and 64 hexadecimal digits in lower case");
	if (rule->image_pattern != NULL || rule->image_kind != IMAGE_TAG)
		return rule_refuse(err, inner,
		    "says what a tag means: image must be one name, without a "
		    "digest of its own");
	rule->pinned = alloc_printf(
	    "%.*s@%s", (int)image_name_len(rule->image), rule->image, digest);
	if (strlen(rule->pinned) > IMAGE_MAX)
		return rule_refuse(
		    err, inner, "longer than 255 bytes with the image's name");
	return 0;
}

/* Again without ":latest". */
static int
read_name_pattern(struct rule *rule, const char *path, struct err *err)
{
	const char *why = NULL;

	pattern_free(take(rule->image_pattern));
	rule->image_pattern = pattern_new(rule->image_text, &why);
	return rule->image_pattern != NULL ? 0 : rule_refuse(err, path, why);
}

int
rule_digest_required_read(
    const json_t *json, const char *path, struct rule *rule, struct err *err)
{
	auto_free char *image = rule_member_path(path, "image");
	const char *slash = strrchr(rule->image_text, '/');

	if (!json_is_true(json))
		return 0;
	if (strpbrk(slash != NULL ? slash : rule->image_text, ":@") != NULL)
		return rule_refuse(err, image,
		    "with digest_required it is a name without tag and digest, "
		    "which the caller says");
	rule->digest_required = true;
	if (rule->image_pattern != NULL)
		return read_name_pattern(rule, image, err);
	rule->image[image_name_len(rule->image)] = '\0';
	return 0;
}

int
rule_image_check(const struct rule *rule, const char *path, struct err *err)
{
	auto_free char *inner = rule_member_path(path, "digest_required");

	if (!rule->digest_required)
		return 0;
	if (rule->pinned != NULL)
		return rule_refuse(
		    err, inner, "together with digest, which says it");
	if (rule->task.name != NULL)
		return rule_refuse(err, inner,
		    "together with task: the caller of a task names no image");
	if (rule->warm.max > 0)
		return rule_refuse(err, inner,
		    "together with warm: nobody could say what to make ready");
	return 0;
}
