/* Replies, by their own corpus, by truncation, by piecemeal arrival; and what
 * a fault is to a person. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "client/fault.h"
#include "client/reply.h"
#include "lib/buffer.h"
#include "lib/cleanup.h"
#include "tests/unit/corpus.h"

struct outcome {
	struct reply reply;
	struct buffer body;
	enum reply_step step; /* the last */
	size_t used;
};

static void
outcome_done(struct outcome *outcome)
{
	buffer_done(&outcome->body);
}
#define auto_outcome AUTO(outcome_done) struct outcome

/* As a connection does: `step` bytes at a time, of the body no more than
 * `step` taken at once. */
static struct outcome
read_reply(const char *data, size_t len, size_t step)
{
	struct outcome outcome = {.body = BUFFER_INIT(1024 * 1024)};
	size_t have = 0;

	reply_init(&outcome.reply);
	while (have < len || outcome.step == REPLY_STEP_BODY) {
		size_t used, body;

		if (outcome.step != REPLY_STEP_BODY)
			have = len - have < step ? len : have + step;
		outcome.step = reply_read(&outcome.reply, data + outcome.used,
		    have - outcome.used, &used, &body);
		outcome.used += used;
		if (outcome.step == REPLY_STEP_WHOLE ||
		    outcome.step == REPLY_STEP_BAD)
			break;
		if (outcome.step != REPLY_STEP_BODY)
			continue;
		assert_in_range(body, 1, have - outcome.used);
		body = body < step ? body : step;
		buffer_append(&outcome.body, data + outcome.used, body);
		reply_take(&outcome.reply, body);
		outcome.used += body;
	}
	return outcome;
}

static void
visit_accepted(const struct corpus_case *one)
{
	size_t len = 0, body_len = 0;
	auto_free char *data = corpus_read(one, "reply.bin", &len);
	auto_free char *body = corpus_read(one, "body.bin", &body_len);

	for (size_t step = 1; step <= len; step = step * 3 + 1) {
		auto_outcome outcome = read_reply(data, len, step);

		if (outcome.step != REPLY_STEP_WHOLE)
			fail_msg(
			    "%s: not whole, %zu at a time", one->name, step);
		assert_int_equal(outcome.used, len);
		assert_int_equal(outcome.body.len, body_len);
		if (body_len > 0)
			assert_memory_equal(outcome.body.data, body, body_len);
	}
	for (size_t cut = 0; cut < len; cut++) {
		auto_outcome outcome = read_reply(data, cut, len);

		if (outcome.step == REPLY_STEP_WHOLE ||
		    outcome.step == REPLY_STEP_BAD)
			fail_msg("%s: cut at %zu", one->name, cut);
	}
}

static void
visit_rejected(const struct corpus_case *one)
{
	size_t len = 0;
	auto_free char *data = corpus_read(one, "reply.bin", &len);

	for (size_t step = 1; step <= len; step = step * 3 + 1) {
		auto_outcome outcome = read_reply(data, len, step);

		if (outcome.step != REPLY_STEP_BAD)
			fail_msg(
			    "%s: not refused, %zu at a time", one->name, step);
	}
}

static void
test_corpus_replies_are_read(void **state)
{
	(void)state;
	corpus_each("reply", "accept", visit_accepted);
}

static void
test_corpus_replies_are_refused(void **state)
{
	(void)state;
	corpus_each("reply", "reject", visit_rejected);
}

static struct reply_head
read_fields(const char *fields)
{
	char text[8192];
	auto_outcome outcome = {0};

	snprintf(text, sizeof(text),
	    "HTTP/1.1 503 Service Unavailable\r\n%s"
	    "Content-Length: 0\r\n\r\n",
	    fields);
	outcome = read_reply(text, strlen(text), sizeof(text));
	assert_int_equal(outcome.step, REPLY_STEP_WHOLE);
	return outcome.reply.head;
}

static void
test_fields_are_read_whatever_their_case(void **state)
{
	struct reply_head reply = read_fields(
	    "retry-AFTER:  7\r\n"
	    "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
	    "Link: </v1/tasks?before=x>; rel=\"next\"\r\n"
	    "WWW-Authenticate: Bearer error=\"insufficient_scope\", "
	    "scope=\"tasks:run\"\r\n"
	    "connection: Close\r\n");

	(void)state;
	assert_int_equal(reply.status, 503);
	assert_int_equal(reply.retry_after_s, 7);
	assert_int_equal(reply.date_s, 784111777);
	assert_true(reply.has_next);
	assert_true(reply.closes);
	assert_string_equal(reply.scope, "tasks:run");
}

static void
test_fields_that_say_nothing_usable_are_passed_over(void **state)
{
	struct reply_head reply = read_fields(
	    "Retry-After: soon\r\nDate: never\r\n"
	    "Link: <x>; rel=\"prev\"\r\nWWW-Authenticate: Bearer\r\n");
	struct reply_head later = read_fields("Retry-After: 2678401\r\n");

	(void)state;
	assert_int_equal(reply.retry_after_s, -1);
	assert_int_equal(reply.date_s, 0);
	assert_false(reply.has_next);
	assert_false(reply.closes);
	assert_string_equal(reply.scope, "");
	assert_int_equal(later.retry_after_s, -1);
}

static void
test_a_long_scope_is_passed_over(void **state)
{
	char line[1000] = "WWW-Authenticate: scope=\"";

	(void)state;
	memset(line + 25, 's', 900);
	strcpy(line + 925, "\"\r\n");
	assert_string_equal(read_fields(line).scope, "");
}

static void
test_an_interim_heads_fields_are_forgotten(void **state)
{
	static const char text[] =
	    "HTTP/1.1 100 Continue\r\n"
	    "Retry-After: 9\r\nContent-Length: 3\r\n\r\n"
	    "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
	auto_outcome outcome = read_reply(text, sizeof(text) - 1, 4096);

	(void)state;
	assert_int_equal(outcome.step, REPLY_STEP_WHOLE);
	assert_int_equal(outcome.reply.head.retry_after_s, -1);
}

static void
test_a_digest_is_the_bodys(void **state)
{
	struct reply_head reply =
	    read_fields("Content-Digest: sha-256=:47DEQpj8HBSa"
			"+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:\r\n");
	uint8_t expected[SHA256_BYTES];

	(void)state;
	digest_sha256("", 0, expected);
	assert_true(reply.has_digest);
	assert_memory_equal(reply.digest, expected, sizeof(expected));
}

static const struct {
	enum fault_kind kind;
	enum retry_cause cause;
	const char *slug;
	const char *words;
} faults[] = {
    {FAULT_NO_HOST, RETRY_NOT_CONNECTED, "unreachable", "no host"},
    {FAULT_NOT_CONNECTED, RETRY_NOT_CONNECTED, "unreachable", "nobody answers"},
    {FAULT_CONNECT_TIMEOUT, RETRY_NOT_CONNECTED, "unreachable",
	"no connection within the time"},
    {FAULT_STRANGER, RETRY_NEVER, "unreachable",
	"not the server of this context"},
    {FAULT_REFUSED, RETRY_NEVER, "unauthenticated",
	"did not accept our certificate"},
    {FAULT_OWN_CERTIFICATE, RETRY_NEVER, "context", "our own certificate"},
    {FAULT_OWN_CA, RETRY_NEVER, "context", "CA certificate"},
    {FAULT_NO_TLS, RETRY_NOT_CONNECTED, "unreachable", "no TLS 1.3"},
    {FAULT_LOST, RETRY_LOST, "unreachable", "connection was lost"},
    {FAULT_TIMEOUT, RETRY_LOST, "unreachable", "no reply within the time"},
    {FAULT_NO_HTTP, RETRY_NEVER, "unreachable", "not speak HTTP"},
    {FAULT_TOO_LARGE, RETRY_NEVER, "unreachable", "larger than"},
    {FAULT_SOURCE, RETRY_NEVER, "local", "to be sent"},
};

static void
test_each_fault_has_a_sentence_and_a_cause(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(faults); i++) {
		struct fault fault = {0};
		char sentence[256];

		fault_set(&fault, faults[i].kind, "some detail");
		fault_describe(&fault, sentence, sizeof(sentence));
		assert_int_equal(fault_cause(fault.kind), faults[i].cause);
		assert_string_equal(fault_slug(fault.kind), faults[i].slug);
		if (strstr(sentence, faults[i].words) == NULL ||
		    strstr(sentence, "(some detail)") == NULL)
			fail_msg("%zu: \"%s\"", i, sentence);
	}
}

static void
test_the_first_fault_stays(void **state)
{
	struct fault fault = {0};

	(void)state;
	fault_set(&fault, FAULT_STRANGER, NULL);
	fault_set(&fault, FAULT_LOST, "later");
	assert_int_equal(fault.kind, FAULT_STRANGER);
	assert_string_equal(fault.detail, "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_corpus_replies_are_read),
	    cmocka_unit_test(test_corpus_replies_are_refused),
	    cmocka_unit_test(test_fields_are_read_whatever_their_case),
	    cmocka_unit_test(
		test_fields_that_say_nothing_usable_are_passed_over),
	    cmocka_unit_test(test_a_long_scope_is_passed_over),
	    cmocka_unit_test(test_an_interim_heads_fields_are_forgotten),
	    cmocka_unit_test(test_a_digest_is_the_bodys),
	    cmocka_unit_test(test_each_fault_has_a_sentence_and_a_cause),
	    cmocka_unit_test(test_the_first_fault_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
