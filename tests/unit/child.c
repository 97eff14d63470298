/* Children of a test. */
#include "tests/unit/child.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

int
child_run(int (*act)(void *arg), void *arg)
{
	pid_t child = fork();
	int status = -1;

	assert_true(child >= 0);
	if (child == 0) {
		if (geteuid() == 0 &&
		    (setgid(CHILD_ID) != 0 || setuid(CHILD_ID) != 0))
			_exit(100);
		_exit(act(arg));
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

int
child_exit_status(int (*act)(void *arg), void *arg)
{
	int status = child_run(act, arg);

	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

void
child_follow(pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(0);
}
