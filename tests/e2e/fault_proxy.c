/* One process for the proxy, one for each connection. */
#include "tests/e2e/fault_proxy.h"

#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/child.h"

/* An answer comes in pieces; what follows within this time belongs to it. */
#define QUIET_MS 20
#define ANSWER_MAX (4 << 20)

/* What the whole process does. */
static struct {
	const struct fault *fault; /* NULL: none */
	const char *hold; /* a request with this in it; NULL: none */
	int gate;
} task;

static _Noreturn void
give_up(const char *what)
{
	perror(what);
	_exit(1);
}

static int
open_socket(const char *path, bool listening)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || strlen(path) >= sizeof(address.sun_path))
		give_up(path);
	strcpy(address.sun_path, path);
	if (listening
		? bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
		    listen(fd, 64) != 0
		: connect(fd, (struct sockaddr *)&address, sizeof(address)) !=
		    0)
		give_up(path);
	return fd;
}

static void
send_all(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = send(fd, data, len, MSG_NOSIGNAL);

		if (n <= 0)
			_exit(0);
		data += n;
		len -= (size_t)n;
	}
}

static bool
stands_at(const char *at, const char *find, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (find[i] != '?' && find[i] != at[i])
			return false;
	}
	return true;
}

/* The number of bytes to pass on; less than len: and then the end. */
static size_t
spoil(char *data, size_t len)
{
	const struct fault *fault = task.fault;
	size_t width = fault != NULL ? strlen(fault->find) : 0;

	for (size_t at = 0; width > 0 && at + width <= len; at++) {
		if (!stands_at(data + at, fault->find, width))
			continue;
		if (fault->put == NULL)
			return at;
		for (size_t i = 0; i < width; i++) {
			if (fault->put[i] != '?')
				data[at + i] = fault->put[i];
		}
	}
	return len;
}

static void
pass_answer(int from, int to)
{
	static char data[ANSWER_MAX];
	struct pollfd fd = {from, POLLIN, 0};
	size_t len = 0, pass;
	ssize_t n;

	do {
		n = recv(from, data + len, sizeof(data) - len, 0);
		if (n > 0)
			len += (size_t)n;
	} while (n > 0 && len < sizeof(data) && poll(&fd, 1, QUIET_MS) > 0);
	pass = spoil(data, len);
	send_all(to, data, pass);
	if (n <= 0 || pass < len)
		_exit(0);
}

static void
hold_back(const char *data, size_t len)
{
	char byte = 0;

	if (task.hold == NULL ||
	    memmem(data, len, task.hold, strlen(task.hold)) == NULL)
		return;
	if (write(task.gate, &byte, 1) != 1 || read(task.gate, &byte, 1) != 1)
		_exit(0);
}

static _Noreturn void
serve(int client, const char *engine_path)
{
	static char data[65536];
	int engine = open_socket(engine_path, false);
	struct pollfd fds[2] = {{client, POLLIN, 0}, {engine, POLLIN, 0}};

	while (poll(fds, 2, -1) > 0) {
		if (fds[0].revents != 0) {
			ssize_t n = recv(client, data, sizeof(data), 0);

			if (n <= 0)
				break;
			hold_back(data, (size_t)n);
			send_all(engine, data, (size_t)n);
		}
		if (fds[1].revents != 0)
			pass_answer(engine, client);
	}
	_exit(0);
}

static _Noreturn void
accept_all(int listener, const char *engine_path)
{
	pid_t self = getpid();

	signal(SIGCHLD, SIG_IGN);
	for (;;) {
		int client = accept(listener, NULL, NULL);

		if (client < 0)
			give_up("accept");
		if (fork() == 0) {
			child_follow(self);
			serve(client, engine_path);
		}
		close(client);
	}
}

static pid_t
start(const char *path, const char *engine_path)
{
	pid_t test = getpid(), pid;
	int listener;

	unlink(path);
	listener = open_socket(path, true);
	pid = fork();
	if (pid < 0)
		give_up("fork");
	if (pid == 0) {
		/* Nobody outlives the test. */
		child_follow(test);
		accept_all(listener, engine_path);
	}
	close(listener);
	return pid;
}

pid_t
fault_proxy_start(
    const char *path, const char *engine_path, const struct fault *fault)
{
	task.fault = fault;
	task.hold = NULL;
	return start(path, engine_path);
}

pid_t
fault_proxy_start_holding(
    const char *path, const char *engine_path, const char *text, int gate)
{
	task.fault = NULL;
	task.hold = text;
	task.gate = gate;
	return start(path, engine_path);
}

void
fault_proxy_stop(pid_t proxy)
{
	kill(proxy, SIGKILL);
	waitpid(proxy, NULL, 0);
}
