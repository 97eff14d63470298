/* What the engine says about an image, and the order that comes of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/json.h"
#include "runner/control.h"
#include "runner/sandbox.h"
#include "runner/template.h"

#define DIGITS \
	"cafe0123456789abcdef0123456789abcdef0123456789abcdef0123456789ab"
#define ID "sha256:" DIGITS

static json_t *
parse(const char *text)
{
	struct err err;
	json_t *json = json_parse_strict(text, strlen(text), &err);

	if (json == NULL)
		fail_msg("%s", err.detail);
	return json;
}

static int
read_as(const char *inspection, const char *name, struct template_image *ret,
    struct err *err)
{
	auto_json *json = parse(inspection);

	return template_image_read(json, name, ret, err);
}

static void
assert_read(const char *inspection, const char *name)
{
	AUTO(template_image_done) struct template_image image = {0};
	struct err err;

	if (read_as(inspection, name, &image, &err) != 0)
		fail_msg("%s: %s", name, err.detail);
	assert_string_equal(image.id, ID);
}

static void
assert_refused(const char *inspection, const char *name, enum err_code code)
{
	AUTO(template_image_done) struct template_image image = {0};
	struct err err;

	if (read_as(inspection, name, &image, &err) == 0)
		fail_msg("%s is taken for %s", inspection, name);
	assert_int_equal(err.code, code);
}

static void
test_names_that_the_engine_may_be_asked_about(void **state)
{
	static const char *const good[] = {"busybox", "demo/busybox:1.2",
	    "registry.example:5000/a/b_c-d", ID, "demo/busybox@" ID, "A"};
	static const char *const bad[] = {"", "/etc", "../x", "a/../b", "a//b",
	    "a/", "a b", "a?b", "a%41", "a\n", "a#b", ".", "a\\b", "\xc3\xa9",
	    "{", "a&b"};
	char name[REQUEST_IMAGE_MAX + 2];

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++)
		assert_true(template_image_name_is_valid(good[i]));
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_false(template_image_name_is_valid(bad[i]));
	memset(name, 'a', sizeof(name) - 1);
	name[REQUEST_IMAGE_MAX] = '\0';
	assert_true(template_image_name_is_valid(name));
	name[REQUEST_IMAGE_MAX] = 'a';
	name[REQUEST_IMAGE_MAX + 1] = '\0';
	assert_false(template_image_name_is_valid(name));
}

static void
test_an_image_is_found_by_the_names_it_has(void **state)
{
	static const char tagged[] =
	    "{\"Id\":\"" ID "\",\"RepoTags\":[\"cafe:latest\",\"cafe:1\"],"
	    "\"RepoDigests\":[],\"Config\":{}}";

	(void)state;
	assert_read(tagged, "cafe");
	assert_read(tagged, "cafe:1");
	assert_read(tagged, ID);
	assert_read(tagged, "cafe@" ID);
	assert_read("{\"Id\":\"" ID "\",\"RepoTags\":null}", "demo/x:1");
}

/* The engine looks for a name and then for an id that begins so. */
static void
test_an_id_s_beginning_does_not_pass_for_a_name(void **state)
{
	static const char untagged[] = "{\"Id\":\"" ID "\",\"RepoTags\":[]}";
	static const char other[] =
	    "{\"Id\":\"" ID "\",\"RepoTags\":[\"cafe01/x:1\",\"x/cafe:1\","
	    "\"cafeteria:1\",7]}";

	(void)state;
	assert_refused(untagged, "cafe", ERR_NOT_FOUND);
	assert_refused(untagged, DIGITS, ERR_NOT_FOUND);
	assert_refused(untagged, "sha256:cafe", ERR_NOT_FOUND);
	assert_refused(untagged, "c", ERR_NOT_FOUND);
	assert_refused(other, "cafe", ERR_NOT_FOUND);
	assert_refused(other, "other@" ID, ERR_NOT_FOUND);
	assert_read(other, "x/cafe@" ID);
	assert_refused(other,
	    "sha256:0000000000000000000000000000000000000000000000000000000000"
	    "000000",
	    ERR_NOT_FOUND);
}

static void
test_an_inspection_that_makes_no_sense_is_refused(void **state)
{
	static const char *const bad[] = {
	    "{}",
	    "{\"Id\":7}",
	    "{\"Id\":\"sha256:cafe\"}",
	    "{\"Id\":\"" DIGITS "\"}",
	    "{\"Id\":\"sha256:CAFE0123456789abcdef0123456789abcdef0123456789abc"
	    "def0123456789ab\"}",
	    "{\"Id\":\"" ID "\",\"Config\":{\"Entrypoint\":\"sh\"}}",
	    "{\"Id\":\"" ID "\",\"Config\":{\"Cmd\":[1]}}",
	    "{\"Id\":\"" ID "\",\"Config\":{\"Env\":{}}}",
	    "{\"Id\":\"" ID "\",\"Config\":{\"WorkingDir\":\"relative\"}}",
	    "{\"Id\":\"" ID "\",\"Config\":{\"Volumes\":[]}}",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_refused(bad[i], "demo/x", ERR_UNPROCESSABLE);
}

static void
test_a_volume_must_not_cover_what_is_ours_or_the_kernel_s(void **state)
{
	static const char *const bad[] = {"/", "/.taskgate",
	    "/.taskgate/control", "/.taskgate/init/x", "/proc", "/proc/self",
	    "/sys/fs", "/dev", "/dev/shm", "/etc", "/etc/hosts", "relative",
	    "/a/../b", "/a/..", "/a/.", "/..", "/.", "/a/", "/a//b", "/a:b",
	    "/a,size=9", "/tmp/x", ""};
	static const char *const good[] = {"/data", "/var/lib/db", "/tmp",
	    "/device", "/etc/app", "/.taskgate-data"};

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		auto_free char *text = alloc_printf(
		    "{\"Id\":\"" ID "\",\"Config\":{\"Volumes\":{\"%s\":{}}}}",
		    bad[i]);

		assert_refused(text, "demo/x", ERR_UNPROCESSABLE);
	}
	for (size_t i = 0; i < COUNT(good); i++) {
		auto_free char *text = alloc_printf(
		    "{\"Id\":\"" ID "\",\"Config\":{\"Volumes\":{\"%s\":{}}}}",
		    good[i]);

		assert_read(text, "demo/x");
	}
}

static void
test_more_volumes_than_the_maximum_are_refused(void **state)
{
	auto_json *volumes = json_object();
	struct template_image image = {0};
	struct err err;

	(void)state;
	for (int i = 0; i <= TEMPLATE_VOLUMES_MAX; i++) {
		auto_free char *path = alloc_printf("/v%d", i);

		json_object_set_new(volumes, path, json_object());
		auto_json *json = json_pack(
		    "{s:s, s:{s:O}}", "Id", ID, "Config", "Volumes", volumes);
		int expected = i < TEMPLATE_VOLUMES_MAX ? 0 : -1;

		assert_int_equal(
		    template_image_read(json, "demo/x", &image, &err),
		    expected);
		template_image_done(&image);
	}
}

/* Encodes and decodes: what task-init will see. */
static void
make_order(const char *config, const struct sandbox_command *command,
    struct buffer *buffer, struct control_order *ret)
{
	AUTO(template_image_done) struct template_image image = {0};
	auto_free char *text =
	    alloc_printf("{\"Id\":\"" ID "\",\"Config\":%s}", config);
	struct err err;

	if (read_as(text, "demo/x", &image, &err) != 0 ||
	    template_order_encode(&image, command, 1, buffer, &err) != 0)
		fail_msg("%s", err.detail);
	assert_true(control_decode_order(buffer->data, buffer->len, ret));
}

static void
test_args_replace_the_command_behind_the_entrypoint(void **state)
{
	static const char config[] =
	    "{\"Entrypoint\":[\"/e\",\"1\"],\"Cmd\":[\"c\"],"
	    "\"WorkingDir\":\"/w\"}";
	static const char *const args[] = {"a", ""};
	struct sandbox_command with = {.args = args, .nargs = 2};
	struct sandbox_command without = {0};
	auto_buffer buffer = BUFFER_INIT(0);
	struct control_order order;

	(void)state;
	make_order(config, &with, &buffer, &order);
	assert_int_equal(order.nargs, 4);
	assert_string_equal(order.args[0], "/e");
	assert_string_equal(order.args[2], "a");
	assert_string_equal(order.args[3], "");
	assert_string_equal(order.folder, "/w");
	make_order(config, &without, &buffer, &order);
	assert_int_equal(order.nargs, 3);
	assert_string_equal(order.args[2], "c");
}

static void
test_entrypoint_of_the_rule_replaces_entrypoint_and_command(void **state)
{
	static const char config[] =
	    "{\"Entrypoint\":[\"/e\",\"1\"],\"Cmd\":[\"c\"]}";
	static const char *const entrypoint[] = {"/r", "x"};
	static const char *const args[] = {"a"};
	struct sandbox_command both = {.entrypoint = entrypoint,
	    .nentrypoint = 2,
	    .args = args,
	    .nargs = 1};
	struct sandbox_command alone = {
	    .entrypoint = entrypoint, .nentrypoint = 2};
	struct sandbox_command none = {
	    .entrypoint = entrypoint, .args = args, .nargs = 1};
	auto_buffer buffer = BUFFER_INIT(0);
	struct control_order order;

	(void)state;
	make_order(config, &both, &buffer, &order);
	assert_int_equal(order.nargs, 3);
	assert_string_equal(order.args[0], "/r");
	assert_string_equal(order.args[2], "a");
	make_order(config, &alone, &buffer, &order);
	assert_int_equal(order.nargs, 2);
	assert_string_equal(order.args[1], "x");
	make_order(config, &none, &buffer, &order);
	assert_int_equal(order.nargs, 1);
	assert_string_equal(order.args[0], "a");
}

static void
test_of_one_variable_the_strongest_value_holds(void **state)
{
	static const char config[] =
	    "{\"Cmd\":[\"c\"],\"Env\":[\"PATH=/image\",\"A=1\",\"A=2\",\"B\","
	    "\"=x\",\"C=a=b\"]}";
	static const struct request_env env[] = {{"C", ""}, {"D", "4"}};
	static const char *const expected[] = {
	    "HOME=/", "HOSTNAME=task", "PATH=/image", "A=2", "B=", "C=", "D=4"};
	struct sandbox_command command = {.env = env, .nenv = 2};
	auto_buffer buffer = BUFFER_INIT(0);
	struct control_order order;

	(void)state;
	make_order(config, &command, &buffer, &order);
	assert_int_equal(order.nenv, COUNT(expected));
	for (size_t i = 0; i < COUNT(expected); i++)
		assert_string_equal(order.env[i], expected[i]);
}

static void
assert_no_order(const char *config, const struct sandbox_command *command)
{
	AUTO(template_image_done) struct template_image image = {0};
	auto_buffer buffer = BUFFER_INIT(0);
	auto_free char *text =
	    alloc_printf("{\"Id\":\"" ID "\",\"Config\":%s}", config);
	struct err err;

	assert_int_equal(read_as(text, "demo/x", &image, &err), 0);
	assert_int_equal(
	    template_order_encode(&image, command, 1, &buffer, &err), -1);
	assert_int_equal(err.code, ERR_UNPROCESSABLE);
	assert_null(buffer.data);
}

static void
test_no_command_or_too_much_of_it_is_refused(void **state)
{
	static const char *many[CONTROL_ARGS_MAX];
	struct sandbox_command none = {0};
	struct sandbox_command most = {.args = many, .nargs = CONTROL_ARGS_MAX};
	auto_free char *big = alloc_zero(CONTROL_ORDER_MAX + 1, 1);
	const char *one[] = {big};
	struct sandbox_command large = {.args = one, .nargs = 1};

	(void)state;
	for (size_t i = 0; i < COUNT(many); i++)
		many[i] = "";
	memset(big, 'x', CONTROL_ORDER_MAX);
	assert_no_order("{}", &none);
	assert_no_order("{\"Entrypoint\":[],\"Cmd\":null}", &none);
	assert_no_order("{\"Entrypoint\":[\"/e\"]}", &most);
	assert_no_order("{}", &large);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_names_that_the_engine_may_be_asked_about),
	    cmocka_unit_test(test_an_image_is_found_by_the_names_it_has),
	    cmocka_unit_test(test_an_id_s_beginning_does_not_pass_for_a_name),
	    cmocka_unit_test(test_an_inspection_that_makes_no_sense_is_refused),
	    cmocka_unit_test(
		test_a_volume_must_not_cover_what_is_ours_or_the_kernel_s),
	    cmocka_unit_test(test_more_volumes_than_the_maximum_are_refused),
	    cmocka_unit_test(
		test_args_replace_the_command_behind_the_entrypoint),
	    cmocka_unit_test(
		test_entrypoint_of_the_rule_replaces_entrypoint_and_command),
	    cmocka_unit_test(test_of_one_variable_the_strongest_value_holds),
	    cmocka_unit_test(test_no_command_or_too_much_of_it_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
