/*
 * task-init: PID 1 of every container. It waits for one order, starts it, and
 * reports what becomes of it over the control socket.
 *
 * It runs with the task's uid and holds nothing worth having but that socket,
 * which is why it is undumpable before anything else: the task can neither
 * trace it nor read its memory nor reach its descriptors. It trusts the
 * runner, and of the task takes bytes and exit statuses alone. It allocates
 * nothing, reads no file of the image and no environment of its own.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "runner/init/stream.h"
#include "runner/init/task.h"

/* Without a runner for this long there is nothing to wait for. */
#define CONNECT_PATIENCE_MS 300000
#define CONNECT_EACH_MS 20

static struct init {
	int control;
	int signals;
	bool blocked; /* the socket takes no more for now */
	bool reported;
	struct task task;
	struct stream streams[CONTROL_STREAMS];
	struct control_order order;
	uint8_t packet[CONTROL_HEAD_MAX];
} init; /* all zero: half a megabyte that is not in the file */

static _Noreturn void
end(int code)
{
	/* PID 1's end is the end of every process in the container. */
	_exit(code);
}

static struct control_inode
find_inode(const char *path)
{
	struct stat st;

	if (stat(path, &st) != 0)
		return (struct control_inode){0, 0};
	return (struct control_inode){st.st_dev, st.st_ino};
}

static bool
send_frame(const struct control_frame *frame, struct iovec *tail, int ntail)
{
	struct iovec iov[3] = {{init.packet, 0}};
	struct msghdr header = {
	    .msg_iov = iov, .msg_iovlen = (size_t)ntail + 1};

	iov[0].iov_len = control_encode(frame, init.packet);
	if (ntail > 0)
		memcpy(iov + 1, tail, (size_t)ntail * sizeof(*tail));
	while (
	    sendmsg(init.control, &header, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
		if (errno == EINTR)
			continue;
		/* ENOBUFS: the machine is short of memory for sockets. */
		if (errno == EAGAIN || errno == ENOBUFS)
			return false;
		end(1);
	}
	return true;
}

/* For the few small frames that must not be lost. */
static void
send_surely(const struct control_frame *frame)
{
	while (!send_frame(frame, NULL, 0)) {
		struct pollfd fd = {init.control, POLLOUT, 0};

		poll(&fd, 1, 1000);
	}
}

static void
connect_runner(void)
{
	static const struct sockaddr_un address = {
	    AF_UNIX, CONTROL_FOLDER_PATH "/" CONTROL_SOCKET_NAME};
	static const struct timespec pause = {0, CONNECT_EACH_MS * 1000000L};

	for (int i = 0; i < CONNECT_PATIENCE_MS / CONNECT_EACH_MS; i++) {
		init.control =
		    socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
		if (init.control < 0)
			end(1);
		if (connect(init.control, (const struct sockaddr *)&address,
			sizeof(address)) == 0)
			return;
		close(init.control);
		nanosleep(&pause, NULL);
	}
	end(1);
}

static void
say_hello(int npaths, char **paths)
{
	struct control_frame frame = {.type = CONTROL_HELLO};

	if (npaths > CONTROL_MOUNTS_MAX)
		end(2);
	frame.hello.version = CONTROL_VERSION;
	frame.hello.state = CONTROL_WAITING;
	frame.hello.netns = find_inode("/proc/self/ns/net");
	frame.hello.nmounts = (uint32_t)npaths;
	for (int i = 0; i < npaths; i++)
		frame.hello.mounts[i] = find_inode(paths[i]);
	send_surely(&frame);
}

static void
fail_start(enum control_stage stage, int errnum)
{
	struct control_frame frame = {.type = CONTROL_START_FAILED};

	frame.start_failed.stage = stage;
	frame.start_failed.errnum = (uint32_t)errnum;
	send_surely(&frame);
}

/* The order stays mapped only while it is needed. */
static void
start_task(int memfd)
{
	struct control_frame started = {.type = CONTROL_STARTED};
	enum control_stage stage = CONTROL_AT_ORDER;
	struct stat st;
	void *data;
	int errnum = EPROTO;

	if (fstat(memfd, &st) != 0 || st.st_size <= 0 ||
	    (size_t)st.st_size > CONTROL_ORDER_MAX)
		end(2);
	data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, memfd, 0);
	close(memfd);
	if (data == MAP_FAILED)
		end(2);
	if (control_decode_order(data, (size_t)st.st_size, &init.order))
		errnum = task_start(&init.task, &init.order, &stage);
	munmap(data, (size_t)st.st_size);
	if (errnum != 0) {
		fail_start(stage, errnum);
		return;
	}
	for (int i = 0; i < CONTROL_STREAMS; i++)
		stream_open_take(&init.streams[i], init.task.pipes[i]);
	send_surely(&started);
}

static void
obey(const struct control_frame *frame, int memfd)
{
	if (frame->type == CONTROL_DONE)
		end(0);
	if ((frame->type == CONTROL_ORDER) != (memfd >= 0))
		end(2);
	if (frame->type == CONTROL_ORDER && init.task.pid == 0)
		start_task(memfd);
	else if (frame->type == CONTROL_SIGNAL)
		task_signal(&init.task, (enum control_scope)frame->signal.scope,
		    (int)frame->signal.number);
	else if (frame->type != CONTROL_ACK ||
	    !stream_acknowledge(
		&init.streams[frame->ack.stream], frame->ack.offset))
		end(2);
}

static int
take_descriptor(struct msghdr *header)
{
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(header);
	int fd = -1;

	if (cmsg != NULL && cmsg->cmsg_level == SOL_SOCKET &&
	    cmsg->cmsg_type == SCM_RIGHTS &&
	    cmsg->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(&fd, CMSG_DATA(cmsg), sizeof(int));
	return fd;
}

static void
receive(void)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} room;
	struct iovec iov = {init.packet, sizeof(init.packet)};
	struct msghdr header = {.msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_control = room.bytes,
	    .msg_controllen = sizeof(room.bytes)};
	struct control_frame frame;
	ssize_t n =
	    recvmsg(init.control, &header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	/* The runner has gone: nobody holds the task to its limits now. */
	if (n <= 0)
		end(3);
	if ((header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0 ||
	    !control_decode(init.packet, (size_t)n, &frame))
		end(2);
	obey(&frame, take_descriptor(&header));
}

static void
send_output(uint32_t index)
{
	struct stream *stream = &init.streams[index];
	struct control_frame frame = {.type = CONTROL_OUTPUT};

	frame.output.index = index;
	while (!init.blocked) {
		struct iovec pieces[2];
		size_t len;
		int count =
		    stream_peek(stream, CONTROL_DATA_MAX, pieces, &len);

		if (count == 0)
			return;
		frame.output.offset = stream->sent;
		if (send_frame(&frame, pieces, count))
			stream->sent += len;
		else
			init.blocked = true;
	}
}

static void
report_end(void)
{
	struct control_frame frame = {.type = CONTROL_EXIT};

	if (init.reported || !init.task.ended)
		return;
	for (int i = 0; i < CONTROL_STREAMS; i++) {
		if (!stream_is_finished(&init.streams[i]))
			return;
		frame.exit.written[i] = init.streams[i].end;
	}
	task_report(&init.task, &frame.exit);
	send_surely(&frame);
	init.reported = true;
}

static void
take_signals(void)
{
	struct signalfd_siginfo info;
	bool ended = init.task.ended;

	while (
	    read(init.signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		/* Without a pid: from outside of the container. What the
		 * task sends it could send to its group itself. */
		if (info.ssi_signo == SIGCHLD || info.ssi_pid != 0)
			continue;
		/* The engine stops: an idle container is not to hold it up. */
		if (init.task.pid == 0)
			end(0);
		task_signal(&init.task, CONTROL_GROUP, (int)info.ssi_signo);
	}
	task_reap(&init.task);
	if (ended || !init.task.ended)
		return;
	for (int i = 0; i < CONTROL_STREAMS; i++)
		stream_drain(&init.streams[i]);
}

static void
turn(void)
{
	struct pollfd fds[2 + CONTROL_STREAMS] = {
	    {init.control, POLLIN, 0},
	    {init.signals, POLLIN, 0},
	};

	if (init.blocked)
		fds[0].events |= POLLOUT;
	for (int i = 0; i < CONTROL_STREAMS; i++) {
		fds[2 + i].fd = stream_has_room(&init.streams[i])
		    ? init.streams[i].pipe
		    : -1;
		fds[2 + i].events = POLLIN;
	}
	/* With ENOBUFS there is no event to wait for: look again soon. */
	if (poll(fds, 2 + CONTROL_STREAMS, init.blocked ? 50 : -1) < 0 &&
	    errno != EINTR)
		end(1);
	init.blocked = false;
	if ((fds[0].revents & ~POLLOUT) != 0)
		receive();
	if (fds[1].revents != 0)
		take_signals();
	for (uint32_t i = 0; i < CONTROL_STREAMS; i++) {
		if (fds[2 + i].revents != 0)
			stream_read(&init.streams[i]);
		send_output(i);
	}
	report_end();
}

static void
open_signals(void)
{
	sigset_t set;

	sigfillset(&set);
	if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
		end(1);
	/* Those with which an operator would stop a container. */
	sigemptyset(&set);
	for (const int *s = (const int[]){SIGCHLD, SIGTERM, SIGINT, SIGHUP,
		 SIGQUIT, SIGUSR1, SIGUSR2, 0};
	     *s != 0; s++)
		sigaddset(&set, *s);
	init.signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (init.signals < 0)
		end(1);
}

int
main(int argc, char **argv)
{
	if (prctl(PR_SET_DUMPABLE, 0) != 0)
		end(1);
	for (int i = 0; i < CONTROL_STREAMS; i++)
		init.streams[i].pipe = -1;
	open_signals();
	connect_runner();
	say_hello(argc - 1, argv + 1);
	for (;;)
		turn();
}
