/*
 * The file of an upload.
 */
#include "runner/blob_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"

void
blob_name(const char *sha256, char ret[BLOB_NAME_SIZE])
{
	snprintf(ret, BLOB_NAME_SIZE, "%.2s/%s", sha256, sha256);
}

void
blob_file_init(struct blob_file *file, int folder, int tmp, const char *sha256)
{
	uint8_t random[8];
	char suffix[2 * sizeof(random) + 1];

	*file = (struct blob_file){.folder = folder, .tmp = tmp, .fd = -1};
	random_bytes(random, sizeof(random));
	hex_encode(random, sizeof(random), suffix);
	snprintf(file->sha256, sizeof(file->sha256), "%s", sha256);
	snprintf(file->name, sizeof(file->name), "%s.%s", file->sha256, suffix);
	file->context = EVP_MD_CTX_new();
	if (file->context == NULL ||
	    EVP_DigestInit_ex(file->context, EVP_sha256(), NULL) != 1)
		die("SHA-256 is not available");
}

static int
make(struct blob_file *file, struct err *err)
{
	if (file->fd >= 0)
		return 0;
	file->fd = openat(file->tmp, file->name,
	    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0400);
	return file->fd >= 0 ? 0
			     : err_errno(err, "make blobs/tmp/%s", file->name);
}

int
blob_file_append(struct blob_file *file, bool keeps, const void *data,
    size_t len, struct err *err)
{
	const char *from = data;

	if (EVP_DigestUpdate(file->context, data, len) != 1)
		die("SHA-256 fails");
	if (!keeps)
		return 0;
	if (make(file, err) != 0)
		return -1;
	while (len > 0) {
		ssize_t n = write(file->fd, from, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(err, "write blobs/tmp/%s", file->name);
		from += n;
		len -= (size_t)n;
	}
	return 0;
}

int
blob_file_check(struct blob_file *file, struct err *err)
{
	uint8_t bytes[SHA256_BYTES];
	char hex[SHA256_HEX];

	if (EVP_DigestFinal_ex(file->context, bytes, NULL) != 1)
		die("SHA-256 fails");
	hex_encode(bytes, sizeof(bytes), hex);
	if (strcmp(hex, file->sha256) != 0)
		return err_set(err, ERR_UNPROCESSABLE,
		    "what came does not have the digest that was announced");
	return 0;
}

/* A failed fsync is never asked again (runner/database.c): this file is given
 * up, and the next upload makes another. */
static int
sync_file(struct blob_file *file, struct err *err)
{
	if (file->synced)
		return 0;
	if (fsync(file->fd) != 0)
		return err_errno(err, "sync blobs/tmp/%s", file->name);
	file->synced = true;
	return 0;
}

int
blob_file_place(struct blob_file *file, struct err *err)
{
	char name[BLOB_NAME_SIZE], within[3];
	auto_fd int fd = -1;

	if (make(file, err) != 0 || sync_file(file, err) != 0)
		return -1;
	blob_name(file->sha256, name);
	snprintf(within, sizeof(within), "%.2s", name);
	file->is_placed = true;
	/* Another subject's is as good. */
	if (linkat(file->tmp, file->name, file->folder, name, 0) != 0 &&
	    errno != EEXIST)
		return err_errno(err, "link blobs/%s", name);
	fd = openat(file->folder, within,
	    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fsync(fd) != 0)
		return err_errno(err, "sync blobs/%s", within);
	return 0;
}

void
blob_file_done(struct blob_file *file, bool keeps_name)
{
	EVP_MD_CTX_free(file->context);
	if (file->fd < 0)
		return;
	if (!keeps_name)
		(void)unlinkat(file->tmp, file->name, 0);
	close(file->fd);
}
