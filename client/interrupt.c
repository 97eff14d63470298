/*
 * The self-pipe. The handler does nothing but write one byte; a full pipe
 * drops the signal, after thousands that nobody has taken.
 */
#include "client/interrupt.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"

enum interrupt_action
interrupt_decide(unsigned *count, bool has_task)
{
	unsigned before = (*count)++;

	if (!has_task)
		return before == 0 ? INTERRUPT_NOTED : INTERRUPT_LEAVE;
	if (before == 0)
		return INTERRUPT_CANCEL;
	return before == 1 ? INTERRUPT_KILL : INTERRUPT_LEAVE;
}

static int pipe_fds[2] = {-1, -1};

static void
handle(int number)
{
	int errnum = errno;
	unsigned char byte = (unsigned char)number;

	/* Nothing can be done here about a full pipe. */
	if (write(pipe_fds[1], &byte, 1) != 1)
		errno = errnum;
	errno = errnum;
}

static void
catch_signals(const int *numbers, size_t count)
{
	struct sigaction action = {.sa_handler = handle};

	sigemptyset(&action.sa_mask);
	for (size_t i = 0; i < count; i++) {
		struct sigaction old;

		if (sigaction(numbers[i], NULL, &old) == 0 &&
		    old.sa_handler == SIG_IGN)
			continue;
		if (sigaction(numbers[i], &action, NULL) != 0)
			die("sigaction(%d) failed", numbers[i]);
	}
}

void
interrupt_setup(void)
{
	static const int numbers[] = {SIGINT, SIGTERM};
	struct sigaction ignore = {.sa_handler = SIG_IGN};

	if (pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK) != 0)
		die("no pipe for signals");
	sigemptyset(&ignore.sa_mask);
	/* OpenSSL writes to sockets that may be closed, and we to pipes. */
	if (sigaction(SIGPIPE, &ignore, NULL) != 0)
		die("sigaction(SIGPIPE) failed");
	catch_signals(numbers, COUNT(numbers));
}

void
interrupt_catch_more(void)
{
	static const int numbers[] = {SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2};

	catch_signals(numbers, COUNT(numbers));
}

int
interrupt_fd(void)
{
	return pipe_fds[0];
}

int
interrupt_next(void)
{
	unsigned char byte = 0;

	return read(pipe_fds[0], &byte, 1) == 1 ? byte : 0;
}
