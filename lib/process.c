/*
 * What every long-running program does to itself first: it gives up what it
 * will not need before it reads a byte of anybody's.
 */
#include "lib/process.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/cleanup.h"

static int
refuse_root(struct err *err)
{
	uid_t real, effective, saved;

	if (getresuid(&real, &effective, &saved) != 0)
		return err_errno(err, "getresuid");
	if (real == 0 || effective == 0 || saved == 0)
		return err_set(err, ERR_INTERNAL,
		    "refuses to run as root; give it a user of its own");
	return 0;
}

/* What is opened later must not become standard error, where the log goes. */
static int
fill_standard_streams(struct err *err)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) < 0 &&
		    open("/dev/null", O_RDWR | O_NOCTTY) != fd)
			return err_errno(err, "open /dev/null");
	}
	return 0;
}

/* What a program of ours has no use for. */
static int
give_up_resources(struct err *err)
{
	static const struct rlimit none = {0, 0};
	static const struct {
		__rlimit_resource_t resource;
		const char *name;
	} resources[] = {
	    {RLIMIT_CORE, "core files"},
	    {RLIMIT_MEMLOCK, "locked memory"},
	    {RLIMIT_MSGQUEUE, "message queues"},
	    {RLIMIT_NICE, "priorities"},
	    {RLIMIT_RTPRIO, "real-time priorities"},
	};

	for (size_t i = 0; i < COUNT(resources); i++) {
		/* A service manager that has set it may forbid the call. */
		if (setrlimit(resources[i].resource, &none) != 0 &&
		    errno != EPERM)
			return err_errno(err, "no %s", resources[i].name);
	}
	return 0;
}

int
process_harden(struct err *err)
{
	if (refuse_root(err) != 0 || fill_standard_streams(err) != 0)
		return -1;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return err_errno(err, "no_new_privs");
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
		return err_errno(err, "not dumpable");
	if (give_up_resources(err) != 0)
		return -1;
	if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
		return err_errno(err, "ignore SIGPIPE");
	if (close_range(STDERR_FILENO + 1, ~0U, 0) != 0)
		return err_errno(err, "close_range");
	umask(077);
	process_processors();
	/* Before threads and seccomp: it reads the kernel's randomness. */
	json_object_seed(0);
	return 0;
}

rlim_t
process_raise_descriptors(rlim_t wanted)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return 0;
	if (limit.rlim_cur >= wanted)
		return limit.rlim_cur;
	limit.rlim_cur = wanted < limit.rlim_max ? wanted : limit.rlim_max;
	return setrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : 0;
}

long
process_processors(void)
{
	static long processors;

	if (processors < 1)
		processors = sysconf(_SC_NPROCESSORS_ONLN);
	return processors > 0 ? processors : 1;
}

static int notify_fd = -1;

void
process_notify_open(void)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	auto_fd int fd = -1;
	size_t len = path != NULL ? strlen(path) : 0;

	if (notify_fd >= 0)
		close(take_fd(notify_fd));
	if (len < 2 || len >= sizeof(address.sun_path) ||
	    (*path != '/' && *path != '@'))
		return;
	memcpy(address.sun_path, path, len);
	/* sd_notify(3): "@" stands for the NUL of an abstract name. */
	if (*path == '@')
		address.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	/* Supervision that does not listen is no reason to stop. */
	if (fd >= 0 &&
	    connect(fd, (struct sockaddr *)&address,
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) == 0)
		notify_fd = take_fd(fd);
}

void
process_notify(const char *state)
{
	if (notify_fd >= 0)
		(void)send(notify_fd, state, strlen(state), MSG_NOSIGNAL);
}
