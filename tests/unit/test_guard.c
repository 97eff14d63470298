/* The guard, by its own corpus, by truncation, by piecemeal arrival and, where
 * TASKGATE_VECTORS is set, by llhttp's request tests. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/evp.h>

#include "gateway/guard.h"
#include "lib/alloc.h"
#include "lib/buffer.h"
#include "lib/cleanup.h"
#include "lib/json.h"
#include "tests/unit/corpus.h"

static enum guard_result
read_whole(const char *data, size_t len, struct guard *guard, struct err *err)
{
	guard_init(guard);
	*err = (struct err){0};
	return guard_read_head(guard, data, len, err);
}

static enum guard_result
read_piecemeal(
    const char *data, size_t len, struct guard *guard, struct err *err)
{
	enum guard_result result = GUARD_MORE;

	guard_init(guard);
	*err = (struct err){0};
	for (size_t have = 0; have <= len && result == GUARD_MORE; have++) {
		/* A copy of its own, so that a byte read too far is found. */
		auto_free char *arrived = alloc_zero(have + 1, 1);

		memcpy(arrived, data, have);
		arrived = alloc_resize(arrived, have > 0 ? have : 1, 1);
		result = guard_read_head(guard, arrived, have, err);
	}
	return result;
}

static void
assert_same_piecemeal(const char *name, const char *data, size_t len)
{
	struct guard whole, pieces;
	struct err err, pieces_err;
	enum guard_result result = read_whole(data, len, &whole, &err);

	if (read_piecemeal(data, len, &pieces, &pieces_err) != result ||
	    err.code != pieces_err.code ||
	    strcmp(err.detail, pieces_err.detail) != 0)
		fail_msg("%s: read byte by byte it is not the same", name);
	if (result != GUARD_ACCEPTED)
		return;
	assert_int_equal(whole.head_len, pieces.head_len);
	assert_int_equal(whole.content_length, pieces.content_length);
	assert_int_equal(whole.has_length, pieces.has_length);
	assert_int_equal(whole.chunked, pieces.chunked);
	assert_int_equal(whole.close, pieces.close);
	assert_int_equal(whole.expect_continue, pieces.expect_continue);
	assert_string_equal(whole.method, pieces.method);
}

/* Everything shorter than the head is not a head. */
static void
assert_truncations_not_accepted(const char *name, const char *data, size_t len)
{
	for (size_t cut = 0; cut < len; cut++) {
		auto_free char *short_one = alloc_bytes(data, cut);
		struct guard guard;
		struct err err;

		if (read_whole(short_one, cut, &guard, &err) == GUARD_ACCEPTED)
			fail_msg(
			    "%s: accepted at %zu of %zu bytes", name, cut, len);
	}
}

static void
visit_accepted(const struct corpus_case *one)
{
	size_t len = 0;
	auto_free char *data = corpus_read(one, "head.bin", &len);
	struct guard guard;
	struct err err;

	if (read_whole(data, len, &guard, &err) != GUARD_ACCEPTED)
		fail_msg("%s: %s", one->name, err.detail);
	if (guard.head_len > len)
		fail_msg("%s: a head longer than what there is", one->name);
	assert_same_piecemeal(one->name, data, len);
	assert_truncations_not_accepted(one->name, data, guard.head_len);
}

static void
visit_rejected(const struct corpus_case *one)
{
	size_t len = 0;
	auto_free char *data = corpus_read(one, "head.bin", &len);
	auto_free char *expected = corpus_read(one, "error", NULL);
	struct guard guard;
	struct err err;

	expected[strcspn(expected, "\n")] = '\0';
	if (read_whole(data, len, &guard, &err) != GUARD_REFUSED)
		fail_msg("%s: not refused", one->name);
	if (strcmp(err_slug(err.code), expected) != 0)
		fail_msg(
		    "%s: %s, not %s", one->name, err_slug(err.code), expected);
	assert_same_piecemeal(one->name, data, len);
	assert_truncations_not_accepted(one->name, data, len);
}

static void
test_corpus_heads_are_accepted(void **state)
{
	(void)state;
	corpus_each("guard", "accept", visit_accepted);
}

static void
test_corpus_heads_are_refused(void **state)
{
	(void)state;
	corpus_each("guard", "reject", visit_rejected);
}

/* ---- chunked bodies ---- */

struct chunks {
	enum guard_result result;
	size_t taken;
	uint64_t body_len;
	struct err err;
};

/* In pieces of `step` bytes, each a copy of its own. */
static struct chunks
read_chunks(const struct guard *head, const char *data, size_t len, size_t step)
{
	struct guard guard = *head;
	struct chunks chunks = {.result = GUARD_MORE};

	while (chunks.result == GUARD_MORE && chunks.taken < len) {
		size_t part =
		    len - chunks.taken < step ? len - chunks.taken : step;
		auto_free char *copy = alloc_bytes(data + chunks.taken, part);
		size_t taken = 0;

		chunks.result =
		    guard_read_chunks(&guard, copy, part, &taken, &chunks.err);
		chunks.taken += taken;
	}
	chunks.body_len = guard.body_len;
	return chunks;
}

static struct chunks
read_chunked_request(
    const struct corpus_case *one, size_t step, size_t *ret_left)
{
	size_t len = 0;
	auto_free char *data = corpus_read(one, "request.bin", &len);
	struct guard guard;
	struct err err;

	if (read_whole(data, len, &guard, &err) != GUARD_ACCEPTED ||
	    !guard.chunked || guard.has_length)
		fail_msg(
		    "%s: the head is not one of a chunked body", one->name);
	*ret_left = len - guard.head_len;
	return read_chunks(&guard, data + guard.head_len, *ret_left, step);
}

static void
visit_accepted_chunks(const struct corpus_case *one)
{
	auto_free char *length = corpus_read(one, "length", NULL);
	size_t left = 0;
	struct chunks whole = read_chunked_request(one, SIZE_MAX, &left);

	if (whole.result != GUARD_ACCEPTED)
		fail_msg("%s: %s", one->name, whole.err.detail);
	assert_int_equal(whole.body_len, strtoull(length, NULL, 10));
	for (size_t step = 1; step < left; step++) {
		struct chunks pieces = read_chunked_request(one, step, &left);

		assert_int_equal(pieces.result, GUARD_ACCEPTED);
		assert_int_equal(pieces.taken, whole.taken);
		assert_int_equal(pieces.body_len, whole.body_len);
	}
}

static void
visit_rejected_chunks(const struct corpus_case *one)
{
	auto_free char *reason = corpus_read(one, "reason", NULL);
	size_t left = 0;
	struct chunks whole = read_chunked_request(one, SIZE_MAX, &left);
	struct chunks pieces = read_chunked_request(one, 1, &left);

	reason[strcspn(reason, "\n")] = '\0';
	if (whole.result != GUARD_REFUSED)
		fail_msg("%s: not refused", one->name);
	assert_int_equal(whole.err.code, ERR_MALFORMED);
	assert_string_equal(whole.err.detail, reason);
	assert_int_equal(pieces.result, GUARD_REFUSED);
	assert_string_equal(pieces.err.detail, reason);
}

static void
test_corpus_chunked_bodies_are_accepted(void **state)
{
	(void)state;
	corpus_each("chunks", "accept", visit_accepted_chunks);
}

static void
test_corpus_chunked_bodies_are_refused(void **state)
{
	(void)state;
	corpus_each("chunks", "reject", visit_rejected_chunks);
}

static void
test_chunked_body_cut_anywhere_is_not_whole(void **state)
{
	static const char body[] = "5\r\nhello\r\n1a\r\n"
				   "abcdefghijklmnopqrstuvwxyz\r\n0\r\n\r\n";

	(void)state;
	for (size_t cut = 0; cut < strlen(body); cut++) {
		struct guard guard;

		guard_init(&guard);
		assert_int_equal(
		    read_chunks(&guard, body, cut, SIZE_MAX).result,
		    GUARD_MORE);
	}
}

static void
test_chunk_of_the_maximum_is_taken_and_no_more_is_read(void **state)
{
	static const char size[] = "FFFFFFFF\r\n";
	struct guard guard;
	struct chunks chunks;

	(void)state;
	guard_init(&guard);
	chunks = read_chunks(&guard, size, strlen(size), SIZE_MAX);
	assert_int_equal(chunks.result, GUARD_MORE);
	assert_int_equal(chunks.taken, strlen(size));
	guard.body_len = UINT64_MAX / 2;
	chunks = read_chunks(&guard, size, strlen(size), SIZE_MAX);
	assert_int_equal(chunks.result, GUARD_REFUSED);
}

static void
test_every_byte_stands_only_where_a_chunk_has_it(void **state)
{
	static const char form[] = "5\r\nhello\r\n0\r\n\r\n";

	(void)state;
	for (size_t at = 0; at < strlen(form); at++) {
		bool is_data = at >= 3 && at < 8;

		for (int byte = 0; byte < 256; byte++) {
			char body[sizeof(form)];
			struct guard guard;

			if (byte == form[at])
				continue;
			memcpy(body, form, sizeof(form));
			body[at] = (char)byte;
			guard_init(&guard);
			/* Another size takes what follows for data. */
			if ((read_chunks(&guard, body, strlen(form), SIZE_MAX)
				    .result == GUARD_ACCEPTED) != is_data &&
			    !(at == 0 && byte == '0'))
				fail_msg(
				    "byte %02x at %zu", (unsigned)byte, at);
		}
	}
}

static void
test_accepted_head_says_what_it_announced(void **state)
{
	static const char head[] = "POST /v1/tasks?wait=5 HTTP/1.1\r\n"
				   "Host: [::1]:8443\r\n"
				   "content-LENGTH:  42 \r\n"
				   "Expect: 100-Continue\r\n"
				   "Connection: keep-alive, Close\r\n\r\n";
	struct guard guard;
	struct err err;

	(void)state;
	assert_int_equal(
	    read_whole(head, strlen(head), &guard, &err), GUARD_ACCEPTED);
	assert_string_equal(guard.method, "POST");
	assert_true(guard.has_length);
	assert_int_equal(guard.content_length, 42);
	assert_true(guard.expect_continue);
	assert_true(guard.close);
	assert_int_equal(guard.head_len, strlen(head));
}

static void
test_head_without_length_announces_no_body(void **state)
{
	static const char head[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
	struct guard guard;
	struct err err;

	(void)state;
	assert_int_equal(
	    read_whole(head, strlen(head), &guard, &err), GUARD_ACCEPTED);
	assert_false(guard.has_length);
	assert_int_equal(guard.content_length, 0);
	assert_false(guard.expect_continue);
	assert_false(guard.close);
}

static void
test_bytes_behind_the_head_are_not_looked_at(void **state)
{
	static const char two[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
				  "\n\0 anything \xff";
	struct guard guard;
	struct err err;

	(void)state;
	assert_int_equal(
	    read_whole(two, sizeof(two), &guard, &err), GUARD_ACCEPTED);
	assert_int_equal(
	    guard.head_len, strlen("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
}

/* "GET / HTTP/1.1", Host and X fields that fill the head to exactly `len`. */
static char *
make_head(size_t len)
{
	auto_buffer head = BUFFER_INIT(2 * GUARD_HEAD_MAX);

	buffer_append_string(&head, "GET / HTTP/1.1\r\nHost: a\r\nX: ");
	while (head.len < len - 4)
		buffer_append_string(&head, "x");
	buffer_append_string(&head, "\r\n\r\n");
	return buffer_take(&head);
}

static void
test_head_of_the_maximum_is_accepted_and_one_more_is_not(void **state)
{
	auto_free char *most = make_head(GUARD_HEAD_MAX);
	auto_free char *more = make_head(GUARD_HEAD_MAX + 1);
	struct guard guard;
	struct err err;

	(void)state;
	assert_int_equal(
	    read_whole(most, strlen(most), &guard, &err), GUARD_ACCEPTED);
	assert_int_equal(
	    read_whole(more, strlen(more), &guard, &err), GUARD_REFUSED);
	assert_int_equal(err.code, ERR_HEAD_TOO_LARGE);
	assert_int_equal(
	    read_whole(more, GUARD_HEAD_MAX, &guard, &err), GUARD_REFUSED);
	assert_int_equal(
	    read_whole(more, GUARD_HEAD_MAX - 1, &guard, &err), GUARD_MORE);
}

static enum guard_result
read_fields(unsigned count, struct err *err)
{
	auto_buffer head = BUFFER_INIT(GUARD_HEAD_MAX);
	struct guard guard;

	buffer_append_string(&head, "GET / HTTP/1.1\r\nHost: a\r\n");
	for (unsigned k = 1; k < count; k++)
		buffer_printf(&head, "X-%u: x\r\n", k);
	buffer_append_string(&head, "\r\n");
	return read_whole(head.data, head.len, &guard, err);
}

static void
test_maximum_of_fields_is_accepted_and_one_more_is_not(void **state)
{
	struct err err;

	(void)state;
	assert_int_equal(read_fields(GUARD_FIELDS_MAX, &err), GUARD_ACCEPTED);
	assert_int_equal(
	    read_fields(GUARD_FIELDS_MAX + 1, &err), GUARD_REFUSED);
	assert_int_equal(err.code, ERR_HEAD_TOO_LARGE);
}

static void
assert_refused_at_once(const char *beginning)
{
	struct guard guard;
	struct err err;

	if (read_whole(beginning, strlen(beginning), &guard, &err) !=
	    GUARD_REFUSED)
		fail_msg("not refused before its line ended: %s", beginning);
	assert_int_equal(err.code, ERR_MALFORMED);
}

static void
test_bad_byte_is_refused_before_its_line_ends(void **state)
{
	(void)state;
	assert_refused_at_once("GET /\n");
	assert_refused_at_once("\x16\x03\x01");
	assert_refused_at_once("GET / HTTP/1.1\r\nX: a\nH");
	assert_refused_at_once("GET / HTTP/1.1\r\nX: a\rb");
	assert_refused_at_once("GET / HTTP/1.1\r\nX: \x7f");
	assert_refused_at_once("GET / HTTP/1.1\r\nX: \xc3");
}

/* Every byte in every kind of place: accepted
 * only where it may stand. */
static void
assert_byte_allowed(const char *before, const char *after, const char *allowed)
{
	for (int byte = 0; byte < 256; byte++) {
		auto_free char *head = alloc_printf("%s?%s", before, after);
		size_t len = strlen(head);
		bool may = byte != 0 && strchr(allowed, byte) != NULL;
		struct guard guard;
		struct err err;

		head[strlen(before)] = (char)byte;
		if ((read_whole(head, len, &guard, &err) == GUARD_ACCEPTED) !=
		    may)
			fail_msg("byte %02x behind %s", (unsigned)byte, before);
	}
}

#define ALNUM "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
#define GET "GET / HTTP/1.1\r\nHost: a"

static void
test_every_byte_stands_only_where_the_grammar_has_it(void **state)
{
	(void)state;
	assert_byte_allowed(
	    "G", "T / HTTP/1.1\r\nHost: a\r\n\r\n", ALNUM "!#$%&'*+-.^_`|~");
	assert_byte_allowed("GET /a", "b HTTP/1.1\r\nHost: a\r\n\r\n",
	    ALNUM "-._~!$&'()*+,;=:@/?");
	assert_byte_allowed("GET /?a", "bb HTTP/1.1\r\nHost: a\r\n\r\n",
	    ALNUM "-._~!$&'()*+,;=:@/?%");
	assert_byte_allowed(
	    GET "\r\nX", "Y: b\r\n\r\n", ALNUM "!#$%&'*+-.^_`|~:");
	assert_byte_allowed(GET "\r\nX: a", "b\r\n\r\n",
	    ALNUM " !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~");
	assert_byte_allowed(GET, "b\r\n\r\n", ALNUM "-._~");
	assert_byte_allowed(
	    GET "\r\nContent-Length: 1", "2\r\n\r\n", "0123456789");
	assert_byte_allowed("GET / HTTP/1.", "\r\nHost: a\r\n\r\n", "1");
}

static void
test_refusal_repeats_nothing_of_the_request(void **state)
{
	static const char *const heads[] = {
	    "SeCrEt\r\n",
	    "GET SeCrEt HTTP/1.1\r\n",
	    "GET / SeCrEt\r\n",
	    "GET / HTTP/1.1\r\nSeCrEt\r\n",
	    "GET / HTTP/1.1\r\nHost: SeCrEt:SeCrEt\r\n",
	    "GET / HTTP/1.1\r\nContent-Length: SeCrEt\r\n",
	    "GET / HTTP/1.1\r\nTransfer-Encoding: SeCrEt\r\n",
	    "GET / HTTP/1.1\r\nExpect: SeCrEt\r\n",
	    "GET / HTTP/1.1\r\nHost: a\r\nHost: SeCrEt\r\n",
	};

	(void)state;
	for (size_t k = 0; k < COUNT(heads); k++) {
		struct guard guard;
		struct err err;

		assert_int_equal(
		    read_whole(heads[k], strlen(heads[k]), &guard, &err),
		    GUARD_REFUSED);
		assert_null(strstr(err.detail, "SeCrEt"));
		assert_true(strlen(err.detail) > 0);
	}
}

/* Reads heads and bodies one after the other: the whole was accepted only if
 * nothing is left over and nothing is missing. */
static bool
is_accepted_in_full(const char *data, size_t len)
{
	bool closed = false;

	for (size_t at = 0; at < len;) {
		struct guard guard;
		struct err err;

		if (closed ||
		    read_whole(data + at, len - at, &guard, &err) !=
			GUARD_ACCEPTED)
			return false;
		if (guard.content_length > len - at - guard.head_len)
			return false;
		at += guard.head_len + (size_t)guard.content_length;
		if (guard.chunked) {
			struct chunks chunks =
			    read_chunks(&guard, data + at, len - at, SIZE_MAX);

			if (chunks.result != GUARD_ACCEPTED)
				return false;
			at += chunks.taken;
		}
		closed = guard.close;
	}
	return true;
}

/* The same with a Host behind every request line that has none, so that its
 * absence is not the reason for every refusal. */
static char *
add_hosts(const char *data, size_t len, size_t *ret_len)
{
	static const char version[] = "HTTP/1.1\r\n";
	auto_buffer out = BUFFER_INIT(SIZE_MAX);
	bool has_host = memmem(data, len, "Host:", 5) != NULL;

	for (size_t k = 0; k < len; k++) {
		bool ends = k + 1 >= strlen(version) &&
		    memcmp(data + k + 1 - strlen(version), version,
			strlen(version)) == 0;

		buffer_append(&out, data + k, 1);
		if (ends && !has_host)
			buffer_append_string(&out, "Host: a\r\n");
	}
	*ret_len = out.len;
	return buffer_take(&out);
}

/* The one thing that llhttp refuses and the guard need not: a method that is
 * a token, but that llhttp's own list does not have. Here the route table
 * answers it (405). */
static bool
is_refused_for_its_method_alone(const json_t *one)
{
	const char *error = json_string_value(json_object_get(one, "error"));

	return error != NULL &&
	    strcmp(error, "Expected space after method") == 0;
}

/* Why the guard may refuse what llhttp accepts; each class is a rule of the
 * guard's, stricter than the RFC has to be. */
static bool
may_be_refused(const struct err *err)
{
	static const char *const classes[] = {
	    /* HTTP/1.0, HTTP/0.9, RTSP, ICE. */
	    "the version is not HTTP/1.1",
	    "the request line has no version",
	    /* An empty line before the request line. */
	    "the request line does not begin with a method and one space",
	    /* Absolute, authority and asterisk form. */
	    "the request target does not begin with a slash",
	    /* Fragments, quotes, backslashes, bars. */
	    "the path has a byte that no path here has",
	    "the query has a byte that must be encoded",
	    /* obs-text and tabs. */
	    "the head has a byte that is not ASCII or cannot be printed",
	    /* Leading zeros. */
	    "the Content-Length is not a length",
	    /* Codings beside chunked. */
	    "the Transfer-Encoding is not chunked",
	    /* A Host with more than host and port. */
	    "the Host is not a host",
	    "nothing here can be upgraded",
	};

	for (size_t k = 0; k < COUNT(classes); k++) {
		if (strcmp(err->detail, classes[k]) == 0)
			return true;
	}
	return false;
}

static char *
decode_raw(const json_t *one, size_t *ret_len)
{
	const char *text = json_string_value(json_object_get(one, "raw_b64"));
	size_t len = strlen(text);
	unsigned char *raw = alloc_zero(len + 1, 1);
	int size = EVP_DecodeBlock(raw, (const unsigned char *)text, (int)len);

	assert_true(size >= 0);
	while (len > 0 && text[len - 1] == '=') {
		len--;
		size--;
	}
	*ret_len = (size_t)size;
	return (char *)raw;
}

static void
try_outside_case(const json_t *one)
{
	const char *id = json_string_value(json_object_get(one, "id"));
	const char *type = json_string_value(json_object_get(one, "type"));
	const char *expect = json_string_value(json_object_get(one, "expect"));
	size_t raw_len = 0, len = 0;
	auto_free char *raw = decode_raw(one, &raw_len);
	auto_free char *data = add_hosts(raw, raw_len, &len);
	bool must_refuse = strcmp(expect, "reject") == 0 ||
	    strncmp(type, "request-lenient", strlen("request-lenient")) == 0;
	struct guard guard;
	struct err err;

	assert_same_piecemeal(id, raw, raw_len);
	assert_same_piecemeal(id, data, len);
	if (must_refuse && is_accepted_in_full(raw, raw_len))
		fail_msg("%s: accepted", id);
	if (must_refuse && !is_refused_for_its_method_alone(one) &&
	    is_accepted_in_full(data, len))
		fail_msg("%s: accepted with a Host", id);
	if (!must_refuse &&
	    read_whole(data, len, &guard, &err) == GUARD_REFUSED &&
	    !may_be_refused(&err))
		fail_msg("%s: refused for no known reason: %s", id, err.detail);
}

static void
test_outside_vectors_are_refused_where_they_must(void **state)
{
	const char *vectors = getenv("TASKGATE_VECTORS");
	struct err err;

	(void)state;
	if (vectors == NULL)
		return;
	auto_free char *path =
	    alloc_printf("%s/http/llhttp-request.json", vectors);
	auto_json *file = json_parse_file(path, 1 << 24, &err);
	size_t k;
	json_t *one;

	assert_non_null(file);
	json_t *cases = json_object_get(file, "cases");

	assert_true(json_array_size(cases) > 100);
	json_array_foreach(cases, k, one) try_outside_case(one);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_corpus_heads_are_accepted),
	    cmocka_unit_test(test_corpus_heads_are_refused),
	    cmocka_unit_test(test_corpus_chunked_bodies_are_accepted),
	    cmocka_unit_test(test_corpus_chunked_bodies_are_refused),
	    cmocka_unit_test(test_chunked_body_cut_anywhere_is_not_whole),
	    cmocka_unit_test(
		test_chunk_of_the_maximum_is_taken_and_no_more_is_read),
	    cmocka_unit_test(test_every_byte_stands_only_where_a_chunk_has_it),
	    cmocka_unit_test(test_accepted_head_says_what_it_announced),
	    cmocka_unit_test(test_head_without_length_announces_no_body),
	    cmocka_unit_test(test_bytes_behind_the_head_are_not_looked_at),
	    cmocka_unit_test(
		test_head_of_the_maximum_is_accepted_and_one_more_is_not),
	    cmocka_unit_test(
		test_maximum_of_fields_is_accepted_and_one_more_is_not),
	    cmocka_unit_test(test_bad_byte_is_refused_before_its_line_ends),
	    cmocka_unit_test(
		test_every_byte_stands_only_where_the_grammar_has_it),
	    cmocka_unit_test(test_refusal_repeats_nothing_of_the_request),
	    cmocka_unit_test(test_outside_vectors_are_refused_where_they_must),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
