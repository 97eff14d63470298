/*
 * Stands in task-init's place and lies to the runner, one lie at a time, with
 * the runner's own encoder. Which one it is told by the size of /tmp, in
 * pages, since a container's description has no room for anything else.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/un.h>
#include <unistd.h>

#include "runner/control.h"
#include "tests/e2e/false_init.h"

static int control;
static struct control_frame hello = {.type = CONTROL_HELLO};

static void
send_bytes(const void *head, size_t len, const void *tail, size_t tail_len)
{
	char packet[CONTROL_PACKET_MAX + 1];

	memcpy(packet, head, len);
	if (tail_len > 0)
		memcpy(packet + len, tail, tail_len);
	send(control, packet, len + tail_len, MSG_NOSIGNAL);
}

static void
send_frame(const struct control_frame *frame)
{
	uint8_t head[CONTROL_HEAD_MAX];

	send_bytes(head, control_encode(frame, head), NULL, 0);
}

static void
send_kind(enum control_type type)
{
	struct control_frame frame = {.type = type};

	send_frame(&frame);
}

static void
send_output(uint64_t offset)
{
	struct control_frame frame = {.type = CONTROL_OUTPUT};
	uint8_t head[CONTROL_HEAD_MAX];

	frame.output.offset = offset;
	send_bytes(head, control_encode(&frame, head), FALSE_INIT_TEXT,
	    FALSE_INIT_TEXT_LEN);
}

/* False: the runner has had enough. */
static bool
send_file(uint32_t index, uint64_t offset, size_t len)
{
	struct control_frame frame = {.type = CONTROL_FILE};
	char packet[CONTROL_PACKET_MAX] = {0};
	uint8_t head[CONTROL_HEAD_MAX];
	size_t head_len;

	frame.file.index = index;
	frame.file.offset = offset;
	head_len = control_encode(&frame, head);
	memcpy(packet, head, head_len);
	return send(control, packet, head_len + len, MSG_NOSIGNAL) > 0;
}

static void
send_file_end(uint32_t index, uint64_t size)
{
	struct control_frame frame = {.type = CONTROL_FILE_END};

	frame.file_end.status = CONTROL_KEPT;
	frame.file_end.index = index;
	frame.file_end.size = size;
	send_frame(&frame);
}

static void
send_taken(uint64_t offset, bool closed)
{
	struct control_frame frame = {.type = CONTROL_TAKEN};

	frame.taken.offset = offset;
	frame.taken.closed = closed;
	send_frame(&frame);
}

static void
send_exit_of(uint64_t written, uint64_t oom_kills)
{
	struct control_frame frame = {.type = CONTROL_EXIT};

	frame.exit.written[0] = written;
	frame.exit.oom_kills = oom_kills;
	send_frame(&frame);
}

static void
send_exit(uint64_t written)
{
	send_exit_of(written, 0);
}

static void
find_inode(const char *path, struct control_inode *ret)
{
	struct stat st;

	if (stat(path, &st) != 0)
		return;
	ret->device = st.st_dev;
	ret->inode = st.st_ino;
}

/* What the real one would say. */
static void
prepare_hello(int npaths, char **paths)
{
	hello.hello.version = CONTROL_VERSION;
	hello.hello.nmounts = (uint32_t)npaths;
	find_inode("/proc/self/ns/net", &hello.hello.netns);
	for (int i = 0; i < npaths; i++)
		find_inode(paths[i], &hello.hello.mounts[i]);
}

static void
await(enum control_type type)
{
	char packet[CONTROL_PACKET_MAX];
	struct control_frame frame;

	do {
		ssize_t n = recv(control, packet, sizeof(packet), 0);

		if (n <= 0 || !control_decode(packet, (size_t)n, &frame))
			exit(1);
	} while (frame.type != type);
}

static void
await_order(void)
{
	send_frame(&hello);
	await(CONTROL_ORDER);
}

static void
send_descriptor(void)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} room = {{0}};
	uint8_t head[CONTROL_HEAD_MAX];
	struct iovec iov = {head, control_encode(&hello, head)};
	struct msghdr header = {.msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_control = room.bytes,
	    .msg_controllen = sizeof(room.bytes)};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&header);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &control, sizeof(int));
	sendmsg(control, &header, MSG_NOSIGNAL);
}

static void
lie_at_first(enum false_init_lie what)
{
	static const char zeros[CONTROL_PACKET_MAX];

	switch (what) {
	case LIE_GARBAGE:
		send_bytes("\xff\xff\xff\xff", 4, NULL, 0);
		break;
	case LIE_LARGE:
		send_bytes(zeros, sizeof(zeros), "x", 1);
		break;
	case LIE_DESCRIPTOR:
		send_descriptor();
		break;
	case LIE_OUR_FRAME:
		send_kind(CONTROL_DONE);
		break;
	case LIE_EXIT_AT_ONCE:
		send_exit(0);
		break;
	case LIE_EXIT_BEFORE_ORDER:
		send_frame(&hello);
		send_exit(0);
		break;
	case LIE_HELLO_TWICE:
		send_frame(&hello);
		send_frame(&hello);
		break;
	default:
		exit(3);
	}
}

static void
lie_in_hello(enum false_init_lie what)
{
	switch (what) {
	case LIE_VERSION:
		hello.hello.version++;
		break;
	case LIE_STATE:
		hello.hello.state = CONTROL_RUNNING;
		break;
	case LIE_NETWORK:
		hello.hello.netns.inode = 0;
		break;
	case LIE_FEWER_MOUNTS:
		hello.hello.nmounts--;
		break;
	default:
		hello.hello.mounts[0].inode++;
		break;
	}
	send_frame(&hello);
}

static void
lie_while_it_runs(enum false_init_lie what)
{
	await_order();
	if (what != LIE_OUTPUT_BEFORE_START && what != LIE_EXIT_BEFORE_START)
		send_kind(CONTROL_STARTED);
	switch (what) {
	case LIE_OUTPUT_BEFORE_START:
		send_output(0);
		break;
	case LIE_START_TWICE:
		send_kind(CONTROL_STARTED);
		break;
	case LIE_OUTPUT_GAP:
		send_output(0);
		send_output(FALSE_INIT_TEXT_LEN + 1);
		break;
	case LIE_OUTPUT_AGAIN:
		send_output(0);
		send_output(0);
		break;
	case LIE_EXIT_WITHOUT_OUTPUT:
		send_output(0);
		send_exit(FALSE_INIT_TEXT_LEN + 1);
		break;
	case LIE_HELLO_LATE:
		send_frame(&hello);
		break;
	default: /* the truth, or before the start */
		send_exit(0);
		break;
	}
}

static void
lie_about_input(enum false_init_lie what)
{
	await_order();
	send_kind(CONTROL_STARTED);
	if (what == LIE_TAKEN_OF_NOBODY) {
		send_taken(0, false);
		return;
	}
	await(CONTROL_INPUT);
	switch (what) {
	case LIE_TAKEN_BEYOND:
		send_taken(FALSE_INIT_INPUT + 1, false);
		break;
	case LIE_TAKEN_BACK:
		send_taken(FALSE_INIT_INPUT, false);
		send_taken(FALSE_INIT_INPUT - 1, false);
		break;
	case LIE_TAKEN_AGAIN:
		send_taken(FALSE_INIT_INPUT, false);
		send_taken(FALSE_INIT_INPUT, false);
		break;
	default:
		send_taken(FALSE_INIT_INPUT - 1, true);
		send_taken(FALSE_INIT_INPUT, false);
		break;
	}
}

/* As large as a file may be, and a byte more; or on and on. */
static void
send_too_much(uint64_t most, bool endless)
{
	uint64_t offset = 0;
	size_t len = endless ? FALSE_INIT_TEXT_LEN : CONTROL_DATA_MAX;

	while (endless || most - offset > len) {
		if (!send_file(0, offset, len))
			return;
		offset += len;
	}
	send_file(0, offset, (size_t)(most - offset));
	send_file(0, most, 1);
}

static void
lie_about_files(enum false_init_lie what)
{
	send_file(0, 0, FALSE_INIT_TEXT_LEN);
	switch (what) {
	case LIE_FILE_GAP:
		send_file(0, FALSE_INIT_TEXT_LEN + 1, FALSE_INIT_TEXT_LEN);
		break;
	case LIE_FILE_AGAIN:
		send_file(0, 0, FALSE_INIT_TEXT_LEN);
		break;
	case LIE_FILE_END_SIZE:
		send_file_end(0, FALSE_INIT_TEXT_LEN + 1);
		break;
	case LIE_FILE_END_OTHER:
		send_file_end(1, FALSE_INIT_TEXT_LEN);
		break;
	case LIE_FILE_END_TWICE:
		send_file_end(0, FALSE_INIT_TEXT_LEN);
		send_file_end(0, FALSE_INIT_TEXT_LEN);
		break;
	default:
		break;
	}
}

static void
lie_after_exit(enum false_init_lie what, uint64_t most)
{
	await_order();
	send_kind(CONTROL_STARTED);
	if (what == LIE_FILE_EARLY || what == LIE_FILE_END_EARLY) {
		if (what == LIE_FILE_EARLY)
			send_file(0, 0, FALSE_INIT_TEXT_LEN);
		else
			send_file_end(0, 0);
		return;
	}
	send_exit_of(0, what == LIE_EXIT_TWICE ? 1 : 0);
	await(CONTROL_COLLECT);
	if (what == LIE_FILE_OTHER)
		send_file(1, 0, FALSE_INIT_TEXT_LEN);
	else if (what == LIE_FILE_LARGE || what == LIE_FILE_ENDLESS)
		send_too_much(most, what == LIE_FILE_ENDLESS);
	else if (what == LIE_EXIT_TWICE)
		send_exit(0);
	else if (what == LIE_OUTPUT_AFTER_EXIT)
		send_output(0);
	else
		lie_about_files(what);
}

static bool
reach_runner(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX,
	    .sun_path = CONTROL_FOLDER_PATH "/" CONTROL_SOCKET_NAME};

	control = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (control < 0)
		exit(1);
	if (connect(control, (struct sockaddr *)&address, sizeof(address)) == 0)
		return true;
	close(control);
	return false;
}

/* Runs and writes, until the runner goes and another comes. */
static void
outlive_runner(void)
{
	char packet[CONTROL_PACKET_MAX];

	await_order();
	send_kind(CONTROL_STARTED);
	send_output(0);
	while (recv(control, packet, sizeof(packet), 0) > 0)
		continue;
	close(control);
	while (!reach_runner())
		usleep(20000);
	hello.hello.state = CONTROL_RUNNING;
	hello.hello.written[0] = FALSE_INIT_TEXT_LEN;
}

static void
lie_in_return(enum false_init_lie what)
{
	struct control_hello *h = &hello.hello;

	if (what == LIE_RETURN_VERSION)
		h->version++;
	else if (what == LIE_RETURN_WRITTEN_BEFORE_STARTED)
		h->started[0] = FALSE_INIT_TEXT_LEN + 1;
	else if (what == LIE_RETURN_MORE_THAN_THE_WINDOW)
		h->written[0] = CONTROL_OUTPUT_WINDOW + 1;
	else if (what == LIE_RETURN_LESS_THAN_IS_KEPT)
		h->written[0] = FALSE_INIT_TEXT_LEN - 1;
	else if (what == LIE_RETURN_LESS_OF_ONE)
		h->started[0] = h->written[0] = FALSE_INIT_TEXT_LEN + 1;
	else if (what == LIE_RETURN_MORE_INPUT)
		h->input = FALSE_INIT_INPUT + 1;
	if (what == LIE_RETURN_WAITING) {
		h->state = CONTROL_WAITING;
		h->written[0] = 0;
	}
	if (what != LIE_RETURN_NO_HELLO)
		send_frame(&hello);
	if (what == LIE_RETURN_HELLO_TWICE)
		send_frame(&hello);
	else if (what == LIE_RETURN_NO_HELLO || what == LIE_RETURN_OUTPUT_AGAIN)
		send_output(0);
	else if (what == LIE_RETURN_NONE)
		send_exit(FALSE_INIT_TEXT_LEN);
}

static void
lie(enum false_init_lie what, uint64_t most)
{
	if (what >= LIE_RETURN_NONE) {
		outlive_runner();
		lie_in_return(what);
	} else if (what >= LIE_FILE_EARLY)
		lie_after_exit(what, most);
	else if (what >= LIE_TAKEN_BEYOND)
		lie_about_input(what);
	else if (what >= LIE_OUTPUT_BEFORE_START || what == LIE_NONE)
		lie_while_it_runs(what);
	else if (what >= LIE_GARBAGE)
		lie_at_first(what);
	else
		lie_in_hello(what);
}

int
main(int argc, char **argv)
{
	struct statvfs tmp;
	enum false_init_lie what;

	if (statvfs("/tmp", &tmp) != 0 || tmp.f_blocks < 1)
		return 1;
	what = (enum false_init_lie)(tmp.f_blocks - 1);
	if (what == LIE_SILENT_END)
		return 3;
	if (!reach_runner())
		return 1;
	prepare_hello(argc - 1, argv + 1);
	lie(what, (uint64_t)tmp.f_blocks * tmp.f_frsize);
	/* Until the runner has had enough. */
	while (recv(control, &tmp, sizeof(tmp), 0) > 0)
		continue;
	pause();
	return 0;
}
