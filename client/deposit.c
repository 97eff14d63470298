/*
 * Deposits. A file that changes between hashing and sending is refused by the
 * server, whose digest is its own.
 */
#include "client/deposit.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/progress.h"
#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/clock.h"

#define PIECE (256 * 1024)

DEFINE_CLEANUP(EVP_MD_CTX, EVP_MD_CTX_free);

static int
fail_file(
    const struct deposit *deposit, const char *what, struct failure *failure)
{
	return failure_set(
	    failure, "local", "--input %s: %s", deposit->spec.path, what);
}

static int
open_file(struct deposit *deposit, struct failure *failure)
{
	struct stat st;

	/* O_NONBLOCK: a FIFO without a writer must not hold us up. */
	deposit->fd = open(
	    deposit->spec.path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (deposit->fd < 0 || fstat(deposit->fd, &st) != 0)
		return fail_file(deposit, strerror(errno), failure);
	if (!S_ISREG(st.st_mode))
		return fail_file(deposit, "it is not a regular file", failure);
	deposit->size = st.st_size;
	return 0;
}

static bool
has_name(const struct deposits *deposits, const char *name)
{
	for (size_t i = 0; i < deposits->count; i++) {
		if (strcmp(deposits->list[i].spec.name, name) == 0)
			return true;
	}
	return false;
}

static int
add(struct deposits *deposits, const char *text, struct failure *failure)
{
	struct deposit *deposit = &deposits->list[deposits->count];
	struct file_spec spec;
	struct err err;

	if (deposits->count == FILES_MAX)
		return failure_set(
		    failure, "usage", "--input: at most %d files", FILES_MAX);
	if (file_spec_read_input(text, &spec, &err) != 0)
		return failure_from_err(failure, "usage", &err);
	if (has_name(deposits, spec.name)) {
		failure_set(failure, "usage",
		    "--input: there are two that would be called %s",
		    spec.name);
		file_spec_done(&spec);
		return -1;
	}
	*deposit = (struct deposit){.spec = spec, .fd = -1};
	deposits->count++;
	return open_file(deposit, failure);
}

int
deposits_open(const struct invocation *invocation, struct deposits *deposits,
    struct failure *failure)
{
	const char *text = NULL;

	for (size_t k = 0; (text = option_each(invocation, "input", k)) != NULL;
	     k++) {
		if (add(deposits, text, failure) != 0)
			return -1;
	}
	return 0;
}

void
deposits_close(struct deposits *deposits)
{
	for (size_t i = 0; i < deposits->count; i++) {
		if (deposits->list[i].fd >= 0)
			close(deposits->list[i].fd);
		file_spec_done(&deposits->list[i].spec);
	}
	deposits->count = 0;
}

/* The file's next bytes; 0 at its end, -1: errno. */
static ssize_t
read_piece(
    const struct deposit *deposit, char *data, size_t room, int64_t offset)
{
	ssize_t n;

	do {
		n = pread(deposit->fd, data, room, offset);
	} while (n < 0 && errno == EINTR);
	return n;
}

static int
hash(struct deposit *deposit, struct session *session, struct failure *failure)
{
	AUTO(EVP_MD_CTX_freep) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	auto_free char *data = alloc_zero(1, PIECE);
	int64_t done = 0;
	ssize_t n;

	if (ctx == NULL || EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) != 1)
		die("SHA-256 is not available");
	while ((n = read_piece(deposit, data, PIECE, done)) > 0) {
		if (EVP_DigestUpdate(ctx, data, (size_t)n) != 1)
			die("SHA-256 failed");
		done += n;
		if (session_is_interrupted(session, failure))
			return -1;
	}
	if (n < 0)
		return fail_file(deposit, strerror(errno), failure);
	if (EVP_DigestFinal_ex(ctx, deposit->digest, NULL) != 1)
		die("SHA-256 failed");
	deposit->size = done;
	return 0;
}

struct sending {
	struct deposit *deposit;
	struct progress progress;
};

/* Of struct http_request. */
static ssize_t
give(void *arg, char *data, size_t room)
{
	struct sending *sending = arg;
	struct deposit *deposit = sending->deposit;
	ssize_t n = read_piece(deposit, data, room, deposit->sent);

	if (n < 0)
		return HTTP_SOURCE_BROKEN;
	deposit->sent += n;
	progress_move(&sending->progress, deposit->sent);
	return n;
}

static void
end_transfer(struct transfer **transfer)
{
	if (*transfer != NULL)
		http_end(*transfer);
}

/* 1: once more after *ret_delay_ms. */
static int
send_once(struct sending *sending, struct session *session, struct retry *retry,
    int64_t *ret_delay_ms, struct failure *failure)
{
	auto_free char *encoded =
	    base64_encode(sending->deposit->digest, SHA256_BYTES);
	auto_free char *digest = alloc_printf("sha-256=:%s:", encoded);
	const struct http_request request = {
	    .method = "POST",
	    .path = "/v1/blobs",
	    .reply_max = 64 * 1024,
	    .source = give,
	    .source_len = sending->deposit->size,
	    .content_digest = digest,
	    .arg = sending,
	};
	AUTO(end_transfer) struct transfer *transfer = NULL;
	struct http_reply reply;
	uint32_t random;

	sending->deposit->sent = 0;
	transfer = http_start(session->http, &request);
	if (session_await(session, transfer, failure) != 0)
		return -1;
	reply = http_reply(transfer);
	if (reply.status == 200 || reply.status == 201)
		return 0;
	random_bytes(&random, sizeof(random));
	if (retry_decide(&retry_call, retry, reply.cause, reply.retry_after_s,
		clock_boot_ms(), random, ret_delay_ms))
		return 1;
	return session_fail(session, &reply, failure);
}

static int
send_file(
    struct deposit *deposit, struct session *session, struct failure *failure)
{
	struct sending sending = {.deposit = deposit};
	struct retry retry = {0};
	int64_t delay_ms = 0;
	int result;

	progress_begin(&sending.progress, deposit->spec.name, deposit->size,
	    session->quiet);
	while ((result = send_once(
		    &sending, session, &retry, &delay_ms, failure)) == 1) {
		if (session_sleep(session, delay_ms, failure) != 0) {
			result = -1;
			break;
		}
	}
	progress_end(&sending.progress);
	return result;
}

int
deposits_hash(
    struct deposits *deposits, struct session *session, struct failure *failure)
{
	for (size_t i = 0; i < deposits->count; i++) {
		if (hash(&deposits->list[i], session, failure) != 0)
			return -1;
	}
	return 0;
}

int
deposits_send(
    struct deposits *deposits, struct session *session, struct failure *failure)
{
	for (size_t i = 0; i < deposits->count; i++) {
		if (hash(&deposits->list[i], session, failure) != 0 ||
		    send_file(&deposits->list[i], session, failure) != 0)
			return -1;
	}
	return 0;
}

void
deposits_add(const struct deposits *deposits, json_t *order)
{
	json_t *inputs = NULL;

	if (deposits->count == 0)
		return;
	inputs = json_object();
	json_object_set_new(order, "inputs", inputs);
	for (size_t i = 0; i < deposits->count; i++) {
		char hex[SHA256_HEX];

		hex_encode(deposits->list[i].digest, SHA256_BYTES, hex);
		json_object_set_new(
		    inputs, deposits->list[i].spec.name, json_string(hex));
	}
}
