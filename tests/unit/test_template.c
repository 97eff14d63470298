/*
 * The closed template: exactly this comes out, and whatever the engine makes
 * otherwise is seen.
 */
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
#include "runner/template.h"

#define IMAGE_ID                                                               \
	"sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abc" \
	"def"

static const int64_t LIMITS[LIMIT_COUNT] = {
    [LIMIT_MEMORY] = 67108864,
    [LIMIT_CPUS] = 500,
    [LIMIT_PIDS] = 64,
    [LIMIT_TIMEOUT] = 60,
    [LIMIT_OUTPUT] = 1048576,
    [LIMIT_TMP] = 16777216,
};

static json_t *
parse(const char *text)
{
	struct err err;
	json_t *json = json_parse_strict(text, strlen(text), &err);

	if (json == NULL)
		fail_msg("%s", err.detail);
	return json;
}

/* An image with a volume and a working directory. */
static void
read_image(struct template_image *ret)
{
	auto_json *json = parse("{\"Id\":\"" IMAGE_ID "\",\"Config\":{"
				"\"Volumes\":{\"/data\":{}},"
				"\"WorkingDir\":\"/work\"}}");
	struct err err;

	assert_int_equal(template_image_read(json, "demo/x", ret, &err), 0);
}

static struct template_input
make_input(const struct template_image *image)
{
	return (struct template_input){
	    .image = image,
	    .runner = "R",
	    .sandbox = "S",
	    .uid = 61000,
	    .gid = 61001,
	    .limits = LIMITS,
	    .seccomp = "{\"defaultAction\":\"SCMP_ACT_ERRNO\"}",
	    .init_path = "/opt/task-init",
	    .control_folder = "/state/S",
	    .hosts_path = "/state/hosts",
	    .processors = 4,
	};
}

static json_t *
compose(const struct template_input *input)
{
	struct err err;
	json_t *body;

	if (template_compose(input, &body, &err) != 0)
		fail_msg("%s", err.detail);
	return body;
}

static json_t *
compose_usual(void)
{
	AUTO(template_image_done) struct template_image image = {0};
	struct template_input input;

	read_image(&image);
	input = make_input(&image);
	return compose(&input);
}

#define MOUNT(source, target)                                               \
	"{\"Type\":\"bind\",\"Source\":\"" source "\",\"Target\":\"" target \
	"\",\"ReadOnly\":true,\"BindOptions\":{\"Propagation\":"            \
	"\"rprivate\"}}"

static const char EXPECTED[] =
    "{\"Image\":\"" IMAGE_ID "\",\"User\":\"61000:61001\","
    "\"Entrypoint\":[\"/.taskgate/init\"],"
    "\"Cmd\":[\"/.taskgate/control\",\"/.taskgate/init\",\"/etc/hosts\"],"
    "\"WorkingDir\":\"/work\",\"Hostname\":\"task\","
    "\"NetworkDisabled\":true,\"Healthcheck\":{\"Test\":[\"NONE\"]},"
    "\"Tty\":false,\"OpenStdin\":false,\"StdinOnce\":false,"
    "\"AttachStdin\":false,\"AttachStdout\":false,\"AttachStderr\":false,"
    "\"Labels\":{\"taskgate.runner\":\"R\","
    "\"taskgate.sandbox\":\"S\"},"
    "\"HostConfig\":{\"NetworkMode\":\"none\","
    "\"LogConfig\":{\"Type\":\"none\",\"Config\":{}},"
    "\"CapDrop\":[\"ALL\"],\"CapAdd\":[],"
    "\"SecurityOpt\":[\"no-new-privileges\","
    "\"seccomp={\\\"defaultAction\\\":\\\"SCMP_ACT_ERRNO\\\"}\"],"
    "\"ReadonlyRootfs\":true,\"Privileged\":false,\"AutoRemove\":false,"
    "\"IpcMode\":\"private\",\"CgroupnsMode\":\"private\",\"PidMode\":\"\","
    "\"UTSMode\":\"\",\"Init\":false,\"PublishAllPorts\":false,"
    "\"RestartPolicy\":{\"Name\":\"no\",\"MaximumRetryCount\":0},"
    "\"Devices\":[],"
    "\"Memory\":67108864,\"MemorySwap\":67108864,\"ShmSize\":67108864,"
    "\"NanoCpus\":500000000,\"CpuShares\":512,\"PidsLimit\":65,"
    "\"Ulimits\":[{\"Name\":\"nofile\",\"Soft\":1024,\"Hard\":4096},"
    "{\"Name\":\"core\",\"Soft\":1,\"Hard\":1},"
    "{\"Name\":\"memlock\",\"Soft\":65536,\"Hard\":65536}],"
    "\"Tmpfs\":{\"/data\":\"rw,nosuid,nodev,noexec,size=16777216,mode=0755,"
    "uid=61000,gid=61001\","
    "\"/tmp\":\"rw,nosuid,nodev,noexec,size=16777216,mode=1777\"},"
    "\"Mounts\":[" MOUNT("/state/S", "/.taskgate/control") "," MOUNT(
	"/opt/task-init", "/.taskgate/init") "," MOUNT("/state/hosts",
	"/etc/hosts") "]}}";

static void
test_exactly_the_template_is_asked_for(void **state)
{
	auto_json *body = compose_usual();
	auto_json *expected = parse(EXPECTED);
	auto_free char *text = json_dumps(body, JSON_COMPACT);

	(void)state;
	if (!json_equal(body, expected))
		fail_msg("%s", text);
}

static void
test_secrets_have_a_tmpfs_of_the_tasks_own(void **state)
{
	AUTO(template_image_done) struct template_image image = {0};
	auto_json *image_json = parse("{\"Id\":\"" IMAGE_ID "\",\"Config\":{"
				      "\"Volumes\":{\"/run/secrets\":{}}}}");
	auto_json *body = NULL;
	struct template_input input;
	struct err err;

	(void)state;
	/* Also where the image would have a place of its own there. */
	assert_int_equal(
	    template_image_read(image_json, "demo/x", &image, &err), 0);
	input = make_input(&image);
	input.has_secrets = true;
	body = compose(&input);
	assert_string_equal(
	    json_string_value(json_object_get(
		json_object_get(json_object_get(body, "HostConfig"), "Tmpfs"),
		"/run/secrets")),
	    "rw,nosuid,nodev,noexec,size=1048576,mode=0700,uid=61000,"
	    "gid=61001");
}

#define RULE_MOUNT(source, target, read_only)                               \
	"{\"Type\":\"bind\",\"Source\":\"" source "\",\"Target\":\"" target \
	"\",\"ReadOnly\":" read_only ",\"BindOptions\":{\"Propagation\":"   \
	"\"rprivate\",\"NonRecursive\":true}}"

static void
read_mounts(const char *text, struct mounts *ret)
{
	struct err err;

	if (mounts_parse(text, ret, &err) != 0)
		fail_msg("%s", err.detail);
}

static void
test_mounts_of_the_rule_stand_behind_ours_and_are_named_to_task_init(
    void **state)
{
	AUTO(template_image_done) struct template_image image = {0};
	AUTO(mounts_done) struct mounts mounts = {0};
	auto_json *body = NULL;
	auto_json *expected = parse("[" RULE_MOUNT("/srv/out", "/data",
	    "false") "," RULE_MOUNT("/srv/a", "/in/a", "true") "]");
	auto_json *command =
	    parse("[\"/.taskgate/control\",\"/.taskgate/init\","
		  "\"/etc/hosts\",\"/data\",\"/in/a\"]");
	struct template_input input;
	json_t *host, *list;

	(void)state;
	read_image(&image);
	read_mounts("[{\"source\":\"/srv/a\",\"target\":\"/in/a\"},"
		    "{\"source\":\"/srv/out\",\"target\":\"/data\","
		    "\"read_only\":false}]",
	    &mounts);
	input = make_input(&image);
	input.mounts = &mounts;
	body = compose(&input);
	host = json_object_get(body, "HostConfig");
	list = json_object_get(host, "Mounts");
	assert_int_equal(json_array_size(list), 5);
	assert_true(
	    json_equal(json_array_get(list, 3), json_array_get(expected, 0)));
	assert_true(
	    json_equal(json_array_get(list, 4), json_array_get(expected, 1)));
	assert_true(json_equal(json_object_get(body, "Cmd"), command));
	/* The image's VOLUME there has no tmpfs beside it. */
	assert_null(json_object_get(json_object_get(host, "Tmpfs"), "/data"));
}

/* The engine would make its folder on the host. */
static void
test_a_volume_within_a_mount_is_refused(void **state)
{
	AUTO(template_image_done) struct template_image image = {0};
	AUTO(mounts_done) struct mounts mounts = {0};
	auto_json *json = parse("{\"Id\":\"" IMAGE_ID "\",\"Config\":{"
				"\"Volumes\":{\"/data/cache\":{}}}}");
	auto_json *body = NULL;
	struct template_input input;
	struct err err;

	(void)state;
	assert_int_equal(template_image_read(json, "demo/x", &image, &err), 0);
	read_mounts("[{\"source\":\"/srv/a\",\"target\":\"/data\"}]", &mounts);
	input = make_input(&image);
	input.mounts = &mounts;
	assert_int_equal(template_compose(&input, &body, &err), -1);
	assert_int_equal(err.code, ERR_UNPROCESSABLE);
	assert_non_null(strstr(err.detail, "/data/cache"));
}

static void
test_with_a_network_the_engine_makes_it_and_the_hosts_file(void **state)
{
	AUTO(template_image_done) struct template_image image = {0};
	struct template_input input;
	const json_t *host;

	(void)state;
	read_image(&image);
	input = make_input(&image);
	input.network = "backend";
	auto_json *body = compose(&input);
	host = json_object_get(body, "HostConfig");
	assert_true(json_is_false(json_object_get(body, "NetworkDisabled")));
	assert_string_equal(
	    json_string_value(json_object_get(host, "NetworkMode")), "backend");
	assert_int_equal(json_array_size(json_object_get(host, "Mounts")), 2);
	assert_int_equal(json_array_size(json_object_get(body, "Cmd")), 2);
}

static void
assert_no_network(const char *inspection, enum err_code code)
{
	auto_json *json = parse(inspection);
	struct err err;

	if (template_network_check(json, "build", &err) == 0)
		fail_msg("%s", inspection);
	assert_int_equal(err.code, code);
}

static void
test_a_network_is_the_one_of_exactly_this_name(void **state)
{
	auto_json *good =
	    parse("{\"Name\":\"build\",\"Driver\":\"bridge\",\"Ingress\":false,"
		  "\"ConfigOnly\":false}");
	struct err err;

	(void)state;
	assert_int_equal(template_network_check(good, "build", &err), 0);
	/* The engine found the beginning of an id. */
	assert_no_network("{\"Name\":\"other\",\"Id\":\"build\",\"Driver\":"
			  "\"bridge\"}",
	    ERR_NOT_FOUND);
	assert_no_network(
	    "{\"Name\":\"Build\",\"Driver\":\"bridge\"}", ERR_NOT_FOUND);
	assert_no_network("{\"Driver\":\"bridge\"}", ERR_NOT_FOUND);
	assert_no_network("{\"Name\":\"build\"}", ERR_UNPROCESSABLE);
	assert_no_network(
	    "{\"Name\":\"build\",\"Driver\":\"host\"}", ERR_UNPROCESSABLE);
	assert_no_network(
	    "{\"Name\":\"build\",\"Driver\":\"null\"}", ERR_UNPROCESSABLE);
	assert_no_network("{\"Name\":\"build\",\"Driver\":\"overlay\","
			  "\"Ingress\":true}",
	    ERR_UNPROCESSABLE);
	assert_no_network("{\"Name\":\"build\",\"Driver\":\"bridge\","
			  "\"ConfigOnly\":true}",
	    ERR_UNPROCESSABLE);
}

static void
test_no_other_namespace_passes_for_a_network(void **state)
{
	static const char *const bad[] = {"host", "none", "default", "bridge",
	    "ingress", "container:abc", "", "-x", ".x", "a b", "a/b",
	    "ns:/proc/1/ns/net"};
	AUTO(template_image_done) struct template_image image = {0};
	struct template_input input;
	json_t *body = NULL;
	struct err err;

	(void)state;
	read_image(&image);
	input = make_input(&image);
	for (size_t i = 0; i < COUNT(bad); i++) {
		input.network = bad[i];
		assert_int_equal(template_compose(&input, &body, &err), -1);
		assert_int_equal(err.code, ERR_UNPROCESSABLE);
	}
	assert_null(body);
}

static json_int_t
compose_number(int64_t milli, int64_t processors, const char *member)
{
	AUTO(template_image_done) struct template_image image = {0};
	int64_t limits[LIMIT_COUNT];
	struct template_input input;

	read_image(&image);
	memcpy(limits, LIMITS, sizeof(limits));
	limits[LIMIT_CPUS] = milli;
	limits[LIMIT_MEMORY] = 8 << 20;
	input = make_input(&image);
	input.limits = limits;
	input.processors = processors;
	auto_json *body = compose(&input);
	return json_integer_value(
	    json_object_get(json_object_get(body, "HostConfig"), member));
}

static void
test_processors_are_bounded_by_those_there_are(void **state)
{
	(void)state;
	assert_int_equal(compose_number(10, 2, "NanoCpus"), 10000000);
	assert_int_equal(compose_number(10, 2, "CpuShares"), 10);
	assert_int_equal(compose_number(1, 2, "CpuShares"), 2);
	assert_int_equal(compose_number(8000, 2, "NanoCpus"), 2000000000);
	assert_int_equal(compose_number(8000, 2, "CpuShares"), 2048);
	assert_true(compose_number(1024000, 1024, "NanoCpus") ==
	    INT64_C(1024000000000));
	assert_int_equal(compose_number(1024000, 1024, "CpuShares"), 262144);
	assert_int_equal(compose_number(1000, 2, "ShmSize"), 8 << 20);
}

/* What an engine answers that did as it was asked. */
static json_t *
make_inspection(const json_t *asked)
{
	static const char engine[] =
	    "{\"Runtime\":\"runc\",\"Isolation\":\"\",\"ConsoleSize\":[0,0],"
	    "\"MaskedPaths\":[\"/proc/kcore\",\"/proc/keys\","
	    "\"/sys/firmware\"],"
	    "\"ReadonlyPaths\":[\"/proc/sys\",\"/proc/sysrq-trigger\"],"
	    "\"Binds\":null,\"OomScoreAdj\":0,\"CgroupParent\":\"\","
	    "\"OomKillDisable\":false,\"MemorySwappiness\":null,"
	    "\"GroupAdd\":null}";
	auto_json *extra = parse(engine);
	json_t *config = json_deep_copy(asked);
	json_t *host = json_object_get(config, "HostConfig");
	json_t *points = json_array();
	json_t *mount;
	size_t i;

	json_incref(host);
	json_object_del(config, "HostConfig");
	json_object_update(host, extra);
	json_array_foreach(json_object_get(host, "Mounts"), i, mount)
	    json_array_append_new(points,
		json_pack("{s:s, s:O, s:O, s:b}", "Type", "bind", "Source",
		    json_object_get(mount, "Source"), "Destination",
		    json_object_get(mount, "Target"), "RW", 0));
	json_object_set_new(config, "Volumes", parse("{\"/data\":{}}"));
	json_object_set_new(config, "Env", parse("[\"A=b\"]"));
	json_object_set_new(json_object_get(config, "Labels"), "of.the.image",
	    json_string("x"));
	return json_pack("{s:s, s:o, s:o, s:o}", "Image", IMAGE_ID,
	    "HostConfig", host, "Config", config, "Mounts", points);
}

static bool
passes(const json_t *asked, const json_t *inspection)
{
	struct err err;

	if (template_check(asked, IMAGE_ID, inspection, &err) == 0)
		return true;
	assert_int_equal(err.code, ERR_CONFLICT);
	return false;
}

static json_t *
inspect_in(const char *asked_network, const char *networks, json_t **ret_asked)
{
	AUTO(template_image_done) struct template_image image = {0};
	struct template_input input;
	json_t *inspection;

	read_image(&image);
	input = make_input(&image);
	input.network = asked_network;
	*ret_asked = compose(&input);
	inspection = make_inspection(*ret_asked);
	json_object_set_new(inspection, "NetworkSettings", parse(networks));
	return inspection;
}

static void
test_a_container_in_another_network_is_seen(void **state)
{
	static const struct {
		const char *asked, *networks;
		bool passes;
	} cases[] = {
	    {NULL, "{\"Networks\":{}}", true},
	    {NULL, "{\"Networks\":{\"none\":{}}}", true},
	    {NULL, "{\"Networks\":{\"bridge\":{}}}", false},
	    {NULL, "{\"Networks\":{\"none\":{},\"build\":{}}}", false},
	    {"build", "{\"Networks\":{\"build\":{}}}", true},
	    {"build", "{\"Networks\":{}}", false},
	    {"build", "{}", false},
	    {"build", "{\"Networks\":{\"other\":{}}}", false},
	    {"build", "{\"Networks\":{\"build\":{},\"bridge\":{}}}", false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		json_t *asked_take = NULL;
		auto_json *inspection =
		    inspect_in(cases[i].asked, cases[i].networks, &asked_take);
		auto_json *asked = asked_take;

		if (passes(asked, inspection) != cases[i].passes)
			fail_msg("%s", cases[i].networks);
	}
}

static void
test_a_mount_that_is_more_writable_or_less_than_asked_is_seen(void **state)
{
	static const bool read_only[] = {true, false};

	(void)state;
	for (size_t i = 0; i < COUNT(read_only); i++) {
		auto_json *asked = compose_usual();
		auto_json *inspection = NULL;
		json_t *mounts = json_object_get(
		    json_object_get(asked, "HostConfig"), "Mounts");
		json_t *points;

		json_array_append_new(mounts,
		    json_pack("{s:s, s:s, s:s, s:b}", "Type", "bind", "Source",
			"/srv", "Target", "/in", "ReadOnly", read_only[i]));
		inspection = make_inspection(asked);
		points = json_object_get(inspection, "Mounts");
		json_object_set_new(json_array_get(points, 3), "RW",
		    json_boolean(!read_only[i]));
		assert_true(passes(asked, inspection));
		json_object_set_new(json_array_get(points, 3), "RW",
		    json_boolean(read_only[i]));
		assert_false(passes(asked, inspection));
		json_object_set_new(
		    json_array_get(points, 3), "RW", json_string("false"));
		assert_false(passes(asked, inspection));
	}
}

static void
test_what_is_as_asked_passes(void **state)
{
	auto_json *asked = compose_usual();
	auto_json *inspection = make_inspection(asked);
	struct err err;

	(void)state;
	if (template_check(asked, IMAGE_ID, inspection, &err) != 0)
		fail_msg("%s", err.detail);
}

static json_t *
make_other(const json_t *value)
{
	if (json_is_string(value))
		return json_sprintf("%sx", json_string_value(value));
	if (json_is_integer(value))
		return json_integer(json_integer_value(value) + 1);
	if (json_is_boolean(value))
		return json_boolean(!json_is_true(value));
	return json_string("another kind of value");
}

/* Replaces and removes the value that stands at *slot's place, and everything
 * below it, one after the other. */
struct tamper {
	const json_t *asked;
	json_t *inspection;
	const char *path;
	size_t changed;
};

static void
tamper_member(struct tamper *tamper, json_t *object, const char *name)
{
	auto_json *old = json_incref(json_object_get(object, name));

	json_object_set_new(object, name, make_other(old));
	if (passes(tamper->asked, tamper->inspection))
		fail_msg("%s: another %s passes", tamper->path, name);
	json_object_set(object, name, old);
	tamper->changed++;
}

static void tamper_below(struct tamper *tamper, json_t *value);

static void
tamper_item(struct tamper *tamper, json_t *array, size_t i)
{
	auto_json *old = json_incref(json_array_get(array, i));

	json_array_set_new(array, i, make_other(old));
	assert_false(passes(tamper->asked, tamper->inspection));
	json_array_remove(array, i);
	assert_false(passes(tamper->asked, tamper->inspection));
	json_array_insert(array, i, old);
	json_array_append(array, old);
	assert_false(passes(tamper->asked, tamper->inspection));
	json_array_remove(array, json_array_size(array) - 1);
	tamper->changed++;
	tamper_below(tamper, old);
}

static void
tamper_below(struct tamper *tamper, json_t *value)
{
	if (json_is_object(value)) {
		auto_json *names = json_copy(value);
		const char *name;
		json_t *inner;

		json_object_foreach(names, name, inner)
		{
			tamper_member(tamper, value, name);
			tamper_below(tamper, inner);
		}
		return;
	}
	for (size_t i = 0; i < json_array_size(value); i++)
		tamper_item(tamper, value, i);
}

/* Members that the check has no reason to look at. */
static void
keep_asked(json_t *found, const json_t *asked)
{
	auto_json *names = json_copy(found);
	const char *name;
	json_t *value;

	json_object_foreach(names, name, value)
	{
		if (json_object_get(asked, name) == NULL)
			json_object_del(found, name);
	}
}

static void
test_every_single_member_that_differs_is_seen(void **state)
{
	auto_json *asked = compose_usual();
	auto_json *inspection = make_inspection(asked);
	struct tamper tamper = {asked, inspection, "Mounts", 0};
	json_t *config = json_object_get(inspection, "Config");
	json_t *host = json_object_get(inspection, "HostConfig");

	(void)state;
	tamper_below(&tamper, json_object_get(inspection, "Mounts"));
	/* The image's own labels and variables are of no concern. */
	keep_asked(config, asked);
	json_object_del(json_object_get(config, "Labels"), "of.the.image");
	tamper.path = "Config";
	tamper_below(&tamper, config);
	/* The engine's own members are tried elsewhere. */
	auto_json *names = json_copy(json_object_get(asked, "HostConfig"));
	const char *name;
	json_t *value;
	tamper.path = "HostConfig";
	json_object_foreach(names, name, value)
	{
		tamper_member(&tamper, host, name);
		tamper_below(&tamper, json_object_get(host, name));
	}
	assert_true(passes(asked, inspection));
	assert_true(tamper.changed > 100);
}

static void
test_whatever_is_set_beside_is_seen(void **state)
{
	static const struct {
		const char *name;
		const char *value;
	} extras[] = {
	    {"Binds", "[\"/:/host\"]"},
	    {"CapAdd", "[\"SYS_ADMIN\"]"},
	    {"Devices", "[{\"PathOnHost\":\"/dev/sda\"}]"},
	    {"DeviceRequests", "[{\"Count\":-1}]"},
	    {"DeviceCgroupRules", "[\"a *:* rwm\"]"},
	    {"VolumesFrom", "[\"x\"]"},
	    {"GroupAdd", "[\"0\"]"},
	    {"UsernsMode", "\"host\""},
	    {"UTSMode", "\"host\""},
	    {"PidMode", "\"host\""},
	    {"CgroupParent", "\"/other\""},
	    {"Sysctls", "{\"kernel.msgmax\":\"1\"}"},
	    {"OomKillDisable", "true"},
	    {"OomScoreAdj", "-1000"},
	    {"PortBindings", "{\"80/tcp\":[{\"HostPort\":\"80\"}]}"},
	    {"ExtraHosts", "[\"a:1.2.3.4\"]"},
	    {"Links", "[\"a:b\"]"},
	    {"CpuQuota", "1"},
	    {"MemoryReservation", "1"},
	    {"Annotations", "{\"a\":\"b\"}"},
	    {"WhateverComesNext", "[[],{},[\"x\"]]"},
	    {"Real", "[1]"},
	};
	auto_json *asked = compose_usual();

	(void)state;
	for (size_t i = 0; i < COUNT(extras); i++) {
		auto_json *inspection = make_inspection(asked);
		auto_free char *wrapped = alloc_printf("[%s]", extras[i].value);
		auto_json *value = parse(wrapped);

		json_object_set(json_object_get(inspection, "HostConfig"),
		    extras[i].name, json_array_get(value, 0));
		if (passes(asked, inspection))
			fail_msg("%s passes", extras[i].name);
	}
}

static void
assert_replaced_is_seen(const char *member, const char *name, const char *text)
{
	auto_json *asked = compose_usual();
	auto_json *inspection = make_inspection(asked);
	auto_free char *wrapped = alloc_printf("[%s]", text);
	auto_json *value = parse(wrapped);
	json_t *object =
	    member != NULL ? json_object_get(inspection, member) : inspection;

	json_object_set(object, name, json_array_get(value, 0));
	if (passes(asked, inspection))
		fail_msg("%s: %s passes", name, text);
}

static void
test_another_image_mount_or_volume_is_seen(void **state)
{
	(void)state;
	assert_replaced_is_seen(NULL, "Image", "\"sha256:other\"");
	assert_replaced_is_seen(NULL, "Image", "null");
	assert_replaced_is_seen(NULL, "Mounts", "[]");
	assert_replaced_is_seen(NULL, "Mounts", "null");
	assert_replaced_is_seen(NULL, "HostConfig", "null");
	assert_replaced_is_seen(NULL, "HostConfig", "{}");
	assert_replaced_is_seen(NULL, "Config", "null");
	assert_replaced_is_seen(
	    "Config", "Volumes", "{\"/data\":{},\"/other\":{}}");
	assert_replaced_is_seen("HostConfig", "MaskedPaths", "[]");
	assert_replaced_is_seen("HostConfig", "MaskedPaths", "null");
	assert_replaced_is_seen(
	    "HostConfig", "ReadonlyPaths", "[\"/proc/sys\"]");
	assert_replaced_is_seen("HostConfig", "Isolation", "\"hyperv\"");
	assert_replaced_is_seen("HostConfig", "Runtime", "null");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_exactly_the_template_is_asked_for),
	    cmocka_unit_test(test_secrets_have_a_tmpfs_of_the_tasks_own),
	    cmocka_unit_test(
		test_mounts_of_the_rule_stand_behind_ours_and_are_named_to_task_init),
	    cmocka_unit_test(test_a_volume_within_a_mount_is_refused),
	    cmocka_unit_test(
		test_a_mount_that_is_more_writable_or_less_than_asked_is_seen),
	    cmocka_unit_test(
		test_with_a_network_the_engine_makes_it_and_the_hosts_file),
	    cmocka_unit_test(test_a_network_is_the_one_of_exactly_this_name),
	    cmocka_unit_test(test_a_container_in_another_network_is_seen),
	    cmocka_unit_test(test_no_other_namespace_passes_for_a_network),
	    cmocka_unit_test(test_processors_are_bounded_by_those_there_are),
	    cmocka_unit_test(test_what_is_as_asked_passes),
	    cmocka_unit_test(test_every_single_member_that_differs_is_seen),
	    cmocka_unit_test(test_whatever_is_set_beside_is_seen),
	    cmocka_unit_test(test_another_image_mount_or_volume_is_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
