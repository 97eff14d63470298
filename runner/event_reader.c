/*
 * Lines out of pieces, events out of lines. Much in an event was written by
 * whoever made the image: it is read strictly, and one that cannot be read
 * does not hide the next.
 */
#include "runner/event_reader.h"

#include <string.h>

#include "lib/cleanup.h"
#include "lib/json.h"

void
event_reader_init(struct event_reader *reader)
{
	*reader = (struct event_reader){
	    .line = BUFFER_INIT(EVENT_LINE_MAX),
	    .fed = BUFFER_INIT(SIZE_MAX),
	};
}

void
event_reader_done(struct event_reader *reader)
{
	buffer_done(&reader->line);
	buffer_done(&reader->fed);
}

void
event_reader_feed(struct event_reader *reader, const char *data, size_t len)
{
	buffer_append(&reader->fed, data, len);
}

static void
add_to_line(struct event_reader *reader, const char *data, size_t len)
{
	if (!reader->skipping)
		buffer_append(&reader->line, data, len);
	if (reader->line.full) {
		buffer_done(&reader->line);
		reader->line = (struct buffer)BUFFER_INIT(EVENT_LINE_MAX);
		reader->skipping = true;
	}
}

static json_t *
read_line(struct event_reader *reader)
{
	struct err ignored;
	size_t len = reader->line.len;
	auto_free char *text = buffer_take(&reader->line);
	auto_json *json =
	    reader->skipping ? NULL : json_parse_strict(text, len, &ignored);

	reader->skipping = false;
	return json_is_object(json) ? json_incref(json) : NULL;
}

/* Moves what there is of the line over; whether its end is there. */
static bool
take_line(struct event_reader *reader)
{
	const char *begin = reader->fed.data + reader->at;
	size_t left = reader->fed.len - reader->at;
	const char *end = memchr(begin, '\n', left);

	if (end != NULL) {
		add_to_line(reader, begin, (size_t)(end - begin));
		reader->at += (size_t)(end - begin) + 1;
		return true;
	}
	add_to_line(reader, begin, left);
	buffer_consume(&reader->fed, reader->fed.len);
	reader->at = 0;
	return false;
}

bool
event_reader_next(struct event_reader *reader, json_t **ret)
{
	while (reader->fed.len > 0 && take_line(reader)) {
		/* Nothing between two line feeds is no event. */
		if (reader->line.len == 0 && !reader->skipping)
			continue;
		*ret = read_line(reader);
		return true;
	}
	return false;
}
