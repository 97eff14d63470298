/* openapi.json and the route table say the same, both ways. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <cmocka.h>

#include "gateway/openapi.h"
#include "gateway/route.h"
#include "lib/cleanup.h"
#include "lib/json.h"

static json_t *
description(void)
{
	struct err err;
	json_t *json = json_parse_strict(
	    (const char *)openapi_json, openapi_json_len, &err);

	if (json == NULL)
		fail_msg("%s", err.detail);
	return json;
}

/* The operation of a path and a method in capitals, or NULL. */
static const json_t *
operation(const json_t *item, const char *method)
{
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)item, name,
	    value) if (strcasecmp(name, method) == 0) return value;
	return NULL;
}

static const json_t *
requirement(const json_t *found)
{
	const json_t *security = json_object_get(found, "security");

	assert_int_equal(json_array_size(security), 1);
	return json_array_get(security, 0);
}

static void
check_access(const struct route *route, const json_t *found)
{
	const json_t *token = json_object_get(requirement(found), "token");

	assert_non_null(json_object_get(requirement(found), "certificate"));
	assert_true((token != NULL) == (route->access == ACCESS_TOKEN));
	if (route->scope == SCOPE_NONE) {
		assert_int_equal(json_array_size(token), 0);
		return;
	}
	assert_int_equal(json_array_size(token), 1);
	assert_string_equal(json_string_value(json_array_get(token, 0)),
	    scope_name(route->scope));
}

static void
test_every_public_route_is_described(void **state)
{
	auto_json *json = description();
	const json_t *paths = json_object_get(json, "paths");

	(void)state;
	for (size_t i = 0; i < ROUTE_COUNT; i++) {
		const struct route *route = &routes[i];
		const json_t *item = json_object_get(paths, route->path);

		if (route->listener != LISTENER_PUBLIC) {
			assert_null(item);
			continue;
		}
		const json_t *found = operation(item, route->method);

		if (found == NULL)
			fail_msg("%s %s is not described", route->method,
			    route->path);
		assert_string_equal(
		    json_string_value(json_object_get(found, "operationId")),
		    route->name);
		assert_true((json_object_get(found, "requestBody") != NULL) ==
		    (route->body != BODY_NONE));
		check_access(route, found);
	}
}

static bool
has_route(const char *path, const char *method)
{
	for (size_t i = 0; i < ROUTE_COUNT; i++)
		if (routes[i].listener == LISTENER_PUBLIC &&
		    strcmp(routes[i].path, path) == 0 &&
		    strcasecmp(routes[i].method, method) == 0)
			return true;
	return false;
}

static void
test_nothing_else_is_described(void **state)
{
	auto_json *json = description();
	const char *path, *method;
	json_t *item, *value;

	(void)state;
	json_object_foreach(json_object_get(json, "paths"), path, item)
	{
		json_object_foreach(item, method, value)
		{
			if (strcmp(method, "parameters") != 0 &&
			    !has_route(path, method))
				fail_msg("%s %s is described, but no route",
				    method, path);
		}
	}
}

static void
assert_status_described(const json_t *found, int status)
{
	char text[8];

	snprintf(text, sizeof(text), "%d", status);
	if (json_object_get(json_object_get(found, "responses"), text) == NULL)
		fail_msg("%s: no %s",
		    json_string_value(json_object_get(found, "operationId")),
		    text);
}

static void
test_what_can_go_wrong_is_described(void **state)
{
	auto_json *json = description();
	const json_t *paths = json_object_get(json, "paths");

	(void)state;
	for (size_t i = 0; i < ROUTE_COUNT; i++) {
		const struct route *route = &routes[i];

		if (route->listener != LISTENER_PUBLIC)
			continue;
		const json_t *found = operation(
		    json_object_get(paths, route->path), route->method);

		assert_status_described(found, 400);
		assert_status_described(found, 401);
		assert_status_described(found, 429);
		assert_status_described(found, 431);
		if (route->scope != SCOPE_NONE)
			assert_status_described(found, 403);
		if (strstr(route->path, "{task}") != NULL)
			assert_status_described(found, 404);
		if (route->body != BODY_NONE) {
			assert_status_described(found, 411);
			assert_status_described(found, 413);
			assert_status_described(found, 415);
			assert_status_described(found, 422);
		}
	}
}

/* The value at a reference such as "#/components/schemas/Task". */
static const json_t *
resolve(const json_t *root, const char *reference)
{
	char name[64];
	const json_t *at = root;

	assert_memory_equal(reference, "#/", 2);
	for (const char *p = reference + 1; *p == '/' && at != NULL;) {
		size_t len = strcspn(++p, "/");

		assert_true(len < sizeof(name));
		memcpy(name, p, len);
		name[len] = '\0';
		at = json_object_get(at, name);
		p += len;
	}
	return at;
}

static void
check_references(const json_t *root, json_t *value)
{
	const char *name;
	json_t *member;
	size_t i;

	if (json_is_array(value))
		json_array_foreach(value, i, member)
		    check_references(root, member);
	if (!json_is_object(value))
		return;
	json_object_foreach(value, name, member)
	{
		if (strcmp(name, "$ref") != 0)
			check_references(root, member);
		else if (resolve(root, json_string_value(member)) == NULL)
			fail_msg("%s leads nowhere", json_string_value(member));
	}
}

static void
test_every_reference_leads_somewhere(void **state)
{
	auto_json *json = description();

	(void)state;
	check_references(json, json);
}

static void
check_arrays(const char *of, json_t *value)
{
	const char *name;
	json_t *member;
	const char *type = json_string_value(json_object_get(value, "type"));
	size_t i;

	if (json_is_array(value))
		json_array_foreach(value, i, member) check_arrays(of, member);
	if (!json_is_object(value))
		return;
	if (type != NULL && strcmp(type, "array") == 0 &&
	    !json_is_object(json_object_get(value, "items")))
		fail_msg("%s: an array of what?", of);
	json_object_foreach(value, name, member) check_arrays(name, member);
}

static void
test_every_array_says_of_what_it_is_one(void **state)
{
	auto_json *json = description();

	(void)state;
	check_arrays("", json);
}

/* As a rule writes it, which is not as an explanation gives it. */
static void
test_durations_of_the_catalog_are_those_of_a_rule(void **state)
{
	static const char *const places[] = {
	    "#/components/schemas/CatalogRule/properties/approval/properties/"
	    "ttl",
	    "#/components/schemas/CatalogRule/properties/rate/items/"
	    "properties/per",
	};
	auto_json *json = description();

	(void)state;
	for (size_t i = 0; i < COUNT(places); i++) {
		const json_t *found = resolve(json, places[i]);

		assert_non_null(found);
		assert_string_equal(
		    json_string_value(json_object_get(found, "$ref")),
		    "#/components/schemas/Duration");
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_every_public_route_is_described),
	    cmocka_unit_test(test_nothing_else_is_described),
	    cmocka_unit_test(test_what_can_go_wrong_is_described),
	    cmocka_unit_test(test_every_reference_leads_somewhere),
	    cmocka_unit_test(test_every_array_says_of_what_it_is_one),
	    cmocka_unit_test(test_durations_of_the_catalog_are_those_of_a_rule),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
