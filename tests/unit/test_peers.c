/*
 * A hostile peer on the private sockets: whatever it sends drops it, and
 * nothing else.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/json.h"
#include "lib/packet.h"
#include "runner/peers.h"
#include "tests/unit/folder.h"
#include "tests/unit/runner_site.h"

#define HELLO "{\"type\":\"hello\",\"version\":1,\"role\":\"gateway\"}"
#define TASK "01932f0e-6f0a-7c3e-8a55-3f1f0c1b2a11"

/* Somebody else's requests are served all the same. */
static void
check_alive(struct runner_site *site)
{
	auto_json *list = NULL;
	json_t *members = runner_site_envelope(site, "alice", SCOPE_TASKS_READ);

	json_object_set_new(members, "limit", json_integer(10));
	list = runner_site_ask_take(site, MESSAGE_list, members, -1, NULL);
	assert_true(json_is_array(json_object_get(list, "tasks")));
}

/* So many are on record, the last of them so. */
static void
expect_refused(struct runner_site *site, size_t count, const char *socket,
    const char *reason)
{
	auto_json *records = runner_site_audit(site);
	const json_t *record, *last = NULL;
	size_t i, found = 0;

	json_array_foreach(records, i, record)
	{
		if (strcmp(json_string_value(json_object_get(record, "event")),
			"peer.refused") != 0)
			continue;
		last = json_object_get(record, "object");
		found++;
	}
	assert_int_equal(found, count);
	assert_string_equal(
	    json_string_value(json_object_get(last, "socket")), socket);
	assert_string_equal(
	    json_string_value(json_object_get(last, "reason")), reason);
	assert_int_equal(
	    json_integer_value(json_object_get(last, "uid")), getuid());
}

static void
drop_after(
    struct runner_site *site, const char *socket, bool greet, const char *text)
{
	auto_fd int sock = runner_site_connect(site, socket);

	if (greet)
		runner_site_send_raw(sock, HELLO, strlen(HELLO), -1);
	runner_site_send_raw(sock, text, strlen(text), -1);
	if (greet) {
		struct message welcome =
		    runner_site_receive(site, sock, MESSAGE_welcome);

		message_done(&welcome);
	}
	runner_site_wait_dropped(site, sock);
}

static void
test_anything_but_hello_first_drops_the_peer(void **state)
{
	static const char *const firsts[] = {
	    "x",
	    "{}",
	    "[]",
	    "{\"type\":1}",
	    "{\"type\":\"status\",\"request\":1}",
	    "{\"type\":\"forget\",\"request\":1}",
	    "{\"type\":\"welcome\",\"version\":1,\"runner\":\"x\"}",
	    "{\"type\":\"hello\"}",
	    "{\"type\":\"hello\",\"version\":2,\"role\":\"gateway\"}",
	    "{\"type\":\"hello\",\"version\":1,\"role\":\"admin\"}",
	    "{\"type\":\"hello\",\"version\":1,\"role\":\"gateway\",\"x\":1}",
	    "{\"type\":\"hello\",\"version\":1,\"role\":\"gateway\","
	    "\"certificate_not_after\":-1}",
	    "{\"type\":\"hello\",\"version\":1,\"role\":\"gateway\","
	    "\"certificate_not_after\":253402300800}",
	    "{\"type\":\"hello\",\"type\":\"hello\",\"version\":1,"
	    "\"role\":\"gateway\"}",
	    HELLO "{}",
	};
	struct runner_site site;

	runner_site_open(&site, *state);
	for (size_t i = 0; i < COUNT(firsts); i++)
		drop_after(&site, "gateway", false, firsts[i]);
	check_alive(&site);
	expect_refused(&site, COUNT(firsts), "gateway", "what it sent");
	runner_site_close(&site);
}

#define ZEROS                              \
	"00000000000000000000000000000000" \
	"00000000000000000000000000000000"
#define REFUSAL                                                              \
	"{\"type\":\"refusal\",\"code\":\"denied\",\"count\":1,\"address\":" \
	"\"x\",\"untrusted\":{},\"task\":"

static void
test_a_bad_message_drops_the_peer_that_sent_it(void **state)
{
	static const char *const bads[] = {
	    HELLO, /* twice */
	    "{\"type\":\"nothing\"}",
	    "{\"type\":\"reply\",\"request\":1,\"status\":200}",
	    /* The operator's, on the gateway's socket. */
	    "{\"type\":\"status\",\"request\":1}",
	    "{\"type\":\"audit_read\",\"request\":1,\"limit\":1,"
	    "\"newest\":true}",
	    "{\"type\":\"reload\",\"request\":1}",
	    "{\"type\":\"reload_order\",\"order\":1}",
	    "{\"type\":\"reload_result\",\"done\":true,"
	    "\"certificate_not_after\":1}", /* takes no orders */
	    "{\"type\":\"reload_result\",\"done\":true}",
	    "{\"type\":\"forget\"}",
	    "{\"type\":\"forget\",\"request\":0}",
	    "{\"type\":\"forget\",\"request\":\"1\"}",
	    "{\"type\":\"forget\",\"request\":1.5}",
	    "{\"type\":\"get\",\"request\":1}",
	    "{\"type\":\"submit\",\"request\":1}",
	    "{\"type\":\"refusal\",\"code\":\"denied\",\"count\":0,"
	    "\"address\":\"x\",\"untrusted\":{}}",
	    "{\"type\":\"refusal\",\"code\":\"denied\",\"count\":1,"
	    "\"address\":\"x\",\"untrusted\":\"x\"}",
	    /* A task that is none, or holds what a record cannot. */
	    REFUSAL "{}}",
	    REFUSAL "{\"request_sha256\":\"0\",\"roles\":[],"
		    "\"signed\":true}}",
	    REFUSAL "{\"request_sha256\":\"" ZEROS "\",\"roles\":[1],"
		    "\"signed\":true}}",
	    REFUSAL "{\"request_sha256\":\"" ZEROS "\",\"roles\":[],"
		    "\"signed\":true,\"request\":{\"image\":\"x\","
		    "\"env\":{\"A\":1.5}}}}",
	    REFUSAL "{\"request_sha256\":\"" ZEROS "\",\"roles\":[],"
		    "\"signed\":true,\"request\":{\"image\":\"x\","
		    "\"limits\":{\"cpus\":1.0}}}}",
	};
	struct runner_site site;

	runner_site_open(&site, *state);
	for (size_t i = 0; i < COUNT(bads); i++)
		drop_after(&site, "gateway", true, bads[i]);
	check_alive(&site);
	expect_refused(&site, COUNT(bads), "gateway", "what it sent");
	runner_site_close(&site);
}

static void
test_a_packet_that_is_too_large_drops_the_peer(void **state)
{
	struct runner_site site;
	auto_free char *text = alloc_zero(PACKET_MAX + 2, 1);
	auto_fd int sock = -1;
	struct err err;

	runner_site_open(&site, *state);
	memset(text, ' ', PACKET_MAX + 1);
	memcpy(text, HELLO, strlen(HELLO));
	sock = runner_site_connect(&site, "gateway");
	/* The sender's own bound refuses it: by hand. */
	assert_int_equal(packet_send(sock, text, PACKET_MAX + 1, NULL, 0, &err),
	    PACKET_FAILED);
	assert_int_equal(write(sock, text, PACKET_MAX + 1), PACKET_MAX + 1);
	runner_site_wait_dropped(&site, sock);
	check_alive(&site);
	runner_site_close(&site);
}

static json_t *
make_get(struct runner_site *site)
{
	json_t *members = runner_site_envelope(site, "alice", SCOPE_TASKS_READ);

	json_object_set_new(members, "task", json_string(TASK));
	json_object_set_new(members, "wait", json_integer(0));
	return members;
}

/* A message that would be in order but for one member. */
static void
drop_for(struct runner_site *site, const char *name, json_t *value)
{
	auto_fd int sock = runner_site_connect(site, "gateway");
	json_t *members = make_get(site);
	struct message welcome;

	if (value != NULL)
		json_object_set_new(members, name, value);
	else
		json_object_del(members, name);
	runner_site_send_raw(sock, HELLO, strlen(HELLO), -1);
	welcome = runner_site_receive(site, sock, MESSAGE_welcome);
	message_done(&welcome);
	runner_site_send_take(sock, MESSAGE_get, members, -1);
	runner_site_wait_dropped(site, sock);
}

static void
test_each_member_of_a_request_is_looked_at(void **state)
{
	static const char *const names[] = {"request", "certificate", "token",
	    "address", "request_id", "task", "wait"};
	struct runner_site site;

	runner_site_open(&site, *state);
	for (size_t i = 0; i < COUNT(names); i++) {
		drop_for(&site, names[i], NULL);
		drop_for(&site, names[i], json_null());
		drop_for(&site, names[i], json_array());
	}
	drop_for(&site, "request", json_integer(-1));
	drop_for(&site, "wait", json_integer(61));
	drop_for(&site, "wait", json_integer(-1));
	drop_for(
	    &site, "task", json_string("../../../../etc/passwd.........."));
	drop_for(&site, "task", json_string(TASK "0"));
	drop_for(&site, "more", json_true());
	check_alive(&site);
	runner_site_close(&site);
}

static void
test_a_number_that_is_open_drops_the_peer(void **state)
{
	struct runner_site site;
	auto_free char *task = NULL;
	auto_fd int sock = -1;
	struct message welcome;

	runner_site_open(&site, *state);
	task = runner_site_submit(
	    &site, "alice", "{\"image\":\"" SITE_IMAGE "\"}");
	sock = runner_site_connect(&site, "gateway");
	runner_site_send_raw(sock, HELLO, strlen(HELLO), -1);
	welcome = runner_site_receive(&site, sock, MESSAGE_welcome);
	message_done(&welcome);
	for (int i = 0; i < 2; i++) {
		json_t *members = make_get(&site);

		json_object_set_new(members, "task", json_string(task));
		json_object_set_new(members, "wait", json_integer(60));
		json_object_set_new(members, "request", json_integer(77));
		runner_site_send_take(sock, MESSAGE_get, members, -1);
	}
	runner_site_wait_dropped(&site, sock);
	/* The one that waited went with its peer. */
	assert_null(tasks_find(&site.runner.tasks, task)->waiters);
	check_alive(&site);
	runner_site_close(&site);
}

/* -- the body's descriptor */

static void
drop_submit(struct runner_site *site, const int *fds, size_t nfds)
{
	auto_fd int sock = runner_site_connect(site, "gateway");
	auto_json *members =
	    runner_site_envelope(site, "alice", SCOPE_TASKS_RUN);
	auto_free char *text = NULL;
	size_t len = 0;
	struct message welcome;
	struct err err;

	json_object_set_new(members, "wait", json_integer(0));
	runner_site_send_raw(sock, HELLO, strlen(HELLO), -1);
	welcome = runner_site_receive(site, sock, MESSAGE_welcome);
	message_done(&welcome);
	assert_int_equal(
	    message_encode(MESSAGE_submit, members, &text, &len, &err), 0);
	assert_int_equal(
	    packet_send(sock, text, len, fds, nfds, &err), PACKET_OK);
	runner_site_wait_dropped(site, sock);
}

static int
make_memfd(int seals)
{
	static const char body[] = "{\"image\":\"" SITE_IMAGE "\"}";
	int fd = memfd_create("body", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_int_equal(write(fd, body, strlen(body)), (ssize_t)strlen(body));
	assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

static void
test_a_body_that_could_still_change_drops_the_peer(void **state)
{
	static const int seals[] = {F_SEAL_SEAL | F_SEAL_GROW | F_SEAL_SHRINK,
	    F_SEAL_SEAL | F_SEAL_WRITE | F_SEAL_SHRINK,
	    F_SEAL_SEAL | F_SEAL_WRITE | F_SEAL_GROW,
	    F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK};
	struct runner_site site;
	int pipe_fds[2];

	runner_site_open(&site, *state);
	drop_submit(&site, NULL, 0);
	for (size_t i = 0; i < COUNT(seals); i++) {
		auto_fd int fd = make_memfd(seals[i]);

		drop_submit(&site, &fd, 1);
	}
	auto_fd int file = open("/etc/passwd", O_RDONLY | O_CLOEXEC);

	drop_submit(&site, &file, 1);
	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
	drop_submit(&site, pipe_fds, 1);
	drop_submit(&site, pipe_fds, 2);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	assert_int_equal(site.runner.tasks.count, 0);
	check_alive(&site);
	runner_site_close(&site);
}

static void
test_a_descriptor_with_what_comes_without_drops_the_peer(void **state)
{
	struct runner_site site;
	struct message welcome;
	auto_fd int sock = -1;

	runner_site_open(&site, *state);
	sock = runner_site_connect(&site, "gateway");
	runner_site_send_raw(sock, HELLO, strlen(HELLO), -1);
	welcome = runner_site_receive(&site, sock, MESSAGE_welcome);
	message_done(&welcome);
	runner_site_send_take(sock, MESSAGE_get, make_get(&site), sock);
	runner_site_wait_dropped(&site, sock);
	check_alive(&site);
	runner_site_close(&site);
}

static void
test_a_body_of_a_byte_too_many_drops_the_peer(void **state)
{
	struct runner_site site;
	auto_free char *text = alloc_zero(REQUEST_BODY_MAX + 2, 1);

	runner_site_open(&site, *state);
	memset(text, ' ', REQUEST_BODY_MAX + 1);
	auto_fd int fd = runner_site_body(text);

	drop_submit(&site, &fd, 1);
	check_alive(&site);
	runner_site_close(&site);
}

static size_t
count_descriptors(void)
{
	return folder_count("/proc/self/fd");
}

static void
test_no_descriptor_stays_behind(void **state)
{
	struct runner_site site;
	size_t before;

	runner_site_open(&site, *state);
	check_alive(&site);
	runner_site_settle(&site);
	before = count_descriptors();
	for (int i = 0; i < 20; i++) {
		auto_fd int fd = make_memfd(F_SEAL_SEAL);

		drop_submit(&site, &fd, 1);
		drop_after(&site, "gateway", true, "{\"type\":\"x\"}");
	}
	runner_site_settle(&site);
	assert_int_equal(count_descriptors(), before);
	runner_site_close(&site);
}

/* -- who may connect */

static void
test_another_uid_is_not_let_in(void **state)
{
	struct runner_site site;

	runner_site_open(&site, *state);
	/* What the kernel says of the peer counts: here, our own uid. */
	site.runner.config.gateway_uid = getuid() + 1;
	auto_fd int sock = runner_site_connect(&site, "gateway");

	runner_site_wait_dropped(&site, sock);
	expect_refused(&site, 1, "gateway", "its uid");
	site.runner.config.admin_uids[0] = getuid() + 1;
	auto_fd int admin = runner_site_connect(&site, "admin");

	runner_site_wait_dropped(&site, admin);
	check_alive(&site);
	expect_refused(&site, 2, "admin", "its uid");
	runner_site_close(&site);
}

static void
test_one_connection_too_many_is_not_let_in(void **state)
{
	struct runner_site site;
	auto_free int *socks = alloc_zero(GATEWAY_PEERS_MAX, sizeof(int));
	size_t count = 0;

	runner_site_open(&site, *state);
	while (site.runner.npeers < GATEWAY_PEERS_MAX) {
		socks[count++] = runner_site_connect(&site, "gateway");
		runner_site_settle(&site);
	}
	auto_fd int sock = runner_site_connect(&site, "gateway");

	runner_site_wait_dropped(&site, sock);
	check_alive(&site);
	expect_refused(&site, 1, "gateway", "too many connections");
	while (count > 0)
		close(socks[--count]);
	runner_site_close(&site);
}

static void
test_the_sockets_are_closed_to_others(void **state)
{
	struct runner_site site;
	struct stat st;
	auto_free char *gateway = NULL;
	auto_free char *admin = NULL;

	runner_site_open(&site, *state);
	gateway = folder_path(site.folder, "run/gateway.sock");
	admin = folder_path(site.folder, "run/admin.sock");
	assert_int_equal(stat(gateway, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0660);
	assert_int_equal(stat(admin, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	runner_site_close(&site);
}

static void
test_a_folder_that_others_can_enter_is_refused(void **state)
{
	struct runner_site site;
	auto_free char *run = folder_path(*state, "run");
	struct err err;

	runner_site_open(&site, *state);
	peers_close_listeners(&site.runner);
	assert_int_equal(chmod(run, 0755), 0);
	assert_int_equal(peers_listen(&site.runner, &err), -1);
	assert_non_null(strstr(err.detail, "0750"));
	assert_int_equal(chmod(run, 0770), 0);
	assert_int_equal(peers_listen(&site.runner, &err), -1);
	assert_int_equal(chmod(run, 0750), 0);
	assert_int_equal(peers_listen(&site.runner, &err), 0);
	runner_site_close(&site);
}

static void
test_the_gateway_hears_of_changes(void **state)
{
	struct runner_site site;
	struct message said;
	auto_free char *task = NULL;

	runner_site_open(&site, *state);
	task = runner_site_submit(
	    &site, "alice", "{\"image\":\"" SITE_IMAGE "\"}");
	for (;;) {
		said = runner_site_receive(&site, site.gateway, MESSAGE_state);
		if (json_integer_value(
			json_object_get(said.members, "queued")) == 1)
			break;
		message_done(&said);
	}
	assert_true(json_is_true(json_object_get(said.members, "ready")));
	assert_int_equal(
	    json_integer_value(json_object_get(
		json_object_get(said.members, "counters"), "tasks_accepted")),
	    1);
	message_done(&said);
	runner_site_close(&site);
}

int
main(void)
{
#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, folder_make, folder_remove)
	const struct CMUnitTest tests[] = {
	    TEST(test_anything_but_hello_first_drops_the_peer),
	    TEST(test_a_bad_message_drops_the_peer_that_sent_it),
	    TEST(test_a_packet_that_is_too_large_drops_the_peer),
	    TEST(test_each_member_of_a_request_is_looked_at),
	    TEST(test_a_number_that_is_open_drops_the_peer),
	    TEST(test_a_body_that_could_still_change_drops_the_peer),
	    TEST(test_a_descriptor_with_what_comes_without_drops_the_peer),
	    TEST(test_a_body_of_a_byte_too_many_drops_the_peer),
	    TEST(test_no_descriptor_stays_behind),
	    TEST(test_another_uid_is_not_let_in),
	    TEST(test_one_connection_too_many_is_not_let_in),
	    TEST(test_the_sockets_are_closed_to_others),
	    TEST(test_a_folder_that_others_can_enter_is_refused),
	    TEST(test_the_gateway_hears_of_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
