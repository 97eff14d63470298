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
#include "policy/rule.h"

#define DESCRIPTION_MAX 1024
#define ROLE_PREFIX "role:"
#define NAME_BYTES "abcdefghijklmnopqrstuvwxyz0123456789._-"
#define IMAGE_BYTES NAME_BYTES "ABCDEFGHIJKLMNOPQRSTUVWXYZ/:@"
#define SPECIAL_BYTES "*?[]"

struct members {
	const char *id;
	const char *description;
	json_t *subjects;
	const char *image;
	json_t *args;
	json_t *env;
	const char *input; /* "stdin", a macro of the C library */
	int64_t inputs, outputs;
	json_t *limits;
	json_t *warm;
	json_t *user;
	const char *network;
	bool is_unsigned;
};

static const struct json_field fields[] = {
    JSON_FIELD(
	struct members, id, "id", JSON_KIND_STRING, true, 1, RULE_ID_MAX),
    JSON_FIELD(struct members, description, "description", JSON_KIND_STRING,
	false, 0, DESCRIPTION_MAX),
    JSON_FIELD(struct members, subjects, "subjects", JSON_KIND_ARRAY, true, 1,
	RULE_SUBJECTS_MAX),
    JSON_FIELD(
	struct members, image, "image", JSON_KIND_STRING, true, 1, IMAGE_MAX),
    JSON_FIELD(struct members, args, "args", JSON_KIND_ARRAY, false, 0,
	REQUEST_ARGS_MAX),
    JSON_FIELD(struct members, env, "env", JSON_KIND_OBJECT, false, 0, 0),
    JSON_FIELD(struct members, input, "stdin", JSON_KIND_STRING, false, 0, 0),
    JSON_FIELD(struct members, inputs, "inputs", JSON_KIND_INTEGER, false, 0,
	REQUEST_FILES_MAX),
    JSON_FIELD(struct members, outputs, "outputs", JSON_KIND_INTEGER, false, 0,
	REQUEST_FILES_MAX),
    JSON_FIELD(struct members, limits, "limits", JSON_KIND_OBJECT, false, 0, 0),
    JSON_FIELD(struct members, warm, "warm", JSON_KIND_OBJECT, false, 0, 0),
    JSON_FIELD(struct members, user, "user", JSON_KIND_OBJECT, false, 0, 0),
    JSON_FIELD(
	struct members, network, "network", JSON_KIND_STRING, false, 0, 0),
    JSON_FIELD(struct members, is_unsigned, "unsigned", JSON_KIND_BOOLEAN,
	false, 0, 0),
};

static const struct json_field user_fields[] = {
    JSON_FIELD(
	struct rule, uid, "uid", JSON_KIND_INTEGER, true, 0, RULE_UID_MAX),
    JSON_FIELD(
	struct rule, gid, "gid", JSON_KIND_INTEGER, true, 0, RULE_UID_MAX),
};

struct rest {
	json_t *rest;
	int64_t min, max;
};

static const struct json_field rest_fields[] = {
    JSON_FIELD(struct rest, rest, "rest", JSON_KIND_ANY, true, 0, 0),
    JSON_FIELD(
	struct rest, min, "min", JSON_KIND_INTEGER, false, 0, REQUEST_ARGS_MAX),
    JSON_FIELD(
	struct rest, max, "max", JSON_KIND_INTEGER, false, 1, REQUEST_ARGS_MAX),
};

static int
refuse(struct err *err, const char *path, const char *why)
{
	return err_set(err, ERR_UNPROCESSABLE, "%s: %s", path, why);
}

static char *
member_path(const char *parent, const char *name)
{
	struct buffer path = BUFFER_INIT(SIZE_MAX);

	buffer_append_string(&path, parent);
	json_path_add_key(&path, name, strlen(name));
	return buffer_take(&path);
}

/* Whether all of it can occur in what it is compared with. */
static bool
consists_of(const char *text, const char *bytes)
{
	return text[strspn(text, bytes)] == '\0';
}

static bool
is_name(const char *text)
{
	return consists_of(text, NAME_BYTES) && strchr("._-", text[0]) == NULL;
}

/* Regular expressions too: pattern_new() says what is wrong with them. */
static bool
is_pattern(const char *text)
{
	return pattern_is_special(text) || strpbrk(text, "^$\\|+(") != NULL;
}

static int
read_id(const char *id, const char *path, struct rule *rule, struct err *err)
{
	auto_free char *inner = member_path(path, "id");

	if (!is_name(id))
		return refuse(err, inner,
		    "an id is [a-z0-9][a-z0-9._-]*, 64 bytes at most");
	rule->id = id;
	return 0;
}

static int
read_subject(const json_t *json, const char *path, struct rule_subject *ret,
    struct err *err)
{
	const char *text = json_string_value(json);
	const char *why = NULL;

	if (text == NULL)
		return refuse(err, path, "must be a string");
	ret->is_role = strncmp(text, ROLE_PREFIX, strlen(ROLE_PREFIX)) == 0;
	if (ret->is_role)
		text += strlen(ROLE_PREFIX);
	if (is_pattern(text)) {
		ret->pattern = pattern_new(text, &why);
		if (ret->pattern == NULL)
			return refuse(err, path, why);
	}
	/* Nobody can have another name, so the rule would be for nobody. */
	if (ret->pattern == NULL ? !is_name(text)
				 : !consists_of(text, NAME_BYTES SPECIAL_BYTES))
		return refuse(err, path,
		    "a subject is [a-z0-9][a-z0-9._-]*, a role the same "
		    "behind role:, or a pattern of them");
	if (ret->pattern != NULL)
		return 0;
	ret->name = text;
	return 0;
}

static int
read_subjects(const json_t *subjects, const char *path, struct rule *rule,
    struct err *err)
{
	size_t count = json_array_size(subjects);

	rule->subjects = alloc_zero(count, sizeof(*rule->subjects));
	for (size_t k = 0; k < count; k++) {
		auto_free char *inner =
		    alloc_printf("%s.subjects[%zu]", path, k);

		rule->nsubjects++;
		if (read_subject(json_array_get(subjects, k), inner,
			&rule->subjects[k], err) != 0)
			return -1;
	}
	return 0;
}

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
		return refuse(err, path, why);
	if (!consists_of(image, IMAGE_BYTES SPECIAL_BYTES))
		return refuse(
		    err, path, "has a byte that no image's name can have");
	pattern_free(take(rule->image_pattern));
	rule->image_pattern = pattern_new(whole, &why);
	return rule->image_pattern != NULL ? 0 : refuse(err, path, why);
}

static int
read_image(
    const char *image, const char *path, struct rule *rule, struct err *err)
{
	auto_free char *inner = member_path(path, "image");
	const char *why;

	if (is_pattern(image))
		return read_image_pattern(image, inner, rule, err);
	why = image_read(image, rule->image, &rule->image_kind);
	return why == NULL ? 0 : refuse(err, inner, why);
}

static int
read_rest(
    const json_t *json, const char *path, struct rule *rule, struct err *err)
{
	struct rest rest = {.max = REQUEST_ARGS_MAX};
	auto_free char *inner = member_path(path, "rest");

	if (json_read_fields(json, path, rest_fields, COUNT(rest_fields), true,
		&rest, err) != 0)
		return -1;
	if (rest.min > rest.max)
		return err_set(
		    err, ERR_UNPROCESSABLE, "%s.min: greater than max", path);
	if (template_read(rest.rest, inner, &rule->rest, err) != 0)
		return -1;
	rule->has_rest = true;
	rule->rest_min = rest.min;
	rule->rest_max = rest.max;
	return 0;
}

static int
read_args(
    const json_t *args, const char *path, struct rule *rule, struct err *err)
{
	size_t count = json_array_size(args);

	rule->args = alloc_zero(count + 1, sizeof(*rule->args));
	for (size_t k = 0; k < count; k++) {
		const json_t *arg = json_array_get(args, k);
		auto_free char *inner = alloc_printf("%s.args[%zu]", path, k);

		if (json_object_get(arg, "rest") == NULL) {
			if (template_read(arg, inner, &rule->args[k], err) != 0)
				return -1;
			rule->nargs++;
			continue;
		}
		if (k + 1 < count)
			return refuse(
			    err, inner, "rest must be the last of the args");
		if (read_rest(arg, inner, rule, err) != 0)
			return -1;
	}
	return 0;
}

static int
compare_variables(const void *a, const void *b)
{
	const struct rule_variable *one = a, *other = b;

	return strcmp(one->name, other->name);
}

static int
read_env(json_t *env, const char *path, struct rule *rule, struct err *err)
{
	auto_free char *inner = member_path(path, "env");
	const char *name = NULL;
	json_t *value = NULL;

	rule->env = alloc_zero(json_object_size(env) + 1, sizeof(*rule->env));
	json_object_foreach(env, name, value)
	{
		auto_free char *where = member_path(inner, name);

		if (strcmp(name, "//") == 0)
			continue;
		if (!request_env_name_is_valid(name))
			return refuse(err, where,
			    "not the name of a variable, which is "
			    "[A-Za-z_][A-Za-z0-9_]*, 64 bytes at most");
		if (template_read(
			value, where, &rule->env[rule->nenv].value, err) != 0)
			return -1;
		rule->env[rule->nenv++].name = name;
	}
	qsort(rule->env, rule->nenv, sizeof(*rule->env), compare_variables);
	return 0;
}

static int
read_stdin(
    const char *input, const char *path, struct rule *rule, struct err *err)
{
	static const char *const kinds[] = {
	    [REQUEST_STDIN_NONE] = "none",
	    [REQUEST_STDIN_INLINE] = "inline",
	    [REQUEST_STDIN_STREAM] = "stream",
	};

	for (size_t k = 0; k < COUNT(kinds); k++) {
		if (strcmp(kinds[k], input) != 0)
			continue;
		rule->input = (enum request_stdin)k;
		return 0;
	}
	return err_set(err, ERR_UNPROCESSABLE,
	    "%s.stdin: must be \"none\", \"inline\" or \"stream\"", path);
}

static int
read_files(const struct members *members, const char *path, struct rule *rule,
    struct err *err)
{
	rule->is_unsigned = members->is_unsigned;
	rule->inputs = members->inputs;
	rule->outputs = members->outputs;
	return members->input == NULL
	    ? 0
	    : read_stdin(members->input, path, rule, err);
}

static int
read_members(const struct members *members, const char *path, struct rule *rule,
    struct err *err)
{
	if (read_id(members->id, path, rule, err) != 0 ||
	    read_subjects(members->subjects, path, rule, err) != 0 ||
	    read_image(members->image, path, rule, err) != 0)
		return -1;
	if (members->args != NULL &&
	    read_args(members->args, path, rule, err) != 0)
		return -1;
	if (members->env != NULL &&
	    read_env(members->env, path, rule, err) != 0)
		return -1;
	if (read_files(members, path, rule, err) != 0)
		return -1;
	if (members->limits != NULL &&
	    rule_limits_read(members->limits, path, rule, err) != 0)
		return -1;
	if (members->warm != NULL &&
	    rule_warm_read(members->warm, path, rule, err) != 0)
		return -1;
	if (members->network != NULL && strcmp(members->network, "none") != 0)
		return err_set(err, ERR_UNPROCESSABLE,
		    "%s.network: must be \"none\"", path);
	if (members->user == NULL)
		return 0;
	auto_free char *user = member_path(path, "user");

	return json_read_fields(members->user, user, user_fields,
	    COUNT(user_fields), true, rule, err);
}

DEFINE_CLEANUP(struct rule, rule_done);

int
rule_read(
    const json_t *json, const char *path, struct rule *ret, struct err *err)
{
	struct rule rule = {.uid = -1, .gid = -1};
	AUTO(rule_donep) struct rule *half = &rule;
	struct members members = {0};

	for (size_t k = 0; k < LIMIT_COUNT; k++)
		rule.limits[k] = (struct rule_limit){
		    limit_usual((enum limit)k), limit_usual((enum limit)k)};
	if (json_read_fields(
		json, path, fields, COUNT(fields), true, &members, err) != 0 ||
	    read_members(&members, path, &rule, err) != 0)
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
	for (size_t k = 0; k < rule->nargs; k++)
		template_done(&rule->args[k]);
	for (size_t k = 0; k < rule->nenv; k++)
		template_done(&rule->env[k].value);
	template_done(&rule->rest);
	pattern_free(rule->image_pattern);
	free(rule->subjects);
	free(rule->args);
	free(rule->env);
	*rule = (struct rule){0};
}
