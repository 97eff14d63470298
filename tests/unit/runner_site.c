/* A runner inside of a test; only tests link this. */
#include "tests/unit/runner_site.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "certs/issue_certificate.h"
#include "certs/issue_key.h"
#include "certs/issue_token.h"
#include "certs/signature_make.h"
#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/digest.h"
#include "lib/file.h"
#include "lib/json.h"
#include "lib/log.h"
#include "lib/packet.h"
#include "tests/unit/folder.h"

#define DEADLINE_MS 20000
#define RUNNER_ID "01932f0e-6f0a-7c3e-8a55-3f1f0c1b2a11"
#define POLICY                                                             \
	"{\"version\":1,\"rules\":[{\"id\":\"test\",\"subjects\":"         \
	"[\"alice\",\"bob\"],\"image\":\"" SITE_IMAGE "\","                \
	"\"unsigned\":true,"                                               \
	"\"args\":[{\"rest\":{\"pattern\":\"**\"}}],\"env\":{\"SECRET\":{" \
	"\"pattern\":\"**\"}}},{\"id\":\"signed\",\"subjects\":[\"**\"],"  \
	"\"image\":\"" SITE_SIGNED_IMAGE "\"},"                            \
	"{\"id\":\"rated\",\"subjects\":[\"**\"],\"unsigned\":true,"       \
	"\"image\":\"" SITE_RATED_IMAGE "\",\"rate\":[{\"tasks\":2,"       \
	"\"per\":\"1d\"}]},"                                               \
	"{\"id\":\"approved\",\"subjects\":[\"**\"],\"unsigned\":true,"    \
	"\"image\":\"" SITE_APPROVAL_IMAGE "\",\"args\":[{\"rest\":"       \
	"{\"pattern\":\"**\"}}],\"approval\":{\"by\":[\"carol\",\"dave\"," \
	"\"alice\"],\"ttl\":\"1h\"}},"                                     \
	"{\"id\":\"named\",\"subjects\":[\"**\"],\"unsigned\":true,"       \
	"\"task\":\"named\",\"image\":\"" SITE_NAMED_IMAGE "\"}]}"

static void
write_file(const char *folder, const char *name, const char *text, mode_t mode)
{
	auto_free char *path = folder_path(folder, name);
	struct err err;

	if (file_write(path, text, strlen(text), mode, &err) != 0)
		fail_msg("%s", err.detail);
}

static void
write_credentials(struct runner_site *site)
{
	const struct validity validity = {clock_wall_ms() / 1000 - 3600, 3650};
	auto_free char *keys = folder_path(site->folder, "token-keys");
	char id[KEY_ID];

	site->ca_key = issue_key_new(ISSUE_KEY_P256);
	site->token_key = issue_key_new(ISSUE_KEY_P256);
	site->ca = issue_authority(site->ca_key, &validity);
	key_id(site->token_key, id);
	auto_free char *ca = issue_certificate_encode(site->ca);
	auto_free char *pem = issue_key_encode_public(site->token_key);
	auto_free char *name = alloc_printf("%s.pem", id);

	write_file(site->folder, "ca.crt", ca, 0644);
	assert_int_equal(mkdir(keys, 0755), 0);
	write_file(keys, name, pem, 0644);
}

static void
write_audit_key(const char *folder)
{
	EVP_PKEY *key = issue_key_new(ISSUE_KEY_ED25519);
	auto_secret char *pem = issue_key_encode(key);

	write_file(folder, "audit.key", pem, 0600);
	EVP_PKEY_free(key);
}

static void
make_config(const struct runner_site *site, struct config *ret)
{
	*ret = (struct config){
	    .id = RUNNER_ID,
	    .state = folder_path(site->folder, "state"),
	    .run = folder_path(site->folder, "run"),
	    .policy = folder_path(site->folder, "policy.json"),
	    .ca = folder_path(site->folder, "ca.crt"),
	    .token_keys = folder_path(site->folder, "token-keys"),
	    .audit_key = folder_path(site->folder, "audit.key"),
	    .task_init = folder_path(site->folder, "task-init"),
	    .seccomp = folder_path(site->folder, "seccomp.json"),
	    .engine = "unix:///nowhere/docker.sock",
	    .issuer = "test-issuer",
	    .audience = "urn:taskgate:test",
	    .token_lifetime_max_s = 86400,
	    .gateway_uid = getuid(),
	    .admin_uids = {getuid()},
	    .nadmins = 1,
	    .task_uid = 61000,
	    .task_gid = 61000,
	    .running_max = 4,
	    .queued_max = 100,
	    .queued_per_subject = 5,
	    .queued_per_rule = 100,
	    .memory_max_bytes = INT64_C(1) << 40,
	};
}

static void
say_hello(struct runner_site *site, int *ret_fd, const char *name)
{
	int fd = runner_site_connect(site, name);
	struct message welcome;

	runner_site_send_take(fd, MESSAGE_hello,
	    json_pack("{s:i, s:s}", "version", PROTOCOL_VERSION, "role", name),
	    -1);
	welcome = runner_site_receive(site, fd, MESSAGE_welcome);
	message_done(&welcome);
	*ret_fd = fd;
}

static void
turn(struct runner_site *site)
{
	uv_run(&site->runner.loop, UV_RUN_NOWAIT);
}

static void
start(struct runner_site *site)
{
	struct config config;
	struct err err;
	int64_t end_ms = clock_boot_ms() + DEADLINE_MS;

	make_config(site, &config);
	if (runner_open_take(&site->runner, &config, &err) != 0)
		fail_msg("%s", err.detail);
	runner_start(&site->runner);
	/* Its first and only word: the socket leads nowhere. */
	while (site->runner.engine_reason == NULL ||
	    strstr(site->runner.engine_reason, "not answered") != NULL) {
		assert_true(clock_boot_ms() < end_ms);
		turn(site);
	}
	free(site->runner.engine_reason);
	site->runner.engine_reason = NULL;
	site->runner.tasks.engine_reason = "a test: nothing is started";
	say_hello(site, &site->gateway, "gateway");
	say_hello(site, &site->admin, "admin");
	while (!site->runner.tasks.recovered)
		turn(site);
}

void
runner_site_open(struct runner_site *site, const char *folder)
{
	auto_free char *run = folder_path(folder, "run");

	log_init("runner", LOG_FORMAT_LOGFMT, LOG_LEVEL_ERROR);
	*site = (struct runner_site){.folder = folder};
	write_credentials(site);
	write_file(folder, "policy.json", POLICY, 0644);
	write_audit_key(folder);
	write_file(folder, "task-init", "#!/bin/sh\n", 0755);
	write_file(folder, "seccomp.json",
	    "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":[]}", 0644);
	assert_int_equal(mkdir(run, 0750), 0);
	start(site);
}

static void
stop(struct runner_site *site)
{
	runner_stop(&site->runner, false);
	assert_int_equal(runner_finish(&site->runner), 0);
	close(site->gateway);
	close(site->admin);
}

void
runner_site_restart(struct runner_site *site)
{
	stop(site);
	start(site);
}

void
runner_site_close(struct runner_site *site)
{
	stop(site);
	EVP_PKEY_free(site->ca_key);
	EVP_PKEY_free(site->token_key);
	EVP_PKEY_free(site->client_key);
	X509_free(site->ca);
}

int
runner_site_connect(const struct runner_site *site, const char *name)
{
	auto_free char *relative = alloc_printf("run/%s.sock", name);
	auto_free char *path = folder_path(site->folder, relative);
	struct err err;
	int fd = -1;

	if (packet_connect(path, &fd, &err) != 0)
		fail_msg("%s", err.detail);
	return fd;
}

/* -- credentials */

static X509 *
issue_client(struct runner_site *site, const char *subject)
{
	AUTO(issuer_done) struct issuer issuer = {0};
	EVP_PKEY *key = issue_key_new(ISSUE_KEY_P256);
	const char *const names[] = {subject};
	const struct certificate_order order = {
	    .profile = PROFILE_CLIENT,
	    .key = key,
	    .names = names,
	    .nnames = 1,
	    .validity = {clock_wall_ms() / 1000 - 60, 1},
	};
	struct err err;
	X509 *client;

	if (issuer_init(&issuer, site->ca_key, site->ca, &err) != 0)
		fail_msg("%s", err.detail);
	client = issue_certificate(&issuer, &order, &err);
	if (client == NULL)
		fail_msg("%s", err.detail);
	EVP_PKEY_free(site->client_key);
	site->client_key = key;
	return client;
}

static char *
issue_bearer(const struct runner_site *site, const char *subject,
    const char *thumbprint, unsigned scopes)
{
	const struct token_order order = {
	    .issuer = "test-issuer",
	    .audience = "urn:taskgate:test",
	    .subject = subject,
	    .thumbprint = thumbprint,
	    .scopes = scopes,
	    .now_s = clock_wall_ms() / 1000,
	    .lifetime_s = 600,
	};
	char id[TOKEN_ID_MAX + 1];
	char *token = NULL;
	struct err err;

	if (issue_token(&order, site->token_key, &token, id, &err) != 0)
		fail_msg("%s", err.detail);
	return token;
}

json_t *
runner_site_envelope(
    struct runner_site *site, const char *subject, unsigned scopes)
{
	X509 *client = issue_client(site, subject);
	unsigned char *der = NULL;
	int len = i2d_X509(client, &der);
	uint8_t hash[SHA256_BYTES];

	assert_true(len > 0);
	digest_sha256(der, (size_t)len, hash);
	auto_free char *thumbprint = base64url_encode(hash, sizeof(hash));
	auto_free char *certificate = base64url_encode(der, (size_t)len);
	auto_secret char *token =
	    issue_bearer(site, subject, thumbprint, scopes);

	memcpy(site->thumbprint, thumbprint, sizeof(site->thumbprint));

	OPENSSL_free(der);
	X509_free(client);
	return json_pack("{s:I, s:s, s:s, s:s, s:s}", "request",
	    (json_int_t)++site->last_request, "certificate", certificate,
	    "token", token, "address", "192.0.2.1", "request_id", RUNNER_ID);
}

void
runner_site_sign(struct runner_site *site, json_t *members, const char *key,
    const char *body)
{
	runner_site_sign_for(site, members, "/v1/tasks", key, body);
}

void
runner_site_sign_for(struct runner_site *site, json_t *members,
    const char *path, const char *key, const char *body)
{
	uint8_t sha256[SHA256_BYTES];
	const struct signed_request request = {
	    .method = "POST",
	    .path = path,
	    .token = json_string_value(json_object_get(members, "token")),
	    .body_sha256 = sha256,
	    .idempotency_key = key,
	};
	const struct signature_key signer = {
	    site->client_key, site->thumbprint};
	auto_free char *input = NULL;
	auto_free char *value = NULL;
	struct err err;

	digest_sha256(body, strlen(body), sha256);
	if (signature_make(&request, &signer, clock_wall_ms() / 1000, &input,
		&value, &err) != 0)
		fail_msg("%s", err.detail);
	json_object_set_new(members, "idempotency_key", json_string(key));
	json_object_set_new(members, "signature_input", json_string(input));
	json_object_set_new(members, "signature", json_string(value));
}

/* -- messages */

void
runner_site_send_raw(int sock, const char *data, size_t len, int fd)
{
	struct err err;

	if (packet_send(sock, data, len, &fd, fd >= 0 ? 1 : 0, &err) !=
	    PACKET_OK)
		fail_msg("%s", err.detail);
}

void
runner_site_send_take(int sock, enum message_type type, json_t *members, int fd)
{
	auto_json *own = members;
	auto_free char *text = NULL;
	size_t len = 0;
	struct err err;

	if (message_encode(type, own, &text, &len, &err) != 0)
		fail_msg("%s", err.detail);
	runner_site_send_raw(sock, text, len, fd);
}

int
runner_site_body(const char *text)
{
	struct err err;
	int fd = -1;

	if (packet_seal(text, strlen(text), &fd, &err) != 0)
		fail_msg("%s", err.detail);
	return fd;
}

/* What comes within the time: a packet, or the end. */
static enum packet_result
receive(struct runner_site *site, int sock, struct packet *ret)
{
	int64_t end_ms = clock_boot_ms() + DEADLINE_MS;
	enum packet_result result;
	struct err err;

	fcntl(sock, F_SETFL, O_NONBLOCK);
	while ((result = packet_receive(sock, ret, &err)) == PACKET_AGAIN) {
		if (clock_boot_ms() > end_ms)
			fail_msg("the runner says nothing");
		turn(site);
	}
	fcntl(sock, F_SETFL, 0);
	return result;
}

static struct message
receive_message(struct runner_site *site, int sock)
{
	AUTO(packet_done) struct packet packet = {0};
	struct message message;
	struct err err;

	if (receive(site, sock, &packet) != PACKET_OK)
		fail_msg("the runner dropped us");
	if (message_decode(&packet, &message, &err) != 0)
		fail_msg("%s", err.detail);
	return message;
}

/* What every gateway is told, whether it asks or not. */
static bool
comes_by_itself(const struct message *message)
{
	return message->type == MESSAGE_state ||
	    message->type == MESSAGE_revocations ||
	    message->type == MESSAGE_revocation;
}

struct message
runner_site_receive(struct runner_site *site, int sock, enum message_type type)
{
	for (;;) {
		struct message message = receive_message(site, sock);

		if (message.type == type)
			return message;
		if (!comes_by_itself(&message)) {
			auto_free char *text =
			    json_dumps(message.members, JSON_COMPACT);

			fail_msg("%s instead of %s: %s",
			    message_name(message.type), message_name(type),
			    text);
		}
		message_done(&message);
	}
}

struct message
runner_site_receive_any(struct runner_site *site, int sock)
{
	for (;;) {
		struct message message = receive_message(site, sock);

		if (!comes_by_itself(&message))
			return message;
		message_done(&message);
	}
}

void
runner_site_wait_dropped(struct runner_site *site, int sock)
{
	for (;;) {
		AUTO(packet_done) struct packet packet = {0};

		if (receive(site, sock, &packet) != PACKET_OK)
			return;
		if (strstr(packet.data, "\"state\"") == NULL &&
		    strstr(packet.data, "\"revocations\"") == NULL)
			fail_msg(
			    "answered instead of dropped: %s", packet.data);
	}
}

void
runner_site_settle(struct runner_site *site)
{
	for (int i = 0; i < 10; i++)
		turn(site);
	while (store_pending(site->runner.store) > 0)
		turn(site);
}

json_t *
runner_site_ask_take(struct runner_site *site, enum message_type type,
    json_t *members, int fd, int *ret_status)
{
	struct message reply;
	json_t *body;

	runner_site_send_take(site->gateway, type, members, fd);
	reply = runner_site_receive(site, site->gateway, MESSAGE_reply);
	body = json_incref(json_object_get(reply.members, "body"));
	if (ret_status != NULL)
		*ret_status = (int)json_integer_value(
		    json_object_get(reply.members, "status"));
	if (json_is_true(json_object_get(reply.members, "sealed"))) {
		auto_free char *text = NULL;
		size_t len = 0;
		struct err err;

		assert_int_equal(reply.nfds, 1);
		assert_int_equal(packet_read_sealed(
				     reply.fds[0], 1 << 24, &text, &len, &err),
		    0);
		body = json_parse_strict(text, len, &err);
	}
	message_done(&reply);
	return body;
}

void
runner_site_expect_failure_take(struct runner_site *site,
    enum message_type type, json_t *members, int fd, enum err_code code)
{
	struct message failure;
	const char *slug;

	runner_site_send_take(site->gateway, type, members, fd);
	failure = runner_site_receive(site, site->gateway, MESSAGE_failure);
	slug = json_string_value(json_object_get(failure.members, "error"));
	assert_string_equal(slug, err_slug(code));
	message_done(&failure);
}

char *
runner_site_submit(
    struct runner_site *site, const char *subject, const char *body)
{
	json_t *members = runner_site_envelope(site, subject, SCOPE_TASKS_RUN);
	auto_fd int fd = runner_site_body(body);
	auto_json *task = NULL;
	int status = 0;

	json_object_set_new(members, "wait", json_integer(0));
	task = runner_site_ask_take(site, MESSAGE_submit, members, fd, &status);
	assert_int_equal(status, 201);
	return alloc_string(json_string_value(json_object_get(task, "id")));
}

/* -- records */

json_t *
runner_site_audit(struct runner_site *site)
{
	json_t *records = json_array();
	struct message reply;
	auto_free char *text = NULL;
	char *save = NULL;
	size_t len = 0;
	struct err err;

	runner_site_send_take(site->admin, MESSAGE_audit_read,
	    json_pack("{s:I, s:i, s:b}", "request",
		(json_int_t)++site->last_request, "limit", 1000, "newest", 0),
	    -1);
	reply = runner_site_receive(site, site->admin, MESSAGE_reply);
	assert_int_equal(reply.nfds, 1);
	assert_int_equal(
	    packet_read_sealed(reply.fds[0], 1 << 26, &text, &len, &err), 0);
	message_done(&reply);
	for (char *line = strtok_r(text, "\n", &save); line != NULL;
	     line = strtok_r(NULL, "\n", &save)) {
		json_t *record = json_parse_strict(line, strlen(line), &err);

		if (record == NULL)
			fail_msg("%s: %s", line, err.detail);
		json_array_append_new(records, record);
	}
	return records;
}

size_t
runner_site_count_events(struct runner_site *site, const char *event)
{
	auto_json *records = runner_site_audit(site);
	size_t count = 0;

	for (size_t i = 0; i < json_array_size(records); i++) {
		const char *code = json_string_value(
		    json_object_get(json_array_get(records, i), "event"));

		count += strcmp(code, event) == 0 ? 1 : 0;
	}
	return count;
}

/* -- the store, behind the runner's back */

void
runner_site_run_sql(const struct runner_site *site, const char *sql)
{
	auto_free char *path = folder_path(site->folder, "state/store.db");
	sqlite3 *handle = NULL;

	assert_int_equal(sqlite3_open(path, &handle), SQLITE_OK);
	sqlite3_busy_timeout(handle, 10000);
	if (sqlite3_exec(handle, sql, NULL, NULL, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(handle));
	sqlite3_close(handle);
}
