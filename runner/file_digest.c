/*
 * Hashing on the loop for the first bytes of a file, on libuv's threads for
 * those behind them. A portion under way owns the context; the loop does not
 * touch it until the portion is done.
 */
#include "runner/file_digest.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/alloc.h"

/* Hashed as it comes: a quarter of a millisecond of the loop, all in all. */
#define AT_ONCE_BYTES (INT64_C(128) * 1024)
/* Of one portion: long enough to be worth a thread's while, short enough that
 * many files take turns. */
#define PORTION_BYTES (INT64_C(8) * 1024 * 1024)
#define PORTION_LEAST (INT64_C(1) * 1024 * 1024)
#define CHUNK_BYTES 65536

struct file_digest {
	uv_loop_t *loop;
	EVP_MD_CTX *context; /* NULL: not a byte yet */
	int64_t size, hashed;
	int fd; /* our own; -1: nothing had to be read yet */
	bool failed;
	bool ending, freed;
	void (*done)(void *arg);
	void *arg;
	char hex[SHA256_HEX];
	uv_work_t work;
	bool working;
	int64_t upto; /* of the portion */
};

static void continue_reading(struct file_digest *digest);

struct file_digest *
file_digest_new(uv_loop_t *loop)
{
	struct file_digest *digest = alloc_zero(1, sizeof(*digest));

	digest->loop = loop;
	digest->fd = -1;
	return digest;
}

static void
update(struct file_digest *digest, const void *data, size_t len)
{
	if (EVP_DigestUpdate(digest->context, data, len) != 1)
		die("SHA-256 fails");
	digest->hashed += (int64_t)len;
}

static void
begin(struct file_digest *digest)
{
	if (digest->context != NULL)
		return;
	digest->context = EVP_MD_CTX_new();
	if (digest->context == NULL ||
	    EVP_DigestInit_ex(digest->context, EVP_sha256(), NULL) != 1)
		die("SHA-256 is not available");
}

/* -- off the loop */

static void
read_portion(uv_work_t *work)
{
	struct file_digest *digest = work->data;
	char chunk[CHUNK_BYTES];

	while (digest->hashed < digest->upto) {
		int64_t left = digest->upto - digest->hashed;
		size_t len = left < CHUNK_BYTES ? (size_t)left : sizeof(chunk);
		ssize_t n =
		    pread(digest->fd, chunk, len, (off_t)digest->hashed);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			digest->failed = true;
			return;
		}
		update(digest, chunk, (size_t)n);
	}
}

/* -- on the loop */

static void
give_back(struct file_digest *digest)
{
	EVP_MD_CTX_free(digest->context);
	if (digest->fd >= 0)
		close(digest->fd);
	free(digest);
}

static void
finish(struct file_digest *digest)
{
	uint8_t bytes[SHA256_BYTES];

	if (!digest->failed) {
		begin(digest);
		if (EVP_DigestFinal_ex(digest->context, bytes, NULL) != 1)
			die("SHA-256 fails");
		hex_encode(bytes, sizeof(bytes), digest->hex);
	}
	digest->done(digest->arg);
}

static void
portion_done(uv_work_t *work, int status)
{
	struct file_digest *digest = work->data;

	(void)status;
	digest->working = false;
	if (digest->freed)
		give_back(digest);
	else
		continue_reading(digest);
}

static void
continue_reading(struct file_digest *digest)
{
	int64_t behind;

	if (digest->working)
		return;
	behind = digest->size - digest->hashed;
	if (behind == 0 || digest->failed) {
		if (digest->ending)
			finish(digest);
		return;
	}
	if (behind < PORTION_LEAST && !digest->ending)
		return;
	digest->upto =
	    digest->hashed + (behind < PORTION_BYTES ? behind : PORTION_BYTES);
	digest->working = true;
	digest->work.data = digest;
	if (uv_queue_work(
		digest->loop, &digest->work, read_portion, portion_done) != 0)
		die("uv_queue_work");
}

/* Ours, because the file's owner may close its own while we read. */
static void
keep_descriptor(struct file_digest *digest, int fd)
{
	if (digest->fd >= 0 || digest->failed)
		return;
	digest->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	digest->failed = digest->fd < 0;
}

void
file_digest_add(
    struct file_digest *digest, int fd, const void *data, size_t len)
{
	bool at_once = digest->fd < 0 && !digest->failed &&
	    digest->size + (int64_t)len <= AT_ONCE_BYTES;

	digest->size += (int64_t)len;
	if (at_once) {
		begin(digest);
		update(digest, data, len);
		return;
	}
	begin(digest);
	keep_descriptor(digest, fd);
	continue_reading(digest);
}

void
file_digest_resume(struct file_digest *digest, int fd, int64_t size)
{
	if (size == 0)
		return;
	begin(digest);
	digest->size = size;
	keep_descriptor(digest, fd);
	continue_reading(digest);
}

void
file_digest_end(struct file_digest *digest, void (*done)(void *arg), void *arg)
{
	digest->ending = true;
	digest->done = done;
	digest->arg = arg;
	continue_reading(digest);
}

const char *
file_digest_hex(const struct file_digest *digest)
{
	return digest->hex;
}

void
file_digest_free(struct file_digest *digest)
{
	digest->freed = true;
	if (!digest->working)
		give_back(digest);
}
