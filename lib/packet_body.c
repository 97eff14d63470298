/*
 * Bodies as sealed memfds: what was verified is what is used.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/packet.h"

static const int seals =
    F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL;

/* Too few descriptors or too little memory pass; whoever waits may be told. */
static int
fail_to_make(struct err *err)
{
	if (errno == EMFILE || errno == ENFILE || errno == ENOMEM)
		return err_set(err, ERR_UNAVAILABLE, "too much is under way");
	return err_errno(err, "memfd_create");
}

int
packet_seal_file(int fd, struct err *err)
{
	return fcntl(fd, F_ADD_SEALS, seals) == 0
	    ? 0
	    : err_errno(err, "seal a memfd");
}

int
packet_seal(const void *data, size_t len, int *ret_fd, struct err *err)
{
	auto_fd int fd = memfd_create("body", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	const char *from = data;

	if (fd < 0)
		return fail_to_make(err);
	while (len > 0) {
		ssize_t n = write(fd, from, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(err, "write to a memfd");
		from += n;
		len -= (size_t)n;
	}
	if (packet_seal_file(fd, err) != 0)
		return -1;
	*ret_fd = take_fd(fd);
	return 0;
}

int
packet_read_sealed(
    int fd, size_t max, char **ret, size_t *ret_len, struct err *err)
{
	auto_free char *data = NULL;
	/* Only a memfd (or a file of tmpfs, without these seals) has any. */
	int has = fcntl(fd, F_GET_SEALS);
	struct stat st;
	size_t len = 0;

	if (has < 0 || (has & seals) != seals)
		return err_set(
		    err, ERR_MALFORMED, "a descriptor that is no sealed memfd");
	if (fstat(fd, &st) != 0)
		return err_errno(err, "stat a memfd");
	if (st.st_size < 0 || (uintmax_t)st.st_size > max)
		return err_set(
		    err, ERR_MALFORMED, "a memfd of more than %zu bytes", max);
	data = alloc_zero((size_t)st.st_size + 1, 1);
	while (len < (size_t)st.st_size) {
		ssize_t n =
		    pread(fd, data + len, (size_t)st.st_size - len, (off_t)len);

		if (n < 0 && errno == EINTR)
			continue;
		/* Write-only, perhaps: the sender chose how it is open. */
		if (n < 0)
			return err_set(
			    err, ERR_MALFORMED, "a memfd that cannot be read");
		if (n == 0)
			return err_set(err, ERR_MALFORMED,
			    "a memfd that is shorter than it says");
		len += (size_t)n;
	}
	*ret = take(data);
	*ret_len = len;
	return 0;
}
