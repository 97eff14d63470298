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
	send_bytes(head, control_encode(&frame, head), "forged", 6);
}

static void
send_exit(uint64_t written)
{
	struct control_frame frame = {.type = CONTROL_EXIT};

	frame.exit.written[0] = written;
	send_frame(&frame);
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
await_order(void)
{
	char packet[CONTROL_PACKET_MAX];

	send_frame(&hello);
	if (recv(control, packet, sizeof(packet), 0) <= 0)
		exit(1);
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
lie(enum false_init_lie what)
{
	static const char zeros[CONTROL_PACKET_MAX];

	switch (what) {
	case LIE_NONE:
		await_order();
		send_kind(CONTROL_STARTED);
		send_exit(0);
		break;
	case LIE_VERSION:
		hello.hello.version++;
		send_frame(&hello);
		break;
	case LIE_STATE:
		hello.hello.state = CONTROL_RUNNING;
		send_frame(&hello);
		break;
	case LIE_NETWORK:
		hello.hello.netns.inode = 0;
		send_frame(&hello);
		break;
	case LIE_FEWER_MOUNTS:
		hello.hello.nmounts--;
		send_frame(&hello);
		break;
	case LIE_OTHER_MOUNT:
		hello.hello.mounts[0].inode++;
		send_frame(&hello);
		break;
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
	case LIE_SILENT_END:
		exit(3);
	case LIE_OUTPUT_BEFORE_START:
		await_order();
		send_output(0);
		break;
	case LIE_EXIT_BEFORE_START:
		await_order();
		send_exit(0);
		break;
	case LIE_START_TWICE:
		await_order();
		send_kind(CONTROL_STARTED);
		send_kind(CONTROL_STARTED);
		break;
	case LIE_OUTPUT_GAP:
		await_order();
		send_kind(CONTROL_STARTED);
		send_output(0);
		send_output(7);
		break;
	case LIE_OUTPUT_AGAIN:
		await_order();
		send_kind(CONTROL_STARTED);
		send_output(0);
		send_output(0);
		break;
	case LIE_EXIT_WITHOUT_OUTPUT:
		await_order();
		send_kind(CONTROL_STARTED);
		send_output(0);
		send_exit(7);
		break;
	case LIE_COUNT:
		break;
	}
}

int
main(int argc, char **argv)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX,
	    .sun_path = CONTROL_FOLDER_PATH "/" CONTROL_SOCKET_NAME};
	struct statvfs tmp;

	if (statvfs("/tmp", &tmp) != 0 || tmp.f_blocks < 1)
		return 1;
	if (tmp.f_blocks - 1 == LIE_SILENT_END)
		return 3;
	control = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (control < 0 ||
	    connect(control, (struct sockaddr *)&address, sizeof(address)) != 0)
		return 1;
	prepare_hello(argc - 1, argv + 1);
	lie((enum false_init_lie)(tmp.f_blocks - 1));
	/* Until the runner has had enough. */
	while (recv(control, &tmp, sizeof(tmp), 0) > 0)
		continue;
	pause();
	return 0;
}
