/* A runner's end that a test holds in its hand. */
#include "tests/unit/init_site.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "lib/alloc.h"
#include "lib/packet.h"
#include "tests/unit/folder.h"

/* Nobody's on this machine. */
#define TASK_ID 64321
#define SET_UP_FAILED 99

static void
need(bool condition, const char *what)
{
	if (condition)
		return;
	perror(what);
	_exit(SET_UP_FAILED);
}

static void
mount_one(const char *source, const char *target, bool is_folder)
{
	if (is_folder)
		need(mkdir(target, 0755) == 0, target);
	else
		need(mknod(target, S_IFREG | 0644, 0) == 0, target);
	need(mount(source, target, NULL, MS_BIND | MS_REC, NULL) == 0, source);
}

static void
make_root(const struct init_site *site)
{
	auto_free char *root = folder_path(site->folder, "root");
	auto_free char *control = folder_path(site->folder, "control");
	auto_free char *tmp = alloc_printf("mode=1777,size=%s",
	    site->tmp_size != NULL ? site->tmp_size : "8m");

	need(mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0, "private");
	need(mount("root", root, "tmpfs", 0, "mode=0755") == 0, root);
	need(chdir(root) == 0, root);
	mount_one("/usr", "usr", true);
	need(symlink("usr/bin", "bin") == 0, "bin");
	need(symlink("usr/lib", "lib") == 0, "lib");
	need(symlink("usr/lib64", "lib64") == 0, "lib64");
	need(mkdir("dev", 0755) == 0, "dev");
	mount_one("/dev/null", "dev/null", false);
	need(mkdir(".taskgate", 0755) == 0, ".taskgate");
	mount_one(BINARY_DIR "/bin/task-init", ".taskgate/init", false);
	mount_one(control, ".taskgate/control", true);
	need(mkdir("proc", 0755) == 0, "proc");
	need(mount("proc", "proc", "proc", 0, NULL) == 0, "proc");
	need(mkdir("tmp", 0755) == 0, "tmp");
	need(mount("tmp", "tmp", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC,
		 tmp) == 0,
	    "tmp");
	need(chroot(".") == 0 && chdir("/tmp") == 0, "chroot");
	if (site->prepare != NULL)
		site->prepare();
	need(chdir("/") == 0, "/");
}

static _Noreturn void
become_init(const struct init_site *site)
{
	static char *const args[] = {
	    CONTROL_INIT_PATH, CONTROL_INIT_PATH, CONTROL_FOLDER_PATH, NULL};
	static char *const env[] = {NULL};
	sigset_t none;

	make_root(site);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	need(setgroups(0, NULL) == 0, "setgroups");
	need(setresgid(TASK_ID, TASK_ID, TASK_ID) == 0, "setresgid");
	need(setresuid(TASK_ID, TASK_ID, TASK_ID) == 0, "setresuid");
	need(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, "no_new_privs");
	need(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0, "pdeathsig");
	execve(args[0], args, env);
	need(false, args[0]);
	_exit(SET_UP_FAILED);
}

static void
listen_as(struct init_site *site, const char *name)
{
	auto_free char *control = folder_path(site->folder, "control");
	struct err err;

	if (packet_listen(control, name, 0602, &site->listener, &err) != 0)
		fail_msg("%s", err.detail);
}

void
init_site_start(struct init_site *site)
{
	auto_free char *root = NULL, *control = NULL;
	void *folder = NULL;

	assert_int_equal(folder_make(&folder), 0);
	site->folder = folder;
	site->link = -1;
	root = folder_path(site->folder, "root");
	control = folder_path(site->folder, "control");
	assert_int_equal(mkdir(root, 0755), 0);
	assert_int_equal(mkdir(control, 0701), 0);
	listen_as(site, CONTROL_SOCKET_NAME);
	site->pid = (pid_t)syscall(SYS_clone,
	    CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC |
		CLONE_NEWUTS | SIGCHLD,
	    NULL, NULL, NULL, NULL);
	if (site->pid < 0)
		fail_msg("clone: %s (root is needed)", strerror(errno));
	if (site->pid == 0)
		become_init(site);
	init_site_accept(site);
	assert_int_equal(site->hello.state, CONTROL_WAITING);
	assert_int_equal(site->hello.nmounts, 2);
}

void
init_site_stop(struct init_site *site)
{
	void *folder = site->folder;

	if (folder == NULL)
		return;
	if (site->pid > 0) {
		kill(site->pid, SIGKILL);
		waitpid(site->pid, NULL, 0);
	}
	init_site_leave(site);
	for (size_t i = 0; i < CONTROL_STREAMS; i++)
		buffer_done(&site->output[i]);
	for (size_t i = 0; i < CONTROL_FILES_MAX; i++)
		buffer_done(&site->files[i].data);
	folder_remove(&folder);
}

/* -- to task-init */

static void
send_all(struct init_site *site, struct iovec *parts, size_t nparts,
    const int *fds, size_t nfds)
{
	union {
		char bytes[CMSG_SPACE(CONTROL_DESCRIPTORS_MAX * sizeof(int))];
		struct cmsghdr align;
	} room = {{0}};
	struct msghdr header = {.msg_iov = parts, .msg_iovlen = nparts};
	struct cmsghdr *cmsg;

	if (nfds > 0) {
		header.msg_control = room.bytes;
		header.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
		cmsg = CMSG_FIRSTHDR(&header);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(nfds * sizeof(int));
		memcpy(CMSG_DATA(cmsg), fds, nfds * sizeof(int));
	}
	/* Waits for room, but not for ever: test_* has a time limit. */
	if (sendmsg(site->link, &header, MSG_NOSIGNAL) < 0)
		fail_msg("send: %s", strerror(errno));
}

void
init_site_send(struct init_site *site, const struct control_frame *frame,
    const void *data, size_t len)
{
	uint8_t head[CONTROL_HEAD_MAX];
	struct iovec parts[] = {{head, control_encode(frame, head)},
	    {(void *)(uintptr_t)data, len}};

	send_all(site, parts, COUNT(parts), NULL, 0);
}

static size_t
append_names(struct buffer *body, const char *const *names)
{
	size_t count = 0;

	for (; names != NULL && names[count] != NULL; count++)
		buffer_append(body, names[count], strlen(names[count]) + 1);
	return count;
}

static void
encode_order(const struct init_order *order, struct buffer *ret)
{
	static const char *const env[] = {"PATH=/usr/bin", "HOME=/tmp", NULL};
	struct control_order numbers = {.has_stdin = order->has_stdin};
	uint8_t head[CONTROL_ORDER_HEAD] = {0};

	buffer_append(ret, head, sizeof(head));
	buffer_append(ret, "/tmp", 5);
	numbers.nargs = append_names(ret, order->args);
	numbers.nenv = append_names(ret, env);
	numbers.ninputs = append_names(ret, order->inputs);
	numbers.noutputs = append_names(ret, order->outputs);
	numbers.nsecrets = append_names(ret, order->secrets);
	numbers.file_max =
	    order->file_max > 0 ? order->file_max : (uint64_t)1 << 40;
	numbers.deadline_s = order->deadline_s > 0 ? order->deadline_s : 3600;
	control_encode_order_head(&numbers, (uint8_t *)ret->data);
}

void
init_site_order(struct init_site *site, const struct init_order *order)
{
	auto_buffer body = BUFFER_INIT(CONTROL_ORDER_MAX);
	struct control_frame frame = {.type = CONTROL_ORDER};
	uint8_t head[CONTROL_HEAD_MAX];
	struct iovec part = {head, 0};
	int fds[CONTROL_DESCRIPTORS_MAX];
	size_t nfds = 1;
	struct err err;

	encode_order(order, &body);
	assert_int_equal(packet_seal(body.data, body.len, &fds[0], &err), 0);
	for (size_t i = 0; order->inputs != NULL && order->inputs[i] != NULL;
	     i++)
		fds[nfds++] = order->fds[i];
	for (size_t i = 0; order->secrets != NULL &&
	     order->secrets[i] != NULL && (order->nfds == 0 || i < order->nfds);
	     i++)
		fds[nfds++] = order->secret_fds[i];
	frame.order.version = CONTROL_VERSION;
	part.iov_len = control_encode(&frame, head);
	send_all(site, &part, 1, fds, nfds);
	close(fds[0]);
}

void
init_site_shell(struct init_site *site, const char *script)
{
	const char *args[] = {"sh", "-c", script, NULL};
	struct init_order order = {.args = args};

	init_site_order(site, &order);
}

void
init_site_acknowledge(struct init_site *site, uint32_t stream, uint64_t offset)
{
	struct control_frame frame = {.type = CONTROL_ACK};

	frame.ack.stream = stream;
	frame.ack.offset = offset;
	init_site_send(site, &frame, NULL, 0);
	site->acknowledged[stream] = offset;
}

void
init_site_signal(struct init_site *site, enum control_scope scope, int number)
{
	struct control_frame frame = {.type = CONTROL_SIGNAL};

	frame.signal.scope = scope;
	frame.signal.number = (uint32_t)number;
	init_site_send(site, &frame, NULL, 0);
}

void
init_site_input(
    struct init_site *site, uint64_t offset, const void *data, size_t len)
{
	struct control_frame frame = {.type = CONTROL_INPUT};

	frame.input.offset = offset;
	init_site_send(site, &frame, data, len);
}

void
init_site_input_end(struct init_site *site, uint64_t length)
{
	struct control_frame frame = {.type = CONTROL_INPUT_END};

	frame.input_end.offset = length;
	init_site_send(site, &frame, NULL, 0);
}

void
init_site_collect(struct init_site *site, uint32_t index, uint64_t offset)
{
	struct control_frame frame = {.type = CONTROL_COLLECT};

	frame.collect.index = index;
	frame.collect.offset = offset;
	init_site_send(site, &frame, NULL, 0);
}

void
init_site_resume(struct init_site *site, uint64_t first, uint64_t second)
{
	struct control_frame frame = {.type = CONTROL_RESUME};

	frame.resume.received[0] = first;
	frame.resume.received[1] = second;
	init_site_send(site, &frame, NULL, 0);
	/* Whatever lies before it is ours. */
	site->acknowledged[0] = first;
	site->acknowledged[1] = second;
}

/* -- from task-init */

static void
note_output(struct init_site *site, const struct control_data *data)
{
	struct buffer *output = &site->output[data->index];

	assert_int_equal(data->offset, output->len);
	output->max = SIZE_MAX;
	buffer_append(output, data->data, data->len);
	if (!site->deaf)
		init_site_acknowledge(site, data->index, output->len);
}

static void
note_file(struct init_site *site, const struct control_data *data)
{
	struct init_file *file = &site->files[data->index];

	assert_false(file->ended);
	assert_int_equal(data->offset, file->data.len);
	file->data.max = SIZE_MAX;
	buffer_append(&file->data, data->data, data->len);
}

static void
note_start_failed(struct init_site *site, const struct control_frame *frame)
{
	site->failed = true;
	site->failure.stage = frame->start_failed.stage;
	site->failure.index = frame->start_failed.index;
	site->failure.errnum = (int)frame->start_failed.errnum;
}

static void
note_taken(struct init_site *site, const struct control_frame *frame)
{
	assert_true(frame->taken.offset >= site->taken);
	site->taken = frame->taken.offset;
	site->closed = frame->taken.closed;
	site->times_taken++;
}

static void
note_file_end(struct init_site *site, const struct control_frame *frame)
{
	struct init_file *file = &site->files[frame->file_end.index];

	assert_false(file->ended);
	file->ended = true;
	file->status = frame->file_end.status;
	file->size = frame->file_end.size;
}

static void
note(struct init_site *site, const struct control_frame *frame)
{
	switch (frame->type) {
	case CONTROL_HELLO:
		site->hello = frame->hello;
		break;
	case CONTROL_STARTED:
		assert_false(site->started);
		site->started = true;
		break;
	case CONTROL_START_FAILED:
		note_start_failed(site, frame);
		break;
	case CONTROL_OUTPUT:
		note_output(site, &frame->output);
		break;
	case CONTROL_TAKEN:
		note_taken(site, frame);
		break;
	case CONTROL_EXIT:
		assert_int_equal(frame->exit.written[0], site->output[0].len);
		assert_int_equal(frame->exit.written[1], site->output[1].len);
		site->exited = true;
		site->exit = frame->exit;
		break;
	case CONTROL_FILE:
		note_file(site, &frame->file);
		break;
	default:
		note_file_end(site, frame);
		break;
	}
}

bool
init_site_hears(struct init_site *site, int within_ms)
{
	struct pollfd fd = {site->link, POLLIN, 0};

	return poll(&fd, 1, within_ms) > 0;
}

enum control_type
init_site_next(struct init_site *site)
{
	static uint8_t packet[CONTROL_PACKET_MAX];
	struct control_frame frame;
	ssize_t n;

	if (!init_site_hears(site, INIT_SITE_WITHIN_MS))
		fail_msg("task-init says nothing");
	n = recv(site->link, packet, sizeof(packet), 0);
	if (n <= 0)
		fail_msg("task-init ended the connection");
	if (!control_decode(packet, (size_t)n, &frame) ||
	    !control_is_to_runner(frame.type))
		fail_msg("task-init sent what is no frame of its own");
	note(site, &frame);
	return frame.type;
}

void
init_site_until(struct init_site *site, enum control_type type)
{
	while (init_site_next(site) != type)
		continue;
}

void
init_site_expect_end_of_link(struct init_site *site)
{
	static uint8_t packet[CONTROL_PACKET_MAX];
	ssize_t n;

	do {
		if (!init_site_hears(site, INIT_SITE_WITHIN_MS))
			fail_msg("task-init keeps the connection");
		n = recv(site->link, packet, sizeof(packet), 0);
	} while (n > 0);
	cleanup_fd(&site->link);
	site->link = -1;
}

/* -- coming and going */

void
init_site_hang_up(struct init_site *site)
{
	cleanup_fd(&site->link);
	site->link = -1;
}

void
init_site_leave(struct init_site *site)
{
	init_site_hang_up(site);
	cleanup_fd(&site->listener);
	site->listener = -1;
}

void
init_site_return(struct init_site *site)
{
	auto_free char *old = folder_path(site->folder, "control/socket");
	auto_free char *new = folder_path(site->folder, "control/new");

	cleanup_fd(&site->listener);
	listen_as(site, "new");
	assert_int_equal(rename(new, old), 0);
}

void
init_site_accept(struct init_site *site)
{
	struct pollfd fd = {site->listener, POLLIN, 0};
	struct err err;
	pid_t pid;
	uid_t uid;

	if (poll(&fd, 1, INIT_SITE_WITHIN_MS) <= 0)
		fail_msg("task-init does not connect");
	site->link = accept4(site->listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(site->link >= 0);
	assert_int_equal(packet_peer(site->link, &uid, &pid, &err), 0);
	assert_int_equal(uid, TASK_ID);
	assert_int_equal(pid, site->pid);
	assert_int_equal(init_site_next(site), CONTROL_HELLO);
	assert_int_equal(site->hello.version, CONTROL_VERSION);
}

int
init_site_wait(struct init_site *site)
{
	auto_fd int fd = (int)syscall(SYS_pidfd_open, site->pid, 0);
	struct pollfd ended = {fd, POLLIN, 0};
	int status = 0;

	assert_true(fd >= 0);
	if (poll(&ended, 1, INIT_SITE_WITHIN_MS) <= 0)
		fail_msg("task-init does not end");
	assert_int_equal(waitpid(site->pid, &status, 0), site->pid);
	site->pid = 0;
	return status;
}

bool
init_site_has_processes(const struct init_site *site)
{
	auto_free char *path = alloc_printf(
	    "/proc/%d/task/%d/children", (int)site->pid, (int)site->pid);
	auto_file FILE *file = fopen(path, "re");

	assert_non_null(file);
	return fgetc(file) != EOF;
}

unsigned long
init_site_memory(const struct init_site *site, const char *what)
{
	auto_free char *path = alloc_printf("/proc/%d/status", (int)site->pid);
	auto_file FILE *file = fopen(path, "re");
	char line[256];
	unsigned long value;

	assert_non_null(file);
	while (fgets(line, sizeof(line), file) != NULL) {
		size_t len = strlen(what);

		if (strncmp(line, what, len) == 0 && line[len] == ':' &&
		    sscanf(line + len + 1, "%lu", &value) == 1)
			return value;
	}
	return 0;
}
