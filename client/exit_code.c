/*
 * Exit codes by table. What is looked up here came from the server and may be
 * anything; what no table knows is ours (125) or plain failure (1).
 */
#include "client/exit_code.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"

int
exit_code_signal_number(const char *name)
{
	static const char real_time[] = "RTMIN+";
	size_t len = sizeof(real_time) - 1;

	for (int number = 1; number < NSIG; number++) {
		const char *known = sigabbrev_np(number);

		if (known != NULL && strcmp(known, name) == 0)
			return number;
	}
	if (strncmp(name, real_time, len) == 0 && name[len] >= '0' &&
	    name[len] <= '9' && strlen(name) <= len + 2) {
		int number = SIGRTMIN + atoi(name + len);

		return number <= SIGRTMAX ? number : 0;
	}
	return 0;
}

static int
of_exit_code(const struct task *task)
{
	return task->exit_code >= 0 && task->exit_code <= 255
	    ? (int)task->exit_code
	    : EXIT_OURS;
}

static int
of_signal(const struct task *task)
{
	int number =
	    task->signal != NULL ? exit_code_signal_number(task->signal) : 0;

	return number > 0 ? 128 + number : EXIT_OURS;
}

/* POSIX: 127 for what is not there, 126 for what is but cannot be executed. */
static int
of_start(const struct task *task)
{
	if (task->reason == NULL || strcmp(task->reason, "command") != 0)
		return EXIT_OURS;
	return task->errno_name != NULL &&
		strcmp(task->errno_name, "ENOENT") == 0
	    ? EXIT_NO_COMMAND
	    : EXIT_NOT_EXECUTABLE;
}

static const struct {
	const char *outcome;
	int code;
	int (*find)(const struct task *); /* where one code is not enough */
} outcomes[] = {
    {"succeeded", 0, NULL},
    {"failed", 0, of_exit_code},
    {"killed", 0, of_signal},
    {"timed_out", EXIT_TIMED_OUT, NULL},
    {"out_of_memory", 128 + SIGKILL, NULL},
    {"cancelled", EXIT_INTERRUPTED, NULL},
    {"revoked", EXIT_OURS, NULL},
    {"rejected", EXIT_OURS, NULL},
    {"not_started", 0, of_start},
    {"lost", EXIT_OURS, NULL},
};

int
exit_code_of_task(const struct task *task)
{
	for (size_t i = 0; task->outcome != NULL && i < COUNT(outcomes); i++) {
		if (strcmp(outcomes[i].outcome, task->outcome) != 0)
			continue;
		return outcomes[i].find != NULL ? outcomes[i].find(task)
						: outcomes[i].code;
	}
	return EXIT_OURS;
}

static const struct {
	const char *slug;
	int code;
} problems[] = {
    {"unauthenticated", EXIT_UNAUTHENTICATED},
    {"revoked", EXIT_UNAUTHENTICATED},
    {"context", EXIT_UNAUTHENTICATED},
    {"insufficient-scope", EXIT_DENIED},
    {"denied", EXIT_DENIED},
    {"not-found", EXIT_NOT_FOUND},
    {"conflict", EXIT_CONFLICT},
    {"busy", EXIT_BUSY},
    {"over-rate", EXIT_BUSY},
    {"unavailable", EXIT_UNREACHABLE},
    {"unreachable", EXIT_UNREACHABLE},
    {"waited", EXIT_WAITED},
    {"interrupted", EXIT_INTERRUPTED},
    {"no-reader", EXIT_NO_READER},
    {"usage", 2},
};

int
exit_code_of_problem(const char *slug)
{
	for (size_t i = 0; i < COUNT(problems); i++) {
		if (strcmp(problems[i].slug, slug) == 0)
			return problems[i].code;
	}
	return EXIT_NO;
}

int
exit_code_of_attached_problem(const char *slug)
{
	int code = exit_code_of_problem(slug);

	return code == EXIT_INTERRUPTED || code == EXIT_NO_READER ||
		code == EXIT_WAITED
	    ? code
	    : EXIT_OURS;
}
