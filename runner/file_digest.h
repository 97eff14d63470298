/*
 * The SHA-256 of a file that grows. What is little is hashed as it is written;
 * what is much is read again from the file, in portions and off the loop, so
 * that a task that writes a gigabyte costs the others nothing.
 */
#ifndef RUNNER_FILE_DIGEST_H
#define RUNNER_FILE_DIGEST_H

#include <stdint.h>
#include <uv.h>

#include "lib/digest.h"

struct file_digest;

#define SHA256_OF_NOTHING                  \
	"e3b0c44298fc1c149afbf4c8996fb924" \
	"27ae41e4649b934ca495991b7852b855"

struct file_digest *file_digest_new(uv_loop_t *loop);
/* These bytes are now the file's last. The descriptor can be read; it is
 * borrowed during the call alone. */
void file_digest_add(
    struct file_digest *digest, int fd, const void *data, size_t len);
/* The file holds `size` bytes already: instead of the first add. */
void file_digest_resume(struct file_digest *digest, int fd, int64_t size);
/* Nothing more comes. `done` is called once, during the call where there is
 * nothing left to read. */
void
file_digest_end(struct file_digest *digest, void (*done)(void *arg), void *arg);
/* Of an ended one: 64 digits, or "" where the file could not be read. */
const char *file_digest_hex(const struct file_digest *digest);
/* Whether it has ended or not: done() is not called any more. */
void file_digest_free(struct file_digest *digest);

#endif
