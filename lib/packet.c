/*
 * Packets over SOCK_SEQPACKET. The peer is not trusted: what it sends is
 * bounded, and descriptors that came with a bad packet are closed.
 */
#include "lib/packet.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"

void
packet_done(struct packet *packet)
{
	free(packet->data);
	packet->data = NULL;
	packet->len = 0;
	for (size_t i = 0; i < packet->nfds; i++) {
		if (packet->fds[i] >= 0)
			close(packet->fds[i]);
	}
	packet->nfds = 0;
}

union control {
	char bytes[CMSG_SPACE(PACKET_FDS_MAX * sizeof(int))];
	struct cmsghdr align;
};

static enum packet_result
explain(const char *what, struct err *err)
{
	int errnum = errno;

	if (errnum == EAGAIN || errnum == EWOULDBLOCK)
		return PACKET_AGAIN;
	err_errno(err, "%s", what);
	if (errnum != EPIPE && errnum != ECONNRESET)
		return PACKET_FAILED;
	err->code = ERR_UNAVAILABLE;
	return PACKET_END;
}

enum packet_result
packet_send(int sock, const void *data, size_t len, const int *fds, size_t nfds,
    struct err *err)
{
	union control control = {0};
	struct iovec iov = {(void *)data, len};
	struct msghdr header = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t n;

	if (len == 0 || len > PACKET_MAX || nfds > PACKET_FDS_MAX) {
		err_set(err, ERR_TOO_LARGE,
		    "a packet of %zu bytes with %zu descriptors", len, nfds);
		return PACKET_FAILED;
	}
	if (nfds > 0) {
		struct cmsghdr *cmsg;

		header.msg_control = control.bytes;
		header.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
		cmsg = CMSG_FIRSTHDR(&header);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(nfds * sizeof(int));
		memcpy(CMSG_DATA(cmsg), fds, nfds * sizeof(int));
	}
	do
		n = sendmsg(sock, &header, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n >= 0 ? PACKET_OK : explain("send a packet", err);
}

static void
collect_descriptors(struct msghdr *header, struct packet *packet)
{
	for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(header); cmsg != NULL;
	     cmsg = CMSG_NXTHDR(header, cmsg)) {
		size_t count;

		if (cmsg->cmsg_level != SOL_SOCKET ||
		    cmsg->cmsg_type != SCM_RIGHTS)
			continue;
		count = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		/* The room in `control` does not let more through. */
		for (size_t i = 0; i < count && packet->nfds < PACKET_FDS_MAX;
		     i++)
			memcpy(&packet->fds[packet->nfds++],
			    CMSG_DATA(cmsg) + i * sizeof(int), sizeof(int));
	}
}

enum packet_result
packet_receive(int sock, struct packet *ret, struct err *err)
{
	union control control = {0};
	AUTO(packet_done)
	struct packet packet = {.data = alloc_resize(NULL, PACKET_MAX + 1, 1)};
	struct iovec iov = {packet.data, PACKET_MAX};
	struct msghdr header = {
	    .msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_control = control.bytes,
	    .msg_controllen = sizeof(control.bytes),
	};
	int reset = 0;
	ssize_t n;

	/* ECONNRESET stands in front of what the peer said before it went,
	 * and is told once. */
	do
		n = recvmsg(sock, &header, MSG_CMSG_CLOEXEC);
	while (n < 0 && (errno == EINTR || (errno == ECONNRESET && !reset++)));
	if (n < 0)
		return explain("receive a packet", err);
	collect_descriptors(&header, &packet);
	if ((header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
		err_set(err, ERR_MALFORMED,
		    "a packet that is too large or has too many descriptors");
		return PACKET_FAILED;
	}
	/* An empty packet looks like the end, and is treated as one. */
	if (n == 0)
		return PACKET_END;
	packet.len = (size_t)n;
	packet.data[n] = '\0';
	packet.data = alloc_resize(packet.data, packet.len + 1, 1);
	*ret = packet;
	packet = (struct packet){0};
	return PACKET_OK;
}

int
packet_peer(int sock, uid_t *ret_uid, pid_t *ret_pid, struct err *err)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0)
		return err_errno(err, "SO_PEERCRED");
	*ret_uid = peer.uid;
	*ret_pid = peer.pid;
	return 0;
}
