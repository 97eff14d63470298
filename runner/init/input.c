/* The ring between the control socket and the task's standard input. */
#include "runner/init/input.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

void
input_open_take(struct input *input, int pipe)
{
	input->there = true;
	input->pipe = pipe;
}

static void
close_pipe(struct input *input)
{
	if (input->pipe >= 0)
		close(input->pipe);
	input->pipe = -1;
}

static void
copy_in(struct input *input, const uint8_t *data, size_t len)
{
	size_t at = (size_t)(input->received % CONTROL_INPUT_WINDOW);
	size_t first = CONTROL_INPUT_WINDOW - at;

	if (first > len)
		first = len;
	memcpy(input->ring + at, data, first);
	memcpy(input->ring, data + first, len - first);
}

bool
input_receive(struct input *input, const struct control_data *data)
{
	if (!input->there || input->ended || data->offset != input->received ||
	    data->len > CONTROL_INPUT_WINDOW - (input->received - input->taken))
		return false;
	if (!input->closed)
		copy_in(input, data->data, data->len);
	input->received += data->len;
	if (input->closed)
		input->taken = input->received;
	return true;
}

bool
input_end(struct input *input, uint64_t length)
{
	if (!input->there || input->ended || length != input->received)
		return false;
	input->ended = true;
	if (input->taken == input->received)
		close_pipe(input);
	return true;
}

bool
input_wants_to_write(const struct input *input)
{
	return input->pipe >= 0 && input->taken < input->received;
}

void
input_write(struct input *input)
{
	while (input_wants_to_write(input)) {
		size_t at = (size_t)(input->taken % CONTROL_INPUT_WINDOW);
		size_t len = (size_t)(input->received - input->taken);
		ssize_t n;

		if (len > CONTROL_INPUT_WINDOW - at)
			len = CONTROL_INPUT_WINDOW - at;
		n = write(input->pipe, input->ring + at, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0) {
			input_close(input);
			return;
		}
		input->taken += (uint64_t)n;
	}
	if (input->ended)
		close_pipe(input);
}

void
input_close(struct input *input)
{
	close_pipe(input);
	if (!input->there || (input->ended && input->taken == input->received))
		return;
	input->closed = true;
	input->taken = input->received;
}
