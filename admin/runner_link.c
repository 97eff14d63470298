/*
 * Role: asks the runner over its admin socket.
 * Trusts the runner once the kernel has said that it is the one behind it.
 * Must never wait for ever.
 */
#include "admin/runner_link.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "admin/site.h"
#include "admin/tool.h"
#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/json.h"
#include "lib/packet.h"

#define ANSWER_MS 30000

/* The uid that the configuration says is behind the socket. An operator who
 * names a socket without an installation says himself who that is. */
static int
check_peer(const struct invocation *invocation, int sock, struct err *err)
{
	AUTO(site_done) struct site site = {0};
	struct err ignored;
	uid_t uid;
	pid_t pid;

	if (packet_peer(sock, &uid, &pid, err) != 0)
		return -1;
	if (site_load(tool_directory(invocation), &site, &ignored) != 0)
		return option_value(invocation, "socket") != NULL
		    ? 0
		    : err_set(err, ignored.code, "%s", ignored.detail);
	if ((int64_t)uid == site.runner_uid)
		return 0;
	return err_set(err, ERR_DENIED,
	    "uid %u is behind the admin socket, and gateway.json says that "
	    "the runner is uid %lld",
	    (unsigned)uid, (long long)site.runner_uid);
}

static int
wait_for_packet(int sock, int64_t deadline_ms, struct err *err)
{
	struct pollfd pollfd = {.fd = sock, .events = POLLIN};

	for (;;) {
		int64_t left_ms = deadline_ms - clock_boot_ms();
		int n = poll(&pollfd, 1, left_ms > 0 ? (int)left_ms : 0);
		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return err_errno(err, "wait for the runner");
		if (n == 0)
			return err_set(err, ERR_UNAVAILABLE,
			    "the runner does not answer; look at its log");
	}
}

static int
receive(int sock, int64_t deadline_ms, struct message *ret, struct err *err)
{
	struct packet packet = {0};

	if (wait_for_packet(sock, deadline_ms, err) != 0)
		return -1;
	switch (packet_receive(sock, &packet, err)) {
	case PACKET_OK:
		break;
	case PACKET_FAILED:
		return -1;
	default:
		return err_set(err, ERR_UNAVAILABLE,
		    "the runner closed the connection; look at its log");
	}
	int result = message_decode(&packet, ret, err);
	packet_done(&packet);
	return result;
}

static int
send_take(int sock, enum message_type type, json_t *members, struct err *err)
{
	auto_free char *text = NULL;
	size_t len;
	int result = message_encode(type, members, &text, &len, err);

	json_decref(members);
	if (result != 0)
		return -1;
	if (packet_send(sock, text, len, NULL, 0, err) != PACKET_OK)
		return -1;
	return 0;
}

static int
greet(int sock, struct err *err)
{
	struct message message = {0};
	json_t *hello = json_pack(
	    "{s:i, s:s}", "version", PROTOCOL_VERSION, "role", "admin");

	if (send_take(sock, MESSAGE_hello, hello, err) != 0 ||
	    receive(sock, clock_boot_ms() + ANSWER_MS, &message, err) != 0)
		return -1;
	enum message_type type = message.type;
	json_int_t version =
	    json_integer_value(json_object_get(message.members, "version"));
	message_done(&message);
	if (type != MESSAGE_welcome || version != PROTOCOL_VERSION)
		return err_set(err, ERR_UNAVAILABLE,
		    "the runner speaks another version of the protocol");
	return 0;
}

static char *
find_socket(const struct invocation *invocation, struct err *err)
{
	const char *given = option_value(invocation, "socket");

	return given != NULL
	    ? alloc_string(given)
	    : site_admin_socket(tool_directory(invocation), err);
}

int
runner_link_open(const struct invocation *invocation, struct runner_link *ret,
    struct err *err)
{
	auto_fd int sock = -1;
	auto_free char *path = find_socket(invocation, err);

	if (path == NULL)
		return -1;
	if (packet_connect(path, &sock, err) != 0) {
		if (err->errnum == EACCES)
			return err_set(err, ERR_DENIED,
			    "%s: not for this user; run this as root, or as a "
			    "uid of admin_uids in runner.json",
			    path);
		return err_set(err, ERR_UNAVAILABLE,
		    "nobody answers at %s (%s): is taskgate-runner running?",
		    path, strerror(err->errnum));
	}
	if (check_peer(invocation, sock, err) != 0 || greet(sock, err) != 0)
		return -1;
	*ret = (struct runner_link){.sock = take_fd(sock)};
	return 0;
}

void
runner_link_close(struct runner_link *link)
{
	cleanup_fd(&link->sock);
	link->sock = -1;
}

/* The runner's words for why not. */
static int
report_failure(const json_t *members, struct err *err)
{
	const char *slug = json_string_value(json_object_get(members, "error"));
	const char *detail =
	    json_string_value(json_object_get(members, "detail"));
	enum err_code code = err_from_slug(slug != NULL ? slug : "");

	return err_set(err, code, "the runner refused: %s",
	    detail != NULL ? detail : err_title(code));
}

/* A reply as body and descriptor; messages of other kinds are passed over. */
static int
take_answer(
    struct message *message, json_t **ret_body, int *ret_fd, struct err *err)
{
	if (message->type == MESSAGE_failure)
		return report_failure(message->members, err);
	json_t *body = json_object_get(message->members, "body");
	bool sealed = json_is_true(json_object_get(message->members, "sealed"));
	if (sealed && message->nfds == 1) {
		size_t len;
		auto_free char *text = NULL;
		if (packet_read_sealed(
			message->fds[0], 1U << 26, &text, &len, err) != 0)
			return -1;
		*ret_body = json_parse_strict(text, len, err);
		return *ret_body != NULL ? 0 : -1;
	}
	if (message->nfds == 1)
		*ret_fd = take_fd(message->fds[0]);
	*ret_body = json_incref(body);
	return 0;
}

int
runner_link_call_take(struct runner_link *link, enum message_type type,
    json_t *members, json_t **ret_body, int *ret_fd, struct err *err)
{
	int64_t deadline_ms = clock_boot_ms() + ANSWER_MS;
	int64_t request = ++link->requests;

	*ret_fd = -1;
	*ret_body = NULL;
	json_object_set_new(members, "request", json_integer(request));
	if (send_take(link->sock, type, members, err) != 0)
		return -1;
	for (;;) {
		AUTO(message_done) struct message message = {0};
		if (receive(link->sock, deadline_ms, &message, err) != 0)
			return -1;
		const json_t *number =
		    json_object_get(message.members, "request");
		bool answers = message.type == MESSAGE_reply ||
		    message.type == MESSAGE_failure;
		if (answers && json_integer_value(number) == request)
			return take_answer(&message, ret_body, ret_fd, err);
	}
}

int
runner_link_ask(const struct invocation *invocation, enum message_type type,
    json_t **ret_body, struct err *err)
{
	AUTO(runner_link_close) struct runner_link link = {.sock = -1};
	auto_json *body = NULL;
	auto_fd int fd = -1;

	if (runner_link_open(invocation, &link, err) != 0 ||
	    runner_link_call_take(
		&link, type, json_object(), &body, &fd, err) != 0)
		return -1;
	if (!json_is_object(body))
		return err_set(
		    err, ERR_UNAVAILABLE, "the runner's answer cannot be read");
	*ret_body = take(body);
	return 0;
}
