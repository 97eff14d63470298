/* The table of routes: what leads where, and that nothing is open by mistake.*/
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/route.h"
#include "lib/cleanup.h"

#define ID "01932f0e-6f0a-7c3e-8a55-3f1f0c1b2a11"

struct found {
	const struct route *route;
	char task[UUID_TEXT];
	char allow[ROUTE_ALLOW_MAX];
	struct err err;
};

static struct found
find_on(enum listener listener, const char *method, const char *path)
{
	struct found found = {0};

	found.route = route_find(
	    listener, method, path, found.task, found.allow, &found.err);
	return found;
}

static struct found
find(const char *method, const char *path)
{
	return find_on(LISTENER_PUBLIC, method, path);
}

static void
test_every_row_leads_to_itself(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROUTE_COUNT; i++) {
		const char *parameter = strstr(routes[i].path, "{task}");
		char path[128];

		snprintf(path, sizeof(path), "%s", routes[i].path);
		if (parameter != NULL)
			snprintf(path, sizeof(path), "%.*s" ID "%s",
			    (int)(parameter - routes[i].path), routes[i].path,
			    parameter + strlen("{task}"));
		struct found found =
		    find_on(routes[i].listener, routes[i].method, path);

		assert_ptr_equal(found.route, &routes[i]);
		assert_string_equal(found.task, parameter == NULL ? "" : ID);
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
	assert_string_equal(found.task, "");
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
		assert_string_equal(found.task, "");
		assert_string_equal(found.allow, "");
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_every_row_leads_to_itself),
	    cmocka_unit_test(test_nothing_below_v1_is_reached_without_a_token),
	    cmocka_unit_test(test_listeners_do_not_see_each_others_routes),
	    cmocka_unit_test(test_another_method_is_told_which_there_are),
	    cmocka_unit_test(test_paths_that_are_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
