/*
 * The one spelling of a JSON value: what is hashed and signed. The value is
 * our own, or has been read strictly; a real number in it is a defect.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/buffer.h"
#include "lib/cleanup.h"
#include "lib/json.h"

/* RFC 8785 3.2.2.2: the short escapes, \u00xx in lower case, all else as it
 * is. */
static void
write_string(struct buffer *out, const char *text, size_t len)
{
	static const char shorts[] = "\"\"\\\\\bb\ff\nn\rr\tt";
	const char *from = text;
	const char *end = text + len;

	buffer_append(out, "\"", 1);
	for (const char *at = text; at < end; at++) {
		const char *pair = shorts;

		while (*pair != '\0' && *pair != *at)
			pair += 2;
		if (*pair == '\0' && (unsigned char)*at >= 0x20)
			continue;
		buffer_append(out, from, (size_t)(at - from));
		from = at + 1;
		if (*pair != '\0' && *at != '\0')
			buffer_printf(out, "\\%c", pair[1]);
		else
			buffer_printf(
			    out, "\\u%04x", (unsigned)(unsigned char)*at);
	}
	buffer_append(out, from, (size_t)(end - from));
	buffer_append(out, "\"", 1);
}

struct member {
	const char *name;
	json_t *value;
};

static int
compare_members(const void *a, const void *b)
{
	const struct member *left = a;
	const struct member *right = b;

	return strcmp(left->name, right->name);
}

static void write_value(struct buffer *out, json_t *json);

static void
write_object(struct buffer *out, json_t *object)
{
	size_t count = json_object_size(object);
	auto_free struct member *members = alloc_zero(count, sizeof(*members));
	const char *name = NULL;
	json_t *value = NULL;
	size_t n = 0;

	json_object_foreach(object, name, value) members[n++] =
	    (struct member){name, value};
	qsort(members, count, sizeof(*members), compare_members);
	buffer_append(out, "{", 1);
	for (size_t i = 0; i < count; i++) {
		if (i > 0)
			buffer_append(out, ",", 1);
		write_string(out, members[i].name, strlen(members[i].name));
		buffer_append(out, ":", 1);
		write_value(out, members[i].value);
	}
	buffer_append(out, "}", 1);
}

static void
write_array(struct buffer *out, json_t *array)
{
	buffer_append(out, "[", 1);
	for (size_t i = 0; i < json_array_size(array); i++) {
		if (i > 0)
			buffer_append(out, ",", 1);
		write_value(out, json_array_get(array, i));
	}
	buffer_append(out, "]", 1);
}

static void
write_value(struct buffer *out, json_t *json)
{
	switch (json_typeof(json)) {
	case JSON_OBJECT:
		write_object(out, json);
		return;
	case JSON_ARRAY:
		write_array(out, json);
		return;
	case JSON_STRING:
		write_string(
		    out, json_string_value(json), json_string_length(json));
		return;
	case JSON_INTEGER:
		buffer_printf(
		    out, "%" PRId64, (int64_t)json_integer_value(json));
		return;
	case JSON_TRUE:
		buffer_append_string(out, "true");
		return;
	case JSON_FALSE:
		buffer_append_string(out, "false");
		return;
	case JSON_NULL:
		buffer_append_string(out, "null");
		return;
	case JSON_REAL:
		break;
	}
	die("a real number has no canonical form");
}

char *
json_encode_canonical(const json_t *json, size_t *ret_len)
{
	auto_buffer out = BUFFER_INIT(SIZE_MAX);

	write_value(&out, (json_t *)json);
	if (ret_len != NULL)
		*ret_len = out.len;
	return buffer_take(&out);
}
