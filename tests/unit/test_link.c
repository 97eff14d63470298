/*
 * The connection to the runner, with this test as the runner at its other end:
 * a real socket, real packets, and all that a runner could do wrong.
 */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/link.h"
#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/json.h"
#include "lib/packet.h"
#include "tests/unit/folder.h"

#define DEADLINE_MS 20000
#define STATE                                                     \
	"{\"type\": \"state\", \"ready\": true, \"reasons\": []," \
	" \"queued\": 4, \"running\": 5, \"capacity\": 6,"        \
	" \"warm\": 7, \"warming\": 8, \"counters\": {}}"
#define WELCOME "{\"type\": \"welcome\", \"version\": 1, \"runner\": \"r\"}"

struct bench {
	uv_loop_t loop;
	struct link *link;
	int listener, runner; /* -1: none */
	unsigned answers, begins;
	int64_t received; /* as the last failure says */
	int64_t run_us; /* as the last reply says */
	int pipe; /* of the last begin; -1: none */
	enum err_code code; /* of the last failure; NONE: a reply */
	int64_t status;
	unsigned connected, lost;
	unsigned enforced; /* changes of what is revoked */
	unsigned welcomes;
	int64_t order; /* the last that came; 0: none */
};

static void
on_change(void *arg, bool connected)
{
	struct bench *bench = arg;

	if (connected)
		bench->connected++;
	else
		bench->lost++;
}

static void
on_answer(void *arg, const struct link_answer *answer)
{
	struct bench *bench = arg;

	bench->answers++;
	bench->code =
	    answer->failure == NULL ? ERR_NONE : answer->failure->code;
	bench->status = answer->status;
	bench->received = answer->received;
	bench->run_us = answer->timing.run_us;
}

static void
on_begin(void *arg, int *fd)
{
	struct bench *bench = arg;

	bench->begins++;
	bench->pipe = take_fd(*fd);
}

static int64_t
give_end(void *arg)
{
	(void)arg;
	return 2000000000;
}

static void
on_welcome(void *arg)
{
	struct bench *bench = arg;

	bench->welcomes++;
}

static void
on_order(void *arg, int64_t order)
{
	struct bench *bench = arg;

	bench->order = order;
}

static const struct link_orders orders = {
    .certificate_not_after = give_end,
    .connected = on_welcome,
    .reload = on_order,
};

static bool
has_input(int fd)
{
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

	return poll(&poll_fd, 1, 0) == 1;
}

/* Turns the loop until the condition holds. */
#define TURN_UNTIL(bench, condition)                               \
	do {                                                       \
		int64_t end_ms = clock_boot_ms() + DEADLINE_MS;    \
		while (!(condition)) {                             \
			uv_run(&(bench)->loop, UV_RUN_NOWAIT);     \
			if (clock_boot_ms() > end_ms)              \
				fail_msg("never: %s", #condition); \
		}                                                  \
	} while (0)

static json_t *
receive(struct bench *bench)
{
	AUTO(packet_done) struct packet packet = {0};
	struct err err = {0};

	TURN_UNTIL(bench, has_input(bench->runner));
	assert_int_equal(
	    packet_receive(bench->runner, &packet, &err), PACKET_OK);
	json_t *json = json_loads(packet.data, 0, NULL);

	assert_non_null(json);
	return json;
}

static void
say(struct bench *bench, const char *text)
{
	struct err err = {0};

	assert_int_equal(
	    packet_send(bench->runner, text, strlen(text), NULL, 0, &err),
	    PACKET_OK);
}

static void
accept_link(struct bench *bench)
{
	TURN_UNTIL(bench, has_input(bench->listener));
	bench->runner = accept4(bench->listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(bench->runner >= 0);
}

static void
hang_up(struct bench *bench)
{
	close(bench->runner);
	bench->runner = -1;
}

/* Up to the first state. */
static void
shake_hands(struct bench *bench)
{
	unsigned before = bench->connected;

	accept_link(bench);
	auto_json *hello = receive(bench);

	assert_string_equal(
	    json_string_value(json_object_get(hello, "type")), "hello");
	assert_string_equal(
	    json_string_value(json_object_get(hello, "role")), "gateway");
	assert_int_equal(
	    json_integer_value(json_object_get(hello, "version")), 1);
	say(bench, WELCOME);
	say(bench, STATE);
	TURN_UNTIL(bench, bench->connected == before + 1);
	assert_int_equal(link_state(bench->link)->process, getpid());
	TURN_UNTIL(bench, link_state(bench->link)->said.reasons != NULL);
}

static void
open_bench(struct bench *bench, const char *folder, uid_t uid)
{
	auto_free char *path = folder_path(folder, "gateway.sock");
	struct err err = {0};

	*bench = (struct bench){.runner = -1, .pipe = -1};
	assert_int_equal(
	    packet_listen(folder, "gateway.sock", 0600, &bench->listener, &err),
	    0);
	assert_int_equal(uv_loop_init(&bench->loop), 0);
	bench->link = link_open(&bench->loop, path, uid);
	link_on_change(bench->link, on_change, bench);
}

static void
close_bench(struct bench *bench)
{
	link_close(bench->link);
	if (bench->runner >= 0)
		close(bench->runner);
	close(bench->listener);
	if (bench->pipe >= 0)
		close(bench->pipe);
	uv_run(&bench->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&bench->loop), 0);
}

static uint64_t
ask(struct bench *bench, int64_t timeout_s)
{
	auto_json *members = json_pack("{s:s}", "task", "x");
	const struct link_question question = {.type = MESSAGE_get,
	    .members = members,
	    .fd = -1,
	    .timeout_s = timeout_s};
	uint64_t request = 0;
	struct err err = {0};

	if (link_ask(bench->link, &question, on_answer, bench, &request, &err) <
	    0)
		fail_msg("%s", err.detail);
	return request;
}

static void
say_list(struct bench *bench, int64_t change, const char *list)
{
	auto_free char *text = alloc_printf(
	    "{\"type\": \"revocations\", \"change\": %lld}", (long long)change);
	auto_fd int fd = -1;
	struct err err = {0};

	assert_int_equal(packet_seal(list, strlen(list), &fd, &err), 0);
	assert_int_equal(
	    packet_send(bench->runner, text, strlen(text), &fd, 1, &err),
	    PACKET_OK);
}

static size_t
on_revocation(void *arg)
{
	struct bench *bench = arg;

	return ++bench->enforced;
}

static void
expect_confirmation(struct bench *bench, int64_t change, int64_t closed)
{
	auto_json *said = receive(bench);

	assert_string_equal(
	    json_string_value(json_object_get(said, "type")), "revoked");
	assert_int_equal(
	    json_integer_value(json_object_get(said, "change")), change);
	assert_int_equal(
	    json_integer_value(json_object_get(said, "closed")), closed);
}

static int64_t
number_of(const json_t *message)
{
	return json_integer_value(json_object_get(message, "request"));
}

static void
reply(struct bench *bench, int64_t request)
{
	auto_free char *text = alloc_printf(
	    "{\"type\": \"reply\", \"request\": %lld, \"status\": 200}",
	    (long long)request);

	say(bench, text);
}

static void
test_a_question_is_answered(void **state)
{
	struct bench bench;

	open_bench(&bench, *state, getuid());
	shake_hands(&bench);
	assert_int_equal(link_state(bench.link)->said.capacity, 6);
	assert_int_equal(link_state(bench.link)->said.warm, 7);
	assert_int_equal(link_state(bench.link)->said.warming, 8);
	uint64_t request = ask(&bench, 30);
	auto_json *message = receive(&bench);

	assert_string_equal(
	    json_string_value(json_object_get(message, "task")), "x");
	assert_int_equal(number_of(message), request);
	reply(&bench, number_of(message));
	TURN_UNTIL(&bench, bench.answers == 1);
	assert_int_equal(bench.status, 200);
	/* A second answer to it is nobody's. */
	reply(&bench, number_of(message));
	request = ask(&bench, 30);
	auto_json *second = receive(&bench);

	reply(&bench, number_of(second));
	TURN_UNTIL(&bench, bench.answers == 2);
	close_bench(&bench);
}

static void
test_answers_may_come_in_any_order(void **state)
{
	enum { MANY = 200 };
	struct bench bench;
	int64_t numbers[MANY];

	open_bench(&bench, *state, getuid());
	shake_hands(&bench);
	for (int i = 0; i < MANY; i++) {
		ask(&bench, 30);
		auto_json *message = receive(&bench);

		numbers[i] = number_of(message);
	}
	for (int i = MANY - 1; i >= 0; i--)
		reply(&bench, numbers[i]);
	TURN_UNTIL(&bench, bench.answers == MANY);
	close_bench(&bench);
}

static void
test_a_failure_keeps_its_code(void **state)
{
	struct bench bench;

	open_bench(&bench, *state, getuid());
	shake_hands(&bench);
	ask(&bench, 30);
	auto_json *message = receive(&bench);
	auto_free char *text =
	    alloc_printf("{\"type\": \"failure\", \"request\": %lld,"
			 " \"error\": \"conflict\", \"detail\": \"no\"}",
		(long long)number_of(message));

	say(&bench, text);
	TURN_UNTIL(&bench, bench.answers == 1);
	assert_int_equal(bench.code, ERR_CONFLICT);
	close_bench(&bench);
}

static uint64_t
ask_with_body(struct bench *bench, int64_t timeout_s)
{
	auto_json *members = json_pack("{s:s}", "task", "x");
	const struct link_question question = {.type = MESSAGE_stdin,
	    .members = members,
	    .fd = -1,
	    .timeout_s = timeout_s,
	    .began = on_begin};
	uint64_t request = 0;
	struct err err = {0};

	assert_int_equal(
	    link_ask(bench->link, &question, on_answer, bench, &request, &err),
	    0);
	return request;
}

/* With a descriptor of a pipe's, as the runner's `begin` comes. */
static void
say_begin(struct bench *bench, uint64_t request)
{
	auto_free char *text =
	    alloc_printf("{\"type\": \"begin\", \"request\": %llu}",
		(unsigned long long)request);
	int fds[2];
	struct err err = {0};

	assert_int_equal(pipe(fds), 0);
	assert_int_equal(
	    packet_send(bench->runner, text, strlen(text), &fds[1], 1, &err),
	    PACKET_OK);
	close(fds[0]);
	close(fds[1]);
}

static void
test_a_body_begins_and_has_no_time_limit_then(void **state)
{
	struct bench bench;
	uint64_t request, other;

	open_bench(&bench, *state, getuid());
	shake_hands(&bench);
	/* Time enough for `begin`, even where we are kept from running. */
	request = ask_with_body(&bench, 3);
	say_begin(&bench, request);
	TURN_UNTIL(&bench, bench.begins == 1);
	assert_true(bench.pipe >= 0);
	/* One that is asked later, without a body, is over first. */
	other = ask(&bench, 3);
	assert_int_not_equal(other, request);
	TURN_UNTIL(&bench, bench.answers == 1);
	assert_int_equal(bench.code, ERR_UNAVAILABLE);
	/* Until somebody says when its answer must come. */
	link_expect(bench.link, request, 0);
	TURN_UNTIL(&bench, bench.answers == 2);
	assert_int_equal(bench.code, ERR_UNAVAILABLE);
	/* Of what has been answered, nothing is expected. */
	link_expect(bench.link, request, 0);
	close_bench(&bench);
}

static void
test_begin_of_what_was_forgotten_is_nobodys(void **state)
{
	struct bench bench;
	uint64_t request;

	open_bench(&bench, *state, getuid());
	shake_hands(&bench);
	request = ask_with_body(&bench, 30);
	link_forget(bench.link, request);
	say_begin(&bench, request);
	ask(&bench, 30);
	auto_json *stdin_message = receive(&bench);
	auto_json *forget = receive(&bench);
	auto_json *message = receive(&bench);

	reply(&bench, number_of(message));
	TURN_UNTIL(&bench, bench.answers == 1);
	assert_int_equal(bench.begins, 0);
	close_bench(&bench);
}

/* A body begins once, and only where one was announced. */
static void
test_begin_out_of_turn_drops_the_runner(void **state)
{
	struct bench bench;
	uint64_t request;

	open_bench(&bench, *state, getuid());
	shake_hands(&bench);
	request = ask_with_body(&bench, 30);
	say_begin(&bench, request);
	say_begin(&bench, request);
	TURN_UNTIL(&bench, bench.lost == 1);
	assert_int_equal(bench.begins, 1);
	assert_int_equal(bench.code, ERR_UNAVAILABLE);
	hang_up(&bench);
	shake_hands(&bench);
	say_begin(&bench, ask(&bench, 30));
	TURN_UNTIL(&bench, bench.lost == 2);
	assert_int_equal(bench.begins, 1);
	close_bench(&bench);
}

static void
test_answers_say_where_it_stands_and_where_the_time_went(void **state)
{
	struct bench bench;

	open_bench(&bench, *state, getuid());
	shake_hands(&bench);
	auto_free char *failed = alloc_printf(
	    "{\"type\": \"failure\", \"request\": %llu, \"error\": "
	    "\"conflict\", \"detail\": \"no\", \"received\": 77}",
	    (unsigned long long)ask(&bench, 30));

	say(&bench, failed);
	TURN_UNTIL(&bench, bench.answers == 1);
	assert_int_equal(bench.received, 77);
	assert_int_equal(bench.run_us, -1);
	auto_free char *replied = alloc_printf(
	    "{\"type\": \"reply\", \"request\": %llu, \"status\": 200,"
	    " \"timing\": {\"run\": 5}}",
	    (unsigned long long)ask(&bench, 30));

	say(&bench, replied);
	TURN_UNTIL(&bench, bench.answers == 2);
	assert_int_equal(bench.received, -1);
	assert_int_equal(bench.run_us, 5);
	close_bench(&bench);
}

static void
assert_not_asked(struct bench *bench)
{
	auto_json *members = json_object();
	const struct link_question question = {
	    .type = MESSAGE_get, .members = members, .fd = -1};
	uint64_t request = 77;
	struct err err = {0};

	assert_int_equal(
	    link_ask(bench->link, &question, on_answer, bench, &request, &err),
	    -1);
	assert_int_equal(err.code, ERR_UNAVAILABLE);
	assert_int_equal(request, 77);
}

static void
test_the_connection_that_takes_orders_says_so(void **state)
{
	struct bench bench;

	open_bench(&bench, *state, getuid());
	link_take_orders(bench.link, &orders, &bench);
	accept_link(&bench);
	auto_json *hello = receive(&bench);

	assert_int_equal(
	    json_integer_value(json_object_get(hello, "certificate_not_after")),
	    2000000000);
	say(&bench, WELCOME);
	say(&bench, "{\"type\": \"reload_order\", \"order\": 9}");
	TURN_UNTIL(&bench, bench.order == 9);
	assert_int_equal(bench.welcomes, 1);
	close_bench(&bench);
}

static void
test_an_order_to_one_that_takes_none_drops_the_runner(void **state)
{
	struct bench bench;

	open_bench(&bench, *state, getuid());
	accept_link(&bench);
	auto_json *hello = receive(&bench);

	assert_null(json_object_get(hello, "certificate_not_after"));
	say(&bench, WELCOME);
	say(&bench, "{\"type\": \"reload_order\", \"order\": 9}");
	TURN_UNTIL(&bench, bench.lost == 1);
	close_bench(&bench);
}

static void
test_nothing_is_asked_before_the_welcome(void **state)
{
	struct bench bench;

	open_bench(&bench, *state, getuid());
	assert_not_asked(&bench);
	accept_link(&bench);
	auto_json *hello = receive(&bench);

	assert_not_asked(&bench);
	assert_false(link_state(bench.link)->connected);
	close_bench(&bench);
}

static void
test_a_runner_that_dies_fails_what_is_open(void **state)
{
	struct bench bench;

	open_bench(&bench, *state, getuid());
	shake_hands(&bench);
	ask(&bench, 30);
	ask(&bench, 30);
	hang_up(&bench);
	TURN_UNTIL(&bench, bench.answers == 2);
	assert_int_equal(bench.code, ERR_UNAVAILABLE);
	assert_int_equal(bench.lost, 1);
	assert_not_asked(&bench);
	/* And is found again when it comes back. */
	shake_hands(&bench);
	ask(&bench, 30);
	auto_json *message = receive(&bench);

	reply(&bench, number_of(message));
	TURN_UNTIL(&bench, bench.answers == 3);
	assert_int_equal(bench.code, ERR_NONE);
	close_bench(&bench);
}

static void
test_a_runner_that_does_not_answer_in_time(void **state)
{
	struct bench bench;

	open_bench(&bench, *state, getuid());
	shake_hands(&bench);
	uint64_t request = ask(&bench, 0);
	auto_json *message = receive(&bench);

	TURN_UNTIL(&bench, bench.answers == 1);
	assert_int_equal(bench.code, ERR_UNAVAILABLE);
	auto_json *forget = receive(&bench);

	assert_string_equal(
	    json_string_value(json_object_get(forget, "type")), "forget");
	assert_int_equal(number_of(forget), request);
	close_bench(&bench);
}

static void
test_who_forgets_is_not_called(void **state)
{
	struct bench bench;

	open_bench(&bench, *state, getuid());
	shake_hands(&bench);
	uint64_t request = ask(&bench, 30);
	auto_json *message = receive(&bench);

	link_forget(bench.link, request);
	auto_json *forget = receive(&bench);

	assert_int_equal(number_of(forget), request);
	reply(&bench, number_of(message));
	ask(&bench, 30);
	auto_json *second = receive(&bench);

	reply(&bench, number_of(second));
	TURN_UNTIL(&bench, bench.answers > 0);
	assert_int_equal(bench.answers, 1);
	close_bench(&bench);
}

/* Each drops the connection, and never more than that. */
static void
test_what_was_revoked_is_known_and_confirmed(void **state)
{
	struct bench bench;
	const struct link_state *known;

	open_bench(&bench, *state, getuid());
	link_on_revocation(bench.link, on_revocation, &bench);
	shake_hands(&bench);
	known = link_state(bench.link);
	assert_false(known->listed);
	say_list(&bench, 7, "[{\"kind\": \"subject\", \"value\": \"bob\"}]");
	expect_confirmation(&bench, 7, 1);
	assert_true(known->listed);
	assert_non_null(
	    revocations_find(&known->revoked, REVOCATION_SUBJECT, "bob"));
	say(&bench,
	    "{\"type\": \"revocation\", \"change\": 8, \"kind\": \"lock\","
	    " \"value\": \"eve\", \"until_ms\": 9, \"lifted\": false}");
	expect_confirmation(&bench, 8, 2);
	assert_int_equal(
	    revocations_find(&known->revoked, REVOCATION_LOCK, "eve")->until_ms,
	    9);
	say(&bench,
	    "{\"type\": \"revocation\", \"change\": 9, \"kind\": \"subject\","
	    " \"value\": \"bob\", \"lifted\": true}");
	expect_confirmation(&bench, 9, 3);
	assert_int_equal(known->revoked.count, 1);
	/* What the runner says of itself changes nothing of it. */
	say(&bench, STATE);
	say(&bench, STATE);
	uv_run(&bench.loop, UV_RUN_NOWAIT);
	assert_true(known->listed);
	assert_int_equal(known->revoked.count, 1);
	close_bench(&bench);
}

static void
test_a_list_is_not_known_any_longer_without_the_runner(void **state)
{
	struct bench bench;

	open_bench(&bench, *state, getuid());
	shake_hands(&bench);
	say_list(&bench, 1, "[]");
	TURN_UNTIL(&bench, link_state(bench.link)->listed);
	hang_up(&bench);
	TURN_UNTIL(&bench, bench.lost == 1);
	assert_false(link_state(bench.link)->listed);
	shake_hands(&bench);
	assert_false(link_state(bench.link)->listed);
	/* Twice is no list. */
	say_list(&bench, 1, "[]");
	say_list(&bench, 1, "[]");
	TURN_UNTIL(&bench, bench.lost == 2);
	/* Nor is a change of none. */
	hang_up(&bench);
	shake_hands(&bench);
	say(&bench,
	    "{\"type\": \"revocation\", \"change\": 2, \"kind\": \"subject\","
	    " \"value\": \"bob\", \"lifted\": false}");
	TURN_UNTIL(&bench, bench.lost == 3);
	close_bench(&bench);
}

static void
test_a_runner_that_misbehaves_is_dropped(void **state)
{
	static const char *const texts[] = {"{", "[]", "{\"type\": 1}",
	    "{\"type\": \"nonsense\"}", "{\"type\": \"submit\"}",
	    "{\"type\": \"hello\", \"version\": 1}", WELCOME,
	    "{\"type\": \"state\"}",
	    "{\"type\": \"reply\", \"request\": 1, \"status\": 200, \"x\": 1}",
	    "{\"type\": \"reply\", \"request\": -1, \"status\": 200}",
	    "{\"type\": \"failure\", \"request\": 1}",
	    "{\"type\": \"state\", \"type\": \"state\"}"};
	struct bench bench;

	open_bench(&bench, *state, getuid());
	for (size_t i = 0; i < COUNT(texts); i++) {
		shake_hands(&bench);
		say(&bench, texts[i]);
		TURN_UNTIL(&bench, bench.lost == i + 1);
		hang_up(&bench);
	}
	shake_hands(&bench);
	close_bench(&bench);
}

static void
test_another_version_is_not_spoken_to(void **state)
{
	struct bench bench;

	open_bench(&bench, *state, getuid());
	accept_link(&bench);
	auto_json *hello = receive(&bench);

	say(&bench,
	    "{\"type\": \"welcome\", \"version\": 2, \"runner\": \"\"}");
	hang_up(&bench);
	shake_hands(&bench);
	assert_int_equal(bench.connected, 1);
	close_bench(&bench);
}

static void
test_another_uid_behind_the_socket_is_told_nothing(void **state)
{
	struct bench bench;
	char byte;

	open_bench(&bench, *state, getuid() + 1);
	for (int i = 0; i < 2; i++) {
		accept_link(&bench);
		TURN_UNTIL(&bench, has_input(bench.runner));
		assert_int_equal(recv(bench.runner, &byte, 1, 0), 0);
		hang_up(&bench);
	}
	assert_int_equal(bench.connected, 0);
	close_bench(&bench);
}

int
main(void)
{
#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, folder_make, folder_remove)
	const struct CMUnitTest tests[] = {
	    TEST(test_a_question_is_answered),
	    TEST(test_answers_may_come_in_any_order),
	    TEST(test_a_failure_keeps_its_code),
	    TEST(test_a_body_begins_and_has_no_time_limit_then),
	    TEST(test_begin_of_what_was_forgotten_is_nobodys),
	    TEST(test_begin_out_of_turn_drops_the_runner),
	    TEST(test_answers_say_where_it_stands_and_where_the_time_went),
	    TEST(test_the_connection_that_takes_orders_says_so),
	    TEST(test_an_order_to_one_that_takes_none_drops_the_runner),
	    TEST(test_nothing_is_asked_before_the_welcome),
	    TEST(test_a_runner_that_dies_fails_what_is_open),
	    TEST(test_a_runner_that_does_not_answer_in_time),
	    TEST(test_who_forgets_is_not_called),
	    TEST(test_what_was_revoked_is_known_and_confirmed),
	    TEST(test_a_list_is_not_known_any_longer_without_the_runner),
	    TEST(test_a_runner_that_misbehaves_is_dropped),
	    TEST(test_another_version_is_not_spoken_to),
	    TEST(test_another_uid_behind_the_socket_is_told_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
