/* The engine's events: however the bytes are cut, the same events. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/alloc.h"
#include "lib/buffer.h"
#include "lib/cleanup.h"
#include "lib/json.h"
#include "runner/event_reader.h"
#include "tests/unit/corpus.h"

#define auto_reader \
	__attribute__((cleanup(event_reader_done), unused)) struct event_reader

/* Appends what comes out, one line each; "?" is one that cannot be read. */
static void
drain(struct event_reader *reader, struct buffer *out)
{
	json_t *event = NULL;

	while (event_reader_next(reader, &event)) {
		auto_json *owned = event;
		auto_free char *text = event != NULL
		    ? json_encode_canonical(event, NULL)
		    : alloc_string("?");

		buffer_printf(out, "%s\n", text);
	}
}

/* Fed in pieces of so many bytes. */
static char *
read_all(const char *stream, size_t len, size_t piece)
{
	auto_reader reader;
	auto_buffer out = BUFFER_INIT(SIZE_MAX);

	event_reader_init(&reader);
	for (size_t at = 0; at < len; at += piece) {
		event_reader_feed(
		    &reader, stream + at, len - at < piece ? len - at : piece);
		drain(&reader, &out);
	}
	return buffer_take(&out);
}

static void
visit(const struct corpus_case *one)
{
	size_t len = 0;
	auto_free char *stream = corpus_read(one, "stream", &len);
	auto_free char *expected = corpus_read(one, "events", NULL);

	for (size_t piece = 1; piece <= len + 1; piece++) {
		auto_free char *found = read_all(stream, len, piece);

		if (strcmp(found, expected) != 0)
			fail_msg(
			    "%s by %zu bytes: %s", one->name, piece, found);
	}
}

static void
test_corpus_streams_give_their_events_however_they_are_cut(void **state)
{
	(void)state;
	corpus_each("event", "accept", visit);
}

static void
test_corpus_lines_that_are_no_event_hide_no_other(void **state)
{
	(void)state;
	corpus_each("event", "reject", visit);
}

/* {"a":"xx...x"} of so many bytes, and a small one behind it. */
static char *
read_long(size_t len, size_t piece)
{
	auto_buffer stream = BUFFER_INIT(SIZE_MAX);
	auto_free char *filling = alloc_zero(len, 1);

	memset(filling, 'x', len - strlen("{\"a\":\"\"}"));
	buffer_printf(&stream, "{\"a\":\"%s\"}\n{\"b\":1}\n", filling);
	return read_all(stream.data, stream.len, piece);
}

static void
test_longest_event_is_read_and_one_more_byte_is_not(void **state)
{
	static const size_t pieces[] = {16384, 4 << 20};

	(void)state;
	for (size_t k = 0; k < COUNT(pieces); k++) {
		auto_free char *longest = read_long(EVENT_LINE_MAX, pieces[k]);
		auto_free char *more = read_long(EVENT_LINE_MAX + 1, pieces[k]);

		assert_int_equal(
		    strlen(longest), EVENT_LINE_MAX + strlen("\n{\"b\":1}\n"));
		assert_string_equal(more, "?\n{\"b\":1}\n");
	}
}

static void
test_a_line_without_end_takes_no_more_memory_than_the_longest(void **state)
{
	static const char piece[16384] = {'{'};
	auto_reader reader;
	json_t *event = NULL;

	(void)state;
	event_reader_init(&reader);
	for (size_t n = 0; n < 4 * EVENT_LINE_MAX; n += sizeof(piece)) {
		event_reader_feed(&reader, piece, sizeof(piece));
		assert_false(event_reader_next(&reader, &event));
		assert_true(reader.line.size <= 2 * EVENT_LINE_MAX);
		assert_true(reader.fed.size <= 2 * sizeof(piece));
	}
	event_reader_feed(&reader, "\n", 1);
	assert_true(event_reader_next(&reader, &event));
	assert_null(event);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(
		test_corpus_streams_give_their_events_however_they_are_cut),
	    cmocka_unit_test(test_corpus_lines_that_are_no_event_hide_no_other),
	    cmocka_unit_test(
		test_longest_event_is_read_and_one_more_byte_is_not),
	    cmocka_unit_test(
		test_a_line_without_end_takes_no_more_memory_than_the_longest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
