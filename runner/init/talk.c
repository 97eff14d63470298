/*
 * What is said to the runner and what it is obeyed in. All that is said
 * follows from the state and from what this connection has been told already,
 * so that a connection that breaks at any moment takes nothing with it.
 */
#include <errno.h>
#include <sys/stat.h>

#include "runner/init/init.h"

/* Frames of a file in one turn, before signals and the runner are heard. */
#define FILE_BATCH 16

static struct control_inode
find_inode(const char *path)
{
	struct stat st;

	if (stat(path, &st) != 0)
		return (struct control_inode){0, 0};
	return (struct control_inode){st.st_dev, st.st_ino};
}

void
talk_prepare(struct init *init, int npaths, char **paths)
{
	if (npaths > CONTROL_MOUNTS_MAX)
		init_end(INIT_MALFORMED);
	init->hello.version = CONTROL_VERSION;
	init->hello.netns = find_inode("/proc/self/ns/net");
	init->hello.nmounts = (uint32_t)npaths;
	for (int i = 0; i < npaths; i++)
		init->hello.mounts[i] = find_inode(paths[i]);
}

static enum control_state
find_state(const struct init *init)
{
	if (init->task.pid == 0)
		return CONTROL_WAITING;
	return init->task.ended ? CONTROL_ENDED : CONTROL_RUNNING;
}

void
talk_hello(struct init *init, int64_t now_ms)
{
	struct control_frame frame = {
	    .type = CONTROL_HELLO, .hello = init->hello};

	frame.hello.state = find_state(init);
	for (int i = 0; i < CONTROL_STREAMS; i++) {
		frame.hello.started[i] = init->streams[i].start;
		frame.hello.written[i] = init->streams[i].end;
	}
	frame.hello.input = init->input.received;
	frame.hello.input_ended = init->input.ended;
	if (!link_send(&init->link, &frame, NULL, 0)) {
		link_drop(&init->link, now_ms);
		return;
	}
	/* Of a start only the answer to this connection's order is said. */
	init->told = (struct told){.start = true};
	init->link.open = init->task.pid == 0;
	files_pause(&init->files);
}

static bool
take_resume(struct init *init, const uint64_t received[CONTROL_STREAMS])
{
	if (init->task.pid == 0 || init->link.open)
		return false;
	for (int i = 0; i < CONTROL_STREAMS; i++) {
		if (!stream_holds(&init->streams[i], received[i]))
			return false;
	}
	for (int i = 0; i < CONTROL_STREAMS; i++)
		stream_resume(&init->streams[i], received[i]);
	init->link.open = true;
	return true;
}

static bool
take_order(struct init *init, const struct link_message *message,
    uint32_t version, int64_t now_ms)
{
	if (init->task.pid != 0 || version != CONTROL_VERSION)
		return false;
	/* Given again to one that could not obey: its answer was lost. */
	if (!init->failed)
		order_obey(init, message->fds, message->nfds, now_ms);
	init->told.start = false;
	return true;
}

/* What came for a task that could not be started crossed its failure. */
static bool
take_input(struct init *init, const struct control_frame *frame)
{
	if (init->failed)
		return true;
	if (frame->type == CONTROL_INPUT_END)
		return input_end(&init->input, frame->input_end.offset);
	if (!input_receive(&init->input, &frame->input))
		return false;
	input_write(&init->input);
	return true;
}

/* False: that makes no sense now. */
static bool
obey(struct init *init, const struct link_message *message, int64_t now_ms)
{
	const struct control_frame *frame = &message->frame;

	if (frame->type == CONTROL_DONE)
		init_end(INIT_DONE);
	if (frame->type == CONTROL_RESUME)
		return take_resume(init, frame->resume.received);
	if (!init->link.open)
		return false;
	switch (frame->type) {
	case CONTROL_ORDER:
		return take_order(init, message, frame->order.version, now_ms);
	case CONTROL_ACK:
		return stream_acknowledge(
		    &init->streams[frame->ack.stream], frame->ack.offset);
	case CONTROL_SIGNAL:
		task_signal(&init->task,
		    (enum control_scope)frame->signal.scope,
		    (int)frame->signal.number);
		return true;
	case CONTROL_INPUT:
	case CONTROL_INPUT_END:
		return take_input(init, frame);
	case CONTROL_COLLECT:
		return init->told.exit &&
		    files_collect(&init->files, frame->collect.index,
			frame->collect.offset);
	default:
		return false;
	}
}

void
talk_hear(struct init *init, int64_t now_ms)
{
	struct link_message message;
	bool good;

	switch (link_receive(&init->link, init->packet, &message)) {
	case LINK_NOTHING:
		return;
	case LINK_MESSAGE:
		good = obey(init, &message, now_ms);
		link_message_close(&message);
		break;
	case LINK_ENDED:
		link_drop(&init->link, now_ms);
		return;
	default:
		good = false;
		break;
	}
	if (good)
		return;
	/* A task is not to suffer for what its runner gets wrong; one that
	 * there is none of yet is better made anew. */
	if (init->task.pid == 0)
		init_end(INIT_MALFORMED);
	link_drop(&init->link, now_ms);
}

static void
say_start(struct init *init)
{
	struct control_frame started = {.type = CONTROL_STARTED};

	if (init->told.start || (init->task.pid == 0 && !init->failed))
		return;
	init->told.start = link_send(
	    &init->link, init->failed ? &init->failure : &started, NULL, 0);
}

static void
say_taken(struct init *init)
{
	const struct input *input = &init->input;
	struct control_frame frame = {.type = CONTROL_TAKEN};
	struct told *told = &init->told;

	if (!input->there ||
	    (told->taken && told->taken_offset == input->taken &&
		told->taken_closed == input->closed))
		return;
	frame.taken.offset = input->taken;
	frame.taken.closed = input->closed;
	if (!link_send(&init->link, &frame, NULL, 0))
		return;
	told->taken = true;
	told->taken_offset = input->taken;
	told->taken_closed = input->closed;
}

static void
say_output(struct init *init, uint32_t index)
{
	struct stream *stream = &init->streams[index];
	struct control_frame frame = {.type = CONTROL_OUTPUT};

	frame.output.index = index;
	for (;;) {
		struct iovec pieces[2];
		size_t len;
		int count = stream_peek(stream, CONTROL_DATA_MAX, pieces, &len);

		frame.output.offset = stream->sent;
		if (count == 0 ||
		    !link_send(&init->link, &frame, pieces, count))
			return;
		stream->sent += len;
	}
}

static void
say_exit(struct init *init)
{
	struct control_frame frame = {.type = CONTROL_EXIT};

	if (init->told.exit || !init->task.alone)
		return;
	for (int i = 0; i < CONTROL_STREAMS; i++) {
		if (!stream_is_finished(&init->streams[i]))
			return;
		init->exit.written[i] = init->streams[i].end;
	}
	if (!init->reported)
		usage_report(&init->usage, init->task.status, &init->exit);
	init->reported = true;
	frame.exit = init->exit;
	init->told.exit = link_send(&init->link, &frame, NULL, 0);
}

static void
say_files(struct init *init)
{
	struct control_frame frame;

	for (int i = 0; i < FILE_BATCH; i++) {
		struct iovec data = {init->packet, 0};

		if (!files_next(&init->files, init->packet, &frame))
			return;
		if (frame.type == CONTROL_FILE)
			data.iov_len = frame.file.len;
		if (!link_send(
			&init->link, &frame, &data, data.iov_len > 0 ? 1 : 0))
			return;
		files_advance(&init->files, &frame);
	}
}

void
talk_tell(struct init *init)
{
	if (!init->link.open)
		return;
	say_start(init);
	say_taken(init);
	for (uint32_t i = 0; i < CONTROL_STREAMS; i++)
		say_output(init, i);
	say_exit(init);
	if (init->told.exit)
		say_files(init);
}

bool
talk_has_more(const struct init *init)
{
	return init->link.blocked || files_are_pending(&init->files);
}
