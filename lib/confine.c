/*
 * Two nets, one behind the other: Landlock for what has a name, seccomp for
 * what can be called. Must never leave a process half closed in: whoever gets
 * an error ends.
 */
#include "lib/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/landlock.h"
#include "lib/log.h"

/* LeakSanitizer stops the other threads by ptrace, and reads what is mapped
 * from /proc. */
#ifdef TASKGATE_SANITIZED
#define SECCOMP_IS_ON false
#define PROC_IS_READ true
#else
#define SECCOMP_IS_ON true
#define PROC_IS_READ false
#endif

#define NAMESPACES                                                     \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | \
	    CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWTIME)
#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif

/* What every program calls: memory, threads, time, its open descriptors. */
static const struct confine_call common[] = {
    CONFINE_CALL(read),
    CONFINE_CALL(write),
    CONFINE_CALL(readv),
    CONFINE_CALL(writev),
    CONFINE_CALL(pread64),
    CONFINE_CALL(lseek),
    CONFINE_CALL(close),
    CONFINE_CALL(fstat),
    CONFINE_CALL(newfstatat),
    CONFINE_CALL(statx),
    CONFINE_CALL(getdents64),
    CONFINE_CALL(readlink),
    CONFINE_CALL(readlinkat),
    CONFINE_CALL(poll),
    CONFINE_CALL(ppoll),
    CONFINE_CALL(epoll_create1),
    CONFINE_CALL(epoll_ctl),
    CONFINE_CALL(epoll_wait),
    CONFINE_CALL(epoll_pwait),
    CONFINE_CALL(eventfd2),
    CONFINE_CALL(pipe2),
    CONFINE_CALL(memfd_create),
    CONFINE_CALL_IF(ioctl, CONFINE_INT(1, FIONBIO)),
    CONFINE_CALL_IF(ioctl, CONFINE_INT(1, FIONREAD)),
    CONFINE_CALL_IF(ioctl, CONFINE_INT(1, FIOCLEX)),
    CONFINE_CALL_IF(fcntl, CONFINE_INT(1, F_DUPFD)),
    CONFINE_CALL_IF(fcntl, CONFINE_INT(1, F_DUPFD_CLOEXEC)),
    CONFINE_CALL_IF(fcntl, CONFINE_INT(1, F_GETFD)),
    CONFINE_CALL_IF(fcntl, CONFINE_INT(1, F_SETFD)),
    CONFINE_CALL_IF(fcntl, CONFINE_INT(1, F_GETFL)),
    CONFINE_CALL_IF(fcntl, CONFINE_INT(1, F_SETFL)),
    CONFINE_CALL_IF(fcntl, CONFINE_INT(1, F_ADD_SEALS)),
    CONFINE_CALL_IF(fcntl, CONFINE_INT(1, F_GET_SEALS)),
    CONFINE_CALL_IF(fcntl, CONFINE_INT(1, F_GETPIPE_SZ)),
    CONFINE_CALL_IF(fcntl, CONFINE_INT(1, F_SETPIPE_SZ)),
    /* Sockets: none but Unix ones are made; a TCP connection cannot be opened
     * by its first bytes either. */
    CONFINE_CALL_IF(socketpair, CONFINE_INT(0, AF_UNIX)),
    CONFINE_CALL(connect),
    CONFINE_CALL(accept4),
    CONFINE_CALL(shutdown),
    CONFINE_CALL(getsockname),
    CONFINE_CALL(getpeername),
    CONFINE_CALL(getsockopt),
    CONFINE_CALL(recvfrom),
    CONFINE_CALL(recvmsg),
    CONFINE_CALL_IF(sendto, CONFINE_MASK(3, MSG_FASTOPEN, 0)),
    CONFINE_CALL_IF(sendmsg, CONFINE_MASK(2, MSG_FASTOPEN, 0)),
    /* Nothing that could be written becomes code. */
    CONFINE_CALL_IF(mmap, CONFINE_MASK(2, PROT_EXEC, 0)),
    CONFINE_CALL_IF(mprotect, CONFINE_MASK(2, PROT_EXEC, 0)),
    CONFINE_CALL(munmap),
    CONFINE_CALL(mremap),
    CONFINE_CALL(madvise),
    CONFINE_CALL(brk),
    /* Threads and no processes. */
    CONFINE_CALL_IF(
	clone, CONFINE_MASK(0, CLONE_THREAD | NAMESPACES, CLONE_THREAD)),
    CONFINE_CALL(set_robust_list),
    CONFINE_CALL(rseq),
    CONFINE_CALL(futex),
    CONFINE_CALL(sched_yield),
    CONFINE_CALL(sched_getaffinity),
    CONFINE_CALL(exit),
    CONFINE_CALL(exit_group),
    CONFINE_CALL(restart_syscall),
    CONFINE_CALL(rt_sigaction),
    CONFINE_CALL(rt_sigprocmask),
    CONFINE_CALL(rt_sigreturn),
    CONFINE_CALL(sigaltstack),
    CONFINE_CALL(getpid),
    CONFINE_CALL(gettid),
    CONFINE_CALL(getuid),
    CONFINE_CALL(geteuid),
    CONFINE_CALL(getgid),
    CONFINE_CALL(getegid),
    CONFINE_CALL(getrandom),
    CONFINE_CALL(sysinfo),
    CONFINE_CALL(uname),
    CONFINE_CALL(clock_gettime),
    CONFINE_CALL(clock_getres),
    CONFINE_CALL(clock_nanosleep),
    CONFINE_CALL(gettimeofday),
    CONFINE_CALL(time),
    /* Limits are read, and not changed. */
    CONFINE_CALL_IF(
	prlimit64, CONFINE_INT(0, 0), CONFINE_MASK(2, UINT64_MAX, 0)),
};

/* Nothing of ours, and nothing that our libraries try to see whether it is
 * there: io_uring_setup(2), which libuv tries, is not among them. */
static const int deadly[] = {
    SCMP_SYS(execve),
    SCMP_SYS(execveat),
    SCMP_SYS(fork),
    SCMP_SYS(vfork),
    SCMP_SYS(ptrace),
    SCMP_SYS(process_vm_readv),
    SCMP_SYS(process_vm_writev),
    SCMP_SYS(process_madvise),
    SCMP_SYS(kcmp),
    SCMP_SYS(pidfd_getfd),
    SCMP_SYS(mount),
    SCMP_SYS(umount2),
    SCMP_SYS(mount_setattr),
    SCMP_SYS(move_mount),
    SCMP_SYS(open_tree),
    SCMP_SYS(fsopen),
    SCMP_SYS(fsmount),
    SCMP_SYS(pivot_root),
    SCMP_SYS(chroot),
    SCMP_SYS(unshare),
    SCMP_SYS(setns),
    SCMP_SYS(bpf),
    SCMP_SYS(perf_event_open),
    SCMP_SYS(userfaultfd),
    SCMP_SYS(add_key),
    SCMP_SYS(keyctl),
    SCMP_SYS(request_key),
    SCMP_SYS(init_module),
    SCMP_SYS(finit_module),
    SCMP_SYS(delete_module),
    SCMP_SYS(kexec_load),
    SCMP_SYS(kexec_file_load),
    SCMP_SYS(open_by_handle_at),
    SCMP_SYS(personality),
    SCMP_SYS(swapon),
    SCMP_SYS(reboot),
};

/* -- Landlock */

static const struct {
	enum landlock_access access;
	bool is_beside;
} accesses[] = {
    [CONFINE_READ_BESIDE] = {LANDLOCK_READ, true},
    [CONFINE_READ] = {LANDLOCK_READ, false},
    [CONFINE_WRITE] = {LANDLOCK_WRITE, false},
    [CONFINE_CONNECT_BESIDE] = {LANDLOCK_CONNECT, true},
};

/* What stands in the root folder is allowed by itself: beside it is all. The
 * folder of a socket may still be made by who serves it. */
static int
allow_beside(const struct landlock *landlock, const char *path,
    enum landlock_access access, struct err *err)
{
	auto_free char *folder = alloc_string(path);
	char *slash;

	do {
		slash = strrchr(folder, '/');
		if (slash == NULL || slash == folder)
			break;
		*slash = '\0';
	} while (access == LANDLOCK_CONNECT &&
	    faccessat(AT_FDCWD, folder, F_OK, 0) != 0);
	return landlock_allow(landlock, folder, access, err);
}

static int
allow_place(const struct landlock *landlock, const struct confine_place *place,
    struct err *err)
{
	enum landlock_access access = accesses[place->access].access;
	auto_free char *real = NULL;

	if (!accesses[place->access].is_beside)
		return landlock_allow(landlock, place->path, access, err);
	if (allow_beside(landlock, place->path, access, err) != 0)
		return -1;
	/* What is not there yet leads nowhere else. */
	real = realpath(place->path, NULL);
	return real == NULL || strcmp(real, place->path) == 0
	    ? 0
	    : allow_beside(landlock, real, access, err);
}

static int
allow_places(const struct landlock *landlock, const struct confine_list *list,
    struct err *err)
{
	for (size_t i = 0; i < list->nplaces; i++) {
		if (list->places[i].path == NULL)
			continue;
		if (allow_place(landlock, &list->places[i], err) != 0)
			return -1;
	}
	return PROC_IS_READ
	    ? landlock_allow(landlock, "/proc", LANDLOCK_READ, err)
	    : 0;
}

static int
restrict_files(
    const struct confine_list *list, int *ret_landlock, struct err *err)
{
	AUTO(landlock_close) struct landlock landlock;

	if (landlock_open(LANDLOCK_NEWEST, &landlock, err) != 0)
		return -1;
	if (allow_places(&landlock, list, err) != 0 ||
	    landlock_enforce(&landlock, err) != 0)
		return -1;
	*ret_landlock = landlock.abi;
	return 0;
}

/* -- seccomp */

static void
release_filter(scmp_filter_ctx *filter)
{
	seccomp_release(*filter);
}

static int
fail(int code, const char *what, struct err *err)
{
	errno = -code;
	return err_errno(err, "%s", what);
}

/* -EDOM: this architecture has no such call. */
static int
add_rule(scmp_filter_ctx filter, uint32_t action, int number, unsigned n,
    const struct scmp_arg_cmp *compared, struct err *err)
{
	int code = seccomp_rule_add_array(filter, action, number, n, compared);

	return code == 0 || code == -EDOM ? 0
					  : fail(code, "seccomp_rule_add", err);
}

static int
add_call(
    scmp_filter_ctx filter, const struct confine_call *call, struct err *err)
{
	struct scmp_arg_cmp compared[CONFINE_COMPARED_MAX];
	unsigned n = 0;

	while (n < CONFINE_COMPARED_MAX && call->compared[n].mask != 0) {
		compared[n] = (struct scmp_arg_cmp){
		    .arg = call->compared[n].argument,
		    .op = SCMP_CMP_MASKED_EQ,
		    .datum_a = call->compared[n].mask,
		    .datum_b = call->compared[n].value,
		};
		n++;
	}
	return add_rule(filter, SCMP_ACT_ALLOW, call->number, n, compared, err);
}

static int
add_calls(scmp_filter_ctx filter, const struct confine_call *calls,
    size_t ncalls, struct err *err)
{
	for (size_t i = 0; i < ncalls; i++) {
		if (add_call(filter, &calls[i], err) != 0)
			return -1;
	}
	return 0;
}

/* abort(3), which ends us when memory runs out, sends a signal; nobody else
 * gets one. A process is another call of clone(2). */
static int
add_own(scmp_filter_ctx filter, struct err *err)
{
	const struct confine_call to_itself =
	    CONFINE_CALL_IF(tgkill, CONFINE_INT(0, getpid()));
	const struct scmp_arg_cmp no_thread = {
	    .arg = 0,
	    .op = SCMP_CMP_MASKED_EQ,
	    .datum_a = CLONE_THREAD,
	    .datum_b = 0,
	};

	if (add_rule(filter, SCMP_ACT_KILL_PROCESS, SCMP_SYS(clone), 1,
		&no_thread, err) != 0)
		return -1;
	return add_call(filter, &to_itself, err);
}

static int
add_deadly(scmp_filter_ctx filter, struct err *err)
{
	for (size_t i = 0; i < COUNT(deadly); i++) {
		if (add_rule(filter, SCMP_ACT_KILL_PROCESS, deadly[i], 0, NULL,
			err) != 0)
			return -1;
	}
	return 0;
}

static int
set_attributes(scmp_filter_ctx filter, struct err *err)
{
	static const struct {
		enum scmp_filter_attr attribute;
		uint32_t value;
	} attributes[] = {
	    {SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS},
	    {SCMP_FLTATR_CTL_TSYNC, 1},
	    /* A tree: what is asked for often is not behind the rest. */
	    {SCMP_FLTATR_CTL_OPTIMIZE, 2},
	};

	for (size_t i = 0; i < COUNT(attributes); i++) {
		int code = seccomp_attr_set(
		    filter, attributes[i].attribute, attributes[i].value);

		if (code != 0)
			return fail(code, "seccomp_attr_set", err);
	}
	return 0;
}

static int
restrict_calls(const struct confine_list *list, struct err *err)
{
	AUTO(release_filter)
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
	int code;

	if (filter == NULL)
		return err_set(err, ERR_INTERNAL, "seccomp_init");
	if (set_attributes(filter, err) != 0 ||
	    add_calls(filter, common, COUNT(common), err) != 0 ||
	    add_calls(filter, list->calls, list->ncalls, err) != 0 ||
	    add_own(filter, err) != 0 || add_deadly(filter, err) != 0)
		return -1;
	code = seccomp_load(filter);
	return code == 0 ? 0 : fail(code, "seccomp_load", err);
}

int
confine(const struct confine_list *list, int *ret_landlock, struct err *err)
{
	/* The time zone's file is read once, at the first line of the log. */
	tzset();
	if (restrict_files(list, ret_landlock, err) != 0)
		return err_prefix(err, "confine");
	if (SECCOMP_IS_ON && restrict_calls(list, err) != 0)
		return err_prefix(err, "confine");
	return 0;
}

void
confine_announce(int landlock)
{
	char version[12];

	snprintf(version, sizeof(version), "%d", landlock);
	if (landlock > 0)
		log_info("confine.closed", "landlock", version, NULL);
	else
		log_warning("confine.no_landlock", "reason",
		    "this kernel has no Landlock (5.19 or newer, switched on): "
		    "which files can be opened is the file modes' alone",
		    NULL);
}
