/*
 * A task that is up to no good: it stands in an image of the tests and tries
 * what a task must not get away with, one thing at a time. It prints what it
 * got and exits with 9, so that a forged end (exit code 0) shows.
 *
 * Trusts nothing and is trusted by nobody; it speaks the control protocol with
 * the runner's own encoder, so that what it sends is refused for who sends it
 * and not for its form.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "runner/control.h"

#define EXIT_AS_ITSELF 9

static void
tell(const char *what, long result)
{
	printf("%s: %s\n", what, result < 0 ? strerror(errno) : "done");
	fflush(stdout);
}

static int
connect_to_runner(void)
{
	struct sockaddr_un address = {
	    .sun_family = AF_UNIX,
	    .sun_path = CONTROL_FOLDER_PATH "/" CONTROL_SOCKET_NAME,
	};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	close(fd);
	return -1;
}

static void
send_frame(int fd, const char *what, const struct control_frame *frame)
{
	uint8_t bytes[CONTROL_HEAD_MAX];
	size_t len = control_encode(frame, bytes);

	tell(what, send(fd, bytes, len, MSG_NOSIGNAL));
}

/* "I am task-init, the task has ended well." */
static void
speak(void)
{
	const struct control_frame hello = {
	    .type = CONTROL_HELLO,
	    .hello = {.version = CONTROL_VERSION, .state = CONTROL_ENDED},
	};
	const struct control_frame end = {.type = CONTROL_EXIT};
	char answer[CONTROL_PACKET_MAX];
	int fd = connect_to_runner();

	tell("connect", fd);
	if (fd < 0)
		return;
	send_frame(fd, "hello", &hello);
	send_frame(fd, "exit", &end);
	ssize_t n = recv(fd, answer, sizeof(answer), 0);
	printf("answer: %s\n", n > 0 ? "bytes" : "none");
	close(fd);
}

/* Where task-init has lost its runner: to be the first that the next one
 * hears. */
static void
speak_again(void)
{
	const struct control_frame hello = {
	    .type = CONTROL_HELLO,
	    .hello = {.version = CONTROL_VERSION, .state = CONTROL_ENDED},
	};
	const struct control_frame end = {.type = CONTROL_EXIT};
	const struct timespec pause = {0, 1000000};
	uint8_t bytes[CONTROL_HEAD_MAX];
	char answer[CONTROL_PACKET_MAX];
	int fd;

	printf("waiting\n");
	fflush(stdout);
	while ((fd = connect_to_runner()) < 0)
		nanosleep(&pause, NULL);
	send(fd, bytes, control_encode(&hello, bytes), MSG_NOSIGNAL);
	send(fd, bytes, control_encode(&end, bytes), MSG_NOSIGNAL);
	printf("%s\n",
	    recv(fd, answer, sizeof(answer), 0) > 0 ? "heard" : "turned away");
	close(fd);
	close(open("/tmp/told", O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
}

/* Many connections that say nothing, or nonsense. */
static void
flood(void)
{
	unsigned taken = 0;

	for (unsigned k = 0; k < 2000; k++) {
		int fd = connect_to_runner();

		if (fd < 0)
			continue;
		taken++;
		send(fd, "nonsense", 8, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (k % 8 == 0)
			close(fd);
	}
	printf("flooded: %u\n", taken);
}

static void
trace(void)
{
	tell("attach", ptrace(PTRACE_ATTACH, 1, NULL, NULL));
	tell("seize", ptrace(PTRACE_SEIZE, 1, NULL, NULL));
}

static void
try_open(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC);

	tell(path, fd);
	if (fd >= 0)
		close(fd);
}

static void
read_memory(void)
{
	char byte;
	struct iovec here = {&byte, 1};
	struct iovec there = {(void *)&byte, 1};

	try_open("/proc/1/mem", O_RDONLY);
	try_open("/proc/1/mem", O_RDWR);
	try_open("/proc/1/maps", O_RDONLY);
	try_open("/proc/1/environ", O_RDONLY);
	tell("process_vm_readv", process_vm_readv(1, &here, 1, &there, 1, 0));
	tell("process_vm_writev", process_vm_writev(1, &here, 1, &there, 1, 0));
}

static void
take_descriptors(void)
{
	long pidfd = syscall(SYS_pidfd_open, 1, 0);

	try_open("/proc/1/fd", O_RDONLY | O_DIRECTORY);
	try_open("/proc/1/root", O_RDONLY | O_DIRECTORY);
	tell("pidfd_getfd",
	    pidfd < 0 ? -1 : syscall(SYS_pidfd_getfd, pidfd, 3, 0));
}

/* Within its own namespace PID 1 gets only what it asked for. */
static void
end_init(void)
{
	static const int numbers[] = {SIGKILL, SIGSTOP, SIGTERM, SIGHUP, SIGINT,
	    SIGSEGV, SIGPIPE, SIGUSR1, SIGCHLD};

	for (size_t k = 0; k < sizeof(numbers) / sizeof(numbers[0]); k++)
		kill(1, numbers[k]);
	puts("init: alive");
}

static const struct {
	const char *name;
	void (*attempt)(void);
} attempts[] = {
    {"speak", speak},
    {"flood", flood},
    {"return", speak_again},
    {"trace", trace},
    {"memory", read_memory},
    {"descriptors", take_descriptors},
    {"end-init", end_init},
};

int
main(int argc, char **argv)
{
	for (size_t k = 0; k < sizeof(attempts) / sizeof(attempts[0]); k++) {
		if (argc == 2 && strcmp(argv[1], attempts[k].name) == 0) {
			attempts[k].attempt();
			return EXIT_AS_ITSELF;
		}
	}
	fputs("usage: intruder ATTEMPT\n", stderr);
	return 2;
}
