/*
 * What the task used: the kernel's own figures for the container, which the
 * task cannot change (its cgroup is mounted read-only). They are opened while
 * nothing waits for them.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runner/init/usage.h"

static const char *const PEAK_FILES[] = {
    "/sys/fs/cgroup/memory.peak",
    "/sys/fs/cgroup/memory/memory.max_usage_in_bytes",
};
/* "oom_kill N" is a line of both. */
static const char *const OOM_FILES[] = {
    "/sys/fs/cgroup/memory.events",
    "/sys/fs/cgroup/memory/memory.oom_control",
};

/* The first of them that there is; -1: none. */
static int
open_one(const char *const paths[2])
{
	int fd = -1;

	for (size_t i = 0; i < 2 && fd < 0; i++)
		fd = open(paths[i], O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	return fd;
}

void
usage_open(struct usage *usage)
{
	usage->peak = open_one(PEAK_FILES);
	usage->oom = open_one(OOM_FILES);
}

static bool
read_file(int fd, char *ret, size_t size)
{
	ssize_t n = fd < 0 ? -1 : pread(fd, ret, size - 1, 0);

	if (n <= 0)
		return false;
	ret[n] = '\0';
	return true;
}

static uint64_t
parse_number(const char *text)
{
	uint64_t value = 0;

	for (; *text >= '0' && *text <= '9'; text++) {
		if (value > INT64_MAX / 10 - 1)
			return INT64_MAX;
		value = value * 10 + (uint64_t)(*text - '0');
	}
	return value;
}

static uint64_t
read_peak(const struct usage *usage, const struct rusage *children)
{
	char text[512];

	if (read_file(usage->peak, text, sizeof(text)))
		return parse_number(text);
	return (uint64_t)children->ru_maxrss * 1024;
}

static uint64_t
read_oom_kills(const struct usage *usage)
{
	char text[512];
	const char *line = NULL;

	if (read_file(usage->oom, text, sizeof(text)))
		line = strstr(text, "oom_kill ");
	return line != NULL ? parse_number(line + 9) : 0;
}

static uint64_t
microseconds(const struct timeval *time)
{
	return (uint64_t)time->tv_sec * 1000000 + (uint64_t)time->tv_usec;
}

void
usage_report(const struct usage *usage, int status, struct control_exit *ret)
{
	struct rusage children;

	memset(&children, 0, sizeof(children));
	getrusage(RUSAGE_CHILDREN, &children);
	ret->killed = WIFSIGNALED(status);
	ret->status =
	    (uint32_t)(ret->killed ? WTERMSIG(status) : WEXITSTATUS(status));
	ret->user_us = microseconds(&children.ru_utime);
	ret->system_us = microseconds(&children.ru_stime);
	ret->memory_peak = read_peak(usage, &children);
	ret->oom_kills = read_oom_kills(usage);
}
