/*
 * Any bytes as JSON: what is accepted can be written canonically, is read back
 * as the same value, and every place in it can be found.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buffer.h"
#include "lib/cleanup.h"
#include "lib/json.h"
#include "lib/json_pick.h"
#include "lib/json_scan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool condition)
{
	if (!condition)
		abort();
}

static bool
has_real(const json_t *json)
{
	const char *name = NULL;
	json_t *value = NULL;
	size_t i;

	json_array_foreach(json, i, value)
	{
		if (has_real(value))
			return true;
	}
	json_object_foreach((json_t *)json, name, value)
	{
		if (has_real(value))
			return true;
	}
	return json_is_real(json);
}

static void
check_canonical(const json_t *json)
{
	struct err err = {0};
	size_t len = 0;
	auto_free char *text = json_encode_canonical(json, &len);
	auto_json *again = json_parse_strict(text, len, &err);
	auto_free char *second = NULL;

	require(again != NULL && json_equal(json, again));
	second = json_encode_canonical(again, NULL);
	require(strcmp(text, second) == 0);
}

static void
check_places(const char *text, size_t len)
{
	for (size_t offset = 0; offset <= len; offset += 1 + len / 16) {
		auto_buffer path = BUFFER_INIT(1 << 20);
		size_t start = 0;
		size_t line = 0, column = 0;

		json_scan_path(text, len, offset, &path, &start);
		require(start <= len);
		json_locate(text, len, path.data != NULL ? path.data : "",
		    &line, &column);
		require(line >= 1 && column >= 1);
	}
}

/* Each item of an array is found, and can be parsed alone. */
static void
check_items(const char *text, size_t len, const json_t *json)
{
	const json_t *array = json_object_get(json, "a");
	size_t count = 0;
	auto_free struct json_item *items =
	    json_find_items(text, len, "a", &count);

	require(count == json_array_size(array));
	for (size_t k = 0; k < count; k++) {
		auto_json *item = json_loadb(text + items[k].offset,
		    items[k].len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
		size_t line = 0, column = 0;

		require(json_equal(item, json_array_get(array, k)));
		json_scan_place(text, items[k].offset, &line, &column);
		require(line == items[k].line && column == items[k].column);
	}
}

/* What is picked out of the text is what was parsed. */
static void
check_picked(const char *text, size_t len, const json_t *json)
{
	static const struct json_pick_member wanted[] = {
	    {NULL, "a"}, {NULL, "b"}, {"a", "b"}};
	struct json_span spans[COUNT(wanted)];

	if (!json_pick(text, len, wanted, COUNT(wanted), spans))
		return;
	require(json_is_object(json));
	for (size_t i = 0; i < COUNT(wanted); i++) {
		const json_t *value = json_object_get(wanted[i].part != NULL
			? json_object_get(json, wanted[i].part)
			: json,
		    wanted[i].name);

		require(json_is_string(value) == spans[i].is_string);
		require(!json_is_string(value) ||
		    (json_string_length(value) == spans[i].len &&
			memcmp(json_string_value(value), spans[i].at,
			    spans[i].len) == 0));
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* A copy without a NUL behind it, so that ASan sees every step too
	 * far. */
	auto_free char *text = malloc(size > 0 ? size : 1);
	struct err err = {0};
	auto_json *json = NULL;

	if (size > 0)
		memcpy(text, data, size);
	json = json_parse_strict(text, size, &err);
	require((json == NULL) == (err.code != ERR_NONE));
	if (json == NULL)
		return 0;
	require(json_is_object(json) || json_is_array(json));
	check_places(text, size);
	check_items(text, size, json);
	check_picked(text, size, json);
	if (!has_real(json))
		check_canonical(json);
	return 0;
}
