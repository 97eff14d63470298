/*
 * Standard input on its way to task-init: never more than the window beyond
 * what the task has taken, and what the socket has no room for waits here.
 */
#include <string.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "runner/sandbox_state.h"

size_t
sandbox_input_room(const struct sandbox *sandbox)
{
	const struct sandbox_feed *feed = &sandbox->feed;

	if (sandbox->state != SANDBOX_RUNNING || !feed->wanted ||
	    feed->end_given)
		return 0;
	return CONTROL_INPUT_WINDOW - (size_t)(feed->given - feed->taken);
}

/* How many of them went now. */
static size_t
send_bytes(struct sandbox *sandbox, const char *data, size_t len)
{
	struct sandbox_feed *feed = &sandbox->feed;
	size_t sent = 0;

	while (sent < len) {
		struct control_frame frame = {.type = CONTROL_INPUT};
		size_t piece = len - sent;

		if (piece > CONTROL_DATA_MAX)
			piece = CONTROL_DATA_MAX;
		frame.input.offset = feed->sent;
		if (!sandbox_control_send_data(
			sandbox->control, &frame, data + sent, piece))
			break;
		sent += piece;
		feed->sent += piece;
	}
	return sent;
}

static void
send_end(struct sandbox *sandbox)
{
	struct sandbox_feed *feed = &sandbox->feed;
	struct control_frame frame = {.type = CONTROL_INPUT_END};

	if (!feed->end_given || feed->end_sent || feed->sent != feed->given)
		return;
	feed->end_sent = true;
	frame.input_end.offset = feed->given;
	sandbox_control_send(sandbox->control, &frame, NULL, 0);
}

void
sandbox_input(struct sandbox *sandbox, const void *data, size_t len)
{
	struct sandbox_feed *feed = &sandbox->feed;
	size_t sent = 0;

	if (len > sandbox_input_room(sandbox))
		die("sandbox_input: more than there is room for");
	feed->given += len;
	if (feed->pending.len == 0)
		sent = send_bytes(sandbox, data, len);
	feed->pending.max = CONTROL_INPUT_WINDOW;
	buffer_append(&feed->pending, (const char *)data + sent, len - sent);
}

void
sandbox_input_end(struct sandbox *sandbox)
{
	struct sandbox_feed *feed = &sandbox->feed;

	if (sandbox->state != SANDBOX_RUNNING || !feed->wanted)
		return;
	feed->end_given = true;
	send_end(sandbox);
}

void
sandbox_input_flush(void *arg)
{
	struct sandbox *sandbox = arg;
	struct buffer *pending = &sandbox->feed.pending;

	if (sandbox->state != SANDBOX_RUNNING)
		return;
	buffer_consume(
	    pending, send_bytes(sandbox, pending->data, pending->len));
	/* It is seldom needed. */
	if (pending->len == 0)
		buffer_done(pending);
	send_end(sandbox);
}

uint64_t
sandbox_input_received(const struct sandbox *sandbox)
{
	return sandbox->feed.given;
}

bool
sandbox_input_has_ended(const struct sandbox *sandbox)
{
	return sandbox->feed.end_given;
}

int
sandbox_input_take(
    struct sandbox *sandbox, uint64_t offset, bool closed, struct err *err)
{
	struct sandbox_feed *feed = &sandbox->feed;

	if ((sandbox->state != SANDBOX_RUNNING &&
		sandbox->state != SANDBOX_LEAVING) ||
	    !feed->wanted)
		return err_set(err, ERR_MALFORMED, "input is taken by nobody");
	if (offset > feed->sent)
		return err_set(
		    err, ERR_MALFORMED, "more input is taken than was sent");
	if (offset < feed->taken || (feed->closed && !closed))
		return err_set(err, ERR_MALFORMED, "input is given back");
	/* Said again it would only keep us busy; but for the first on a
	 * connection, which says how it stands. */
	if (feed->taken_known && offset == feed->taken &&
	    closed == feed->closed)
		return err_set(
		    err, ERR_MALFORMED, "the same input is taken again");
	feed->taken_known = true;
	feed->taken = offset;
	feed->closed = closed;
	if (sandbox->state == SANDBOX_RUNNING &&
	    sandbox->events.input_taken != NULL)
		sandbox->events.input_taken(sandbox->arg, offset, closed);
	return 0;
}

void
sandbox_input_done(struct sandbox *sandbox)
{
	buffer_done(&sandbox->feed.pending);
}
