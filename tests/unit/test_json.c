/* Strict JSON: what is accepted, what is refused and where, tables of fields,
 * the canonical form. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/alloc.h"
#include "lib/buffer.h"
#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/json.h"
#include "lib/json_pick.h"
#include "lib/json_scan.h"
#include "tests/unit/corpus.h"

#define INPUT_MAX (8 * 1024 * 1024)

/* A copy with nothing behind it, so that ASan sees a byte read too far. */
static json_t *
parse_exact(const char *text, size_t len, struct err *err)
{
	auto_free char *copy = malloc(len > 0 ? len : 1);

	assert_non_null(copy);
	if (len > 0)
		memcpy(copy, text, len);
	*err = (struct err){0};
	return json_parse_strict(copy, len, err);
}

static void
expect_refused(const char *text, size_t len, const char *what)
{
	struct err err;
	auto_json *json = parse_exact(text, len, &err);

	if (json != NULL)
		fail_msg("%s was accepted", what);
	assert_int_not_equal(err.code, ERR_NONE);
	assert_true(err.detail[0] != '\0');
}

/* Whoever picks without a word of doubt says what parsing says. */
static void
compare_picked(const char *text, size_t len, const json_t *json)
{
	static const struct json_pick_member wanted[] = {{NULL, "a"},
	    {NULL, "b"}, {"a", "b"}, {"object", "task"}, {NULL, "version"}};
	struct json_span spans[COUNT(wanted)];

	if (!json_pick(text, len, wanted, COUNT(wanted), spans))
		return;
	assert_true(json_is_object(json));
	for (size_t i = 0; i < COUNT(wanted); i++) {
		const json_t *value = json_object_get(wanted[i].part != NULL
			? json_object_get(json, wanted[i].part)
			: json,
		    wanted[i].name);

		assert_int_equal(json_is_string(value), spans[i].is_string);
		if (json_is_string(value)) {
			assert_int_equal(
			    json_string_length(value), spans[i].len);
			assert_memory_equal(json_string_value(value),
			    spans[i].at, spans[i].len);
		}
	}
}

static void
accept_case(const struct corpus_case *one)
{
	size_t len = 0;
	auto_free char *text = corpus_read(one, "input.json", &len);
	struct err err;
	auto_json *json = parse_exact(text, len, &err);

	if (json == NULL)
		fail_msg("%s: %s", one->name, err.detail);
	compare_picked(text, len, json);
}

static void
reject_case(const struct corpus_case *one)
{
	size_t len = 0;
	auto_free char *text = corpus_read(one, "input.json", &len);
	auto_free char *expected = corpus_read(one, "error", NULL);
	struct err err;
	auto_json *json = parse_exact(text, len, &err);

	expected[strcspn(expected, "\n")] = '\0';
	if (json != NULL)
		fail_msg("%s was accepted", one->name);
	if (strcmp(err.detail, expected) != 0)
		fail_msg(
		    "%s: \"%s\", not \"%s\"", one->name, err.detail, expected);
	assert_int_equal(err.code,
	    strstr(expected, "twice") != NULL ? ERR_UNPROCESSABLE
					      : ERR_MALFORMED);
}

static void
test_corpus_is_accepted(void **state)
{
	(void)state;
	corpus_each("json", "accept", accept_case);
}

static void
test_corpus_is_refused_with_place_and_reason(void **state)
{
	(void)state;
	corpus_each("json", "reject", reject_case);
}

static void
truncate_case(const struct corpus_case *one)
{
	size_t len = 0;
	auto_free char *text = corpus_read(one, "input.json", &len);

	/* White space behind the value may go. */
	while (len > 0 && strchr(" \t\r\n", text[len - 1]) != NULL)
		len--;
	for (size_t cut = 0; cut < len; cut++)
		expect_refused(text, cut, one->name);
}

static void
test_every_truncation_is_refused(void **state)
{
	(void)state;
	corpus_each("json", "accept", truncate_case);
}

static void
append_to_case(const struct corpus_case *one)
{
	size_t len = 0;
	auto_free char *text = corpus_read(one, "input.json", &len);
	auto_free char *longer = alloc_zero(len + 1, 1);

	memcpy(longer, text, len);
	for (int byte = 0; byte < 256; byte++) {
		if (byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n')
			continue;
		longer[len] = (char)byte;
		expect_refused(longer, len + 1, one->name);
	}
}

static void
test_one_trailing_byte_is_refused(void **state)
{
	(void)state;
	corpus_each("json", "accept", append_to_case);
}

static void
test_every_changed_byte_is_read_without_harm(void **state)
{
	static const char text[] =
	    "{\"a\":[1,-2.5e3,\"\\ud83d\\ude00\",true],\"b\":{\"c\":null}}";
	char changed[sizeof(text)];

	(void)state;
	for (size_t i = 0; i < sizeof(text) - 1; i++) {
		for (int byte = 0; byte < 256; byte++) {
			struct err err;
			json_t *json = NULL;

			memcpy(changed, text, sizeof(text));
			changed[i] = (char)byte;
			json = parse_exact(changed, sizeof(text) - 1, &err);
			assert_true((json == NULL) == (err.code != ERR_NONE));
			json_decref(json);
		}
	}
}

/* Outside vectors, where the environment names them; the corpus above holds
 * cases of each kind in any case. */

struct suite_count {
	size_t accepted, refused, either;
};

static bool
begins_container(const char *text, size_t len)
{
	size_t at = 0;

	while (at < len && strchr(" \t\r\n", text[at]) != NULL)
		at++;
	return at < len && (text[at] == '{' || text[at] == '[');
}

/* What we refuse on purpose though RFC 8259 leaves it to us: a NUL in a
 * string, the same member twice, an outermost scalar. */
static bool
is_ours_to_refuse(const char *text, size_t len, const struct err *err)
{
	if (!begins_container(text, len))
		return strstr(err->detail, "an object or an array") != NULL;
	if (strstr(text, "\\u0000") != NULL)
		return strstr(err->detail, "a NUL in a string") != NULL;
	return strstr(err->detail, "there twice") != NULL;
}

/* 'y': must be accepted, 'n': refused, 'i': either, without harm. */
static char
verdict_by_prefix(const char *name)
{
	return name[0];
}

/* Texts that readers of JSON take for different things: what could be
 * understood in two ways, we refuse. */
static char
verdict_of_transform(const char *name)
{
	static const char *const refused[] = {"object_same_key", "codepoint",
	    "escaped_NULL", "number_9223372036854775808",
	    "number_-9223372036854775809", "number_10000000000000000999"};

	for (size_t i = 0; i < COUNT(refused); i++) {
		if (strstr(name, refused[i]) != NULL)
			return 'n';
	}
	return 'y';
}

static void
run_suite_case(
    const char *path, const char *name, char verdict, struct suite_count *count)
{
	struct err err = {0};
	size_t len = 0;
	auto_free char *text = file_read(path, INPUT_MAX, &len, &err);
	auto_json *json = NULL;

	if (text == NULL)
		fail_msg("%s", err.detail);
	json = parse_exact(text, len, &err);
	if (verdict == 'n' && json != NULL)
		fail_msg("%s was accepted", name);
	if (verdict == 'y' && json == NULL &&
	    !is_ours_to_refuse(text, len, &err))
		fail_msg("%s was refused: %s", name, err.detail);
	count->either += verdict == 'i';
	count->accepted += json != NULL;
	count->refused += json == NULL;
}

static void
run_suite(const char *vectors, const char *folder,
    char (*verdict)(const char *), struct suite_count *count)
{
	auto_free char *root = alloc_printf("%s/json/%s", vectors, folder);
	DIR *directory = opendir(root);
	struct dirent *entry = NULL;

	if (directory == NULL)
		fail_msg("no folder %s", root);
	while ((entry = readdir(directory)) != NULL) {
		auto_free char *path =
		    alloc_printf("%s/%s", root, entry->d_name);

		if (entry->d_name[0] != '.')
			run_suite_case(
			    path, entry->d_name, verdict(entry->d_name), count);
	}
	closedir(directory);
}

static void
test_outside_suites_are_read_as_they_say(void **state)
{
	const char *vectors = getenv("TASKGATE_VECTORS");
	struct suite_count parsing = {0};
	struct suite_count transform = {0};

	(void)state;
	if (vectors == NULL) {
		/* The corpus speaks for both verdicts. */
		corpus_each("json", "accept", accept_case);
		corpus_each("json", "reject", reject_case);
		return;
	}
	run_suite(vectors, "test_parsing", verdict_by_prefix, &parsing);
	assert_true(parsing.accepted > 50);
	assert_true(parsing.refused > 150);
	assert_true(parsing.either > 10);
	run_suite(vectors, "test_transform", verdict_of_transform, &transform);
	assert_true(transform.accepted > 5);
	assert_true(transform.refused > 10);
	print_message("outside suites: %zu accepted, %zu refused\n",
	    parsing.accepted + transform.accepted,
	    parsing.refused + transform.refused);
}

static void
expect_place(const char *text, const char *path, size_t line, size_t column)
{
	size_t found_line = 0, found_column = 0;

	json_locate(text, strlen(text), path, &found_line, &found_column);
	if (found_line != line || found_column != column)
		fail_msg("%s: %zu:%zu, not %zu:%zu", path, found_line,
		    found_column, line, column);
}

static void
test_locate_finds_values_by_their_path(void **state)
{
	static const char text[] = "{\n"
				   "  \"rules\": [\n"
				   "    {\"image\": \"a\"},\n"
				   "    {\"image\": \"b\", \"x y\": [0, [7]],\n"
				   "     \"a\\u0062\": true}\n"
				   "  ]\n"
				   "}\n";

	(void)state;
	expect_place(text, "", 1, 1);
	expect_place(text, "rules", 2, 12);
	expect_place(text, "rules[0]", 3, 5);
	expect_place(text, "rules[0].image", 3, 15);
	expect_place(text, "rules[1].image", 4, 15);
	expect_place(text, "rules[1][\"x y\"]", 4, 27);
	expect_place(text, "rules[1][\"x y\"][1][0]", 4, 32);
	expect_place(text, "rules[1].ab", 5, 17);
}

static void
test_items_of_an_array_are_found_where_they_stand(void **state)
{
	static const char text[] = "{\"rules\": 1, \"a\": {\"rules\": [0]},\n"
				   " \"b\": [\n"
				   "  {\"c\": [1, 2], \"d\":\n"
				   "   true}, 7,[],\n"
				   "\n"
				   "   \"x,]\"\n"
				   " ], \"e\": [9]}";
	static const struct {
		const char *begins; /* with */
		size_t len, line, column;
	} wanted[] = {
	    {"{\"c\"", 27, 3, 3},
	    {"7", 1, 4, 11},
	    {"[]", 2, 4, 13},
	    {"\"x", 7, 6, 4},
	};
	size_t line, column, count = 0;
	auto_free struct json_item *items =
	    json_find_items(text, strlen(text), "b", &count);

	(void)state;
	assert_int_equal(count, COUNT(wanted));
	for (size_t k = 0; k < count; k++) {
		const char *at = text + items[k].offset;

		assert_int_equal(
		    strncmp(at, wanted[k].begins, strlen(wanted[k].begins)), 0);
		assert_int_equal(items[k].len, wanted[k].len);
		assert_int_equal(items[k].line, wanted[k].line);
		assert_int_equal(items[k].column, wanted[k].column);
	}
	json_locate_in_item(text, &items[0], "c[1]", &line, &column);
	assert_true(line == 3 && column == 13);
	json_locate_in_item(text, &items[0], "d", &line, &column);
	assert_true(line == 4 && column == 4);
	json_locate_in_item(text, &items[0], "none", &line, &column);
	assert_true(line == 3 && column == 3);
}

static void
test_what_is_no_array_has_no_items(void **state)
{
	static const char text[] = "{\"a\": [], \"b\": {\"a\": [1]}, \"c\": 1}";
	static const char *const paths[] = {"", "a", "b", "c", "d", "b.a[0]"};

	(void)state;
	for (size_t k = 0; k < COUNT(paths); k++) {
		size_t count = 1;

		assert_null(
		    json_find_items(text, strlen(text), paths[k], &count));
		assert_int_equal(count, 0);
	}
}

static void
test_locate_gives_the_nearest_value_around(void **state)
{
	static const char text[] = "{\"rules\":[{\"image\":\"a\"}, 1]}";

	(void)state;
	expect_place(text, "rules[0].args", 1, 11);
	expect_place(text, "rules[0].imag", 1, 11);
	expect_place(text, "rules[0].image.x", 1, 20);
	expect_place(text, "rules[7]", 1, 10);
	expect_place(text, "rule", 1, 1);
	expect_place(text, "nowhere[3]", 1, 1);
}

static void
expect_path(const char *text, size_t offset, const char *expected)
{
	auto_buffer path = BUFFER_INIT(4096);
	size_t start = 0;

	json_scan_path(text, strlen(text), offset, &path, &start);
	assert_string_equal(path.data != NULL ? path.data : "", expected);
	assert_true(start <= strlen(text));
}

static void
test_path_of_a_byte(void **state)
{
	static const char text[] = "{\"a\":[10,{\"b\":20}],\"c\":3}";

	(void)state;
	expect_path(text, 1, "");
	expect_path(text, 2, "a");
	expect_path(text, 7, "a[0]");
	expect_path(text, 13, "a[1].b");
	expect_path(text, 15, "a[1].b");
	expect_path(text, 22, "c");
}

struct sample {
	const char *name;
	int64_t count;
	bool enabled;
	json_t *map;
	json_t *list;
	json_t *any;
};

static const struct json_field fields[] = {
    JSON_FIELD(struct sample, name, "name", JSON_KIND_STRING, true, 1, 8),
    JSON_FIELD(struct sample, count, "count", JSON_KIND_INTEGER, false, -5, 5),
    JSON_FIELD(
	struct sample, enabled, "enabled", JSON_KIND_BOOLEAN, false, 0, 0),
    JSON_FIELD(struct sample, map, "map", JSON_KIND_OBJECT, false, 0, 0),
    JSON_FIELD(struct sample, list, "list", JSON_KIND_ARRAY, false, 1, 2),
    JSON_FIELD(struct sample, any, "any", JSON_KIND_ANY, false, 0, 0),
};

static int
read_sample(json_t *json, const char *path, bool comments, struct sample *ret,
    struct err *err)
{
	*err = (struct err){0};
	return json_read_fields(
	    json, path, fields, COUNT(fields), comments, ret, err);
}

static void
test_fields_are_read_into_their_places(void **state)
{
	struct sample sample = {.count = 3};
	struct err err;
	auto_json *json = json_pack("{s:s,s:b,s:{s:i},s:[i,i],s:n}", "name",
	    "x", "enabled", 1, "map", "k", 1, "list", 1, 2, "any");

	(void)state;
	assert_int_equal(read_sample(json, "", false, &sample, &err), 0);
	assert_string_equal(sample.name, "x");
	assert_int_equal(sample.count, 3); /* absent: as it was */
	assert_true(sample.enabled);
	assert_int_equal(json_object_size(sample.map), 1);
	assert_int_equal(json_array_size(sample.list), 2);
	assert_true(json_is_null(sample.any));
}

static void
test_fields_refuse_with_the_path(void **state)
{
	static const struct {
		const char *text;
		const char *path;
		const char *detail;
	} cases[] = {
	    {"{}", "", "name: missing"},
	    {"{}", "rules[3]", "rules[3].name: missing"},
	    {"{\"name\":\"x\",\"nmae\":1}", "", "nmae: no such member"},
	    {"{\"name\":\"x\",\"//\":1}", "a", "a.//: no such member"},
	    {"{\"name\":\"x\",\"a\\u001bb\":1}", "",
		"[\"a\\x1bb\"]: no such member"},
	    {"{\"name\":1}", "", "name: must be a string"},
	    {"{\"name\":null}", "", "name: must be a string"},
	    {"{\"name\":\"\"}", "", "name: must be 1 to 8 bytes long"},
	    {"{\"name\":\"123456789\"}", "", "name: must be 1 to 8 bytes long"},
	    {"{\"name\":\"x\",\"count\":6}", "", "count: must be -5 to 5"},
	    {"{\"name\":\"x\",\"count\":-6}", "", "count: must be -5 to 5"},
	    {"{\"name\":\"x\",\"count\":1.0}", "", "count: must be an integer"},
	    {"{\"name\":\"x\",\"count\":true}", "",
		"count: must be an integer"},
	    {"{\"name\":\"x\",\"enabled\":1}", "",
		"enabled: must be true or false"},
	    {"{\"name\":\"x\",\"map\":[]}", "", "map: must be an object"},
	    {"{\"name\":\"x\",\"list\":{}}", "", "list: must be an array"},
	    {"{\"name\":\"x\",\"list\":[]}", "",
		"list: must be 1 to 2 items long"},
	    {"{\"name\":\"x\",\"list\":[1,2,3]}", "",
		"list: must be 1 to 2 items long"},
	    {"[]", "", "must be an object"},
	    {"[]", "rules", "rules: must be an object"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct sample sample = {0};
		struct err err;
		auto_json *json =
		    parse_exact(cases[i].text, strlen(cases[i].text), &err);

		assert_non_null(json);
		assert_int_equal(
		    read_sample(json, cases[i].path, false, &sample, &err), -1);
		assert_int_equal(err.code, ERR_UNPROCESSABLE);
		assert_string_equal(err.detail, cases[i].detail);
	}
}

static void
test_fields_pass_over_comments_where_allowed(void **state)
{
	struct sample sample = {0};
	struct err err;
	auto_json *json = json_pack("{s:s,s:[]}", "name", "x", "//");

	(void)state;
	assert_int_equal(read_sample(json, "", true, &sample, &err), 0);
	assert_int_equal(read_sample(json, "", false, &sample, &err), -1);
}

static void
test_bounds_take_the_last_value_and_refuse_the_next(void **state)
{
	(void)state;
	for (int count = -6; count <= 6; count++) {
		struct sample sample = {0};
		struct err err;
		auto_json *json =
		    json_pack("{s:s,s:i}", "name", "x", "count", count);

		assert_int_equal(read_sample(json, "", false, &sample, &err),
		    count >= -5 && count <= 5 ? 0 : -1);
	}
}

static void
test_canonical_form_sorts_and_escapes(void **state)
{
	static const char text[] =
	    "{ \"b\": [true, false, null, -1],\n \"a\": "
	    "\"\\u0001\\b\\t\\n\\f\\r\\u001f\\\"\\\\\\/\\u00e4\\u007f\", "
	    "\"\": {}, \"aa\": [], \"\\u00e4\": 0 }";
	static const char expected[] =
	    "{\"\":{},\"a\":\"\\u0001\\b\\t\\n\\f\\r\\u001f\\\"\\\\/"
	    "\xc3\xa4\x7f\",\"aa\":[],\"b\":[true,false,null,-1],"
	    "\"\xc3\xa4\":0}";
	struct err err;
	size_t len = 0;
	auto_json *json = parse_exact(text, sizeof(text) - 1, &err);
	auto_free char *canonical = NULL;

	(void)state;
	assert_non_null(json);
	canonical = json_encode_canonical(json, &len);
	assert_string_equal(canonical, expected);
	assert_int_equal(len, sizeof(expected) - 1);
}

/* Against jansson's own writer. */
static void
test_answers_are_written_as_jansson_would(void **state)
{
	static const char *const texts[] = {
	    "{}",
	    "[]",
	    "[{},[],[[1]]]",
	    "{\"z\":[true,false,null],\"a\":{\"b\":\"c\"}}",
	    "[-9223372036854775808]",
	    "{\"\xc3\xa9\":\"\\\"\\\\\\b\\f\\n\\r\\t\\u0001\x7f/\"}",
	    "[0.5,1e300,-2.5]",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		auto_json *json =
		    json_loads(texts[i], JSON_REJECT_DUPLICATES, NULL);
		auto_free char *expected = json_dumps(json, JSON_COMPACT);
		size_t len = 0;
		auto_free char *written = json_encode(json, &len);
		auto_json *again = json_loads(written, 0, NULL);

		assert_non_null(json);
		assert_int_equal(len, strlen(written));
		assert_true(json_equal(json, again));
		if (strpbrk(texts[i], ".") == NULL)
			assert_string_equal(written, expected);
	}
}

static void
test_canonical_form_does_not_depend_on_order(void **state)
{
	auto_json *one =
	    json_pack("{s:i,s:{s:i,s:i}}", "x", 1, "y", "b", 2, "a", 3);
	auto_json *two =
	    json_pack("{s:{s:i,s:i},s:i}", "y", "a", 3, "b", 2, "x", 1);
	auto_free char *first = json_encode_canonical(one, NULL);
	auto_free char *second = json_encode_canonical(two, NULL);

	(void)state;
	assert_string_equal(first, second);
	assert_string_equal(first, "{\"x\":1,\"y\":{\"a\":3,\"b\":2}}");
}

static void
test_file_errors_name_the_file(void **state)
{
	struct err err = {0};
	auto_json *none = json_parse_file("/nonexistent/x.json", 10, &err);

	(void)state;
	assert_null(none);
	assert_non_null(strstr(err.detail, "/nonexistent/x.json"));
	assert_int_equal(err.code, ERR_NOT_FOUND);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_corpus_is_accepted),
	    cmocka_unit_test(test_corpus_is_refused_with_place_and_reason),
	    cmocka_unit_test(test_every_truncation_is_refused),
	    cmocka_unit_test(test_one_trailing_byte_is_refused),
	    cmocka_unit_test(test_every_changed_byte_is_read_without_harm),
	    cmocka_unit_test(test_outside_suites_are_read_as_they_say),
	    cmocka_unit_test(test_locate_finds_values_by_their_path),
	    cmocka_unit_test(test_items_of_an_array_are_found_where_they_stand),
	    cmocka_unit_test(test_what_is_no_array_has_no_items),
	    cmocka_unit_test(test_locate_gives_the_nearest_value_around),
	    cmocka_unit_test(test_path_of_a_byte),
	    cmocka_unit_test(test_fields_are_read_into_their_places),
	    cmocka_unit_test(test_fields_refuse_with_the_path),
	    cmocka_unit_test(test_fields_pass_over_comments_where_allowed),
	    cmocka_unit_test(
		test_bounds_take_the_last_value_and_refuse_the_next),
	    cmocka_unit_test(test_canonical_form_sorts_and_escapes),
	    cmocka_unit_test(test_canonical_form_does_not_depend_on_order),
	    cmocka_unit_test(test_answers_are_written_as_jansson_would),
	    cmocka_unit_test(test_file_errors_name_the_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
