/* Channels: order, back-pressure, descriptors, and peers that misbehave. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/alloc.h"
#include "lib/channel.h"
#include "lib/cleanup.h"
#include "lib/json.h"
#include "lib/packet.h"
#include "tests/unit/folder.h"

#define DEADLINE_MS 20000
#define TICK_MS 5

/* One end on a loop, the other in the test's hand. */
#define BODY_BYTES ((size_t)1024 * 1024)

struct bench {
	uv_loop_t loop;
	struct channel *channel;
	int peer;
	size_t messages;
	int64_t last_request;
	int kept_fd;
	size_t ends;
	struct err end;
	bool refuse, close_in_message, close_in_end;
	uv_timer_t tick;
	uint64_t give_up_at;
};

static int
on_message(void *arg, struct message *message, struct err *err)
{
	struct bench *bench = arg;

	bench->messages++;
	bench->last_request =
	    json_integer_value(json_object_get(message->members, "request"));
	if (message->nfds > 0) {
		bench->kept_fd = message->fds[0];
		message->fds[0] = -1;
	}
	if (bench->close_in_message)
		channel_close(bench->channel);
	if (bench->refuse)
		return err_set(err, ERR_CONFLICT, "not now");
	return 0;
}

static void
on_closed(void *arg, const struct err *err)
{
	struct bench *bench = arg;

	bench->ends++;
	bench->end = *err;
	if (bench->close_in_end)
		channel_close(bench->channel);
}

static const struct channel_events events = {on_message, on_closed};

/* Again and again, since one turn of the loop may wait after it has run the
 * timers that a test waits for. */
static void
on_tick(uv_timer_t *timer)
{
	const struct bench *bench = timer->data;

	if (uv_now(timer->loop) > bench->give_up_at)
		die("nothing happened before the deadline");
}

static int
open_bench(void **state)
{
	struct bench *bench = alloc_zero(1, sizeof(*bench));
	int pair[2];

	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(fcntl(pair[1], F_SETFL, O_RDWR | O_NONBLOCK), 0);
	assert_int_equal(uv_loop_init(&bench->loop), 0);
	uv_timer_init(&bench->loop, &bench->tick);
	bench->tick.data = bench;
	bench->give_up_at = uv_now(&bench->loop) + DEADLINE_MS;
	uv_timer_start(&bench->tick, on_tick, TICK_MS, TICK_MS);
	bench->peer = pair[1];
	bench->kept_fd = -1;
	bench->channel =
	    channel_open_take(&bench->loop, pair[0], &events, bench);
	*state = bench;
	return 0;
}

static int
close_bench(void **state)
{
	struct bench *bench = *state;

	channel_close(bench->channel);
	uv_close((uv_handle_t *)&bench->tick, NULL);
	uv_run(&bench->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&bench->loop), 0);
	if (bench->peer >= 0)
		close(bench->peer);
	free(bench);
	return 0;
}

static void
turn_until(struct bench *bench, const size_t *counter, size_t value)
{
	while (*counter < value)
		uv_run(&bench->loop, UV_RUN_ONCE);
}

/* What is ready now, without waiting. */
static void
turn_some(struct bench *bench)
{
	for (int i = 0; i < 10; i++)
		uv_run(&bench->loop, UV_RUN_NOWAIT);
}

static void
say(struct bench *bench, const char *text)
{
	struct err err = {0};

	assert_int_equal(
	    packet_send(bench->peer, text, strlen(text), NULL, 0, &err),
	    PACKET_OK);
}

static int
send_number(struct bench *bench, int number, struct err *err)
{
	auto_json *members = json_pack("{s:i}", "request", number);

	return channel_send(
	    bench->channel, MESSAGE_reply, members, NULL, 0, err);
}

static int
hear_number(struct bench *bench)
{
	AUTO(packet_done) struct packet packet = {0};
	AUTO(message_done) struct message message = {0};
	struct err err = {0};

	if (packet_receive(bench->peer, &packet, &err) != PACKET_OK)
		return -1;
	assert_int_equal(message_decode(&packet, &message, &err), 0);
	return (int)json_integer_value(
	    json_object_get(message.members, "request"));
}

static void
test_messages_arrive_in_order(void **state)
{
	struct bench *bench = *state;

	for (int i = 1; i <= 100; i++) {
		auto_free char *text =
		    alloc_printf("{\"type\":\"forget\",\"request\":%d}", i);

		say(bench, text);
		turn_until(bench, &bench->messages, (size_t)i);
		assert_int_equal(bench->last_request, i);
	}
	assert_int_equal(bench->ends, 0);
	assert_int_equal(channel_peer_uid(bench->channel), geteuid());
}

static void
test_what_cannot_be_sent_at_once_is_sent_in_order(void **state)
{
	struct bench *bench = *state;
	struct err err = {0};
	int heard = 0;

	for (int i = 0; i < CHANNEL_QUEUE_MAX; i++)
		assert_int_equal(send_number(bench, i, &err), 0);
	while (heard < CHANNEL_QUEUE_MAX) {
		int number = hear_number(bench);

		if (number < 0) {
			uv_run(&bench->loop, UV_RUN_ONCE);
			continue;
		}
		assert_int_equal(number, heard);
		heard++;
	}
	turn_some(bench);
	assert_int_equal(bench->ends, 0);
}

static void
test_a_peer_that_does_not_read_is_dropped(void **state)
{
	struct bench *bench = *state;
	struct err err = {0};
	int sent = 0;

	while (send_number(bench, sent, &err) == 0)
		sent++;
	assert_true(sent >= CHANNEL_QUEUE_MAX);
	assert_int_equal(err.code, ERR_UNAVAILABLE);
	/* The owner is told by the loop, not within its own call. */
	assert_int_equal(bench->ends, 0);
	assert_int_equal(send_number(bench, sent, &err), -1);
	turn_until(bench, &bench->ends, 1);
	assert_int_equal(bench->end.code, ERR_UNAVAILABLE);
	turn_some(bench);
	assert_int_equal(bench->ends, 1);
}

static void
test_waiting_bytes_are_bounded_too(void **state)
{
	struct bench *bench = *state;
	auto_free char *filling = alloc_zero(PACKET_MAX, 1);
	auto_json *members = NULL;
	struct err err = {0};
	size_t sent = 0;

	memset(filling, 'x', PACKET_MAX - 100);
	members = json_pack("{s:s}", "x", filling);
	while (channel_send(
		   bench->channel, MESSAGE_reply, members, NULL, 0, &err) == 0)
		sent++;
	assert_true(sent * PACKET_MAX > CHANNEL_QUEUE_BYTES_MAX / 2);
	assert_true(sent < CHANNEL_QUEUE_MAX);
}

static void
test_bodies_that_wait_are_bounded_and_one_too_many_is_refused(void **state)
{
	struct bench *bench = *state;
	auto_free char *filling = alloc_zero(1, BODY_BYTES);
	auto_fd int body = -1;
	struct err err = {0};
	size_t before = folder_count("/proc/self/fd");
	size_t queued = 0;

	assert_int_equal(packet_seal(filling, BODY_BYTES, &body, &err), 0);
	while (channel_send(
		   bench->channel, MESSAGE_reply, NULL, &body, 1, &err) == 0)
		queued = folder_count("/proc/self/fd") - before - 1;
	assert_int_equal(err.code, ERR_UNAVAILABLE);
	assert_int_equal(queued, CHANNEL_QUEUE_BYTES_MAX / BODY_BYTES);
	/* What has no body still waits its turn. */
	assert_int_equal(send_number(bench, 1, &err), 0);
	turn_some(bench);
	assert_int_equal(bench->ends, 0);
	while (folder_count("/proc/self/fd") > before + 1) {
		AUTO(packet_done) struct packet packet = {0};

		packet_receive(bench->peer, &packet, &err);
		packet_done(&packet);
		turn_some(bench);
	}
	assert_int_equal(
	    channel_send(bench->channel, MESSAGE_reply, NULL, &body, 1, &err),
	    0);
}

static void
test_descriptors_travel_both_ways(void **state)
{
	struct bench *bench = *state;
	struct err err = {0};
	AUTO(packet_done) struct packet packet = {0};
	static const char text[] = "{\"type\":\"submit\",\"request\":1}";
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	assert_int_equal(
	    packet_send(bench->peer, text, strlen(text), &null, 1, &err),
	    PACKET_OK);
	turn_until(bench, &bench->messages, 1);
	assert_true(fcntl(bench->kept_fd, F_GETFD) >= 0);
	close(bench->kept_fd);
	assert_int_equal(
	    channel_send(bench->channel, MESSAGE_reply, NULL, &null, 1, &err),
	    0);
	assert_int_equal(packet_receive(bench->peer, &packet, &err), PACKET_OK);
	assert_int_equal(packet.nfds, 1);
	close(null);
}

static void
test_waiting_descriptors_are_copies_and_are_closed(void **state)
{
	struct bench *bench = *state;
	struct err err = {0};
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	size_t before, queued = 0;
	int i = 0;

	/* Until the socket is full, so that what follows waits. */
	before = folder_count("/proc/self/fd");
	while (queued < 3 && i < CHANNEL_QUEUE_MAX) {
		assert_int_equal(channel_send(bench->channel, MESSAGE_reply,
				     NULL, &null, 1, &err),
		    0);
		i++;
		queued = folder_count("/proc/self/fd") - before;
	}
	assert_int_equal(queued, 3);
	/* Ours may be closed: the queue has its own. */
	close(null);
	for (; i > 0; i--) {
		AUTO(packet_done) struct packet packet = {0};

		turn_some(bench);
		assert_int_equal(
		    packet_receive(bench->peer, &packet, &err), PACKET_OK);
		assert_int_equal(packet.nfds, 1);
	}
	assert_int_equal(folder_count("/proc/self/fd"), before - 1);
}

static void
test_a_bad_packet_drops_the_channel(void **state)
{
	struct bench *bench = *state;

	say(bench, "{\"type\":\"forget\",\"request\":1}");
	say(bench, "{\"type\":\"nonsense\"}");
	say(bench, "{\"type\":\"forget\",\"request\":2}");
	turn_until(bench, &bench->ends, 1);
	assert_int_equal(bench->end.code, ERR_MALFORMED);
	assert_int_equal(bench->messages, 1);
	turn_some(bench);
	assert_int_equal(bench->messages, 1);
	assert_int_equal(bench->ends, 1);
}

static void
test_a_packet_that_is_too_large_drops_the_channel(void **state)
{
	struct bench *bench = *state;
	auto_free char *data = alloc_zero(PACKET_MAX + 1, 1);

	assert_int_equal(
	    send(bench->peer, data, PACKET_MAX + 1, 0), PACKET_MAX + 1);
	turn_until(bench, &bench->ends, 1);
	assert_int_equal(bench->end.code, ERR_MALFORMED);
}

static void
test_a_handlers_refusal_drops_the_channel(void **state)
{
	struct bench *bench = *state;
	struct err err = {0};

	bench->refuse = true;
	say(bench, "{\"type\":\"forget\",\"request\":1}");
	turn_until(bench, &bench->ends, 1);
	assert_int_equal(bench->end.code, ERR_CONFLICT);
	assert_int_equal(send_number(bench, 1, &err), -1);
	assert_int_equal(err.code, ERR_UNAVAILABLE);
}

static void
test_a_peer_that_closes_has_said_all_before(void **state)
{
	struct bench *bench = *state;

	for (int i = 0; i < 50; i++)
		say(bench, "{\"type\":\"forget\",\"request\":1}");
	close(bench->peer);
	bench->peer = -1;
	turn_until(bench, &bench->ends, 1);
	assert_int_equal(bench->messages, 50);
	assert_int_equal(bench->end.code, ERR_NONE);
}

static void
test_a_peer_that_goes_without_listening_is_still_heard(void **state)
{
	struct bench *bench = *state;
	struct err err = {0};

	/* Unread messages of ours make its end an ECONNRESET. */
	for (int i = 0; i < CHANNEL_QUEUE_MAX; i++)
		assert_int_equal(send_number(bench, i, &err), 0);
	for (int i = 0; i < 100; i++)
		say(bench, "{\"type\":\"forget\",\"request\":1}");
	close(bench->peer);
	bench->peer = -1;
	turn_until(bench, &bench->ends, 1);
	assert_int_equal(bench->messages, 100);
	assert_int_equal(bench->end.code, ERR_NONE);
}

static void
test_sending_to_a_peer_that_went_fails_and_it_is_still_heard(void **state)
{
	struct bench *bench = *state;
	struct err err = {0};

	say(bench, "{\"type\":\"forget\",\"request\":1}");
	close(bench->peer);
	bench->peer = -1;
	assert_int_equal(send_number(bench, 1, &err), -1);
	assert_int_equal(err.code, ERR_UNAVAILABLE);
	assert_int_equal(send_number(bench, 2, &err), -1);
	turn_until(bench, &bench->ends, 1);
	assert_int_equal(bench->messages, 1);
	assert_int_equal(bench->end.code, ERR_NONE);
}

static void
test_the_owner_may_close_from_within_a_message(void **state)
{
	struct bench *bench = *state;

	bench->close_in_message = true;
	say(bench, "{\"type\":\"forget\",\"request\":1}");
	say(bench, "{\"type\":\"forget\",\"request\":2}");
	turn_until(bench, &bench->messages, 1);
	turn_some(bench);
	assert_int_equal(bench->messages, 1);
	assert_int_equal(bench->ends, 0);
	bench->channel =
	    channel_open_take(&bench->loop, dup(bench->peer), &events, bench);
}

static void
test_the_owner_may_close_from_within_the_end(void **state)
{
	struct bench *bench = *state;

	bench->close_in_end = true;
	close(bench->peer);
	bench->peer = -1;
	turn_until(bench, &bench->ends, 1);
	turn_some(bench);
	assert_int_equal(bench->ends, 1);
	bench->close_in_end = false;
	bench->channel = channel_open_take(&bench->loop,
	    socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), &events, bench);
}

static void
test_a_message_that_fits_no_packet_is_refused_and_nothing_else(void **state)
{
	struct bench *bench = *state;
	auto_free char *filling = alloc_zero(PACKET_MAX + 1, 1);
	auto_json *members = NULL;
	struct err err = {0};
	const int fds[] = {0, 1, 2};

	memset(filling, 'x', PACKET_MAX);
	members = json_pack("{s:s}", "x", filling);
	assert_int_equal(
	    channel_send(bench->channel, MESSAGE_reply, members, NULL, 0, &err),
	    -1);
	assert_int_equal(err.code, ERR_TOO_LARGE);
	assert_int_equal(
	    channel_send(bench->channel, MESSAGE_reply, NULL, fds, 3, &err),
	    -1);
	assert_int_equal(send_number(bench, 5, &err), 0);
	assert_int_equal(hear_number(bench), 5);
	turn_some(bench);
	assert_int_equal(bench->ends, 0);
}

#define ON_BENCH(test) \
	cmocka_unit_test_setup_teardown(test, open_bench, close_bench)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    ON_BENCH(test_messages_arrive_in_order),
	    ON_BENCH(test_what_cannot_be_sent_at_once_is_sent_in_order),
	    ON_BENCH(test_a_peer_that_does_not_read_is_dropped),
	    ON_BENCH(test_waiting_bytes_are_bounded_too),
	    ON_BENCH(
		test_bodies_that_wait_are_bounded_and_one_too_many_is_refused),
	    ON_BENCH(test_descriptors_travel_both_ways),
	    ON_BENCH(test_waiting_descriptors_are_copies_and_are_closed),
	    ON_BENCH(test_a_bad_packet_drops_the_channel),
	    ON_BENCH(test_a_packet_that_is_too_large_drops_the_channel),
	    ON_BENCH(test_a_handlers_refusal_drops_the_channel),
	    ON_BENCH(test_a_peer_that_closes_has_said_all_before),
	    ON_BENCH(test_a_peer_that_goes_without_listening_is_still_heard),
	    ON_BENCH(
		test_sending_to_a_peer_that_went_fails_and_it_is_still_heard),
	    ON_BENCH(test_the_owner_may_close_from_within_a_message),
	    ON_BENCH(test_the_owner_may_close_from_within_the_end),
	    ON_BENCH(
		test_a_message_that_fits_no_packet_is_refused_and_nothing_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
