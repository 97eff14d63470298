/* A socket that is non-blocking from birth: connect(2) on a Unix socket
 * succeeds or fails at once. */
#include "runner/init/link.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* A restarted runner listens again within a second; one that is repaired by
 * hand is not worth a busy processor. */
static const struct pace {
	int64_t until_ms, each_ms;
} PACES[] = {{1000, 20}, {60000, 50}, {INT64_MAX, 500}};
#define LISTENED_MS 1000

void
link_init(struct link *link, int64_t now_ms)
{
	memset(link, 0, sizeof(*link));
	link->fd = -1;
	link->lost_ms = link->next_ms = now_ms;
}

static void
plan_next(struct link *link, int64_t now_ms)
{
	const struct pace *pace = PACES;

	while (now_ms - link->lost_ms >= pace->until_ms)
		pace++;
	link->next_ms = now_ms + pace->each_ms;
}

void
link_drop(struct link *link, int64_t now_ms)
{
	if (link->fd >= 0)
		close(link->fd);
	link->fd = -1;
	/* Who listens and hangs up at once is nobody to count on. */
	if (link->open && now_ms - link->made_ms >= LISTENED_MS)
		link->lost_ms = now_ms;
	link->open = link->blocked = false;
	plan_next(link, now_ms);
}

bool
link_connect(struct link *link, int64_t now_ms)
{
	static const struct sockaddr_un address = {
	    AF_UNIX, CONTROL_FOLDER_PATH "/" CONTROL_SOCKET_NAME};

	if (link->fd >= 0 || now_ms < link->next_ms)
		return false;
	link->fd =
	    socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (link->fd >= 0 &&
	    connect(link->fd, (const struct sockaddr *)&address,
		sizeof(address)) == 0) {
		link->made_ms = now_ms;
		return true;
	}
	link_drop(link, now_ms);
	return false;
}

bool
link_send(struct link *link, const struct control_frame *frame,
    const struct iovec *tail, int ntail)
{
	uint8_t head[CONTROL_HEAD_MAX];
	struct iovec iov[3] = {{head, control_encode(frame, head)}};
	struct msghdr header = {
	    .msg_iov = iov, .msg_iovlen = (size_t)ntail + 1};

	if (link->fd < 0 || link->blocked)
		return false;
	for (int i = 0; i < ntail; i++)
		iov[i + 1] = tail[i];
	while (sendmsg(link->fd, &header, MSG_NOSIGNAL) < 0) {
		if (errno == EINTR)
			continue;
		/* ENOBUFS: the machine is short of memory for sockets. All
		 * else is the connection's end, and is read as such. */
		link->blocked = errno == EAGAIN || errno == ENOBUFS;
		return false;
	}
	return true;
}

static void
take_descriptors(struct msghdr *header, struct link_message *ret)
{
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(header);

	ret->nfds = 0;
	if (cmsg == NULL || cmsg->cmsg_level != SOL_SOCKET ||
	    cmsg->cmsg_type != SCM_RIGHTS)
		return;
	ret->nfds = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	memcpy(ret->fds, CMSG_DATA(cmsg), ret->nfds * sizeof(int));
}

void
link_message_close(struct link_message *message)
{
	for (size_t i = 0; i < message->nfds; i++)
		close(message->fds[i]);
	message->nfds = 0;
}

enum link_result
link_receive(struct link *link, uint8_t packet[CONTROL_PACKET_MAX],
    struct link_message *ret)
{
	union {
		char bytes[CMSG_SPACE(CONTROL_DESCRIPTORS_MAX * sizeof(int))];
		struct cmsghdr align;
	} room;
	struct iovec iov = {packet, CONTROL_PACKET_MAX};
	struct msghdr header = {.msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_control = room.bytes,
	    .msg_controllen = sizeof(room.bytes)};
	ssize_t n = recvmsg(link->fd, &header, MSG_CMSG_CLOEXEC);

	/* Said once, where the runner died with frames of ours unread; what
	 * it has sent before is still to be read, standard input with it. */
	if (n < 0 && errno == ECONNRESET)
		n = recvmsg(link->fd, &header, MSG_CMSG_CLOEXEC);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return LINK_NOTHING;
	if (n <= 0)
		return LINK_ENDED;
	take_descriptors(&header, ret);
	if ((header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0 &&
	    control_decode(packet, (size_t)n, &ret->frame) &&
	    !control_is_to_runner(ret->frame.type) &&
	    (ret->frame.type == CONTROL_ORDER) == (ret->nfds > 0))
		return LINK_MESSAGE;
	link_message_close(ret);
	return LINK_BROKEN;
}
