/* Attempts, each in a child of its own. */
#include "tests/unit/attempts.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <pthread.h>
#include <sched.h>
#include <seccomp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/landlock.h"
#include "tests/unit/child.h"
#include "tests/unit/folder.h"

#define NOT_CONFINED 254
#define NO_ERROR 253 /* it failed, and did not say why */

/* -- the site */

static void
make_file(const char *folder, const char *name)
{
	auto_free char *path = folder_path(folder, name);
	auto_fd int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);

	assert_true(fd >= 0);
	assert_int_equal(fchmod(fd, 0666), 0);
	assert_int_equal(write(fd, "x", 1), 1);
}

static void
make_folder(const char *folder, const char *name)
{
	auto_free char *path = folder_path(folder, name);

	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(chmod(path, 0777), 0);
}

static int
listen_at(const char *folder, const char *name, int type)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	snprintf(
	    address.sun_path, sizeof(address.sun_path), "%s/%s", folder, name);
	assert_int_equal(
	    bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(chmod(address.sun_path, 0777), 0);
	assert_int_equal(listen(fd, 64), 0);
	return fd;
}

static void
open_connection(struct attempt_site *site)
{
	socklen_t len = sizeof(site->address);

	site->address = (struct sockaddr_in){
	    .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	site->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(
	    bind(site->listener, (struct sockaddr *)&site->address, len), 0);
	assert_int_equal(listen(site->listener, 64), 0);
	assert_int_equal(getsockname(site->listener,
			     (struct sockaddr *)&site->address, &len),
	    0);
	site->connected = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(
	    connect(site->connected, (struct sockaddr *)&site->address, len),
	    0);
}

/* A process of the same user, as a second one of the same program would be. */
static pid_t
start_victim(void)
{
	int said[2];
	char byte = 0;
	pid_t victim;

	assert_int_equal(pipe2(said, O_CLOEXEC), 0);
	victim = fork();
	assert_true(victim >= 0);
	if (victim > 0) {
		close(said[1]);
		assert_int_equal(read(said[0], &byte, 1), 1);
		close(said[0]);
		return victim;
	}
	if (geteuid() == 0 && (setgid(CHILD_ID) != 0 || setuid(CHILD_ID) != 0))
		_exit(1);
	/* It is of that user from now on. */
	if (write(said[1], &byte, 1) != 1)
		_exit(1);
	for (;;)
		pause();
}

static int
offered_landlock(void)
{
	AUTO(landlock_close) struct landlock landlock;
	struct err err;

	assert_int_equal(landlock_open(LANDLOCK_NEWEST, &landlock, &err), 0);
	return landlock.abi;
}

int
attempts_set_up(void **state)
{
	static const char *const folders[] = {
	    "etc", "hidden", "other", "run", "engine", "state"};
	struct attempt_site *site = alloc_zero(1, sizeof(*site));
	void *folder = NULL;

	if (folder_make(&folder) != 0)
		return -1;
	site->folder = folder;
	assert_int_equal(chmod(site->folder, 0755), 0);
	for (size_t i = 0; i < COUNT(folders); i++)
		make_folder(site->folder, folders[i]);
	make_file(site->folder, "etc/listed");
	make_file(site->folder, "hidden/token");
	make_file(site->folder, "other/secret");
	site->packets =
	    listen_at(site->folder, "run/gateway.sock", SOCK_SEQPACKET);
	site->stream =
	    listen_at(site->folder, "engine/docker.sock", SOCK_STREAM);
	open_connection(site);
	site->victim = start_victim();
	site->landlock = offered_landlock();
	*state = site;
	return 0;
}

int
attempts_tear_down(void **state)
{
	struct attempt_site *site = *state;
	void *folder = (void *)(uintptr_t)site->folder;

	kill(site->victim, SIGKILL);
	waitpid(site->victim, NULL, 0);
	close(site->listener);
	close(site->connected);
	close(site->packets);
	close(site->stream);
	free(site);
	return folder_remove(&folder);
}

/* -- trying */

struct trial {
	struct attempt_site *site;
	const struct attempt *attempt;
};

/* As on a kernel that was built without it. */
static bool
hide_landlock(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	bool is_hidden = filter != NULL &&
	    seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS),
		SCMP_SYS(landlock_create_ruleset), 0) == 0 &&
	    seccomp_load(filter) == 0;

	seccomp_release(filter);
	return is_hidden;
}

static int
try_freely(void *arg)
{
	const struct trial *trial = arg;
	int errnum = trial->attempt->act(trial->site);

	return errnum >= 0 && errnum < NO_ERROR ? errnum : NO_ERROR;
}

static int
try_confined(void *arg)
{
	const struct trial *trial = arg;
	static const struct rlimit none = {0, 0};
	struct err err = {0};
	int landlock = -1;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    setrlimit(RLIMIT_CORE, &none) != 0 ||
	    (trial->site->landlock == 0 && !hide_landlock()) ||
	    trial->site->confine(trial->site, &landlock, &err) != 0 ||
	    landlock != trial->site->landlock) {
		fprintf(stderr, "%s\n", err.detail);
		return NOT_CONFINED;
	}
	return try_freely(arg);
}

static bool
can_be_held_back(const struct attempt_site *site, const struct attempt *attempt)
{
#ifdef TASKGATE_SANITIZED
	if (attempt->landlock == 0)
		return false;
#endif
	return site->landlock >= attempt->landlock;
}

static bool
ended_so(int status, enum attempt_end end)
{
	if (end == ATTEMPT_ENDS_US)
		return WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS;
	return WIFEXITED(status) && WEXITSTATUS(status) != NOT_CONFINED &&
	    (WEXITSTATUS(status) == 0) == (end == ATTEMPT_SUCCEEDS);
}

void
attempts_check(
    struct attempt_site *site, const struct attempt *attempts, size_t nattempts)
{
	size_t failures = 0;

	for (size_t i = 0; i < nattempts; i++) {
		struct trial trial = {site, &attempts[i]};
		int status;

		if (attempts[i].end != ATTEMPT_SUCCEEDS &&
		    !can_be_held_back(site, &attempts[i]))
			continue;
		status = child_run(try_confined, &trial);
		if (!ended_so(status, attempts[i].end)) {
			print_error(
			    "%s: wait status %#x\n", attempts[i].name, status);
			failures++;
		}
		/* What could not be done anyhow proves nothing. */
		status = child_run(try_freely, &trial);
		if (attempts[i].end == ATTEMPT_FAILS && status != 0) {
			print_error("%s: fails without being confined, too: "
				    "wait status %#x\n",
			    attempts[i].name, status);
			failures++;
		}
	}
	assert_int_equal(failures, 0);
}

/* -- what is tried */

static int
result(bool has_succeeded)
{
	if (has_succeeded)
		return 0;
	return errno != 0 ? errno : NO_ERROR;
}

const char *
attempts_path(const struct attempt_site *site, const char *name)
{
	static char paths[2][256];
	static unsigned which;
	char *path = paths[which++ % 2];

	snprintf(path, sizeof(paths[0]), "%s/%s", site->folder, name);
	return path;
}

int
attempts_open(const struct attempt_site *site, const char *name, int flags)
{
	auto_fd int fd =
	    open(*name == '/' ? name : attempts_path(site, name), flags, 0600);

	return result(fd >= 0);
}

int
attempts_socket(int family, int type)
{
	auto_fd int fd = socket(family, type, 0);

	return result(fd >= 0);
}

int
attempts_connect(const struct attempt_site *site, const char *name, int type)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	auto_fd int fd = socket(AF_UNIX, type, 0);

	if (fd < 0)
		return result(false);
	strncpy(address.sun_path, attempts_path(site, name),
	    sizeof(address.sun_path) - 1);
	return result(
	    connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
}

static int
read_another_file(const struct attempt_site *site)
{
	return attempts_open(site, "other/secret", O_RDONLY);
}

static int
write_another_file(const struct attempt_site *site)
{
	return attempts_open(site, "other/secret", O_WRONLY);
}

static int
create_another_file(const struct attempt_site *site)
{
	return attempts_open(site, "other/new", O_WRONLY | O_CREAT);
}

static int
list_another_folder(const struct attempt_site *site)
{
	return attempts_open(site, "other", O_RDONLY | O_DIRECTORY);
}

static int
write_what_it_reads(const struct attempt_site *site)
{
	return attempts_open(site, "etc/listed", O_WRONLY);
}

static int
create_beside_what_it_reads(const struct attempt_site *site)
{
	return attempts_open(site, "etc/new", O_WRONLY | O_CREAT);
}

static int
remove_what_it_reads(const struct attempt_site *site)
{
	if (unlink(attempts_path(site, "etc/listed")) != 0)
		return result(false);
	return attempts_open(site, "etc/listed", O_WRONLY | O_CREAT);
}

static int
read_accounts(const struct attempt_site *site)
{
	return attempts_open(site, "/etc/passwd", O_RDONLY);
}

static int
open_inet(const struct attempt_site *site)
{
	(void)site;
	return attempts_socket(AF_INET, SOCK_STREAM);
}

static int
open_inet6(const struct attempt_site *site)
{
	(void)site;
	return attempts_socket(AF_INET6, SOCK_DGRAM);
}

static int
open_netlink(const struct attempt_site *site)
{
	(void)site;
	return attempts_socket(AF_NETLINK, SOCK_RAW);
}

/* A connection that was accepted is let go and turned to somebody else. */
static int
turn_connection(const struct attempt_site *site)
{
	const struct sockaddr nobody = {.sa_family = AF_UNSPEC};

	if (connect(site->connected, &nobody, sizeof(nobody)) != 0)
		return result(false);
	return result(
	    connect(site->connected, (const struct sockaddr *)&site->address,
		sizeof(site->address)) == 0);
}

static int
turn_connection_by_first_bytes(const struct attempt_site *site)
{
	const struct sockaddr nobody = {.sa_family = AF_UNSPEC};

	if (connect(site->connected, &nobody, sizeof(nobody)) != 0)
		return result(false);
	return result(sendto(site->connected, "x", 1, MSG_FASTOPEN,
			  (const struct sockaddr *)&site->address,
			  sizeof(site->address)) == 1);
}

static char *no_words[] = {NULL};

static int
start_program(const struct attempt_site *site)
{
	(void)site;
	return result(execve("/bin/true", no_words, no_words) == 0);
}

static int
start_open_program(const struct attempt_site *site)
{
	(void)site;
	return result(syscall(SYS_execveat, AT_FDCWD, "/bin/true", no_words,
			  no_words, 0) == 0);
}

static int
start_process(const struct attempt_site *site)
{
	pid_t child = fork();

	(void)site;
	if (child == 0)
		_exit(0);
	return result(child > 0);
}

/* As new C libraries do it; what is handed over cannot be looked at. */
static int
start_process_anew(const struct attempt_site *site)
{
	static const uint64_t arguments[8] = {[4] = SIGCHLD};
	long child = syscall(SYS_clone3, arguments, sizeof(arguments));

	(void)site;
	if (child == 0)
		_exit(0);
	return result(child > 0);
}

static int
start_process_in_namespaces(const struct attempt_site *site)
{
	long child = syscall(
	    SYS_clone, CLONE_NEWUSER | CLONE_NEWNS | SIGCHLD, 0, 0, 0, 0);

	(void)site;
	if (child == 0)
		_exit(0);
	return result(child > 0);
}

static int
trace(const struct attempt_site *site)
{
	return result(ptrace(PTRACE_ATTACH, site->victim, 0, 0) == 0);
}

static int
read_memory_of_another(const struct attempt_site *site)
{
	char byte;
	/* The same program, and so the same address. */
	const struct iovec here = {&byte, 1};
	const struct iovec there = {no_words, 1};

	return result(
	    process_vm_readv(site->victim, &here, 1, &there, 1, 0) == 1);
}

static int
set_up_io_uring(const struct attempt_site *site)
{
	char parameters[256] = {0};

	(void)site;
	return result(syscall(SYS_io_uring_setup, 1, parameters) >= 0);
}

static int
load_bpf(const struct attempt_site *site)
{
	char attributes[128] = {0};

	(void)site;
	return result(syscall(SYS_bpf, 0, attributes, sizeof(attributes)) >= 0);
}

static int
mount_something(const struct attempt_site *site)
{
	return result(mount("tmpfs", attempts_path(site, "state"), "tmpfs", 0,
			  NULL) == 0);
}

static int
leave_namespaces(const struct attempt_site *site)
{
	(void)site;
	return result(unshare(CLONE_NEWUSER) == 0);
}

static int
signal_another(const struct attempt_site *site)
{
	return result(kill(site->victim, 0) == 0);
}

static int
signal_its_thread(const struct attempt_site *site)
{
	return result(syscall(SYS_tgkill, site->victim, site->victim, 0) == 0);
}

static int
map_code(const struct attempt_site *site)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)site;
	return result(page != MAP_FAILED);
}

static int
make_data_code(const struct attempt_site *site)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)site;
	return result(mprotect(page, 4096, PROT_READ | PROT_EXEC) == 0);
}

static int
become_dumpable(const struct attempt_site *site)
{
	(void)site;
	return result(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) == 0);
}

static int
change_limits(const struct attempt_site *site)
{
	const struct rlimit limit = {64, 64};

	(void)site;
	return result(setrlimit(RLIMIT_NOFILE, &limit) == 0);
}

static int
read_what_it_may(const struct attempt_site *site)
{
	return attempts_open(site, "etc/listed", O_RDONLY);
}

static void *
do_nothing(void *arg)
{
	return arg;
}

static int
start_thread(const struct attempt_site *site)
{
	pthread_t thread;
	int code = pthread_create(&thread, NULL, do_nothing, NULL);

	(void)site;
	return code != 0 ? code : pthread_join(thread, NULL);
}

static int
seal_memory(const struct attempt_site *site)
{
	auto_fd int fd = memfd_create("body", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	(void)site;
	return result(write(fd, "x", 1) == 1 &&
	    fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE) == 0);
}

static int
get_random_bytes(const struct attempt_site *site)
{
	char bytes[16];

	(void)site;
	return result(getrandom(bytes, sizeof(bytes), 0) == sizeof(bytes));
}

static const struct attempt common[] = {
    ATTEMPT(read_another_file, ATTEMPT_FAILS, 2),
    ATTEMPT(write_another_file, ATTEMPT_FAILS, 2),
    ATTEMPT(create_another_file, ATTEMPT_FAILS, 2),
    ATTEMPT(list_another_folder, ATTEMPT_FAILS, 2),
    ATTEMPT(write_what_it_reads, ATTEMPT_FAILS, 2),
    ATTEMPT(create_beside_what_it_reads, ATTEMPT_FAILS, 2),
    ATTEMPT(remove_what_it_reads, ATTEMPT_FAILS, 2),
    ATTEMPT(read_accounts, ATTEMPT_FAILS, 2),
    ATTEMPT(turn_connection, ATTEMPT_FAILS, 4),
    ATTEMPT(turn_connection_by_first_bytes, ATTEMPT_FAILS, 0),
    ATTEMPT(open_inet, ATTEMPT_FAILS, 0),
    ATTEMPT(open_inet6, ATTEMPT_FAILS, 0),
    ATTEMPT(open_netlink, ATTEMPT_FAILS, 0),
    ATTEMPT(start_program, ATTEMPT_ENDS_US, 0),
    ATTEMPT(start_open_program, ATTEMPT_ENDS_US, 0),
    ATTEMPT(start_process, ATTEMPT_ENDS_US, 0),
    ATTEMPT(start_process_anew, ATTEMPT_FAILS, 0),
    ATTEMPT(start_process_in_namespaces, ATTEMPT_ENDS_US, 0),
    ATTEMPT(trace, ATTEMPT_ENDS_US, 0),
    ATTEMPT(read_memory_of_another, ATTEMPT_ENDS_US, 0),
    ATTEMPT(set_up_io_uring, ATTEMPT_FAILS, 0),
    ATTEMPT(load_bpf, ATTEMPT_ENDS_US, 0),
    ATTEMPT(mount_something, ATTEMPT_ENDS_US, 0),
    ATTEMPT(leave_namespaces, ATTEMPT_ENDS_US, 0),
    ATTEMPT(signal_another, ATTEMPT_FAILS, 0),
    ATTEMPT(signal_its_thread, ATTEMPT_FAILS, 0),
    ATTEMPT(map_code, ATTEMPT_FAILS, 0),
    ATTEMPT(make_data_code, ATTEMPT_FAILS, 0),
    ATTEMPT(become_dumpable, ATTEMPT_FAILS, 0),
    ATTEMPT(change_limits, ATTEMPT_FAILS, 0),
    ATTEMPT(read_what_it_may, ATTEMPT_SUCCEEDS, 0),
    ATTEMPT(start_thread, ATTEMPT_SUCCEEDS, 0),
    ATTEMPT(seal_memory, ATTEMPT_SUCCEEDS, 0),
    ATTEMPT(get_random_bytes, ATTEMPT_SUCCEEDS, 0),
};

void
attempts_check_common(struct attempt_site *site)
{
	attempts_check(site, common, COUNT(common));
}

void
attempts_check_without_landlock(struct attempt_site *site)
{
	site->landlock = 0;
	attempts_check(site, common, COUNT(common));
}
