/*
 * The table of routes (routes.def): which handler a method and path lead to,
 * and what a caller must show first. Pure.
 */
#ifndef GATEWAY_ROUTE_H
#define GATEWAY_ROUTE_H

#include <stdbool.h>
#include <stddef.h>

#include "certs/token.h"
#include "lib/clock.h"
#include "lib/err.h"
#include "policy/request.h"

struct exchange;

enum listener { LISTENER_PUBLIC, LISTENER_OPERATIONS };
enum access { ACCESS_OPEN, ACCESS_CERTIFICATE, ACCESS_TOKEN };
enum body { BODY_NONE, BODY_JSON, BODY_FILE, BODY_INPUT };

enum route_id {
#define ROUTE(name, listener, method, path, access, scope, body, body_max) \
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
	enum body body;
	size_t body_max;
};

extern const struct route routes[ROUTE_COUNT];

/* Whether its body is passed on as it comes. */
bool route_streams(const struct route *route);

#define ROUTE_ALLOW_MAX 64

/* What stands in a path where its pattern has a parameter; "": nothing. */
struct route_parameters {
	char task[UUID_TEXT];
	char file[REQUEST_FILE_NAME_MAX + 1];
};

/*
 * NULL: ERR_NOT_FOUND, or ERR_METHOD_NOT_ALLOWED with ret_allow, the value of
 * Allow.
 */
const struct route *route_find(enum listener listener, const char *method,
    const char *path, struct route_parameters *ret,
    char ret_allow[ROUTE_ALLOW_MAX], struct err *err);

#endif
