/*
 * The file of an upload: made in tmp, linked to its place, unlinked from tmp.
 * Everything here may block, and is done by one thread at a time.
 */
#ifndef RUNNER_BLOB_FILE_H
#define RUNNER_BLOB_FILE_H

#include <openssl/evp.h>
#include <stdbool.h>

#include "lib/digest.h"
#include "lib/err.h"

/* The name of a blob within its folder: "ba/ba78...". */
#define BLOB_NAME_SIZE (SHA256_HEX + 3)
void blob_name(const char *sha256, char ret[BLOB_NAME_SIZE]);

struct blob_file {
	int folder, tmp; /* borrowed */
	char sha256[SHA256_HEX]; /* as announced */
	char name[SHA256_HEX + 17]; /* in tmp; begins with the digest */
	EVP_MD_CTX *context;
	int fd; /* -1: not made yet */
	bool synced;
	bool is_placed; /* perhaps: as of the first try */
};

void
blob_file_init(struct blob_file *file, int folder, int tmp, const char *sha256);
/* Hashes, and writes if `keeps`. */
int blob_file_append(struct blob_file *file, bool keeps, const void *data,
    size_t len, struct err *err);
/* Once: ERR_UNPROCESSABLE where it has another digest. */
int blob_file_check(struct blob_file *file, struct err *err);
/* At its place, and durable. Can be done again, should it be taken away. */
int blob_file_place(struct blob_file *file, struct err *err);
/* Leaves its place alone. `keeps_name`: and its name in tmp, from which the
 * next start heals. */
void blob_file_done(struct blob_file *file, bool keeps_name);

#endif
