/*
 * Finding a route. The guard has seen to it that a path is plain bytes: what
 * is compared here is what was sent, with nothing decoded.
 */
#include <stdio.h>
#include <string.h>

#include "gateway/route.h"
#include "policy/request.h"

const struct route routes[ROUTE_COUNT] = {
#define ROUTE(name, listener, method, path, access, scope, body, body_max)  \
	[ROUTE_##name] = {ROUTE_##name, #name, LISTENER_##listener, method, \
	    path, ACCESS_##access, scope, BODY_##body, body_max},
#include "gateway/routes.def"
#undef ROUTE
};

bool
route_streams(const struct route *route)
{
	return route->body == BODY_FILE || route->body == BODY_INPUT;
}

/* One segment of a path that stands for a parameter. What is none of its kind
 * is no path of ours. */
static bool
take_parameter(const char *pattern, const char *segment, size_t len,
    struct route_parameters *ret)
{
	bool is_task = strncmp(pattern, "{task}", strlen("{task}")) == 0;
	char *text = is_task ? ret->task : ret->file;
	size_t size = is_task ? sizeof(ret->task) : sizeof(ret->file);

	if (len >= size)
		return false;
	memcpy(text, segment, len);
	text[len] = '\0';
	return is_task ? uuid_is_valid(text) : request_file_name_is_valid(text);
}

/* Whether `path` is of the pattern's form. */
static bool
matches(const char *pattern, const char *path, struct route_parameters *ret)
{
	*ret = (struct route_parameters){0};
	while (*pattern != '\0') {
		if (*pattern != '{') {
			if (*pattern++ != *path++)
				return false;
			continue;
		}
		size_t len = strcspn(path, "/");

		if (!take_parameter(pattern, path, len, ret))
			return false;
		pattern += strcspn(pattern, "}") + 1;
		path += len;
	}
	return *path == '\0';
}

static void
add_method(char allow[ROUTE_ALLOW_MAX], const char *method)
{
	size_t len = strlen(allow);

	snprintf(allow + len, ROUTE_ALLOW_MAX - len, "%s%s",
	    len == 0 ? "" : ", ", method);
}

const struct route *
route_find(enum listener listener, const char *method, const char *path,
    struct route_parameters *ret, char ret_allow[ROUTE_ALLOW_MAX],
    struct err *err)
{
	ret_allow[0] = '\0';
	for (size_t i = 0; i < ROUTE_COUNT; i++) {
		const struct route *route = &routes[i];

		if (route->listener != listener ||
		    !matches(route->path, path, ret))
			continue;
		if (strcmp(route->method, method) == 0)
			return route;
		add_method(ret_allow, route->method);
	}
	*ret = (struct route_parameters){0};
	if (ret_allow[0] == '\0')
		err_set(err, ERR_NOT_FOUND, "there is no such path");
	else
		err_set(
		    err, ERR_METHOD_NOT_ALLOWED, "allowed here: %s", ret_allow);
	return NULL;
}
