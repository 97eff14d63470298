/*
 * Where packet sockets stand: paths longer than sun_path holds, and a mode
 * that is right before anybody can connect.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/packet.h"

#define BACKLOG 128

/* A name that the kernel resolves through the directory's descriptor. */
static int
make_address(
    int directory, const char *name, struct sockaddr_un *ret, struct err *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int n = snprintf(address.sun_path, sizeof(address.sun_path),
	    "/proc/self/fd/%d/%s", directory, name);

	if (n < 0 || (size_t)n >= sizeof(address.sun_path))
		return err_set(err, ERR_INTERNAL,
		    "%s: too long a name for a socket", name);
	*ret = address;
	return 0;
}

static int
open_directory(const char *path, struct err *err)
{
	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	return fd >= 0 ? fd : err_errno(err, "open %s", path);
}

/* Under a name of its own until it listens. */
static int
listen_as(int directory, const char *temporary, const char *name, mode_t mode,
    int *ret_fd, struct err *err)
{
	auto_fd int fd =
	    socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un address;

	if (fd < 0)
		return err_errno(err, "socket");
	if (make_address(directory, temporary, &address, err) != 0)
		return -1;
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0)
		return err_errno(err, "bind %s", name);
	/* Nobody can connect before listen(2), whatever the umask left. */
	if (fchmodat(directory, temporary, mode, 0) != 0)
		return err_errno(err, "chmod %s", name);
	if (listen(fd, BACKLOG) != 0)
		return err_errno(err, "listen on %s", name);
	if (renameat(directory, temporary, directory, name) != 0)
		return err_errno(err, "rename to %s", name);
	*ret_fd = take_fd(fd);
	return 0;
}

int
packet_listen(const char *directory, const char *name, mode_t mode, int *ret_fd,
    struct err *err)
{
	auto_fd int fd = open_directory(directory, err);
	auto_free char *temporary =
	    alloc_printf(".%s.%ld", name, (long)getpid());

	if (fd < 0)
		return -1;
	if (unlinkat(fd, temporary, 0) != 0 && errno != ENOENT)
		return err_errno(err, "unlink %s/%s", directory, temporary);
	if (listen_as(fd, temporary, name, mode, ret_fd, err) == 0)
		return 0;
	unlinkat(fd, temporary, 0);
	return err_prefix(err, "%s", directory);
}

static int
connect_in(int directory, const char *name, const char *path, int *ret_fd,
    struct err *err)
{
	/* Not blocking: a peer that does not accept must not hold us up. */
	auto_fd int fd =
	    socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un address;

	if (fd < 0)
		return err_errno(err, "socket");
	if (make_address(directory, name, &address, err) != 0)
		return -1;
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
		err_errno(err, "connect to %s", path);
		err->code = ERR_UNAVAILABLE;
		return -1;
	}
	if (fcntl(fd, F_SETFL, O_RDWR) != 0)
		return err_errno(err, "fcntl");
	*ret_fd = take_fd(fd);
	return 0;
}

int
packet_connect(const char *path, int *ret_fd, struct err *err)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash != NULL ? slash + 1 : path;
	auto_free char *parent = slash == NULL ? alloc_string(".")
	    : slash == path                    ? alloc_string("/")
			    : alloc_bytes(path, (size_t)(slash - path));
	auto_fd int directory = open_directory(parent, err);

	if (directory < 0)
		return -1;
	return connect_in(directory, name, path, ret_fd, err);
}
