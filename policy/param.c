/*
 * Params: trusts neither the policy's author to think of every byte nor the
 * value. What looks like an allowed letter and is none is other bytes.
 */
#include "policy/param.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/json.h"
#include "policy/request.h"

static const char plain_bytes[] = "abcdefghijklmnopqrstuvwxyz"
				  "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				  "0123456789._-";

static const struct {
	const char *name;
	const char *bytes;
	const char *what;
} kinds[] = {
#define PARAM_BYTES(name, text, bytes, what) \
	[PARAM_##name] = {text, bytes, what},
#include "policy/param_bytes.def"
#undef PARAM_BYTES
};

struct members {
	json_t *values;
	json_t *integer;
	json_t *string;
	json_t *standard;
	const char *description;
};

static const struct json_field fields[] = {
    JSON_FIELD(struct members, values, "enum", JSON_KIND_ANY, false, 0, 0),
    JSON_FIELD(struct members, integer, "integer", JSON_KIND_ANY, false, 0, 0),
    JSON_FIELD(struct members, string, "string", JSON_KIND_OBJECT, false, 0, 0),
    JSON_FIELD(struct members, standard, "default", JSON_KIND_ANY, false, 0, 0),
    JSON_FIELD(struct members, description, "description", JSON_KIND_STRING,
	false, 0, 1024),
};

struct string_members {
	const char *pattern;
	json_t *allow;
	int64_t min, max;
};

static const struct json_field string_fields[] = {
    JSON_FIELD(struct string_members, pattern, "pattern", JSON_KIND_STRING,
	false, 1, PATTERN_MAX),
    JSON_FIELD(struct string_members, allow, "allow", JSON_KIND_ARRAY, false, 1,
	PARAM_BYTES_COUNT),
    JSON_FIELD(struct string_members, min, "min", JSON_KIND_INTEGER, false, 0,
	REQUEST_PARAM_MAX),
    JSON_FIELD(struct string_members, max, "max", JSON_KIND_INTEGER, false, 1,
	REQUEST_PARAM_MAX),
};

bool
param_name_is_valid(const char *name)
{
	size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-");

	return name[0] >= 'a' && name[0] <= 'z' && len <= REQUEST_NAME_MAX &&
	    name[len] == '\0';
}

static int
read_allow(
    const json_t *allow, const char *path, struct param *param, struct err *err)
{
	for (size_t i = 0; i < json_array_size(allow); i++) {
		const char *name = json_string_value(json_array_get(allow, i));
		size_t k = 0;

		while (k < COUNT(kinds) &&
		    (name == NULL || strcmp(kinds[k].name, name) != 0))
			k++;
		if (k == COUNT(kinds))
			return err_set(err, ERR_UNPROCESSABLE,
			    "%s[%zu]: must be \"dash\", \"slash\", \"blank\", "
			    "\"punctuation\", \"lines\" or \"utf8\"",
			    path, i);
		if (param->allow[k])
			return err_set(err, ERR_UNPROCESSABLE,
			    "%s[%zu]: \"%s\" is there twice", path, i, name);
		param->allow[k] = true;
	}
	return 0;
}

/* Whether a value may have this byte anywhere. */
static bool
is_allowed_byte(const struct param *param, unsigned char byte)
{
	if (byte >= 0x80)
		return param->allow[PARAM_UTF8];
	if (strchr(plain_bytes, byte) != NULL)
		return true;
	for (size_t k = 0; k < COUNT(kinds); k++) {
		if (param->allow[k] && strchr(kinds[k].bytes, byte) != NULL)
			return true;
	}
	return false;
}

/* What a pattern says literally and no value may have would never match. */
static int
check_pattern(const struct param *param, const char *path, struct err *err)
{
	const char *text = pattern_text(param->values.pattern);

	for (const char *at = text; *at != '\0'; at++) {
		if (*at == '*' || *at == '?')
			continue;
		if (*at == '[') {
			at += strcspn(at + 2, "]") + 2;
			continue;
		}
		if (!is_allowed_byte(param, (unsigned char)*at))
			return err_set(err, ERR_UNPROCESSABLE,
			    "%s.pattern: has a byte that no value may have; "
			    "allow says which more there may be",
			    path);
	}
	return 0;
}

static int
read_string(const json_t *string, const char *path, struct param *param,
    struct err *err)
{
	struct string_members members = {.min = 1, .max = PARAM_STRING_USUAL};
	auto_free char *allow = alloc_printf("%s.allow", path);
	auto_json *pattern = NULL;

	if (json_read_fields(string, path, string_fields, COUNT(string_fields),
		true, &members, err) != 0)
		return -1;
	if (members.min > members.max)
		return err_set(
		    err, ERR_UNPROCESSABLE, "%s.min: greater than max", path);
	param->is_string = true;
	param->least = members.min;
	param->most = members.max;
	if (read_allow(members.allow, allow, param, err) != 0)
		return -1;
	if (members.pattern == NULL)
		return 0;
	pattern = json_pack("{s:s}", "pattern", members.pattern);
	if (template_read(pattern, path, &param->values, err) != 0)
		return -1;
	param->has_pattern = true;
	return check_pattern(param, path, err);
}

/* An enumeration or an integer, as templates have it. */
static int
read_values(const struct members *members, const char *path,
    struct param *param, struct err *err)
{
	const char *name = members->values != NULL ? "enum" : "integer";
	json_t *value =
	    members->values != NULL ? members->values : members->integer;
	auto_json *template = json_pack("{s:O}", name, value);

	return template_read(template, path, &param->values, err);
}

static int
read_default(const json_t *standard, const char *path, struct param *param,
    struct err *err)
{
	if (standard == NULL)
		return 0;
	if (json_is_integer(standard))
		param->standard = alloc_printf(
		    "%" PRId64, (int64_t)json_integer_value(standard));
	else if (json_is_string(standard))
		param->standard = alloc_string(json_string_value(standard));
	if (param->standard == NULL)
		return err_set(err, ERR_UNPROCESSABLE,
		    "%s.default: must be a string or an integer", path);
	if (!param_is_match(param, param->standard))
		return err_set(err, ERR_UNPROCESSABLE,
		    "%s.default: would be refused itself", path);
	return 0;
}

static int
read_param(
    const json_t *json, const char *path, struct param *param, struct err *err)
{
	struct members members = {0};
	auto_free char *inner = alloc_printf("%s.string", path);
	int status;

	if (json_read_fields(
		json, path, fields, COUNT(fields), true, &members, err) != 0)
		return -1;
	if ((members.values != NULL) + (members.integer != NULL) +
		(members.string != NULL) !=
	    1)
		return err_set(err, ERR_UNPROCESSABLE,
		    "%s: must have exactly one of enum, integer and string",
		    path);
	param->description = members.description;
	status = members.string != NULL
	    ? read_string(members.string, inner, param, err)
	    : read_values(&members, path, param, err);
	return status != 0 ? -1
			   : read_default(members.standard, path, param, err);
}

int
param_read(const char *name, const json_t *json, const char *path,
    struct param *ret, struct err *err)
{
	struct param param = {.name = name};

	if (!param_name_is_valid(name))
		return err_set(err, ERR_UNPROCESSABLE,
		    "%s: a param's name is [a-z][a-z0-9_-]*, %d bytes at most",
		    path, REQUEST_NAME_MAX);
	if (read_param(json, path, &param, err) != 0) {
		param_done(&param);
		return -1;
	}
	*ret = param;
	return 0;
}

void
param_done(struct param *param)
{
	template_done(&param->values);
	free(param->standard);
	*param = (struct param){0};
}

/* Whether a part between slashes is . or .., and so leads elsewhere. */
static bool
has_dots(const char *value)
{
	for (;;) {
		size_t len = strcspn(value, "/");

		if ((len == 1 || len == 2) && strncmp(value, "..", len) == 0)
			return true;
		if (value[len] == '\0')
			return false;
		value += len + 1;
	}
}

enum fault {
	FAULT_NONE,
	FAULT_SHORT,
	FAULT_LONG,
	FAULT_DASH,
	FAULT_DOTS,
	FAULT_BYTE,
	FAULT_VALUE
};

static enum fault
find_fault(const struct param *param, const char *value)
{
	size_t len = strlen(value);

	if (!param->is_string)
		return template_is_match(&param->values, value) ? FAULT_NONE
								: FAULT_VALUE;
	if (len < (uint64_t)param->least)
		return FAULT_SHORT;
	if (len > (uint64_t)param->most)
		return FAULT_LONG;
	if (value[0] == '-' && !param->allow[PARAM_DASH])
		return FAULT_DASH;
	if (has_dots(value))
		return FAULT_DOTS;
	for (size_t k = 0; k < len; k++) {
		if (!is_allowed_byte(param, (unsigned char)value[k]))
			return FAULT_BYTE;
	}
	return !param->has_pattern || template_is_match(&param->values, value)
	    ? FAULT_NONE
	    : FAULT_VALUE;
}

bool
param_is_match(const struct param *param, const char *value)
{
	return find_fault(param, value) == FAULT_NONE;
}

static void
list_bytes(const struct param *param, struct buffer *out)
{
	buffer_append_string(out, "letters, digits, \".\", \"_\", \"-\"");
	for (size_t k = 0; k < COUNT(kinds); k++) {
		if (param->allow[k] && k != PARAM_DASH)
			buffer_printf(out, ", %s", kinds[k].what);
	}
}

void
param_explain(const struct param *param, const char *value, struct buffer *out)
{
	switch (find_fault(param, value)) {
	case FAULT_NONE:
		break;
	case FAULT_SHORT:
		buffer_printf(
		    out, "is shorter than %" PRId64 " bytes", param->least);
		break;
	case FAULT_LONG:
		buffer_printf(
		    out, "is longer than %" PRId64 " bytes", param->most);
		break;
	case FAULT_DASH:
		buffer_append_string(out, "begins with a dash, like an option");
		break;
	case FAULT_DOTS:
		buffer_append_string(out, "has a part that is \".\" or \"..\"");
		break;
	case FAULT_BYTE:
		buffer_append_string(out, "has other bytes than ");
		list_bytes(param, out);
		break;
	case FAULT_VALUE:
		template_explain(&param->values, out);
		break;
	}
}

void
param_explain_missing(const struct param *param, struct buffer *out)
{
	const struct template *values = &param->values;

	buffer_append_string(out, "must be given: ");
	if (param->is_string) {
		buffer_printf(out, "%" PRId64 " to %" PRId64 " bytes of ",
		    param->least, param->most);
		list_bytes(param, out);
		if (!param->has_pattern)
			return;
		buffer_append_string(out, " that match the pattern ");
		template_quote(pattern_text(values->pattern), out);
	} else if (values->kind == TEMPLATE_INTEGER) {
		buffer_printf(out, "an integer from %" PRId64 " to %" PRId64,
		    values->min, values->max);
	} else {
		buffer_append_string(out, "one of ");
		template_list(values, out);
	}
}

size_t
param_longest(const struct param *param)
{
	size_t most = 0;

	if (param->is_string)
		return (size_t)param->most;
	if (param->values.kind == TEMPLATE_INTEGER)
		return sizeof("-9223372036854775808") - 1;
	for (size_t k = 0; k < param->values.nvalues; k++) {
		size_t len = strlen(param->values.values[k]);

		most = len > most ? len : most;
	}
	return most;
}
