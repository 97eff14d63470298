/*
 * JSON from outside. Trusts nothing: jansson sees only what json_scan_check()
 * has accepted.
 */
#include "lib/json.h"

#include <inttypes.h>
#include <limits.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/buffer.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "lib/json_scan.h"

/* What the scanner leaves to jansson: members that are there twice, and real
 * numbers that no double holds. */
static void
explain(
    const char *text, size_t len, const json_error_t *error, struct err *err)
{
	bool twice = json_error_code(error) == json_error_duplicate_key;
	auto_buffer path = BUFFER_INIT(SIZE_MAX);
	size_t line, column;
	size_t start = 0;

	json_scan_path(text, len, (size_t)error->position, &path, &start);
	json_scan_place(text, start, &line, &column);
	if (twice)
		err_set(err, ERR_UNPROCESSABLE,
		    "%.*s: line %zu, column %zu: a member that is there twice",
		    JSON_PATH_MAX / 2, path.data, line, column);
	else
		err_set(err, ERR_MALFORMED,
		    "line %zu, column %zu: a number that is too large", line,
		    column);
}

json_t *
json_parse_strict(const char *text, size_t len, struct err *err)
{
	json_error_t error;
	json_t *json = NULL;

	/* jansson counts bytes in an int. */
	if (len > INT_MAX) {
		err_set(err, ERR_TOO_LARGE, "JSON of %zu bytes", len);
		return NULL;
	}
	if (json_scan_check(text, len, err) != 0)
		return NULL;
	json = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
	if (json == NULL)
		explain(text, len, &error, err);
	return json;
}

json_t *
json_parse_file(const char *path, size_t max, struct err *err)
{
	size_t len = 0;
	auto_free char *text = file_read(path, max, &len, err);
	json_t *json = NULL;

	if (text == NULL)
		return NULL;
	json = json_parse_strict(text, len, err);
	if (json == NULL)
		err_prefix(err, "%s", path);
	return json;
}

/* "path.name: reason"; always -1. */
static int
refuse(struct err *err, const char *path, const char *name, const char *reason)
{
	auto_buffer whole = BUFFER_INIT(SIZE_MAX);

	buffer_append_string(&whole, path);
	json_path_add_key(&whole, name, strlen(name));
	return err_set(err, ERR_UNPROCESSABLE, "%.*s: %s", JSON_PATH_MAX / 2,
	    whole.data, reason);
}

static int
check_range(int64_t value, const char *what, const char *path,
    const struct json_field *field, struct err *err)
{
	auto_free char *reason = NULL;

	if (field->min == 0 && field->max == 0)
		return 0;
	if (value >= field->min && value <= field->max)
		return 0;
	reason = alloc_printf("must be %" PRId64 " to %" PRId64 "%s",
	    field->min, field->max, what);
	return refuse(err, path, field->name, reason);
}

static int
store_string(json_t *value, const char *path, const struct json_field *field,
    void *to, struct err *err)
{
	const char *text = json_string_value(value);

	if (check_range((int64_t)json_string_length(value), " bytes long", path,
		field, err) != 0)
		return -1;
	*(const char **)to = text;
	return 0;
}

static int
store_integer(json_t *value, const char *path, const struct json_field *field,
    void *to, struct err *err)
{
	int64_t integer = json_integer_value(value);

	if (check_range(integer, "", path, field, err) != 0)
		return -1;
	*(int64_t *)to = integer;
	return 0;
}

static int
store_boolean(json_t *value, const char *path, const struct json_field *field,
    void *to, struct err *err)
{
	(void)path;
	(void)field;
	(void)err;
	*(bool *)to = json_is_true(value);
	return 0;
}

static int
store_value(json_t *value, const char *path, const struct json_field *field,
    void *to, struct err *err)
{
	if (json_is_array(value) && field->kind == JSON_KIND_ARRAY &&
	    check_range((int64_t)json_array_size(value), " items long", path,
		field, err) != 0)
		return -1;
	*(json_t **)to = value;
	return 0;
}

static const struct {
	const char *name;
	int (*store)(json_t *, const char *, const struct json_field *, void *,
	    struct err *);
} kinds[] = {
    [JSON_KIND_STRING] = {"a string", store_string},
    [JSON_KIND_INTEGER] = {"an integer", store_integer},
    [JSON_KIND_BOOLEAN] = {"true or false", store_boolean},
    [JSON_KIND_OBJECT] = {"an object", store_value},
    [JSON_KIND_ARRAY] = {"an array", store_value},
    [JSON_KIND_ANY] = {"a value", store_value},
};

static bool
is_of_kind(const json_t *value, enum json_kind kind)
{
	switch (kind) {
	case JSON_KIND_STRING:
		return json_is_string(value);
	case JSON_KIND_INTEGER:
		return json_is_integer(value);
	case JSON_KIND_BOOLEAN:
		return json_is_boolean(value);
	case JSON_KIND_OBJECT:
		return json_is_object(value);
	case JSON_KIND_ARRAY:
		return json_is_array(value);
	case JSON_KIND_ANY:
		return true;
	}
	return false;
}

static const struct json_field *
find_field(const struct json_field *fields, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(fields[i].name, name) == 0)
			return &fields[i];
	}
	return NULL;
}

static int
check_members(const json_t *object, const char *path,
    const struct json_field *fields, size_t count, bool comments,
    struct err *err)
{
	json_t *members = (json_t *)object; /* jansson's iterator wants it */
	const char *name = NULL;
	json_t *value = NULL;

	json_object_foreach(members, name, value)
	{
		const struct json_field *field =
		    find_field(fields, count, name);

		if (comments && strcmp(name, "//") == 0)
			continue;
		if (field == NULL)
			return refuse(err, path, name, "no such member");
		if (!is_of_kind(value, field->kind)) {
			auto_free char *reason =
			    alloc_printf("must be %s", kinds[field->kind].name);

			return refuse(err, path, name, reason);
		}
	}
	return 0;
}

static int
check_presence(const json_t *object, const char *path,
    const struct json_field *fields, size_t count, struct err *err)
{
	for (size_t i = 0; i < count; i++) {
		if (fields[i].required &&
		    json_object_get(object, fields[i].name) == NULL)
			return refuse(err, path, fields[i].name, "missing");
	}
	return 0;
}

int
json_read_fields(const json_t *object, const char *path,
    const struct json_field *fields, size_t count, bool comments, void *ret,
    struct err *err)
{
	if (!json_is_object(object))
		return err_set(err, ERR_UNPROCESSABLE, "%s%smust be an object",
		    path, *path != '\0' ? ": " : "");
	if (check_members(object, path, fields, count, comments, err) != 0 ||
	    check_presence(object, path, fields, count, err) != 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		json_t *value = json_object_get(object, fields[i].name);

		if (value != NULL &&
		    kinds[fields[i].kind].store(value, path, &fields[i],
			(char *)ret + fields[i].offset, err) != 0)
			return -1;
	}
	return 0;
}

void
json_set_time(json_t *object, const char *member, int64_t wall_s)
{
	char text[CLOCK_TEXT];

	clock_format(wall_s * 1000, text);
	json_object_set_new(object, member, json_string(text));
}
