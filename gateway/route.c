/*
 * Finding a route. The guard has seen to it that a path is plain bytes: what
 * is compared here is what was sent, with nothing decoded.
 */
#include <stdio.h>
#include <string.h>

#include "gateway/route.h"
#include "policy/request.h"

#define PARAMETER "{task}"

const struct route routes[ROUTE_COUNT] = {
#define ROUTE(name, listener, method, path, access, scope, body_max)        \
	[ROUTE_##name] = {ROUTE_##name, #name, LISTENER_##listener, method, \
	    path, ACCESS_##access, scope, body_max},
#include "gateway/routes.def"
#undef ROUTE
};

/* Whether `path` is of the pattern's form; what stands for the parameter is
 * copied. An id that is none is no path of ours. */
static bool
matches(const char *pattern, const char *path, char ret_task[UUID_TEXT])
{
	const char *parameter = strstr(pattern, PARAMETER);
	size_t head;
	size_t len;

	ret_task[0] = '\0';
	if (parameter == NULL)
		return strcmp(pattern, path) == 0;
	head = (size_t)(parameter - pattern);
	if (strncmp(pattern, path, head) != 0)
		return false;
	len = strcspn(path + head, "/");
	if (len != UUID_TEXT - 1 ||
	    strcmp(path + head + len, parameter + strlen(PARAMETER)) != 0)
		return false;
	memcpy(ret_task, path + head, len);
	ret_task[len] = '\0';
	return uuid_is_valid(ret_task);
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
    char ret_task[UUID_TEXT], char ret_allow[ROUTE_ALLOW_MAX], struct err *err)
{
	ret_allow[0] = '\0';
	for (size_t i = 0; i < ROUTE_COUNT; i++) {
		const struct route *route = &routes[i];

		if (route->listener != listener ||
		    !matches(route->path, path, ret_task))
			continue;
		if (strcmp(route->method, method) == 0)
			return route;
		add_method(ret_allow, route->method);
	}
	ret_task[0] = '\0';
	if (ret_allow[0] == '\0')
		err_set(err, ERR_NOT_FOUND, "there is no such path");
	else
		err_set(
		    err, ERR_METHOD_NOT_ALLOWED, "allowed here: %s", ret_allow);
	return NULL;
}
