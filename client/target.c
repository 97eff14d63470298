/*
 * Targets. The folder is opened once: whoever moves it about meanwhile gets
 * the file where it was asked for.
 */
#include "client/target.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"

static int
check_place(const struct target *target, struct err *err)
{
	struct stat st;

	if (fstatat(target->folder, target->name, &st, AT_SYMLINK_NOFOLLOW) !=
	    0)
		return errno == ENOENT ? 0 : err_errno(err, "%s", target->name);
	if (!S_ISREG(st.st_mode))
		return err_set(err, ERR_UNPROCESSABLE,
		    "%s is there, and is not a regular file", target->name);
	return 0;
}

int
target_open(struct target *target, const char *path, struct err *err)
{
	const char *slash = strrchr(path, '/');
	auto_free char *folder = slash == NULL ? alloc_string(".")
	    : slash == path                    ? alloc_string("/")
			    : alloc_bytes(path, (size_t)(slash - path));

	*target = (struct target){.folder = -1, .fd = -1};
	target->name = alloc_string(slash != NULL ? slash + 1 : path);
	if (*target->name == '\0' || strcmp(target->name, ".") == 0 ||
	    strcmp(target->name, "..") == 0) {
		err_set(err, ERR_UNPROCESSABLE, "%s is a folder", path);
		target_close(target);
		return -1;
	}
	target->folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (target->folder < 0)
		err_errno(err, "%s", folder);
	else if (faccessat(target->folder, ".", W_OK | X_OK, AT_EACCESS) != 0)
		err_errno(err, "%s", folder);
	else if (check_place(target, err) == 0)
		return 0;
	target_close(target);
	return -1;
}

static void
drop(struct target *target)
{
	if (target->fd >= 0)
		close(target->fd);
	target->fd = -1;
	if (target->temporary[0] != '\0')
		unlinkat(target->folder, target->temporary, 0);
	target->temporary[0] = '\0';
	EVP_MD_CTX_free(target->digest);
	target->digest = NULL;
}

void
target_close(struct target *target)
{
	drop(target);
	if (target->folder >= 0)
		close(target->folder);
	target->folder = -1;
	free(take(target->name));
}

int
target_begin(struct target *target, struct err *err)
{
	uint8_t random[8];
	char text[2 * sizeof(random) + 1];

	drop(target);
	random_bytes(random, sizeof(random));
	hex_encode(random, sizeof(random), text);
	snprintf(
	    target->temporary, sizeof(target->temporary), ".taskgate-%s", text);
	target->fd = openat(target->folder, target->temporary,
	    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
	if (target->fd < 0) {
		target->temporary[0] = '\0';
		return err_errno(err, "a new file beside %s", target->name);
	}
	target->len = 0;
	target->errnum = 0;
	target->digest = EVP_MD_CTX_new();
	if (target->digest == NULL ||
	    EVP_DigestInit_ex(target->digest, EVP_sha256(), NULL) != 1)
		die("SHA-256 is not available");
	return 0;
}

void
target_write(struct target *target, const char *data, size_t len)
{
	if (target->errnum != 0)
		return;
	if (EVP_DigestUpdate(target->digest, data, len) != 1)
		die("SHA-256 failed");
	target->len += (int64_t)len;
	while (len > 0 && target->errnum == 0) {
		ssize_t n = write(target->fd, data, len);

		if (n < 0 && errno != EINTR)
			target->errnum = errno;
		if (n > 0) {
			data += n;
			len -= (size_t)n;
		}
	}
}

int
target_put(struct target *target, const uint8_t expected[SHA256_BYTES],
    struct err *err)
{
	uint8_t digest[SHA256_BYTES];

	if (EVP_DigestFinal_ex(target->digest, digest, NULL) != 1)
		die("SHA-256 failed");
	errno = target->errnum;
	if (errno == 0 && memcmp(digest, expected, sizeof(digest)) != 0)
		return err_set(err, ERR_UNPROCESSABLE,
		    "what came is not what the server has: its digest "
		    "differs");
	/* On a file system over a network this is where a full disk shows. */
	if (errno != 0 || close(take_fd(target->fd)) != 0)
		return err_errno(err, "%s cannot be written", target->name);
	if (check_place(target, err) != 0)
		return -1;
	if (renameat(target->folder, target->temporary, target->folder,
		target->name) != 0)
		return err_errno(err, "%s", target->name);
	target->temporary[0] = '\0';
	return 0;
}
