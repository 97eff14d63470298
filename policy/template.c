/*
 * Templates of single values. Trusts neither the policy's author to write
 * what can be matched nor the value.
 */
#include "policy/template.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/json.h"
#include "lib/utf8.h"

/* How much of a value, and of an enumeration, stands in a message. */
#define QUOTE_MAX 80
#define EXPLAIN_MAX 200

struct members {
	json_t *values;
	json_t *integer;
	const char *pattern;
};

static const struct json_field fields[] = {
    JSON_FIELD(struct members, values, "enum", JSON_KIND_ARRAY, false, 1,
	TEMPLATE_ENUM_MAX),
    JSON_FIELD(
	struct members, integer, "integer", JSON_KIND_OBJECT, false, 0, 0),
    JSON_FIELD(struct members, pattern, "pattern", JSON_KIND_STRING, false, 1,
	PATTERN_MAX),
};

static const struct json_field integer_fields[] = {
    JSON_FIELD(struct template, min, "min", JSON_KIND_INTEGER, true, 0, 0),
    JSON_FIELD(struct template, max, "max", JSON_KIND_INTEGER, true, 0, 0),
};

static int
read_enum(const json_t *values, const char *path, struct template *ret,
    struct err *err)
{
	auto_json *seen = json_object();
	size_t count = json_array_size(values);
	auto_free const char **texts = alloc_zero(count, sizeof(*texts));

	for (size_t k = 0; k < count; k++) {
		texts[k] = json_string_value(json_array_get(values, k));
		if (texts[k] == NULL)
			return err_set(err, ERR_UNPROCESSABLE,
			    "%s.enum[%zu]: must be a string", path, k);
		if (json_object_get(seen, texts[k]) != NULL)
			return err_set(err, ERR_UNPROCESSABLE,
			    "%s.enum[%zu]: a value that is there twice", path,
			    k);
		if (json_object_set_new(seen, texts[k], json_true()) != 0)
			die("a string that jansson refuses");
	}
	ret->kind = TEMPLATE_ENUM;
	ret->values = take(texts);
	ret->nvalues = count;
	return 0;
}

static int
read_integer(const json_t *integer, const char *path, struct template *ret,
    struct err *err)
{
	auto_free char *inner = alloc_printf("%s.integer", path);

	if (json_read_fields(integer, inner, integer_fields,
		COUNT(integer_fields), true, ret, err) != 0)
		return -1;
	if (ret->min > ret->max)
		return err_set(
		    err, ERR_UNPROCESSABLE, "%s.min: greater than max", inner);
	ret->kind = TEMPLATE_INTEGER;
	return 0;
}

static int
read_pattern(const char *pattern, const char *path, struct template *ret,
    struct err *err)
{
	const char *why = NULL;

	ret->pattern = pattern_new(pattern, &why);
	if (ret->pattern == NULL)
		return err_set(
		    err, ERR_UNPROCESSABLE, "%s.pattern: %s", path, why);
	ret->kind = TEMPLATE_PATTERN;
	return 0;
}

int
template_read(
    const json_t *json, const char *path, struct template *ret, struct err *err)
{
	struct template read = {0};
	struct members members = {0};
	int status;

	if (json_is_string(json)) {
		read.kind = TEMPLATE_LITERAL;
		read.literal = json_string_value(json);
		*ret = read;
		return 0;
	}
	if (!json_is_object(json))
		return err_set(err, ERR_UNPROCESSABLE,
		    "%s: must be a string, or an object with one of enum, "
		    "integer and pattern",
		    path);
	if (json_read_fields(
		json, path, fields, COUNT(fields), true, &members, err) != 0)
		return -1;
	if ((members.values != NULL) + (members.integer != NULL) +
		(members.pattern != NULL) !=
	    1)
		return err_set(err, ERR_UNPROCESSABLE,
		    "%s: must have exactly one of enum, integer and pattern",
		    path);
	if (members.values != NULL)
		status = read_enum(members.values, path, &read, err);
	else if (members.integer != NULL)
		status = read_integer(members.integer, path, &read, err);
	else
		status = read_pattern(members.pattern, path, &read, err);
	if (status == 0)
		*ret = read;
	return status;
}

void
template_done(struct template *template)
{
	pattern_free(template->pattern);
	free(template->values);
	*template = (struct template){0};
}

/* As printf would write it and nothing else: no sign that is not needed, no
 * leading zero, no blank. What reads it later may be a shell. */
static bool
is_integer_between(const char *value, int64_t min, int64_t max)
{
	const char *digits = value[0] == '-' ? value + 1 : value;
	size_t count = strspn(digits, "0123456789");
	int64_t integer = 0;

	if (count == 0 || digits[count] != '\0')
		return false;
	if (digits[0] == '0' && (count > 1 || digits != value))
		return false;
	for (size_t k = 0; k < count; k++) {
		int64_t digit = digits[k] - '0';

		if (__builtin_mul_overflow(integer, 10, &integer) ||
		    __builtin_add_overflow(
			integer, digits == value ? digit : -digit, &integer))
			return false;
	}
	return integer >= min && integer <= max;
}

static bool
is_one_of(const struct template *template, const char *value)
{
	for (size_t k = 0; k < template->nvalues; k++) {
		if (strcmp(template->values[k], value) == 0)
			return true;
	}
	return false;
}

bool
template_is_match(const struct template *template, const char *value)
{
	switch (template->kind) {
	case TEMPLATE_LITERAL:
		return strcmp(template->literal, value) == 0;
	case TEMPLATE_ENUM:
		return is_one_of(template, value);
	case TEMPLATE_INTEGER:
		return is_integer_between(value, template->min, template->max);
	case TEMPLATE_PATTERN:
		return pattern_is_match(
		    template->pattern, value, strlen(value));
	}
	return false;
}

bool
template_is_everything(const struct template *template)
{
	return template->kind == TEMPLATE_PATTERN &&
	    strcmp(pattern_text(template->pattern), "**") == 0;
}

void
template_quote(const char *value, struct buffer *out)
{
	size_t len = strlen(value);
	size_t shown = len < QUOTE_MAX ? len : QUOTE_MAX;

	/* Never in the middle of a character. */
	while (shown < len && shown > 0 &&
	    ((unsigned char)value[shown] & 0xc0) == 0x80)
		shown--;
	buffer_append_string(out, "\"");
	utf8_append_neutral(out, value, shown);
	buffer_append_string(out, shown < len ? "...\"" : "\"");
}

void
template_list(const struct template *template, struct buffer *out)
{
	size_t begin = out->len;

	for (size_t k = 0; k < template->nvalues; k++) {
		const char *value = template->values[k];
		bool is_plain = value[0] != '\0' &&
		    strpbrk(value, " ,\"") == NULL &&
		    strlen(value) <= QUOTE_MAX;

		if (out->len - begin > EXPLAIN_MAX) {
			buffer_printf(
			    out, " and %zu more", template->nvalues - k);
			return;
		}
		if (k > 0)
			buffer_append_string(out, ", ");
		if (is_plain)
			utf8_append_neutral(out, value, strlen(value));
		else
			template_quote(value, out);
	}
}

void
template_explain(const struct template *template, struct buffer *out)
{
	switch (template->kind) {
	case TEMPLATE_LITERAL:
		buffer_append_string(out, "is not ");
		template_quote(template->literal, out);
		break;
	case TEMPLATE_ENUM:
		buffer_append_string(out, "is not one of ");
		template_list(template, out);
		break;
	case TEMPLATE_INTEGER:
		buffer_printf(out,
		    "is not an integer from %" PRId64 " to %" PRId64,
		    template->min, template->max);
		break;
	case TEMPLATE_PATTERN:
		buffer_append_string(out, "does not match the pattern ");
		template_quote(pattern_text(template->pattern), out);
		break;
	}
}
