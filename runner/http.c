/*
 * The glue between libcurl and libuv. libcurl says which descriptors to watch
 * for what and when its next timeout is; it is told what happened. What the
 * server sends is kept up to a bound and never interpreted here.
 */
#include "runner/http.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/buffer.h"
#include "lib/cleanup.h"

struct http {
	uv_loop_t *loop;
	CURLM *multi;
	uv_timer_t timer;
	char *socket_path;
	struct curl_slist *headers;
	struct http_call *calls;
	/* Inside libcurl its handles must not be removed. */
	unsigned depth;
	bool freed;
	bool streamed; /* a stream has something to tell */
};

struct http_call {
	struct http *http;
	struct http_call *next, **link;
	CURL *easy;
	struct buffer answer; /* of a stream: what has not been told yet */
	void (*opened)(void *arg);
	void (*data)(void *arg, const char *data, size_t len);
	bool is_open; /* a stream, which has begun */
	bool told_open;
	bool paused; /* until what there is has been told */
	void (*done)(
	    void *arg, const struct http_answer *answer, const struct err *err);
	void *arg;
};

/* One descriptor of libcurl's. */
struct watch {
	uv_poll_t poll;
	struct http *http;
	curl_socket_t fd;
};

static void
check(CURLMcode code, const char *what)
{
	if (code != CURLM_OK)
		die("%s: %s", what, curl_multi_strerror(code));
}

static void
set_option(CURLcode code)
{
	/* Only wrong options and lack of memory come to this. */
	if (code != CURLE_OK)
		die("curl_easy_setopt: %s", curl_easy_strerror(code));
}

/* Calls come from within libcurl here, where theirs must not be removed: what
 * they are told waits until it has returned. */
static size_t
receive_header(char *data, size_t size, size_t count, void *arg)
{
	struct http_call *call = arg;
	long status = 0;

	(void)data;
	curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
	/* The empty line is the last. */
	if (call->data != NULL && status == 200 && size * count <= 2) {
		call->is_open = true;
		call->answer.max = HTTP_PIECE_MAX;
		call->http->streamed = true;
	}
	return size * count;
}

static size_t
receive_stream(struct http_call *call, const char *data, size_t len)
{
	/* It comes again. One piece of libcurl's always fits. */
	if (call->answer.len + len > call->answer.max) {
		call->paused = true;
		return CURL_WRITEFUNC_PAUSE;
	}
	buffer_append(&call->answer, data, len);
	call->http->streamed = true;
	return len;
}

static size_t
receive_body(char *data, size_t size, size_t count, void *arg)
{
	struct http_call *call = arg;

	if (call->is_open)
		return receive_stream(call, data, size * count);
	buffer_append(&call->answer, data, size * count);
	/* Any other number ends the transfer with CURLE_WRITE_ERROR. */
	return call->answer.full ? 0 : size * count;
}

static void
forget_call(struct http_call *call)
{
	check(curl_multi_remove_handle(call->http->multi, call->easy),
	    "curl_multi_remove_handle");
	curl_easy_cleanup(call->easy);
	*call->link = call->next;
	if (call->next != NULL)
		call->next->link = call->link;
	buffer_done(&call->answer);
	free(call);
}

static void
explain(const struct http_call *call, CURLcode code, struct err *err)
{
	if (call->answer.full)
		err_set(err, ERR_TOO_LARGE, "an answer of more than %zu bytes",
		    call->answer.max);
	else if (code == CURLE_OPERATION_TIMEDOUT)
		err_set(err, ERR_TIMEOUT, "no answer in time");
	else
		err_set(err, ERR_UNAVAILABLE, "%s: %s", call->http->socket_path,
		    curl_easy_strerror(code));
}

static void
finish_call(struct http_call *call, CURLcode code)
{
	void (*done)(void *, const struct http_answer *, const struct err *) =
	    call->done;
	void *arg = call->arg;
	struct http_answer answer = {0};
	struct err err = {0};
	long status = 0;

	if (code == CURLE_OK && call->is_open)
		err_set(&err, ERR_UNAVAILABLE, "%s: the stream has ended",
		    call->http->socket_path);
	else if (code != CURLE_OK)
		explain(call, code, &err);
	if (err.code != ERR_NONE) {
		forget_call(call);
		done(arg, NULL, &err);
		return;
	}
	curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
	answer.status = (int)status;
	answer.len = call->answer.len;
	auto_free char *body = buffer_take(&call->answer);
	answer.body = body;
	/* The callee may send, cancel and even free us. */
	forget_call(call);
	done(arg, &answer, NULL);
}

static void
finish_calls(struct http *http)
{
	CURLMsg *message;
	int left;

	while (!http->freed &&
	    (message = curl_multi_info_read(http->multi, &left)) != NULL) {
		struct http_call *call = NULL;

		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(
		    message->easy_handle, CURLINFO_PRIVATE, &call);
		finish_call(call, message->data.result);
	}
}

/* Something of this call is to be told, and is told. The callee may do to its
 * call and to us whatever it likes. */
static bool
tell_call(struct http_call *call)
{
	if (call->is_open && !call->told_open) {
		call->told_open = true;
		call->opened(call->arg);
		return true;
	}
	if (!call->is_open || call->answer.len == 0)
		return false;
	size_t len = call->answer.len;
	auto_free char *data = buffer_take(&call->answer);

	call->data(call->arg, data, len);
	return true;
}

/* From the front again whenever somebody was told: the list may be another. */
static void
tell_streams(struct http *http)
{
	struct http_call *call = http->calls;

	while (!http->freed && call != NULL)
		call = tell_call(call) ? http->calls : call->next;
}

/* What was held back comes from within curl_easy_pause(). */
static void
resume_streams(struct http *http)
{
	for (struct http_call *call = http->calls; call != NULL;
	     call = call->next) {
		if (!call->paused)
			continue;
		call->paused = false;
		curl_easy_pause(call->easy, CURLPAUSE_CONT);
	}
}

static void
serve_streams(struct http *http)
{
	while (http->streamed && !http->freed) {
		http->streamed = false;
		tell_streams(http);
		if (!http->freed)
			resume_streams(http);
	}
}

static void
free_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void
destroy(struct http *http)
{
	for (struct http_call *call = http->calls, *next; call != NULL;
	     call = next) {
		next = call->next;
		forget_call(call);
	}
	curl_multi_cleanup(http->multi);
	curl_slist_free_all(http->headers);
	free(http->socket_path);
	uv_close((uv_handle_t *)&http->timer, free_closed);
}

/* Between enter and leave http stays, whatever the callbacks do. */
static void
act(struct http *http, curl_socket_t fd, int what)
{
	int running;

	http->depth++;
	check(curl_multi_socket_action(http->multi, fd, what, &running),
	    "curl_multi_socket_action");
	serve_streams(http);
	finish_calls(http);
	http->depth--;
	if (http->freed && http->depth == 0)
		destroy(http);
}

static void
on_ready(uv_poll_t *poll, int status, int events)
{
	struct watch *watch = poll->data;
	int what = 0;

	if (status < 0)
		what |= CURL_CSELECT_ERR;
	if ((events & UV_READABLE) != 0)
		what |= CURL_CSELECT_IN;
	if ((events & UV_WRITABLE) != 0)
		what |= CURL_CSELECT_OUT;
	act(watch->http, watch->fd, what);
}

static struct watch *
start_watch(struct http *http, curl_socket_t fd)
{
	struct watch *watch = alloc_zero(1, sizeof(*watch));

	watch->http = http;
	watch->fd = fd;
	watch->poll.data = watch;
	if (uv_poll_init_socket(http->loop, &watch->poll, fd) != 0)
		die("uv_poll_init_socket");
	check(curl_multi_assign(http->multi, fd, watch), "curl_multi_assign");
	return watch;
}

static int
on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
	struct http *http = arg;
	struct watch *watch = socket_arg;
	int events = 0;

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		if (watch == NULL)
			return 0;
		check(curl_multi_assign(http->multi, fd, NULL),
		    "curl_multi_assign");
		uv_poll_stop(&watch->poll);
		uv_close((uv_handle_t *)&watch->poll, free_closed);
		return 0;
	}
	if (watch == NULL)
		watch = start_watch(http, fd);
	if (what == CURL_POLL_IN || what == CURL_POLL_INOUT)
		events |= UV_READABLE;
	if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT)
		events |= UV_WRITABLE;
	uv_poll_start(&watch->poll, events, on_ready);
	return 0;
}

static void
on_timer(uv_timer_t *timer)
{
	act(timer->data, CURL_SOCKET_TIMEOUT, 0);
}

static int
on_timeout(CURLM *multi, long timeout_ms, void *arg)
{
	struct http *http = arg;

	(void)multi;
	if (timeout_ms < 0)
		uv_timer_stop(&http->timer);
	else
		uv_timer_start(&http->timer, on_timer, (uint64_t)timeout_ms, 0);
	return 0;
}

struct http *
http_new(uv_loop_t *loop, const char *socket_path)
{
	struct http *http = alloc_zero(1, sizeof(*http));

	if (curl_global_init(CURL_GLOBAL_NOTHING) != CURLE_OK)
		die("curl_global_init");
	http->loop = loop;
	http->socket_path = alloc_string(socket_path);
	http->multi = curl_multi_init();
	/* No "Expect: 100-continue": it costs a round trip. */
	http->headers = curl_slist_append(http->headers, "Expect:");
	http->headers =
	    curl_slist_append(http->headers, "Content-Type: application/json");
	if (http->multi == NULL || http->headers == NULL)
		die("curl_multi_init");
	uv_timer_init(loop, &http->timer);
	http->timer.data = http;
	curl_multi_setopt(http->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(http->multi, CURLMOPT_SOCKETDATA, http);
	curl_multi_setopt(http->multi, CURLMOPT_TIMERFUNCTION, on_timeout);
	curl_multi_setopt(http->multi, CURLMOPT_TIMERDATA, http);
	curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, 8L);
	return http;
}

void
http_free(struct http *http)
{
	if (http == NULL || http->freed)
		return;
	http->freed = true;
	if (http->depth == 0)
		destroy(http);
}

static void
set_options(struct http_call *call, const struct http_request *request)
{
	CURL *easy = call->easy;
	auto_free char *url = alloc_printf("http://engine%s", request->path);

	set_option(curl_easy_setopt(easy, CURLOPT_URL, url));
	set_option(curl_easy_setopt(
	    easy, CURLOPT_UNIX_SOCKET_PATH, call->http->socket_path));
	set_option(curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http"));
	/* No environment variable leads us elsewhere. */
	set_option(curl_easy_setopt(easy, CURLOPT_PROXY, ""));
	set_option(curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L));
	set_option(curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L));
	set_option(
	    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, call->http->headers));
	set_option(
	    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, request->timeout_ms));
	set_option(curl_easy_setopt(easy, CURLOPT_PRIVATE, call));
	set_option(curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, receive_body));
	set_option(curl_easy_setopt(easy, CURLOPT_WRITEDATA, call));
	set_option(
	    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, receive_header));
	set_option(curl_easy_setopt(easy, CURLOPT_HEADERDATA, call));
	if (strcmp(request->method, "POST") == 0) {
		const char *body = request->body != NULL ? request->body : "";

		set_option(curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
		    (curl_off_t)strlen(body)));
		set_option(
		    curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, body));
	} else if (strcmp(request->method, "GET") != 0) {
		set_option(curl_easy_setopt(
		    easy, CURLOPT_CUSTOMREQUEST, request->method));
	}
}

struct http_call *
http_send(struct http *http, const struct http_request *request)
{
	struct http_call *call = alloc_zero(1, sizeof(*call));

	call->http = http;
	call->answer.max = request->answer_max;
	call->opened = request->opened;
	call->data = request->data;
	call->done = request->done;
	call->arg = request->arg;
	call->easy = curl_easy_init();
	if (call->easy == NULL)
		die("curl_easy_init");
	call->next = http->calls;
	call->link = &http->calls;
	if (call->next != NULL)
		call->next->link = &call->next;
	http->calls = call;
	set_options(call, request);
	check(curl_multi_add_handle(http->multi, call->easy),
	    "curl_multi_add_handle");
	return call;
}

void
http_cancel(struct http_call *call)
{
	forget_call(call);
}
