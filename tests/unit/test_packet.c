/* Packets: bounds, descriptors, peers, and sealed bodies. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/packet.h"
#include "tests/unit/folder.h"

static void
open_pair(int pair[2])
{
	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK,
		0, pair),
	    0);
}

static void
close_pair(int pair[2])
{
	close(pair[0]);
	close(pair[1]);
}

static size_t
count_descriptors(void)
{
	return folder_count("/proc/self/fd");
}

static void
test_a_packet_arrives_whole(void **state)
{
	struct err err = {0};
	AUTO(packet_done) struct packet packet = {0};
	int pair[2];

	(void)state;
	open_pair(pair);
	assert_int_equal(
	    packet_send(pair[0], "{\"a\":1}", 7, NULL, 0, &err), PACKET_OK);
	assert_int_equal(
	    packet_send(pair[0], "x", 1, NULL, 0, &err), PACKET_OK);
	assert_int_equal(packet_receive(pair[1], &packet, &err), PACKET_OK);
	assert_int_equal(packet.len, 7);
	assert_string_equal(packet.data, "{\"a\":1}");
	assert_int_equal(packet.nfds, 0);
	close_pair(pair);
}

static void
test_nothing_there_is_again_and_a_closed_peer_the_end(void **state)
{
	struct err err = {0};
	struct packet packet;
	int pair[2];

	(void)state;
	open_pair(pair);
	assert_int_equal(packet_receive(pair[1], &packet, &err), PACKET_AGAIN);
	assert_int_equal(err.code, ERR_NONE);
	close(pair[0]);
	assert_int_equal(packet_receive(pair[1], &packet, &err), PACKET_END);
	assert_int_equal(
	    packet_send(pair[1], "x", 1, NULL, 0, &err), PACKET_END);
	close(pair[1]);
}

static void
test_the_maximum_passes_and_one_more_does_not(void **state)
{
	auto_free char *data = alloc_zero(PACKET_MAX + 1, 1);
	AUTO(packet_done) struct packet packet = {0};
	struct err err = {0};
	int pair[2];

	(void)state;
	memset(data, 'x', PACKET_MAX + 1);
	open_pair(pair);
	assert_int_equal(
	    packet_send(pair[0], data, PACKET_MAX, NULL, 0, &err), PACKET_OK);
	assert_int_equal(packet_receive(pair[1], &packet, &err), PACKET_OK);
	assert_int_equal(packet.len, PACKET_MAX);
	assert_int_equal(packet.data[PACKET_MAX], '\0');
	assert_int_equal(
	    packet_send(pair[0], data, PACKET_MAX + 1, NULL, 0, &err),
	    PACKET_FAILED);
	assert_int_equal(err.code, ERR_TOO_LARGE);
	assert_int_equal(
	    packet_send(pair[0], data, 0, NULL, 0, &err), PACKET_FAILED);
	close_pair(pair);
}

static void
test_a_packet_of_one_byte_more_from_a_stranger_is_malformed(void **state)
{
	auto_free char *data = alloc_zero(PACKET_MAX + 1, 1);
	struct packet packet = {0};
	struct err err = {0};
	int pair[2];

	(void)state;
	open_pair(pair);
	assert_int_equal(
	    send(pair[0], data, PACKET_MAX + 1, 0), PACKET_MAX + 1);
	assert_int_equal(packet_receive(pair[1], &packet, &err), PACKET_FAILED);
	assert_int_equal(err.code, ERR_MALFORMED);
	assert_null(packet.data);
	close_pair(pair);
}

static void
test_descriptors_travel_and_are_close_on_exec(void **state)
{
	AUTO(packet_done) struct packet packet = {0};
	struct err err = {0};
	struct stat sent, received;
	int pipes[2], pair[2];

	(void)state;
	open_pair(pair);
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(
	    packet_send(pair[0], "x", 1, pipes, 2, &err), PACKET_OK);
	assert_int_equal(packet_receive(pair[1], &packet, &err), PACKET_OK);
	assert_int_equal(packet.nfds, 2);
	for (size_t i = 0; i < 2; i++) {
		assert_int_not_equal(packet.fds[i], pipes[i]);
		assert_int_equal(
		    fcntl(packet.fds[i], F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	}
	assert_int_equal(fstat(pipes[1], &sent), 0);
	assert_int_equal(fstat(packet.fds[1], &received), 0);
	assert_int_equal(sent.st_ino, received.st_ino);
	close_pair(pipes);
	close_pair(pair);
}

/* What our own packet_send() would not send. */
static void
send_raw(int sock, const char *data, size_t len, size_t nfds)
{
	union {
		char bytes[CMSG_SPACE(8 * sizeof(int))];
		struct cmsghdr align;
	} control = {0};
	struct iovec iov = {(void *)(uintptr_t)data, len};
	struct msghdr header = {.msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_control = control.bytes,
	    .msg_controllen = CMSG_SPACE(nfds * sizeof(int))};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&header);
	int fd = STDERR_FILENO;

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(nfds * sizeof(int));
	for (size_t i = 0; i < nfds; i++)
		memcpy(CMSG_DATA(cmsg) + i * sizeof(int), &fd, sizeof(fd));
	assert_int_equal(sendmsg(sock, &header, 0), len);
}

static void
test_too_many_descriptors_are_malformed_and_closed(void **state)
{
	struct packet packet = {0};
	struct err err = {0};
	size_t before;
	int pair[2];

	(void)state;
	open_pair(pair);
	before = count_descriptors();
	for (size_t nfds = PACKET_FDS_MAX + 1; nfds <= 8; nfds++) {
		send_raw(pair[0], "{}", 2, nfds);
		assert_int_equal(
		    packet_receive(pair[1], &packet, &err), PACKET_FAILED);
		assert_int_equal(err.code, ERR_MALFORMED);
		assert_int_equal(count_descriptors(), before);
	}
	close_pair(pair);
}

static void
test_descriptors_of_a_packet_that_is_too_large_are_closed(void **state)
{
	auto_free char *data = alloc_zero(PACKET_MAX + 1, 1);
	struct packet packet = {0};
	struct err err = {0};
	size_t before;
	int pair[2];

	(void)state;
	open_pair(pair);
	before = count_descriptors();
	send_raw(pair[0], data, PACKET_MAX + 1, 2);
	assert_int_equal(packet_receive(pair[1], &packet, &err), PACKET_FAILED);
	assert_int_equal(count_descriptors(), before);
	close_pair(pair);
}

static void
test_descriptors_with_an_empty_packet_are_closed(void **state)
{
	struct packet packet = {0};
	struct err err = {0};
	size_t before;
	int pair[2];

	(void)state;
	open_pair(pair);
	before = count_descriptors();
	send_raw(pair[0], "", 0, 2);
	assert_int_equal(packet_receive(pair[1], &packet, &err), PACKET_END);
	assert_int_equal(count_descriptors(), before);
	close_pair(pair);
}

static void
test_a_full_socket_is_again_and_sends_nothing(void **state)
{
	auto_free char *data = alloc_zero(PACKET_MAX, 1);
	struct err err = {0};
	size_t sent = 0;
	int pair[2];

	(void)state;
	open_pair(pair);
	while (
	    packet_send(pair[0], data, PACKET_MAX, NULL, 0, &err) == PACKET_OK)
		sent++;
	assert_true(sent > 0);
	assert_int_equal(err.code, ERR_NONE);
	for (; sent > 0; sent--) {
		AUTO(packet_done) struct packet packet = {0};

		assert_int_equal(
		    packet_receive(pair[1], &packet, &err), PACKET_OK);
	}
	close_pair(pair);
}

static void
test_listen_sets_the_mode_and_connect_reaches_it(void **state)
{
	auto_free char *path = folder_path(*state, "x.sock");
	auto_fd int listener = -1;
	auto_fd int client = -1;
	auto_fd int served = -1;
	struct err err = {0};
	struct stat st;
	uid_t uid = (uid_t)-1;
	pid_t pid = 0;
	mode_t old = umask(0777);

	assert_int_equal(
	    packet_listen(*state, "x.sock", 0602, &listener, &err), 0);
	umask(old);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0602);
	assert_int_equal(packet_connect(path, &client, &err), 0);
	served = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(served >= 0);
	assert_int_equal(packet_peer(served, &uid, &pid, &err), 0);
	assert_int_equal(uid, geteuid());
	assert_int_equal(pid, getpid());
	assert_int_equal(packet_peer(client, &uid, &pid, &err), 0);
	assert_int_equal(pid, getpid());
	/* A client of this kind waits for its answer. */
	assert_int_equal(fcntl(client, F_GETFL) & O_NONBLOCK, 0);
	assert_int_equal(fcntl(listener, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	assert_int_equal(folder_count(*state), 1);
}

static void
test_listen_replaces_what_stood_there(void **state)
{
	auto_free char *path = folder_path(*state, "x.sock");
	auto_fd int first = -1;
	auto_fd int second = -1;
	auto_fd int client = -1;
	auto_fd int served = -1;
	struct err err = {0};

	assert_int_equal(
	    packet_listen(*state, "x.sock", 0600, &first, &err), 0);
	assert_int_equal(
	    packet_listen(*state, "x.sock", 0600, &second, &err), 0);
	assert_int_equal(packet_connect(path, &client, &err), 0);
	assert_int_equal(accept4(first, NULL, NULL, SOCK_CLOEXEC), -1);
	served = accept4(second, NULL, NULL, SOCK_CLOEXEC);
	assert_true(served >= 0);
	assert_int_equal(folder_count(*state), 1);
}

static void
test_paths_longer_than_sun_path_work(void **state)
{
	char name[120];
	auto_free char *directory = NULL;
	auto_free char *path = NULL;
	auto_fd int listener = -1;
	auto_fd int client = -1;
	struct err err = {0};

	memset(name, 'd', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	directory = folder_path(*state, name);
	path = folder_path(directory, "x.sock");
	assert_int_equal(mkdir(directory, 0700), 0);
	assert_int_equal(
	    packet_listen(directory, "x.sock", 0600, &listener, &err), 0);
	assert_int_equal(packet_connect(path, &client, &err), 0);
}

static void
test_listen_and_connect_say_where_they_failed(void **state)
{
	auto_free char *path = folder_path(*state, "none.sock");
	char name[200];
	struct err err = {0};
	int fd = -1;

	assert_int_equal(packet_connect(path, &fd, &err), -1);
	assert_int_equal(err.code, ERR_UNAVAILABLE);
	assert_non_null(strstr(err.detail, "none.sock"));
	assert_int_equal(
	    packet_listen("/nonexistent", "x.sock", 0600, &fd, &err), -1);
	assert_non_null(strstr(err.detail, "/nonexistent"));
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(packet_listen(*state, name, 0600, &fd, &err), -1);
	assert_int_equal(folder_count(*state), 0);
	assert_int_equal(fd, -1);
}

static void
test_a_sealed_body_is_read_back_and_cannot_change(void **state)
{
	auto_free char *data = NULL;
	auto_fd int fd = -1;
	struct err err = {0};
	size_t len = 0;

	(void)state;
	assert_int_equal(packet_seal("body\0x", 6, &fd, &err), 0);
	assert_int_equal(packet_read_sealed(fd, 6, &data, &len, &err), 0);
	assert_int_equal(len, 6);
	assert_memory_equal(data, "body\0x", 7);
	assert_int_equal(pwrite(fd, "B", 1, 0), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(ftruncate(fd, 1), -1);
	assert_int_equal(ftruncate(fd, 100), -1);
	assert_true(mmap(NULL, 6, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) ==
	    MAP_FAILED);
}

static void
test_no_descriptor_for_a_body_is_an_error_that_passes(void **state)
{
	struct rlimit before, none;
	struct err err = {0};
	int fd = -1;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = (struct rlimit){0, before.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_int_equal(packet_seal("x", 1, &fd, &err), -1);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(err.code, ERR_UNAVAILABLE);
	assert_null(strstr(err.detail, "memfd"));
	assert_int_equal(fd, -1);
}

static void
test_a_sealed_body_of_one_byte_too_many_is_malformed(void **state)
{
	auto_fd int fd = -1;
	auto_fd int empty = -1;
	auto_free char *none = NULL;
	char *data = NULL;
	struct err err = {0};
	size_t len = 7;

	(void)state;
	assert_int_equal(packet_seal("123456", 6, &fd, &err), 0);
	assert_int_equal(packet_read_sealed(fd, 5, &data, &len, &err), -1);
	assert_int_equal(err.code, ERR_MALFORMED);
	assert_int_equal(len, 7);
	assert_int_equal(packet_seal("", 0, &empty, &err), 0);
	assert_int_equal(packet_read_sealed(empty, 0, &none, &len, &err), 0);
	assert_int_equal(len, 0);
	assert_string_equal(none, "");
}

static void
expect_unsealed(int fd)
{
	char *data = NULL;
	struct err err = {0};
	size_t len = 0;

	assert_int_equal(packet_read_sealed(fd, 100, &data, &len, &err), -1);
	assert_int_equal(err.code, ERR_MALFORMED);
	assert_null(data);
}

static void
test_a_sealed_body_that_cannot_be_read_is_malformed(void **state)
{
	auto_fd int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	auto_free char *link = alloc_printf("/proc/self/fd/%d", fd);
	auto_fd int write_only = open(link, O_WRONLY | O_CLOEXEC);
	char *data = NULL;
	struct err err = {0};
	size_t len = 0;

	(void)state;
	assert_int_equal(write(fd, "x", 1), 1);
	assert_int_equal(
	    fcntl(fd, F_ADD_SEALS,
		F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL),
	    0);
	assert_int_equal(
	    packet_read_sealed(write_only, 10, &data, &len, &err), -1);
	assert_int_equal(err.code, ERR_MALFORMED);
}

static void
test_what_is_not_sealed_in_every_way_is_malformed(void **state)
{
	static const int all[] = {
	    F_SEAL_WRITE, F_SEAL_GROW, F_SEAL_SHRINK, F_SEAL_SEAL};
	auto_fd int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	auto_fd int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	(void)state;
	expect_unsealed(-1);
	expect_unsealed(null);
	expect_unsealed(self);
	for (size_t missing = 0; missing < COUNT(all); missing++) {
		auto_fd int fd =
		    memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
		int seals = 0;

		for (size_t i = 0; i < COUNT(all); i++)
			seals |= i != missing ? all[i] : 0;
		assert_int_equal(write(fd, "x", 1), 1);
		assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
		expect_unsealed(fd);
	}
}

#define IN_FOLDER(test) \
	cmocka_unit_test_setup_teardown(test, folder_make, folder_remove)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_packet_arrives_whole),
	    cmocka_unit_test(
		test_nothing_there_is_again_and_a_closed_peer_the_end),
	    cmocka_unit_test(test_the_maximum_passes_and_one_more_does_not),
	    cmocka_unit_test(
		test_a_packet_of_one_byte_more_from_a_stranger_is_malformed),
	    cmocka_unit_test(test_descriptors_travel_and_are_close_on_exec),
	    cmocka_unit_test(
		test_too_many_descriptors_are_malformed_and_closed),
	    cmocka_unit_test(
		test_descriptors_of_a_packet_that_is_too_large_are_closed),
	    cmocka_unit_test(test_descriptors_with_an_empty_packet_are_closed),
	    cmocka_unit_test(test_a_full_socket_is_again_and_sends_nothing),
	    IN_FOLDER(test_listen_sets_the_mode_and_connect_reaches_it),
	    IN_FOLDER(test_listen_replaces_what_stood_there),
	    IN_FOLDER(test_paths_longer_than_sun_path_work),
	    IN_FOLDER(test_listen_and_connect_say_where_they_failed),
	    cmocka_unit_test(test_a_sealed_body_is_read_back_and_cannot_change),
	    cmocka_unit_test(
		test_no_descriptor_for_a_body_is_an_error_that_passes),
	    cmocka_unit_test(
		test_a_sealed_body_of_one_byte_too_many_is_malformed),
	    cmocka_unit_test(
		test_a_sealed_body_that_cannot_be_read_is_malformed),
	    cmocka_unit_test(test_what_is_not_sealed_in_every_way_is_malformed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
