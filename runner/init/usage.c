/*
 * What the task used: the kernel's own figures for the container, which the
 * task cannot change (its cgroup is mounted read-only).
 */
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runner/init/task.h"

static const char *const PEAK_FILES[] = {
    "/sys/fs/cgroup/memory.peak",
    "/sys/fs/cgroup/memory/memory.max_usage_in_bytes",
};
/* "oom_kill N" is a line of both. */
static const char *const OOM_FILES[] = {
    "/sys/fs/cgroup/memory.events",
    "/sys/fs/cgroup/memory/memory.oom_control",
};

static bool
read_file(const char *path, char *ret, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	ssize_t n;

	if (fd < 0)
		return false;
	n = read(fd, ret, size - 1);
	close(fd);
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
read_peak(const struct rusage *usage)
{
	char text[512];

	for (size_t i = 0; i < 2; i++) {
		if (read_file(PEAK_FILES[i], text, sizeof(text)))
			return parse_number(text);
	}
	return (uint64_t)usage->ru_maxrss * 1024;
}

static uint64_t
read_oom_kills(void)
{
	char text[512];

	for (size_t i = 0; i < 2; i++) {
		const char *line;

		if (!read_file(OOM_FILES[i], text, sizeof(text)))
			continue;
		line = strstr(text, "oom_kill ");
		return line != NULL ? parse_number(line + 9) : 0;
	}
	return 0;
}

static uint64_t
microseconds(const struct timeval *time)
{
	return (uint64_t)time->tv_sec * 1000000 + (uint64_t)time->tv_usec;
}

void
task_report(const struct task *task, struct control_exit *ret)
{
	struct rusage usage;

	memset(&usage, 0, sizeof(usage));
	getrusage(RUSAGE_CHILDREN, &usage);
	ret->killed = WIFSIGNALED(task->status);
	ret->status = (uint32_t)(ret->killed ? WTERMSIG(task->status)
					     : WEXITSTATUS(task->status));
	ret->user_us = microseconds(&usage.ru_utime);
	ret->system_us = microseconds(&usage.ru_stime);
	ret->memory_peak = read_peak(&usage);
	ret->oom_kills = read_oom_kills();
}
