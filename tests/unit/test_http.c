/*
 * The HTTP client against a socket that says what a test wants: bounds,
 * deadlines, ends in the middle. What it means to the engine is tried against
 * a real one.
 */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/alloc.h"
#include "lib/buffer.h"
#include "lib/cleanup.h"
#include "runner/http.h"
#include "tests/unit/child.h"
#include "tests/unit/folder.h"

#define OK_HEAD "HTTP/1.1 200 OK\r\nContent-Length: "

/* A server in a process of its own: to every request the same bytes. */
struct server {
	char *path;
	pid_t pid;
};

static _Noreturn void
answer_all(int client, const char *answer)
{
	char request[65536];
	ssize_t n;

	while ((n = recv(client, request, sizeof(request) - 1, 0)) > 0) {
		request[n] = '\0';
		/* Requests here are small: one piece each. */
		if (answer == NULL)
			pause();
		if (send(client, answer, strlen(answer), MSG_NOSIGNAL) < 0 ||
		    strstr(answer, "close") != NULL)
			break;
	}
	_exit(0);
}

static void
server_start(struct server *server, const char *folder, const char *answer)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	pid_t test = getpid(), self;

	server->path = folder_path(folder, "socket");
	snprintf(
	    address.sun_path, sizeof(address.sun_path), "%s", server->path);
	assert_int_equal(
	    bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 8), 0);
	server->pid = fork();
	assert_true(server->pid >= 0);
	if (server->pid == 0) {
		child_follow(test);
		signal(SIGCHLD, SIG_IGN);
		self = getpid();
		for (;;) {
			int client = accept(fd, NULL, NULL);

			if (fork() == 0) {
				child_follow(self);
				answer_all(client, answer);
			}
			close(client);
		}
	}
	close(fd);
}

static void
server_stop(struct server *server)
{
	if (server->pid > 0) {
		kill(server->pid, SIGKILL);
		waitpid(server->pid, NULL, 0);
	}
	unlink(server->path);
	free(server->path);
}

struct result {
	uv_loop_t *loop;
	struct http *http;
	int calls;
	int status;
	enum err_code code;
	struct buffer body;
	bool free_within;
};

static void
on_done(void *arg, const struct http_answer *answer, const struct err *err)
{
	struct result *result = arg;

	result->calls++;
	result->code = answer == NULL ? err->code : ERR_NONE;
	result->status = answer == NULL ? 0 : answer->status;
	if (answer != NULL) {
		assert_int_equal(strlen(answer->body), answer->len);
		buffer_append(&result->body, answer->body, answer->len);
	}
	if (result->free_within) {
		http_free(result->http);
		result->http = NULL;
	}
}

static struct http_request
make_request(struct result *result)
{
	return (struct http_request){
	    .method = "GET",
	    .path = "/x",
	    .answer_max = 64,
	    .timeout_ms = 20000,
	    .done = on_done,
	    .arg = result,
	};
}

/* One request to a server that always answers so. */
static void
ask(void **state, const char *answer, long timeout_ms, struct result *result)
{
	AUTO(server_stop) struct server server = {0};
	struct http_request request = make_request(result);
	uv_loop_t loop;

	server_start(&server, *state, answer);
	uv_loop_init(&loop);
	result->body.max = 1 << 20;
	result->http = http_new(&loop, server.path);
	request.timeout_ms = timeout_ms;
	assert_non_null(http_send(result->http, &request));
	/* Never from within the call. */
	assert_int_equal(result->calls, 0);
	while (result->calls == 0)
		uv_run(&loop, UV_RUN_ONCE);
	http_free(result->http);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
	assert_int_equal(result->calls, 1);
}

static void
result_done(struct result *result)
{
	buffer_done(&result->body);
}
#define RESULT AUTO(result_done) struct result

static void
test_an_answer_comes_with_status_and_body(void **state)
{
	RESULT r = {0};

	ask(state, "HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nhello",
	    20000, &r);
	assert_int_equal(r.status, 404);
	assert_string_equal(r.body.data, "hello");
}

static void
test_an_answer_in_chunks_is_put_together(void **state)
{
	RESULT r = {0};

	ask(state,
	    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	    "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
	    20000, &r);
	assert_string_equal(r.body.data, "abcde");
}

static void
test_an_answer_of_the_maximum_passes_and_one_more_does_not(void **state)
{
	static const char sixty_four[] =
	    OK_HEAD "64\r\n\r\n0123456789abcdef0123456789abcdef"
		    "0123456789abcdef0123456789abcdef";
	static const char sixty_five[] =
	    OK_HEAD "65\r\n\r\n0123456789abcdef0123456789abcdef"
		    "0123456789abcdef0123456789abcdefX";
	RESULT most = {0};
	RESULT more = {0};

	ask(state, sixty_four, 20000, &most);
	assert_int_equal(most.status, 200);
	assert_int_equal(most.body.len, 64);
	ask(state, sixty_five, 20000, &more);
	assert_int_equal(more.code, ERR_TOO_LARGE);
}

static void
test_a_server_that_says_nothing_is_timed_out(void **state)
{
	RESULT r = {0};

	ask(state, NULL, 50, &r);
	assert_int_equal(r.code, ERR_TIMEOUT);
}

static void
test_an_answer_that_stops_in_the_middle_is_no_answer(void **state)
{
	RESULT r = {0};

	ask(state, OK_HEAD "10\r\nConnection: close\r\n\r\nhalf", 20000, &r);
	assert_int_equal(r.code, ERR_UNAVAILABLE);
}

static void
test_what_is_not_http_is_no_answer(void **state)
{
	RESULT r = {0};

	ask(state, "220 mail.example close\r\n", 20000, &r);
	assert_int_equal(r.code, ERR_UNAVAILABLE);
}

static void
test_a_socket_that_is_not_there_is_unavailable(void **state)
{
	auto_free char *path = folder_path(*state, "nothing");
	struct result r = {0};
	struct http_request request = make_request(&r);
	uv_loop_t loop;

	uv_loop_init(&loop);
	r.http = http_new(&loop, path);
	http_send(r.http, &request);
	while (r.calls == 0)
		uv_run(&loop, UV_RUN_ONCE);
	assert_int_equal(r.code, ERR_UNAVAILABLE);
	http_free(r.http);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
}

static void
test_the_client_may_be_freed_from_within_an_answer(void **state)
{
	RESULT r = {.free_within = true};

	ask(state, OK_HEAD "0\r\n\r\n", 20000, &r);
	assert_int_equal(r.status, 200);
	assert_null(r.http);
}

static void
test_calls_that_are_cancelled_or_dropped_are_never_answered(void **state)
{
	AUTO(server_stop) struct server server = {0};
	struct result r = {0};
	struct http_request request = make_request(&r);
	struct http_call *call;
	uv_loop_t loop;

	server_start(&server, *state, NULL);
	uv_loop_init(&loop);
	r.http = http_new(&loop, server.path);
	call = http_send(r.http, &request);
	http_send(r.http, &request);
	uv_run(&loop, UV_RUN_NOWAIT);
	http_cancel(call);
	uv_run(&loop, UV_RUN_NOWAIT);
	http_free(r.http);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
	assert_int_equal(r.calls, 0);
}

#define STREAM_HEAD "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

/* What an answer without end did. */
enum act { NOTHING, CANCEL, FREE };

struct flow {
	struct http *http;
	struct http_call *call;
	struct result result;
	int opened;
	size_t most; /* bytes told at once */
	int when_opened, when_told; /* enum act */
};

static void
act_within(struct flow *flow, int what)
{
	if (what == CANCEL)
		http_cancel(flow->call);
	if (what == FREE) {
		http_free(flow->http);
		flow->http = NULL;
	}
}

static void
on_opened(void *arg)
{
	struct flow *flow = arg;

	assert_int_equal(flow->result.body.len, 0);
	flow->opened++;
	act_within(flow, flow->when_opened);
}

static void
on_data(void *arg, const char *data, size_t len)
{
	struct flow *flow = arg;

	assert_int_equal(flow->opened, 1);
	assert_true(len > 0);
	if (len > flow->most)
		flow->most = len;
	buffer_append(&flow->result.body, data, len);
	act_within(flow, flow->when_told);
}

static void
on_over(void *arg, const struct http_answer *answer, const struct err *err)
{
	struct flow *flow = arg;

	on_done(&flow->result, answer, err);
}

/* Until it has ended, or so many bytes have been told. */
static void
flow_run(void **state, const char *answer, size_t bytes, struct flow *flow)
{
	AUTO(server_stop) struct server server = {0};
	const struct http_request request = {
	    .method = "GET",
	    .path = "/x",
	    .answer_max = 64,
	    .opened = on_opened,
	    .data = on_data,
	    .done = on_over,
	    .arg = flow,
	};
	uv_loop_t loop;

	server_start(&server, *state, answer);
	uv_loop_init(&loop);
	flow->result.body.max = 4 << 20;
	flow->http = http_new(&loop, server.path);
	flow->call = http_send(flow->http, &request);
	while (flow->result.calls == 0 && flow->result.body.len < bytes &&
	    (flow->when_opened == NOTHING || flow->opened == 0))
		uv_run(&loop, UV_RUN_ONCE);
	http_free(flow->http);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
}

static void
flow_done(struct flow *flow)
{
	buffer_done(&flow->result.body);
}
#define FLOW AUTO(flow_done) struct flow

static void
test_a_stream_tells_what_comes_while_it_goes_on(void **state)
{
	FLOW flow = {0};

	flow_run(state, STREAM_HEAD "3\r\nabc\r\n2\r\nde\r\n", 5, &flow);
	assert_int_equal(flow.opened, 1);
	assert_string_equal(flow.result.body.data, "abcde");
	assert_int_equal(flow.result.calls, 0);
}

static void
test_the_end_of_a_stream_is_told_behind_its_bytes(void **state)
{
	FLOW flow = {0};

	flow_run(state, STREAM_HEAD "3\r\nabc\r\n0\r\n\r\n", SIZE_MAX, &flow);
	assert_string_equal(flow.result.body.data, "abc");
	assert_int_equal(flow.result.calls, 1);
	assert_int_equal(flow.result.code, ERR_UNAVAILABLE);
}

static void
test_a_stream_that_breaks_off_has_ended(void **state)
{
	FLOW flow = {0};

	flow_run(state,
	    "HTTP/1.1 200 OK\r\nConnection: close\r\n"
	    "Content-Length: 9\r\n\r\nabc",
	    SIZE_MAX, &flow);
	assert_string_equal(flow.result.body.data, "abc");
	assert_int_equal(flow.result.code, ERR_UNAVAILABLE);
}

static void
test_a_stream_that_is_refused_is_an_answer_within_its_bound(void **state)
{
	FLOW flow = {0};
	FLOW more = {0};

	flow_run(state,
	    "HTTP/1.1 400 Bad Request\r\nContent-Length: 5\r\n\r\nhello",
	    SIZE_MAX, &flow);
	assert_int_equal(flow.opened, 0);
	assert_int_equal(flow.result.status, 400);
	assert_string_equal(flow.result.body.data, "hello");
	flow_run(state,
	    "HTTP/1.1 400 Bad Request\r\nContent-Length: 65\r\n\r\n"
	    "0123456789abcdef0123456789abcdef"
	    "0123456789abcdef0123456789abcdefX",
	    SIZE_MAX, &more);
	assert_int_equal(more.opened, 0);
	assert_int_equal(more.result.code, ERR_TOO_LARGE);
}

static void
test_a_stream_faster_than_its_reader_is_held_back_not_kept(void **state)
{
	size_t len = 3 << 20;
	auto_buffer answer = BUFFER_INIT(SIZE_MAX);
	auto_free char *body = alloc_zero(len + 1, 1);
	FLOW flow = {0};

	for (size_t k = 0; k < len; k++)
		body[k] = (char)('a' + k % 23);
	buffer_printf(&answer, STREAM_HEAD "%zx\r\n%s\r\n0\r\n\r\n", len, body);
	flow_run(state, answer.data, SIZE_MAX, &flow);
	assert_int_equal(flow.result.code, ERR_UNAVAILABLE);
	assert_int_equal(flow.result.body.len, len);
	assert_memory_equal(flow.result.body.data, body, len);
	assert_true(flow.most <= HTTP_PIECE_MAX);
}

static void
test_a_stream_may_be_cancelled_or_freed_from_within_what_it_tells(void **state)
{
	static const char answer[] = STREAM_HEAD "3\r\nabc\r\n2\r\nde\r\n";

	for (int what = CANCEL; what <= FREE; what++) {
		FLOW opened = {.when_opened = what};
		FLOW told = {.when_told = what};

		flow_run(state, answer, SIZE_MAX, &opened);
		assert_int_equal(opened.result.body.len, 0);
		assert_int_equal(opened.result.calls, 0);
		flow_run(state, answer, 1, &told);
		assert_int_equal(told.result.calls, 0);
	}
}

static void
test_no_environment_variable_leads_elsewhere(void **state)
{
	RESULT r = {0};

	setenv("http_proxy", "http://127.0.0.1:9", 1);
	setenv("ALL_PROXY", "socks5://127.0.0.1:9", 1);
	ask(state, OK_HEAD "2\r\n\r\nok", 20000, &r);
	unsetenv("http_proxy");
	unsetenv("ALL_PROXY");
	assert_string_equal(r.body.data, "ok");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		test_an_answer_comes_with_status_and_body, folder_make,
		folder_remove),
	    cmocka_unit_test_setup_teardown(
		test_an_answer_in_chunks_is_put_together, folder_make,
		folder_remove),
	    cmocka_unit_test_setup_teardown(
		test_an_answer_of_the_maximum_passes_and_one_more_does_not,
		folder_make, folder_remove),
	    cmocka_unit_test_setup_teardown(
		test_a_server_that_says_nothing_is_timed_out, folder_make,
		folder_remove),
	    cmocka_unit_test_setup_teardown(
		test_an_answer_that_stops_in_the_middle_is_no_answer,
		folder_make, folder_remove),
	    cmocka_unit_test_setup_teardown(
		test_what_is_not_http_is_no_answer, folder_make, folder_remove),
	    cmocka_unit_test_setup_teardown(
		test_a_socket_that_is_not_there_is_unavailable, folder_make,
		folder_remove),
	    cmocka_unit_test_setup_teardown(
		test_the_client_may_be_freed_from_within_an_answer, folder_make,
		folder_remove),
	    cmocka_unit_test_setup_teardown(
		test_calls_that_are_cancelled_or_dropped_are_never_answered,
		folder_make, folder_remove),
	    cmocka_unit_test_setup_teardown(
		test_a_stream_tells_what_comes_while_it_goes_on, folder_make,
		folder_remove),
	    cmocka_unit_test_setup_teardown(
		test_the_end_of_a_stream_is_told_behind_its_bytes, folder_make,
		folder_remove),
	    cmocka_unit_test_setup_teardown(
		test_a_stream_that_breaks_off_has_ended, folder_make,
		folder_remove),
	    cmocka_unit_test_setup_teardown(
		test_a_stream_that_is_refused_is_an_answer_within_its_bound,
		folder_make, folder_remove),
	    cmocka_unit_test_setup_teardown(
		test_a_stream_faster_than_its_reader_is_held_back_not_kept,
		folder_make, folder_remove),
	    cmocka_unit_test_setup_teardown(
		test_a_stream_may_be_cancelled_or_freed_from_within_what_it_tells,
		folder_make, folder_remove),
	    cmocka_unit_test_setup_teardown(
		test_no_environment_variable_leads_elsewhere, folder_make,
		folder_remove),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
