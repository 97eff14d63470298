/*
 * Starting, signalling, reaping. Until execve(2) the child runs in this
 * process's memory, which waits for it: nothing of ours is copied, and nothing
 * of it is opened for others to look into but while there are no others.
 */
#include "runner/init/task.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* execvp(3)'s own, where the order has no PATH. */
#define PATH_DEFAULT \
	"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* A task that forks without end is not to keep us from everything else. */
#define REAP_BATCH 256

/* snprintf(3) and a path are all that the child needs room for. */
#define CHILD_STACK (64 * 1024)

struct start {
	const struct control_order *order;
	int streams[3];
	/* Left by a child that could not become the task: */
	enum control_stage stage;
	int errnum; /* 0: it could */
};

static const char *
find_path(const struct control_order *order)
{
	for (size_t i = 0; i < order->nenv; i++) {
		if (strncmp(order->env[i], "PATH=", 5) == 0)
			return order->env[i] + 5;
	}
	return PATH_DEFAULT;
}

static void
execute_file(const char *path, const struct control_order *order)
{
	/* POSIX: execve() does not change what they point to. */
	execve(path, (char **)(uintptr_t)order->args,
	    (char **)(uintptr_t)order->env);
}

/* execvpe(3), but by the order's PATH and never through a shell. The errno of
 * what was found but could not be run goes before ENOENT. */
static int
execute(const struct control_order *order)
{
	const char *name = order->args[0];
	int worst = ENOENT;

	if (strchr(name, '/') != NULL) {
		execute_file(name, order);
		return errno;
	}
	if (*name == '\0')
		return ENOENT;
	for (const char *at = find_path(order);; at++) {
		size_t len = strcspn(at, ":");
		char file[PATH_MAX];
		int n = snprintf(file, sizeof(file), "%.*s%s%s", (int)len, at,
		    len > 0 ? "/" : "./", name);

		if (n > 0 && (size_t)n < sizeof(file)) {
			execute_file(file, order);
			if (errno != ENOENT && errno != ENOTDIR &&
			    errno != EACCES)
				return errno;
			if (errno == EACCES)
				worst = EACCES;
		}
		at += len;
		if (*at == '\0')
			return worst;
	}
}

/* Our memory is small and the task's may be too: when the container's limit
 * is reached, the kernel should take the task, not the one that reports it.
 * /proc/self belongs to root while we are undumpable; there is no other
 * process yet that could look into us while we are not. The kernel lets a
 * child of vfork(2) have a value of its own. */
static void
offer_to_oom_killer(void)
{
	int fd = -1;

	if (prctl(PR_SET_DUMPABLE, 1) == 0)
		fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	if (prctl(PR_SET_DUMPABLE, 0) != 0)
		_exit(126);
	if (fd < 0)
		return;
	if (write(fd, "500", 3) < 0)
		errno = 0; /* a preference, no more */
	close(fd);
}

static int
fail_child(struct start *start, enum control_stage stage, int errnum)
{
	start->stage = stage;
	start->errnum = errnum;
	return 127;
}

static int
become_task(void *arg)
{
	struct start *start = arg;
	const struct control_order *order = start->order;
	sigset_t none;

	setsid();
	offer_to_oom_killer();
	for (int i = 0; i < 3; i++) {
		if (dup2(start->streams[i], i) < 0)
			return fail_child(start, CONTROL_AT_FORK, errno);
	}
	/* Everything of ours is close-on-exec from birth; this is for what
	 * the engine may have left open. */
	syscall(SYS_close_range, 3U, ~0U, 4U /* CLOSE_RANGE_CLOEXEC */);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (order->folder[0] != '\0' && chdir(order->folder) != 0)
		return fail_child(start, CONTROL_AT_FOLDER, errno);
	return fail_child(start, CONTROL_AT_EXEC, execute(order));
}

struct plumbing {
	int input[2]; /* the second is -1 where nothing is written */
	int output[CONTROL_STREAMS][2];
};

static void
close_one(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void
close_plumbing(struct plumbing *plumbing)
{
	close_one(&plumbing->input[0]);
	close_one(&plumbing->input[1]);
	for (int i = 0; i < CONTROL_STREAMS; i++) {
		close_one(&plumbing->output[i][0]);
		close_one(&plumbing->output[i][1]);
	}
}

static int
make_input(bool has_stdin, int ret[2])
{
	if (!has_stdin) {
		ret[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
		return ret[0] < 0 ? -1 : 0;
	}
	if (pipe2(ret, O_CLOEXEC) != 0)
		return -1;
	return fcntl(ret[1], F_SETFL, O_NONBLOCK);
}

static int
make_plumbing(bool has_stdin, struct plumbing *ret)
{
	if (make_input(has_stdin, ret->input) != 0)
		return -1;
	for (int i = 0; i < CONTROL_STREAMS; i++) {
		if (pipe2(ret->output[i], O_CLOEXEC) != 0)
			return -1;
		/* The flag is of this end's description alone. */
		if (fcntl(ret->output[i][0], F_SETFL, O_NONBLOCK) != 0)
			return -1;
	}
	return 0;
}

/* As vfork(2), with a stack of its own: a copy of our memory's tables would
 * take as long as all the rest. Returns when the child has become the task or
 * has ended. */
static pid_t
spawn(struct start *start)
{
	static _Alignas(16) uint8_t stack[CHILD_STACK];

	return clone(become_task, stack + sizeof(stack),
	    CLONE_VM | CLONE_VFORK | SIGCHLD, start);
}

static int
start_child(struct task *task, const struct control_order *order,
    struct plumbing *plumbing, enum control_stage *ret_stage)
{
	struct start start = {
	    .order = order,
	    .streams = {plumbing->input[0], plumbing->output[0][1],
		plumbing->output[1][1]},
	};
	pid_t pid = spawn(&start);

	*ret_stage = pid < 0 ? CONTROL_AT_FORK : start.stage;
	if (pid < 0)
		return errno;
	if (start.errnum != 0)
		return start.errnum;
	task->pid = pid;
	task->input = plumbing->input[1];
	plumbing->input[1] = -1;
	for (int i = 0; i < CONTROL_STREAMS; i++) {
		task->pipes[i] = plumbing->output[i][0];
		plumbing->output[i][0] = -1;
	}
	return 0;
}

int
task_start(struct task *task, const struct control_order *order,
    enum control_stage *ret_stage)
{
	struct plumbing plumbing = {{-1, -1}, {{-1, -1}, {-1, -1}}};
	int errnum;

	*ret_stage = CONTROL_AT_FORK;
	errnum = make_plumbing(order->has_stdin, &plumbing) != 0
	    ? errno
	    : start_child(task, order, &plumbing, ret_stage);
	close_plumbing(&plumbing);
	return errnum;
}

bool
task_reap(struct task *task)
{
	for (int i = 0; i < REAP_BATCH; i++) {
		int status;
		pid_t pid = waitpid(-1, &status, WNOHANG);

		if (pid < 0 && errno == EINTR)
			continue;
		if (pid <= 0)
			return false;
		if (pid != task->pid)
			continue;
		task->ended = true;
		task->status = status;
	}
	return true;
}

bool
task_clear(struct task *task)
{
	/* What has been killed may take a while to be gone. */
	kill(-1, SIGKILL);
	if (task_reap(task))
		return true;
	task->alone = kill(-1, SIGKILL) != 0 && errno == ESRCH;
	return false;
}

void
task_signal(const struct task *task, enum control_scope scope, int signal)
{
	/* kill(-1) never reaches PID 1 itself, and holds the list of
	 * processes while it works: no fork escapes it. */
	if (scope == CONTROL_ALL)
		kill(-1, signal);
	else if (task->pid > 0 && !task->ended)
		kill(-task->pid, signal);
}
