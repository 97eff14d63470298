/* The table of routes: what leads where, and that nothing is open by mistake.*/
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/route.h"
#include "lib/alloc.h"
#include "lib/buffer.h"
#include "lib/cleanup.h"

#define ID "01932f0e-6f0a-7c3e-8a55-3f1f0c1b2a11"
#define FILE_NAME "report-1_a.txt"

struct found {
	const struct route *route;
	struct route_parameters in_path;
	char allow[ROUTE_ALLOW_MAX];
	struct err err;
};

static struct found
find_on(enum listener listener, const char *method, const char *path)
{
	struct found found = {0};

	found.route = route_find(
	    listener, method, path, &found.in_path, found.allow, &found.err);
	return found;
}

static struct found
find(const char *method, const char *path)
{
	return find_on(LISTENER_PUBLIC, method, path);
}

/* A path of the pattern's form. The caller frees. */
static char *
make_path(const char *pattern)
{
	auto_buffer path = BUFFER_INIT(256);

	while (*pattern != '\0') {
		size_t len = strcspn(pattern, "{");

		buffer_append(&path, pattern, len);
		pattern += len;
		if (*pattern == '\0')
			break;
		buffer_append_string(
		    &path, strncmp(pattern, "{task}", 6) == 0 ? ID : FILE_NAME);
		pattern += strcspn(pattern, "}") + 1;
	}
	return buffer_take(&path);
}

static void
test_every_row_leads_to_itself(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROUTE_COUNT; i++) {
		const char *pattern = routes[i].path;
		auto_free char *path = make_path(pattern);
		struct found found =
		    find_on(routes[i].listener, routes[i].method, path);

		assert_ptr_equal(found.route, &routes[i]);
		assert_string_equal(found.in_path.task,
		    strstr(pattern, "{task}") == NULL ? "" : ID);
		assert_string_equal(found.in_path.file,
		    strstr(pattern, "{file}") == NULL ? "" : FILE_NAME);
	}
}

#define FILES "/v1/tasks/" ID "/files/"

static void
test_name_of_a_file_is_one_plain_segment(void **state)
{
	static const char *const bad[] = {"", ".", "..", ".hidden", "-option",
	    "a/b", "a/", "/a", "a//b", "../../etc/passwd", "a~b", "a:b", "a;b",
	    "a@b", "a+b", "(a)"};
	auto_free char *most = alloc_zero(sizeof(FILES) + 130, 1);
	struct found found;

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		auto_free char *path = alloc_printf(FILES "%s", bad[i]);

		if (find("GET", path).route != NULL)
			fail_msg("%s leads somewhere", path);
	}
	memcpy(most, FILES, sizeof(FILES));
	memset(most + strlen(FILES), 'x', 128);
	found = find("GET", most);
	assert_int_equal(found.route->id, ROUTE_task_file);
	assert_int_equal(strlen(found.in_path.file), 128);
	strcat(most, "x");
	assert_null(find("GET", most).route);
}

static void
test_only_bodies_of_bytes_are_passed_on(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROUTE_COUNT; i++) {
		const struct route *route = &routes[i];

		assert_int_equal(route->body == BODY_JSON, route->body_max > 0);
		assert_int_equal(route_streams(route),
		    route->id == ROUTE_task_stdin ||
			route->id == ROUTE_blob_create);
		/* Whoever is passed on has shown who it is. */
		if (route_streams(route))
			assert_int_equal(route->access, ACCESS_TOKEN);
	}
}

static void
test_nothing_below_v1_is_reached_without_a_token(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROUTE_COUNT; i++) {
		bool is_v1 = strncmp(routes[i].path, "/v1/", 4) == 0;
		bool is_public = routes[i].listener == LISTENER_PUBLIC;

		if (is_v1)
			assert_int_equal(routes[i].access, ACCESS_TOKEN);
		if (is_public)
			assert_int_not_equal(routes[i].access, ACCESS_OPEN);
		if (routes[i].access != ACCESS_TOKEN)
			assert_int_equal(routes[i].scope, SCOPE_NONE);
		/* /v1/whoami alone is for any token. */
		if (is_v1 && strcmp(routes[i].path, "/v1/whoami") != 0)
			assert_int_not_equal(routes[i].scope, SCOPE_NONE);
	}
}

static void
test_listeners_do_not_see_each_others_routes(void **state)
{
	(void)state;
	assert_null(find("GET", "/metrics").route);
	assert_null(find("GET", "/healthz").route);
	assert_null(find_on(LISTENER_OPERATIONS, "GET", "/v1/tasks").route);
	assert_null(find_on(LISTENER_OPERATIONS, "GET", "/api/status").route);
}

static void
test_another_method_is_told_which_there_are(void **state)
{
	struct found found = find("PUT", "/v1/tasks");

	(void)state;
	assert_null(found.route);
	assert_int_equal(found.err.code, ERR_METHOD_NOT_ALLOWED);
	assert_string_equal(found.allow, "POST, GET");
	found = find("POST", "/v1/tasks/" ID);
	assert_int_equal(found.err.code, ERR_METHOD_NOT_ALLOWED);
	assert_string_equal(found.allow, "GET, DELETE");
	assert_string_equal(found.in_path.task, "");
	found = find("HEAD", "/api/status");
	assert_int_equal(found.err.code, ERR_METHOD_NOT_ALLOWED);
	found = find("get", "/api/status");
	assert_int_equal(found.err.code, ERR_METHOD_NOT_ALLOWED);
}

static void
test_paths_that_are_none(void **state)
{
	static const char *const paths[] = {"", "/", "/v1", "/v1/",
	    "/v1/tasks/", "/v1/tasks//", "/v1//tasks", "//v1/tasks",
	    "/v1/tasks/1", "/v1/tasks/" ID "/", "/v1/tasks/" ID "/output/",
	    "/v1/tasks/" ID "/outputs", "/v1/tasks/" ID "x",
	    "/v1/tasks/" ID "/" ID, "/v1/tasks/{task}",
	    "/v1/tasks/01932F0E-6F0A-7C3E-8A55-3F1F0C1B2A11",
	    "/v1/tasks/01932f0e-6f0a-4c3e-8a55-3f1f0c1b2a11",
	    "/v1/tasks/../../etc/passwd000000000000000000", "/v1/tasks/.",
	    "/V1/tasks", "/v1/tasks ", "/openapi.json/", "/api"};

	(void)state;
	for (size_t i = 0; i < COUNT(paths); i++) {
		struct found found = find("GET", paths[i]);

		if (found.route != NULL)
			fail_msg("%s leads to %s", paths[i], found.route->name);
		assert_int_equal(found.err.code, ERR_NOT_FOUND);
		assert_string_equal(found.in_path.task, "");
		assert_string_equal(found.allow, "");
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_every_row_leads_to_itself),
	    cmocka_unit_test(test_name_of_a_file_is_one_plain_segment),
	    cmocka_unit_test(test_only_bodies_of_bytes_are_passed_on),
	    cmocka_unit_test(test_nothing_below_v1_is_reached_without_a_token),
	    cmocka_unit_test(test_listeners_do_not_see_each_others_routes),
	    cmocka_unit_test(test_another_method_is_told_which_there_are),
	    cmocka_unit_test(test_paths_that_are_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
