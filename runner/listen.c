/*
 * The private sockets: who is let in is decided by the uid that the kernel
 * gives, before a byte is read.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/log.h"
#include "runner/peers.h"

/* Out of descriptors: others get their turn before we try again. */
#define ACCEPT_AGAIN_MS 100

struct listener {
	struct runner *runner;
	enum role role;
	int fd;
	uv_poll_t poll;
	uv_timer_t again;
	int handles;
};

static bool
may_connect(const struct listener *listener, uid_t uid)
{
	const struct config *config = &listener->runner->config;

	if (listener->role == ROLE_GATEWAY)
		return uid == config->gateway_uid;
	for (size_t i = 0; i < config->nadmins; i++) {
		if (config->admin_uids[i] == uid)
			return true;
	}
	return false;
}

static void
admit(struct listener *listener, int accepted)
{
	struct runner *runner = listener->runner;
	auto_fd int fd = accepted;
	const char *reason = NULL;
	char text[24] = "unknown";
	struct err err = {0};
	uid_t uid = (uid_t)-1;
	pid_t pid;

	if (packet_peer(fd, &uid, &pid, &err) == 0)
		snprintf(text, sizeof(text), "%lu", (unsigned long)uid);
	if (err.code != ERR_NONE || !may_connect(listener, uid))
		reason = "its uid";
	else if (runner->npeers >=
	    (listener->role == ROLE_GATEWAY ? GATEWAY_PEERS_MAX : PEERS_MAX))
		reason = "too many connections";
	if (reason != NULL) {
		log_warning("peer.refused", "socket",
		    peers_socket(listener->role), "uid", text, "reason", reason,
		    NULL);
		peers_record_refused(runner, listener->role, uid, reason, NULL);
		return;
	}
	peer_new_take(runner, take_fd(fd), listener->role);
}

static void on_readable(uv_poll_t *poll, int status, int events);

static void
on_accept_again(uv_timer_t *again)
{
	struct listener *listener = again->data;

	if (uv_poll_start(&listener->poll, UV_READABLE, on_readable) != 0)
		die("uv_poll_start");
}

static void
on_readable(uv_poll_t *poll, int status, int events)
{
	struct listener *listener = poll->data;

	(void)status;
	(void)events;
	for (;;) {
		int fd = accept4(
		    listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd >= 0) {
			admit(listener, fd);
			continue;
		}
		if (errno == EINTR || errno == ECONNABORTED)
			continue;
		if (errno == EAGAIN || errno == EWOULDBLOCK)
			return;
		log_error("peer.not_accepted", "reason", strerror(errno), NULL);
		uv_poll_stop(&listener->poll);
		uv_timer_start(
		    &listener->again, on_accept_again, ACCEPT_AGAIN_MS, 0);
		return;
	}
}

static struct listener *
listen_on(struct runner *runner, const char *name, enum role role, mode_t mode,
    struct err *err)
{
	struct listener *listener;
	int fd = -1;

	if (packet_listen(runner->config.run, name, mode, &fd, err) != 0)
		return NULL;
	listener = alloc_zero(1, sizeof(*listener));
	listener->runner = runner;
	listener->role = role;
	listener->fd = fd;
	listener->handles = 2;
	if (uv_poll_init(&runner->loop, &listener->poll, fd) != 0 ||
	    uv_timer_init(&runner->loop, &listener->again) != 0)
		die("a socket that cannot be watched");
	listener->poll.data = listener;
	listener->again.data = listener;
	on_accept_again(&listener->again);
	return listener;
}

/* The gateway's socket belongs to the group of the folder, which is the
 * gateway's: without it the gateway cannot connect. In a set-group-id folder
 * it does from the beginning. */
static int
give_to_group(const char *folder, gid_t group, struct err *err)
{
	auto_free char *path = alloc_printf("%s/gateway.sock", folder);
	struct stat st;

	if (lstat(path, &st) != 0)
		return err_errno(err, "stat %s", path);
	if (st.st_gid == group)
		return 0;
	if (lchown(path, (uid_t)-1, group) != 0)
		return err_errno(err,
		    "give %s to group %lu; the runner must be a member of it, "
		    "or the folder set-group-id",
		    path, (unsigned long)group);
	return 0;
}

static int
check_folder(const char *folder, gid_t *ret_group, struct err *err)
{
	struct stat st;

	if (lstat(folder, &st) != 0)
		return err_errno(err, "run: %s", folder);
	if (!S_ISDIR(st.st_mode))
		return err_set(
		    err, ERR_UNPROCESSABLE, "run: %s: not a directory", folder);
	if ((st.st_uid != geteuid() && st.st_uid != 0) ||
	    (st.st_mode & (S_IWGRP | S_IRWXO)) != 0)
		return err_set(err, ERR_UNPROCESSABLE,
		    "run: %s: must be the runner's own, of mode 0750 or less "
		    "(it belongs to uid %lu and has %04o)",
		    folder, (unsigned long)st.st_uid,
		    (unsigned)st.st_mode & 07777);
	*ret_group = st.st_gid;
	return 0;
}

int
peers_listen(struct runner *runner, struct err *err)
{
	gid_t group = (gid_t)-1;

	if (check_folder(runner->config.run, &group, err) != 0)
		return -1;
	runner->admin = listen_on(runner, "admin.sock", ROLE_ADMIN, 0600, err);
	if (runner->admin == NULL)
		return -1;
	runner->gateway =
	    listen_on(runner, "gateway.sock", ROLE_GATEWAY, 0660, err);
	if (runner->gateway == NULL)
		return -1;
	return give_to_group(runner->config.run, group, err);
}

static void
on_listener_closed(uv_handle_t *handle)
{
	struct listener *listener = handle->data;

	if (--listener->handles == 0)
		free(listener);
}

static void
close_listener(struct listener *listener)
{
	if (listener == NULL)
		return;
	uv_poll_stop(&listener->poll);
	close(listener->fd);
	uv_close((uv_handle_t *)&listener->poll, on_listener_closed);
	uv_close((uv_handle_t *)&listener->again, on_listener_closed);
}

void
peers_close_listeners(struct runner *runner)
{
	close_listener(take(runner->gateway));
	close_listener(take(runner->admin));
}
