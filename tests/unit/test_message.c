/* Messages: the strict way in and out. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/json.h"
#include "lib/message.h"
#include "tests/unit/corpus.h"

static int
decode(const char *text, size_t len, struct message *ret, struct err *err)
{
	AUTO(packet_done)
	struct packet packet = {.data = alloc_bytes(text, len), .len = len};

	*err = (struct err){0};
	return message_decode(&packet, ret, err);
}

static void
accept_case(const struct corpus_case *one)
{
	size_t len = 0;
	auto_free char *text = corpus_read(one, "packet.json", &len);
	auto_free char *type = corpus_read(one, "type", NULL);
	AUTO(message_done) struct message message = {0};
	struct err err;

	type[strcspn(type, "\n")] = '\0';
	if (decode(text, len, &message, &err) != 0)
		fail_msg("%s: %s", one->name, err.detail);
	assert_string_equal(message_name(message.type), type);
	assert_null(json_object_get(message.members, "type"));
}

static void
reject_case(const struct corpus_case *one)
{
	size_t len = 0;
	auto_free char *text = corpus_read(one, "packet.json", &len);
	auto_free char *expected = corpus_read(one, "error", NULL);
	struct message message = {0};
	struct err err;

	expected[strcspn(expected, "\n")] = '\0';
	if (decode(text, len, &message, &err) == 0)
		fail_msg("%s was accepted", one->name);
	assert_int_equal(err.code, ERR_MALFORMED);
	if (strcmp(err.detail, expected) != 0)
		fail_msg("%s: \"%s\"", one->name, err.detail);
	assert_null(message.members);
}

static void
test_corpus_is_read_as_it_says(void **state)
{
	(void)state;
	corpus_each("message", "accept", accept_case);
	corpus_each("message", "reject", reject_case);
}

static void
truncate_and_append(const struct corpus_case *one)
{
	size_t len = 0;
	auto_free char *text = corpus_read(one, "packet.json", &len);
	auto_free char *longer = alloc_printf("%s}", text);
	struct message message = {0};
	struct err err;

	for (size_t cut = 0; cut < len; cut++) {
		if (decode(text, cut, &message, &err) == 0)
			fail_msg("%s, %zu bytes", one->name, cut);
	}
	assert_int_equal(decode(longer, len + 1, &message, &err), -1);
}

static void
test_decode_rejects_every_truncation_and_one_trailing_byte(void **state)
{
	(void)state;
	corpus_each("message", "accept", truncate_and_append);
}

static void
test_every_type_goes_there_and_back(void **state)
{
	(void)state;
	for (unsigned type = 0; type < MESSAGE_COUNT; type++) {
		auto_json *members = json_pack(
		    "{s:i,s:s}", "request", 7, "text", "\x01 \"\xc3\xa4");
		auto_free char *text = NULL;
		AUTO(message_done) struct message message = {0};
		struct err err = {0};
		size_t len = 0;

		assert_int_equal(message_encode((enum message_type)type,
				     members, &text, &len, &err),
		    0);
		/* What was handed in is left as it was. */
		assert_null(json_object_get(members, "type"));
		assert_int_equal(decode(text, len, &message, &err), 0);
		assert_int_equal(message.type, type);
		assert_true(json_equal(message.members, members));
	}
	assert_string_equal(message_name(MESSAGE_COUNT), "unknown");
}

static void
test_the_type_cannot_be_forged_by_a_member(void **state)
{
	auto_json *members = json_pack("{s:s}", "type", "submit");
	auto_free char *text = NULL;
	AUTO(message_done) struct message message = {0};
	struct err err = {0};
	size_t len = 0;

	(void)state;
	assert_int_equal(
	    message_encode(MESSAGE_forget, members, &text, &len, &err), 0);
	assert_int_equal(decode(text, len, &message, &err), 0);
	assert_int_equal(message.type, MESSAGE_forget);
}

static void
test_encode_takes_the_maximum_and_not_one_more(void **state)
{
	/* {"type":"forget","x":""} */
	size_t frame = 24;
	auto_free char *filling = alloc_zero(PACKET_MAX + 2, 1);

	(void)state;
	for (size_t more = 0; more < 2; more++) {
		auto_json *members = NULL;
		auto_free char *text = NULL;
		struct err err = {0};
		size_t len = 0;

		memset(filling, 'x', PACKET_MAX - frame + more);
		members = json_pack("{s:s}", "x", filling);
		assert_int_equal(
		    message_encode(MESSAGE_forget, members, &text, &len, &err),
		    more == 0 ? 0 : -1);
		assert_int_equal(len, more == 0 ? PACKET_MAX : 0);
		assert_int_equal(
		    err.code, more == 0 ? ERR_NONE : ERR_TOO_LARGE);
	}
}

static void
test_encode_without_members_is_a_type_alone(void **state)
{
	auto_free char *text = NULL;
	struct err err = {0};
	size_t len = 0;

	(void)state;
	assert_int_equal(
	    message_encode(MESSAGE_state, NULL, &text, &len, &err), 0);
	assert_string_equal(text, "{\"type\":\"state\"}");
	assert_int_equal(len, strlen(text));
}

static void
open_two(struct packet *packet, const char *text)
{
	packet->data = alloc_string(text);
	packet->len = strlen(text);
	packet->nfds = 2;
	for (size_t i = 0; i < 2; i++) {
		packet->fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
		assert_true(packet->fds[i] >= 0);
	}
}

static bool
is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static void
test_descriptors_go_over_to_the_message(void **state)
{
	struct packet packet = {0};
	struct message message = {0};
	struct err err = {0};
	int first, second;

	(void)state;
	open_two(&packet, "{\"type\":\"submit\"}");
	first = packet.fds[0];
	second = packet.fds[1];
	assert_int_equal(message_decode(&packet, &message, &err), 0);
	assert_int_equal(packet.nfds, 0);
	packet_done(&packet);
	assert_true(is_open(first));
	/* A handler takes one; the other is closed with the message. */
	assert_int_equal(message.nfds, 2);
	message.fds[0] = -1;
	message_done(&message);
	assert_true(is_open(first));
	assert_false(is_open(second));
	close(first);
}

static void
test_descriptors_of_a_bad_message_stay_the_packets(void **state)
{
	struct packet packet = {0};
	struct message message = {0};
	struct err err = {0};
	int first;

	(void)state;
	open_two(&packet, "{\"type\":\"nonsense\"}");
	first = packet.fds[0];
	assert_int_equal(message_decode(&packet, &message, &err), -1);
	assert_int_equal(packet.nfds, 2);
	packet_done(&packet);
	assert_false(is_open(first));
}

static void
check_counts(enum message_type type, bool none, bool one)
{
	struct message message = {.type = type};

	for (size_t n = 0; n <= PACKET_FDS_MAX; n++) {
		struct err err = {0};
		bool fits = (n == 0 && none) || (n == 1 && one);

		message.nfds = n;
		assert_int_equal(
		    message_check_descriptors(&message, &err), fits ? 0 : -1);
		assert_int_equal(err.code, fits ? ERR_NONE : ERR_MALFORMED);
	}
}

static void
test_descriptors_come_with_those_that_have_some(void **state)
{
	(void)state;
	for (unsigned i = 0; i < MESSAGE_COUNT; i++) {
		enum message_type type = (enum message_type)i;
		bool always = type == MESSAGE_submit ||
		    type == MESSAGE_approval || type == MESSAGE_explain ||
		    type == MESSAGE_revocations || type == MESSAGE_begin;

		check_counts(type, !always, always || type == MESSAGE_reply);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_corpus_is_read_as_it_says),
	    cmocka_unit_test(
		test_decode_rejects_every_truncation_and_one_trailing_byte),
	    cmocka_unit_test(test_every_type_goes_there_and_back),
	    cmocka_unit_test(test_the_type_cannot_be_forged_by_a_member),
	    cmocka_unit_test(test_encode_takes_the_maximum_and_not_one_more),
	    cmocka_unit_test(test_encode_without_members_is_a_type_alone),
	    cmocka_unit_test(test_descriptors_come_with_those_that_have_some),
	    cmocka_unit_test(test_descriptors_go_over_to_the_message),
	    cmocka_unit_test(
		test_descriptors_of_a_bad_message_stay_the_packets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
