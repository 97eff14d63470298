/* What the runner sends, read strictly. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/runner_message.h"
#include "lib/cleanup.h"
#include "lib/json.h"
#include "lib/packet.h"
#include "tests/unit/corpus.h"

static struct message
message_of(const char *text)
{
	struct message message = {.fds = {-1, -1}};

	message.members = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(message.members);
	return message;
}

static bool
is_accepted(const char *text,
    int (*read)(const struct message *message, void *ret, struct err *err))
{
	AUTO(message_done) struct message message = message_of(text);
	char place[512];
	struct err err = {0};
	int result = read(&message, place, &err);

	assert_true((result == 0) == (err.code == ERR_NONE));
	return result == 0;
}

#define READER(name)                                                   \
	static int read_##name(                                        \
	    const struct message *message, void *ret, struct err *err) \
	{                                                              \
		struct runner_##name said;                             \
		(void)ret;                                             \
		return runner_read_##name(message, &said, err);        \
	}
READER(welcome)
READER(state)
READER(failure)

static int
read_reply(const struct message *message, void *ret, struct err *err)
{
	struct message copy = *message;
	struct runner_reply reply;

	(void)ret;
	return runner_read_reply(&copy, &reply, err);
}

static int
read_begin(const struct message *message, void *ret, struct err *err)
{
	int64_t request;

	(void)ret;
	return runner_read_begin(message, &request, err);
}

static int
read_reload_order(const struct message *message, void *ret, struct err *err)
{
	int64_t order;

	(void)ret;
	return runner_read_reload_order(message, &order, err);
}

static int
read_revocation(const struct message *message, void *ret, struct err *err)
{
	struct runner_revocation revocation;

	(void)ret;
	return runner_read_revocation(message, &revocation, err);
}

static bool
is_case_accepted(const struct corpus_case *one)
{
	static const struct {
		const char *type;
		int (*read)(
		    const struct message *message, void *ret, struct err *err);
	} readers[] = {{"welcome", read_welcome}, {"state", read_state},
	    {"reply", read_reply}, {"failure", read_failure},
	    {"begin", read_begin}, {"reload_order", read_reload_order},
	    {"revocation", read_revocation}};
	auto_free char *text = corpus_read(one, "message.json", NULL);
	AUTO(message_done) struct message message = message_of(text);
	const char *type =
	    json_string_value(json_object_get(message.members, "type"));
	struct err err = {0};

	for (size_t i = 0; i < COUNT(readers); i++) {
		if (strcmp(readers[i].type, type) != 0)
			continue;
		json_object_del(message.members, "type");
		return readers[i].read(&message, NULL, &err) == 0;
	}
	fail_msg("%s: no message of the runner's", one->name);
	return false;
}

static void
accept_case(const struct corpus_case *one)
{
	if (!is_case_accepted(one))
		fail_msg("%s was refused", one->name);
}

static void
reject_case(const struct corpus_case *one)
{
	if (is_case_accepted(one))
		fail_msg("%s was accepted", one->name);
}

static void
test_corpus_is_read_as_it_says(void **state)
{
	(void)state;
	corpus_each("runner_message", "accept", accept_case);
	corpus_each("runner_message", "reject", reject_case);
}

static bool
is_list_accepted(const struct corpus_case *one)
{
	auto_free char *text = corpus_read(one, "list.json", NULL);
	AUTO(revocations_done) struct revocations set = {0};
	struct err err = {0};
	auto_json *list = json_parse_strict(text, strlen(text), &err);

	return list != NULL &&
	    runner_read_revocation_list(list, &set, &err) == 0;
}

static void
accept_list(const struct corpus_case *one)
{
	if (!is_list_accepted(one))
		fail_msg("%s was refused", one->name);
}

static void
reject_list(const struct corpus_case *one)
{
	if (is_list_accepted(one))
		fail_msg("%s was accepted", one->name);
}

static void
test_lists_of_revocations_are_read_as_the_corpus_says(void **state)
{
	(void)state;
	corpus_each("revocations", "accept", accept_list);
	corpus_each("revocations", "reject", reject_list);
}

static void
test_revocations_come_as_one_sealed_descriptor(void **state)
{
	static const char list[] = "[{\"kind\":\"lock\",\"value\":\"bob\","
				   "\"until_ms\":5}]";
	AUTO(revocations_done) struct revocations set = {0};
	AUTO(message_done)
	struct message message = message_of("{\"change\":3}");
	int64_t change = 0;
	struct err err;

	(void)state;
	assert_int_equal(
	    runner_read_revocations(&message, &change, &set, &err), -1);
	assert_int_equal(
	    packet_seal(list, strlen(list), &message.fds[0], &err), 0);
	message.nfds = 1;
	assert_int_equal(
	    runner_read_revocations(&message, &change, &set, &err), 0);
	assert_int_equal(change, 3);
	assert_int_equal(set.count, 1);
	assert_int_equal(
	    revocations_find(&set, REVOCATION_LOCK, "bob")->until_ms, 5);
}

static void
test_welcome_of_our_version_alone(void **state)
{
	(void)state;
	assert_true(
	    is_accepted("{\"version\": 1, \"runner\": \"r\"}", read_welcome));
	assert_false(
	    is_accepted("{\"version\": 2, \"runner\": \"r\"}", read_welcome));
	assert_false(is_accepted(
	    "{\"version\": \"1\", \"runner\": \"r\"}", read_welcome));
	assert_false(is_accepted("{\"version\": 1}", read_welcome));
	assert_false(is_accepted(
	    "{\"version\": 1, \"runner\": \"r\", \"x\": 1}", read_welcome));
}

static const char good_state[] =
    "{\"ready\": false, \"reasons\": [\"engine: away\"], \"queued\": 1,"
    " \"running\": 2, \"capacity\": 3, \"warm\": 4, \"warming\": 5,"
    " \"counters\": {\"a\": 1}}";

static void
test_state_is_taken_apart(void **state)
{
	AUTO(message_done) struct message message = message_of(good_state);
	struct runner_state said;
	struct err err;

	(void)state;
	assert_int_equal(runner_read_state(&message, &said, &err), 0);
	assert_false(said.ready);
	assert_int_equal(said.queued, 1);
	assert_int_equal(said.running, 2);
	assert_int_equal(said.capacity, 3);
	assert_int_equal(said.warm, 4);
	assert_int_equal(said.warming, 5);
	assert_int_equal(json_array_size(said.reasons), 1);
}

static void
test_a_state_with_any_member_missing_is_refused(void **state)
{
	static const char *const names[] = {"ready", "reasons", "queued",
	    "running", "capacity", "warm", "warming", "counters"};

	(void)state;
	for (size_t i = 0; i < COUNT(names); i++) {
		AUTO(message_done)
		struct message message = message_of(good_state);
		struct runner_state said;
		struct err err = {0};

		json_object_del(message.members, names[i]);
		assert_int_equal(runner_read_state(&message, &said, &err), -1);
		assert_non_null(strstr(err.detail, names[i]));
	}
}

static void
test_reasons_are_strings(void **state)
{
	(void)state;
	assert_false(
	    is_accepted("{\"ready\": true, \"reasons\": [1], \"queued\": 0,"
			" \"running\": 0, \"capacity\": 0, \"warm\": 0,"
			" \"warming\": 0, \"counters\": {}}",
		read_state));
	assert_false(
	    is_accepted("{\"ready\": true, \"reasons\": [], \"queued\": -1,"
			" \"running\": 0, \"capacity\": 0, \"warm\": 0,"
			" \"warming\": 0, \"counters\": {}}",
		read_state));
}

static void
test_failures(void **state)
{
	(void)state;
	assert_true(is_accepted("{\"request\": 1, \"error\": \"not-found\","
				" \"detail\": \"\"}",
	    read_failure));
	assert_true(is_accepted(
	    "{\"request\": 1, \"error\": \"busy\", \"detail\": \"x\","
	    " \"retry_after\": 3, \"rule\": \"r\", \"condition\": \"c\"}",
	    read_failure));
	assert_false(is_accepted("{\"request\": 0, \"error\": \"not-found\","
				 " \"detail\": \"\"}",
	    read_failure));
	assert_false(is_accepted(
	    "{\"request\": 1, \"error\": \"busy\", \"detail\": \"x\","
	    " \"retry_after\": -3}",
	    read_failure));
	assert_false(
	    is_accepted("{\"error\": \"x\", \"detail\": \"\"}", read_failure));
}

static void
test_a_reply_hands_its_descriptor_over(void **state)
{
	AUTO(message_done)
	struct message message =
	    message_of("{\"request\": 5, \"status\": 200, \"body\": {}}");
	struct runner_reply reply;
	struct err err;

	(void)state;
	assert_int_equal(runner_read_reply(&message, &reply, &err), 0);
	assert_null(reply.fd);
	message.fds[0] = dup(STDIN_FILENO);
	message.nfds = 1;
	assert_int_equal(runner_read_reply(&message, &reply, &err), 0);
	assert_ptr_equal(reply.fd, &message.fds[0]);
}

static int
read_reply_with(const char *text, int fd, json_t **ret_body)
{
	AUTO(message_done) struct message message = message_of(text);
	struct runner_reply reply = {0};
	struct err err = {0};

	if (fd >= 0) {
		message.fds[0] = dup(fd);
		message.nfds = 1;
	}
	if (runner_read_reply(&message, &reply, &err) < 0)
		return -1;
	*ret_body = reply.sealed ? reply.body : json_incref(reply.body);
	return 0;
}

static void
test_a_large_body_comes_sealed(void **state)
{
	static const char text[] = "{\"request\": 5, \"status\": 200,"
				   " \"sealed\": true}";
	auto_json *body = NULL;
	auto_fd int good = -1;
	auto_fd int bad = -1;
	auto_fd int cut = -1;
	struct err err;

	(void)state;
	assert_int_equal(packet_seal("{\"a\": 1}", 8, &good, &err), 0);
	assert_int_equal(packet_seal("{\"a\": 1", 7, &cut, &err), 0);
	assert_int_equal(read_reply_with(text, good, &body), 0);
	assert_int_equal(json_integer_value(json_object_get(body, "a")), 1);
	/* Not JSON, not sealed, not there, and there twice. */
	json_t *none = NULL;

	assert_int_equal(read_reply_with(text, cut, &none), -1);
	bad = dup(STDIN_FILENO);
	assert_int_equal(read_reply_with(text, bad, &none), -1);
	assert_int_equal(read_reply_with(text, -1, &none), -1);
	assert_int_equal(
	    read_reply_with("{\"request\": 5, \"status\": 200, \"body\": {},"
			    " \"sealed\": true}",
		good, &none),
	    -1);
}

static void
test_a_status_that_is_no_success_is_refused(void **state)
{
	json_t *none = NULL;

	(void)state;
	assert_int_equal(
	    read_reply_with("{\"request\": 5, \"status\": 500}", -1, &none),
	    -1);
	assert_int_equal(
	    read_reply_with("{\"request\": 5, \"status\": 100}", -1, &none),
	    -1);
	assert_int_equal(
	    read_reply_with("{\"request\": 5, \"status\": 204}", -1, &none), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_corpus_is_read_as_it_says),
	    cmocka_unit_test(
		test_lists_of_revocations_are_read_as_the_corpus_says),
	    cmocka_unit_test(test_revocations_come_as_one_sealed_descriptor),
	    cmocka_unit_test(test_welcome_of_our_version_alone),
	    cmocka_unit_test(test_state_is_taken_apart),
	    cmocka_unit_test(test_a_state_with_any_member_missing_is_refused),
	    cmocka_unit_test(test_reasons_are_strings),
	    cmocka_unit_test(test_failures),
	    cmocka_unit_test(test_a_reply_hands_its_descriptor_over),
	    cmocka_unit_test(test_a_large_body_comes_sealed),
	    cmocka_unit_test(test_a_status_that_is_no_success_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
