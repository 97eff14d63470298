/*
 * The Docker Engine's HTTP API. Bodies are composed elsewhere, answers are
 * judged elsewhere; here are the paths, the deadlines and what a status means.
 *
 * Answers are read by json_parse_strict(): the engine's own encoder writes
 * nothing that it refuses (integers within int64, valid UTF-8, no NUL), but
 * for an image whose labels hold a NUL, and that one is not usable then.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/buffer.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/json.h"
#include "runner/engine.h"
#include "runner/event_reader.h"
#include "runner/http.h"

#define SCHEME "unix://"

struct engine {
	struct http *http;
	int api; /* minor number; 0: not agreed yet */
	struct engine_call *calls;
};

struct engine_call {
	struct engine *engine;
	struct engine_call *next, **link;
	struct http_call *http;
	struct engine_done done;
	bool (*judge)(
	    struct engine *engine, const json_t *answer, struct err *err);
	/* Of a stream: */
	struct engine_listener listener;
	struct event_reader reader;
	bool *forgotten; /* for who is about to call the listener again */
};

/* One kind of call. */
struct operation {
	const char *name;
	const char *method;
	size_t answer_max;
	long timeout_ms;
	bool plain; /* the answer is not JSON */
};

/* Starting and removing take seconds on a busy machine; an inspection holds
 * whatever labels an image has. */
static const struct operation VERSION = {"version", "GET", 65536, 5000, false};
static const struct operation PING = {"ping", "GET", 4096, 5000, true};
static const struct operation INSPECT = {
    "inspect", "GET", 4 << 20, 30000, false};
static const struct operation CREATE = {"create", "POST", 65536, 60000, false};
static const struct operation START = {"start", "POST", 65536, 60000, false};
static const struct operation UPDATE = {"update", "POST", 65536, 60000, false};
static const struct operation KILL = {"kill", "POST", 65536, 30000, false};
static const struct operation REMOVE = {
    "remove", "DELETE", 65536, 60000, false};
static const struct operation EVENTS = {"events", "GET", 65536, 0, false};
static const struct operation LIST = {"list", "GET", 16 << 20, 30000, false};

const char *
engine_socket(const char *uri, struct err *err)
{
	if (strncmp(uri, SCHEME, strlen(SCHEME)) == 0 &&
	    uri[strlen(SCHEME)] == '/')
		return uri + strlen(SCHEME);
	err_set(err, ERR_UNPROCESSABLE, "engine: %s is not unix:///PATH", uri);
	return NULL;
}

struct engine *
engine_new(uv_loop_t *loop, const char *uri, struct err *err)
{
	const char *path = engine_socket(uri, err);
	struct engine *engine;

	if (path == NULL)
		return NULL;
	engine = alloc_zero(1, sizeof(*engine));
	engine->http = http_new(loop, path);
	return engine;
}

static struct engine_done
forget_call(struct engine_call *call)
{
	struct engine_done done = call->done;

	*call->link = call->next;
	if (call->next != NULL)
		call->next->link = call->link;
	if (call->forgotten != NULL)
		*call->forgotten = true;
	event_reader_done(&call->reader);
	free(call);
	return done;
}

void
engine_cancel(struct engine_call *call)
{
	http_cancel(call->http);
	forget_call(call);
}

void
engine_free(struct engine *engine)
{
	if (engine == NULL)
		return;
	for (struct engine_call *call = engine->calls, *next; call != NULL;
	     call = next) {
		next = call->next;
		engine_cancel(call);
	}
	http_free(engine->http);
	free(engine);
}

/* {"message": "..."}; anything else is shown as it is. */
static void
explain_status(const struct http_answer *answer, struct err *err)
{
	static const struct {
		int status;
		enum err_code code;
	} codes[] = {{404, ERR_NOT_FOUND}, {409, ERR_CONFLICT}};
	enum err_code code =
	    answer->status >= 500 ? ERR_INTERNAL : ERR_UNPROCESSABLE;
	struct err ignored;
	auto_json *json =
	    json_parse_strict(answer->body, answer->len, &ignored);
	const char *message =
	    json_string_value(json_object_get(json, "message"));

	for (size_t i = 0; i < COUNT(codes); i++) {
		if (codes[i].status == answer->status)
			code = codes[i].code;
	}
	err_set(err, code, "engine: %s (status %d)",
	    message != NULL ? message : answer->body, answer->status);
}

static json_t *
read_answer(const struct http_answer *answer, bool plain, struct err *err)
{
	json_t *json;

	/* 304: it is already so. */
	if ((answer->status < 200 || answer->status > 299) &&
	    answer->status != 304) {
		explain_status(answer, err);
		return NULL;
	}
	if (plain || answer->len == 0)
		return json_object();
	json = json_parse_strict(answer->body, answer->len, err);
	if (json == NULL)
		err_prefix(err, "the engine's answer");
	return json;
}

static void
finish(struct engine_call *call, bool plain, const struct http_answer *answer,
    const struct err *failure)
{
	struct engine *engine = call->engine;
	bool (*judge)(struct engine *, const json_t *, struct err *) =
	    call->judge;
	struct engine_done done = forget_call(call);
	struct err err = {0};
	auto_json *json = NULL;

	if (answer == NULL) {
		err = *failure;
		err_prefix(&err, "engine");
	} else {
		json = read_answer(answer, plain, &err);
	}
	if (json != NULL && judge != NULL && !judge(engine, json, &err)) {
		json_decref(json);
		json = NULL;
	}
	done.call(done.arg, json, json != NULL ? NULL : &err);
}

static void
finish_json(void *arg, const struct http_answer *answer, const struct err *err)
{
	finish(arg, false, answer, err);
}

static void
finish_plain(void *arg, const struct http_answer *answer, const struct err *err)
{
	finish(arg, true, answer, err);
}

static struct engine_call *
add_call(struct engine *engine, struct engine_done done)
{
	struct engine_call *call = alloc_zero(1, sizeof(*call));

	call->engine = engine;
	call->done = done;
	call->next = engine->calls;
	call->link = &engine->calls;
	if (call->next != NULL)
		call->next->link = &call->next;
	engine->calls = call;
	return call;
}

static struct engine_call *
send_call(struct engine *engine, const struct operation *operation,
    const char *path, const char *body, struct engine_done done)
{
	struct engine_call *call = add_call(engine, done);
	struct http_request request = {
	    .method = operation->method,
	    .path = path,
	    .body = body,
	    .answer_max = operation->answer_max,
	    .timeout_ms = operation->timeout_ms,
	    .done = operation->plain ? finish_plain : finish_json,
	    .arg = call,
	};

	call->http = http_send(engine->http, &request);
	return call;
}

/* Everything but unreserved characters (RFC 3986) and the slash. */
static void
append_encoded(struct buffer *path, const char *text)
{
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;

		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		    (c >= '0' && c <= '9') || strchr("-._~/", c) != NULL)
			buffer_append(path, text, 1);
		else
			buffer_printf(path, "%%%02X", c);
	}
}

/* "/v1.41" + before + the encoded argument + after. */
static char *
make_path(const struct engine *engine, const char *before, const char *argument,
    const char *after)
{
	auto_buffer path = BUFFER_INIT(8192);

	if (engine->api == 0)
		die("an engine's call before a version was agreed on");
	buffer_printf(&path, "/v1.%d%s", engine->api, before);
	append_encoded(&path, argument);
	buffer_append_string(&path, after);
	if (path.full)
		die("a path of more than 8192 bytes");
	return buffer_take(&path);
}

/* The minor number of "1.41"; -1 where it is not version 1. */
static int
read_version(const json_t *answer, const char *member)
{
	const char *text = json_string_value(json_object_get(answer, member));
	int minor;
	char rest;

	if (text == NULL || sscanf(text, "1.%3d%c", &minor, &rest) != 1)
		return -1;
	return minor;
}

static bool
agree(struct engine *engine, const json_t *answer, struct err *err)
{
	int most = read_version(answer, "ApiVersion");
	int least = read_version(answer, "MinAPIVersion");

	if (most < 0 || least < 0) {
		err_set(err, ERR_UNAVAILABLE,
		    "engine: it does not say which versions of Docker's API "
		    "it speaks");
		return false;
	}
	if (most < ENGINE_API_LEAST || least > ENGINE_API_MOST) {
		err_set(err, ERR_UNAVAILABLE,
		    "engine: it speaks versions 1.%d to 1.%d of Docker's API, "
		    "and this runner 1.%d to 1.%d",
		    least, most, ENGINE_API_LEAST, ENGINE_API_MOST);
		return false;
	}
	engine->api = most < ENGINE_API_MOST ? most : ENGINE_API_MOST;
	return true;
}

struct engine_call *
engine_connect(struct engine *engine, struct engine_done done)
{
	/* The one path without a version. */
	struct engine_call *call =
	    send_call(engine, &VERSION, "/version", NULL, done);

	call->judge = agree;
	return call;
}

bool
engine_is_agreed(const struct engine *engine)
{
	return engine->api != 0;
}

struct engine_call *
engine_ping(struct engine *engine, struct engine_done done)
{
	return send_call(engine, &PING, "/_ping", NULL, done);
}

struct engine_call *
engine_inspect_image(
    struct engine *engine, const char *name, struct engine_done done)
{
	auto_free char *path = make_path(engine, "/images/", name, "/json");

	return send_call(engine, &INSPECT, path, NULL, done);
}

struct engine_call *
engine_inspect_network(
    struct engine *engine, const char *name, struct engine_done done)
{
	auto_free char *path = make_path(engine, "/networks/", name, "");

	return send_call(engine, &INSPECT, path, NULL, done);
}

struct engine_call *
engine_create(struct engine *engine, const char *name, const json_t *body,
    struct engine_done done)
{
	auto_free char *path =
	    make_path(engine, "/containers/create?name=", name, "");
	auto_free char *text = json_dumps(body, JSON_COMPACT);

	if (text == NULL)
		die("json_dumps");
	return send_call(engine, &CREATE, path, text, done);
}

struct engine_call *
engine_inspect(struct engine *engine, const char *id, struct engine_done done)
{
	auto_free char *path = make_path(engine, "/containers/", id, "/json");

	return send_call(engine, &INSPECT, path, NULL, done);
}

struct engine_call *
engine_start(struct engine *engine, const char *id, struct engine_done done)
{
	auto_free char *path = make_path(engine, "/containers/", id, "/start");

	return send_call(engine, &START, path, NULL, done);
}

struct engine_call *
engine_update(struct engine *engine, const char *id, const json_t *body,
    struct engine_done done)
{
	auto_free char *path = make_path(engine, "/containers/", id, "/update");
	auto_free char *text = json_dumps(body, JSON_COMPACT);

	if (text == NULL)
		die("json_dumps");
	return send_call(engine, &UPDATE, path, text, done);
}

struct engine_call *
engine_kill(struct engine *engine, const char *id, struct engine_done done)
{
	auto_free char *path =
	    make_path(engine, "/containers/", id, "/kill?signal=KILL");

	return send_call(engine, &KILL, path, NULL, done);
}

struct engine_call *
engine_remove(struct engine *engine, const char *id, struct engine_done done)
{
	auto_free char *path =
	    make_path(engine, "/containers/", id, "?v=1&force=1");

	return send_call(engine, &REMOVE, path, NULL, done);
}

struct engine_call *
engine_list(struct engine *engine, const char *label, const char *value,
    struct engine_done done)
{
	auto_json *filters =
	    json_pack("{s:[o]}", "label", json_sprintf("%s=%s", label, value));
	auto_free char *text = json_dumps(filters, JSON_COMPACT);
	auto_free char *path = NULL;

	if (text == NULL)
		die("json_dumps");
	path = make_path(engine, "/containers/json?all=1&filters=", text, "");
	return send_call(engine, &LIST, path, NULL, done);
}

static void
open_stream(void *arg)
{
	struct engine_call *call = arg;

	call->listener.opened(call->listener.arg);
}

/* The listener may cancel the call, or free the engine, at each event. */
static void
read_stream(void *arg, const char *data, size_t len)
{
	struct engine_call *call = arg;
	bool forgotten = false;
	json_t *event = NULL;

	call->forgotten = &forgotten;
	event_reader_feed(&call->reader, data, len);
	while (!forgotten && event_reader_next(&call->reader, &event)) {
		call->listener.event(call->listener.arg, event);
		json_decref(event);
	}
	if (!forgotten)
		call->forgotten = NULL;
}

static void
finish_stream(
    void *arg, const struct http_answer *answer, const struct err *failure)
{
	struct engine_call *call = arg;
	struct engine_listener listener = call->listener;
	struct err err = {0};

	if (answer != NULL)
		explain_status(answer, &err);
	else
		err = *failure;
	err_prefix(&err, "the engine's events");
	forget_call(call);
	listener.ended(listener.arg, &err);
}

/* The engine's clock is ours, and it keeps a few events: with a moment that
 * has passed none is missed between our request and its listening. */
#define EVENTS_SINCE_S 2

struct engine_call *
engine_events(struct engine *engine, const char *type,
    const struct engine_listener *listener)
{
	struct engine_call *call =
	    add_call(engine, (struct engine_done){NULL, NULL});
	auto_json *filters = json_pack("{s:[s]}", "type", type);
	auto_free char *text = json_dumps(filters, JSON_COMPACT);
	auto_free char *before = alloc_printf("/events?since=%lld&filters=",
	    (long long)(clock_wall_ms() / 1000 - EVENTS_SINCE_S));
	auto_free char *path = make_path(engine, before, text, "");
	struct http_request request = {
	    .method = EVENTS.method,
	    .path = path,
	    .answer_max = EVENTS.answer_max,
	    .timeout_ms = EVENTS.timeout_ms,
	    .opened = open_stream,
	    .data = read_stream,
	    .done = finish_stream,
	    .arg = call,
	};

	call->listener = *listener;
	event_reader_init(&call->reader);
	call->http = http_send(engine->http, &request);
	return call;
}
