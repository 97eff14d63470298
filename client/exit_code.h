/*
 * Exit codes, in one table each: what became of a task, and what went wrong
 * with a request. Pure.
 */
#ifndef CLIENT_EXIT_CODE_H
#define CLIENT_EXIT_CODE_H

#include "client/task.h"

#define EXIT_NO 1 /* doctor, wait: something is not as it should be */
#define EXIT_NOT_FOUND 3
#define EXIT_UNAUTHENTICATED 4
#define EXIT_DENIED 5
#define EXIT_CONFLICT 6
#define EXIT_BUSY 7
#define EXIT_UNREACHABLE 8
#define EXIT_WAITED 9

/* Of `run` and `wait`, as those of env(1), nohup(1), timeout(1). */
#define EXIT_TIMED_OUT 124
#define EXIT_OURS 125 /* nothing of the task's own */
#define EXIT_NOT_EXECUTABLE 126
#define EXIT_NO_COMMAND 127
#define EXIT_INTERRUPTED 130 /* 128 + SIGINT */
#define EXIT_NO_READER 141 /* 128 + SIGPIPE */

/* `run` returns its code with this bit: so that main() can tell it from a
 * command line that never got there. */
#define EXIT_ATTACHED 256

/* What `run` and `wait` exit with for a finished task. */
int exit_code_of_task(const struct task *task);
/* What other commands exit with for a problem's slug. */
int exit_code_of_problem(const char *slug);
/* What `run` and `wait` do, whose other codes are the task's: 125 mostly. */
int exit_code_of_attached_problem(const char *slug);

/* "KILL" to 9, "RTMIN+1" to 35; 0 for what is no signal's name. */
int exit_code_signal_number(const char *name);

#endif
