/*
 * The table of routes (routes.def): which handler a method and path lead to,
 * and what a caller must show first. Pure.
 */
#ifndef GATEWAY_ROUTE_H
#define GATEWAY_ROUTE_H

#include <stddef.h>

#include "certs/token.h"
#include "lib/clock.h"
#include "lib/err.h"

struct exchange;

enum listener { LISTENER_PUBLIC, LISTENER_OPERATIONS };
enum access { ACCESS_OPEN, ACCESS_CERTIFICATE, ACCESS_TOKEN };

enum route_id {
#define ROUTE(name, listener, method, path, access, scope, body_max) \
	ROUTE_##name,
#include "gateway/routes.def"
#undef ROUTE
	ROUTE_COUNT
};

struct route {
	enum route_id id;
	const char *name;
	enum listener listener;
	const char *method;
	const char *path;
	enum access access;
	enum scope scope;
	size_t body_max;
};

extern const struct route routes[ROUTE_COUNT];

#define ROUTE_ALLOW_MAX 64

/*
 * NULL: ERR_NOT_FOUND, or ERR_METHOD_NOT_ALLOWED with ret_allow, the value of
 * Allow. ret_task: the id in the path, or "".
 */
const struct route *
route_find(enum listener listener, const char *method, const char *path,
    char ret_task[UUID_TEXT], char ret_allow[ROUTE_ALLOW_MAX], struct err *err);

#endif
