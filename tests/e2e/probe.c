/*
 * A task that looks at what surrounds it: stands in the sandbox tests' image.
 *
 *	probe syscalls		the number of each call that is refused
 *	probe refused		tries what the profile must refuse, by name
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define LAST_CALL 470
/* __X32_SYSCALL_BIT */
#define X32 0x40000000L

/* Those that do not come back, or would say nothing. */
static const long unanswered[] = {
    SYS_exit,
    SYS_exit_group,
    SYS_rt_sigreturn,
#ifdef SYS_pause
    SYS_pause,
#endif
#ifdef SYS_fork
    SYS_fork,
    SYS_vfork,
#endif
};

static int
is_unanswered(long number)
{
	for (size_t i = 0; i < sizeof(unanswered) / sizeof(*unanswered); i++) {
		if (unanswered[i] == number)
			return 1;
	}
	return 0;
}

/* In a process of its own: whatever the call does, it does it there. */
static int
is_refused(long number)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		/* None waits today; one that does ends all the same. */
		alarm(30);
		if (syscall(number, -1L, -1L, -1L, -1L, -1L, -1L) == -1 &&
		    (errno == EPERM || errno == ENOSYS))
			_exit(1);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -1;
	return WIFEXITED(status) && WEXITSTATUS(status) == 1;
}

static int
list_refused(void)
{
	for (long number = 0; number <= LAST_CALL; number++) {
		int refused = is_unanswered(number) ? 0 : is_refused(number);

		if (refused < 0)
			return 1;
		if (refused)
			printf("%ld\n", number);
	}
	return 0;
}

struct attempt {
	const char *name;
	long number;
	long arguments[6];
	int errnum; /* 0: EPERM */
};

/* Arguments with which an unconfined process would get further than EPERM, or
 * at least elsewhere. */
static const struct attempt attempts[] = {
    {"io_uring_setup", SYS_io_uring_setup, {1, 0}, 0},
    {"io_uring_enter", SYS_io_uring_enter, {-1}, 0},
    {"ptrace", SYS_ptrace, {0 /* PTRACE_TRACEME */}, 0},
    {"process_vm_readv", SYS_process_vm_readv, {1, 0, 0, 0, 0, 0}, 0},
    {"process_vm_writev", SYS_process_vm_writev, {1, 0, 0, 0, 0, 0}, 0},
    {"keyctl", SYS_keyctl, {0, -3}, 0},
    {"add_key", SYS_add_key, {0, 0, 0, 0, 0}, 0},
    {"request_key", SYS_request_key, {0, 0, 0, 0}, 0},
    {"bpf", SYS_bpf, {0, 0, 0}, 0},
    {"userfaultfd", SYS_userfaultfd, {1 /* UFFD_USER_MODE_ONLY */}, 0},
    {"perf_event_open", SYS_perf_event_open, {0, 0, -1, -1, 0}, 0},
    {"mount", SYS_mount, {0, 0, 0, 0, 0}, 0},
    {"umount2", SYS_umount2, {0, 0}, 0},
    {"pivot_root", SYS_pivot_root, {0, 0}, 0},
    {"open_tree", SYS_open_tree, {-1, 0, 0}, 0},
    {"fsopen", SYS_fsopen, {0, 0}, 0},
    {"unshare, user", SYS_unshare, {CLONE_NEWUSER}, 0},
    {"unshare, nothing", SYS_unshare, {0}, 0},
    {"setns", SYS_setns, {-1, 0}, 0},
    {"clone, user", SYS_clone, {CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0}, 0},
    {"clone, network", SYS_clone, {CLONE_NEWNET | SIGCHLD, 0, 0, 0, 0}, 0},
    {"clone3", SYS_clone3, {0, 0}, ENOSYS},
    {"chroot", SYS_chroot, {0}, 0},
    {"name_to_handle_at", SYS_name_to_handle_at, {-1, 0, 0, 0, 0}, 0},
    {"open_by_handle_at", SYS_open_by_handle_at, {-1, 0, 0}, 0},
    {"fanotify_init", SYS_fanotify_init, {0x200, 0}, 0},
    {"kcmp", SYS_kcmp, {1, 1, 0, 0, 0}, 0},
    {"pidfd_getfd", SYS_pidfd_getfd, {-1, 0, 0}, 0},
    {"process_madvise", SYS_process_madvise, {-1, 0, 0, 0, 0}, 0},
    {"init_module", SYS_init_module, {0, 0, 0}, 0},
    {"kexec_load", SYS_kexec_load, {0, 0, 0, 0}, 0},
    {"quotactl", SYS_quotactl, {-1, 0, 0, 0}, 0},
    {"syslog", SYS_syslog, {10 /* size of the buffer */, 0, 0}, 0},
    {"personality", SYS_personality, {0x0040000 /* ADDR_NO_RANDOMIZE */}, 0},
    {"socket, AF_ALG", SYS_socket, {38, SOCK_SEQPACKET, 0}, 0},
    {"socket, AF_PACKET", SYS_socket, {17, SOCK_RAW, 0}, 0},
    {"socket, AF_VSOCK", SYS_socket, {40, SOCK_STREAM, 0}, 0},
    {"socket, NETFILTER", SYS_socket, {16, SOCK_RAW, 12}, 0},
};

static int
is_refused_as_said(const struct attempt *attempt)
{
	const long *a = attempt->arguments;
	int errnum = attempt->errnum != 0 ? attempt->errnum : EPERM;
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		long result = syscall(
		    attempt->number, a[0], a[1], a[2], a[3], a[4], a[5]);

		_exit(result == -1 && errno == errnum ? 0 : 1);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

/* Another architecture's call: it must not be answered at all. */
static int
is_killed_by_foreign_call(void)
{
#ifdef __x86_64__
	static const struct rlimit none = {0, 0};
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		long result = 20; /* i386: getpid */

		setrlimit(RLIMIT_CORE, &none);
		__asm__ volatile("int $0x80" : "+a"(result) : : "memory");
		_exit(result > 0 ? 1 : 0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid ||
	    (WIFEXITED(status) && WEXITSTATUS(status) == 1))
		return 0;
	pid = fork();
	if (pid == 0)
		_exit(syscall(X32 | SYS_getpid) > 0 ? 1 : 0);
	return pid > 0 && waitpid(pid, &status, 0) == pid &&
	    !(WIFEXITED(status) && WEXITSTATUS(status) == 1);
#else
	return 1;
#endif
}

static int
try_refused(void)
{
	int wrong = 0;

	for (size_t i = 0; i < sizeof(attempts) / sizeof(*attempts); i++) {
		if (is_refused_as_said(&attempts[i]))
			continue;
		printf("not refused: %s\n", attempts[i].name);
		wrong++;
	}
	if (!is_killed_by_foreign_call()) {
		puts("not refused: another architecture");
		wrong++;
	}
	printf("%zu tried\n", sizeof(attempts) / sizeof(*attempts));
	return wrong > 0;
}

int
main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IONBF, 0);
	if (argc == 2 && strcmp(argv[1], "syscalls") == 0)
		return list_refused();
	if (argc == 2 && strcmp(argv[1], "refused") == 0)
		return try_refused();
	fputs("usage: probe syscalls | refused\n", stderr);
	return 2;
}
