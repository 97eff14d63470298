/*
 * task-init: PID 1 of every container. It waits for one order, starts it, and
 * reports what becomes of it over the control socket, to whichever runner
 * listens there.
 *
 * It runs with the task's uid and holds nothing worth having but that socket,
 * which is why it is undumpable before anything else: the task can neither
 * trace it nor read its memory nor reach its descriptors. It trusts the
 * runner, and of the task takes bytes and exit statuses alone. It allocates
 * nothing, reads no file of the image and no environment of its own.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "runner/init/init.h"

/* Without an order, and without a runner that could give one. */
#define WAITING_PATIENCE_MS (INT64_C(300) * 1000)
/* With the report of an end that nobody hears. */
#define ENDED_PATIENCE_MS (INT64_C(86400) * 1000)
/* With ENOBUFS there is no event to wait for. */
#define BLOCKED_EACH_MS 50
/* Who was not our child ends without a signal for us. */
#define CLEAR_EACH_MS 10
#define LOOK_EACH_MS 60000
/* Signals in one turn: somebody may send them without end. */
#define SIGNAL_BATCH 16

static struct init init; /* all zero: most of a megabyte not in the file */

void
init_end(enum init_end why)
{
	_exit((int)why);
}

static int64_t
boot_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void
take_signals(void)
{
	struct signalfd_siginfo info;

	for (int i = 0; i < SIGNAL_BATCH &&
	     read(init.signals, &info, sizeof(info)) == (ssize_t)sizeof(info);
	     i++) {
		/* From outside of the container (what the task sends has a
		 * pid): the engine stops, and an idle container is not to hold
		 * it up. A task is ended through its runner alone: passed on,
		 * the signal would make the engine's doing the task's own
		 * end. The engine kills us later, and the task is lost. */
		if (info.ssi_signo != SIGCHLD && info.ssi_pid == 0 &&
		    init.task.pid == 0)
			init_end(INIT_DONE);
	}
}

static bool
clear_task(int64_t now_ms)
{
	bool more;

	if (!init.task.ended || init.task.alone)
		return false;
	more = task_clear(&init.task);
	if (!init.task.alone)
		return more;
	init.ended_ms = now_ms;
	input_close(&init.input);
	for (int i = 0; i < CONTROL_STREAMS; i++)
		stream_drain(&init.streams[i]);
	return false;
}

/* Nobody holds the task to its time while no runner does. */
static void
keep_time(int64_t now_ms)
{
	int64_t lost_ms = init.link.lost_ms;

	if (init.link.open)
		return;
	if (init.task.pid == 0) {
		if (now_ms - lost_ms >= WAITING_PATIENCE_MS)
			init_end(INIT_ALONE);
		return;
	}
	if (!init.task.ended && now_ms >= init.deadline_ms)
		task_signal(&init.task, CONTROL_ALL, SIGKILL);
	if (lost_ms < init.ended_ms)
		lost_ms = init.ended_ms;
	if (init.task.alone && now_ms - lost_ms >= ENDED_PATIENCE_MS)
		init_end(INIT_ALONE);
}

static void
lower(int64_t *time, int64_t to)
{
	if (to < *time)
		*time = to;
}

/* -1: only events end the wait. */
static int
find_timeout(int64_t now_ms)
{
	int64_t until = now_ms + LOOK_EACH_MS;

	if (init.link.fd < 0)
		lower(&until, init.link.next_ms);
	if (!init.link.open && init.task.pid != 0 && !init.task.ended)
		lower(&until, init.deadline_ms);
	if (init.link.blocked)
		lower(&until, now_ms + BLOCKED_EACH_MS);
	if (init.task.ended && !init.task.alone)
		lower(&until, now_ms + CLEAR_EACH_MS);
	if (until == now_ms + LOOK_EACH_MS && init.link.open)
		return -1;
	return until > now_ms ? (int)(until - now_ms) : 0;
}

enum { AT_LINK, AT_SIGNALS, AT_INPUT, AT_STREAMS };

static void
await(struct pollfd fds[AT_STREAMS + CONTROL_STREAMS], bool at_once)
{
	struct stream *streams = init.streams;

	fds[AT_LINK] = (struct pollfd){init.link.fd,
	    (short)(talk_has_more(&init) ? POLLIN | POLLOUT : POLLIN), 0};
	fds[AT_SIGNALS] = (struct pollfd){init.signals, POLLIN, 0};
	/* That nobody reads it any more is told in any case. */
	fds[AT_INPUT] = (struct pollfd){init.input.pipe,
	    (short)(input_wants_to_write(&init.input) ? POLLOUT : 0), 0};
	for (int i = 0; i < CONTROL_STREAMS; i++)
		fds[AT_STREAMS + i] = (struct pollfd){
		    stream_has_room(&streams[i]) ? streams[i].pipe : -1, POLLIN,
		    0};
	if (poll(fds, AT_STREAMS + CONTROL_STREAMS,
		at_once ? 0 : find_timeout(boot_ms())) < 0 &&
	    errno != EINTR)
		init_end(INIT_NO_MEANS);
}

/* True: the next turn is to follow at once. */
static bool
turn(bool at_once)
{
	struct pollfd fds[AT_STREAMS + CONTROL_STREAMS];
	int64_t now_ms;
	bool more = false;

	if (link_connect(&init.link, boot_ms()))
		talk_hello(&init, boot_ms());
	await(fds, at_once);
	now_ms = boot_ms();
	init.link.blocked = false;
	if ((fds[AT_LINK].revents & ~POLLOUT) != 0)
		talk_hear(&init, now_ms);
	if (fds[AT_SIGNALS].revents != 0)
		take_signals();
	if (fds[AT_SIGNALS].revents != 0 || at_once)
		more = task_reap(&init.task);
	if ((fds[AT_INPUT].revents & POLLERR) != 0)
		input_close(&init.input);
	else if (fds[AT_INPUT].revents != 0)
		input_write(&init.input);
	for (int i = 0; i < CONTROL_STREAMS; i++) {
		if (fds[AT_STREAMS + i].revents != 0)
			stream_read(&init.streams[i]);
	}
	more = clear_task(now_ms) || more;
	keep_time(now_ms);
	talk_tell(&init);
	return more;
}

static void
open_signals(void)
{
	sigset_t set;

	/* The engine may have left some ignored, which the task would inherit;
	 * ours are blocked, and need no dispositions. */
	for (int i = 1; i < NSIG; i++)
		signal(i, SIG_DFL);
	sigfillset(&set);
	if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
		init_end(INIT_NO_MEANS);
	/* Those with which an operator would stop a container. */
	sigemptyset(&set);
	for (const int *s = (const int[]){SIGCHLD, SIGTERM, SIGINT, SIGHUP,
		 SIGQUIT, SIGUSR1, SIGUSR2, 0};
	     *s != 0; s++)
		sigaddset(&set, *s);
	init.signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (init.signals < 0)
		init_end(INIT_NO_MEANS);
}

int
main(int argc, char **argv)
{
	bool more = false;

	/* It kills all that it can see: nowhere but in a container. */
	if (getpid() != 1 || prctl(PR_SET_DUMPABLE, 0) != 0)
		init_end(INIT_NO_MEANS);
	for (int i = 0; i < CONTROL_STREAMS; i++)
		init.streams[i].pipe = -1;
	init.input.pipe = -1;
	files_init(&init.files);
	open_signals();
	usage_open(&init.usage);
	link_init(&init.link, boot_ms());
	talk_prepare(&init, argc - 1, argv + 1);
	for (;;)
		more = turn(more);
}
