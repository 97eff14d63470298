/*
 * The kernel copies from one descriptor to the other: no byte of a secret is
 * ever in this process's memory.
 */
#include "runner/init/secrets.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "runner/init/files.h"

#define FOLDER_MODE 0500
#define SECRET_MODE 0400

static int
place_all(int folder, const struct control_order *order, const int *fds,
    uint32_t *ret_index)
{
	struct statfs fs;
	int errnum = 0;

	if (fstatfs(folder, &fs) != 0)
		return errno;
	/* Anything else may keep what is written to it. */
	if (fs.f_type != TMPFS_MAGIC)
		return EINVAL;
	for (uint32_t i = 0; i < order->nsecrets && errnum == 0; i++) {
		*ret_index = i;
		errnum =
		    files_place(folder, order->secrets[i], fds[i], SECRET_MODE);
	}
	if (errnum == 0 && fchmod(folder, FOLDER_MODE) != 0)
		errnum = errno;
	return errnum;
}

int
secrets_place(
    const struct control_order *order, const int *fds, uint32_t *ret_index)
{
	int errnum, folder;

	*ret_index = 0;
	if (order->nsecrets == 0)
		return 0;
	folder = open(CONTROL_SECRETS_PATH, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (folder < 0)
		return errno;
	errnum = place_all(folder, order, fds, ret_index);
	close(folder);
	return errnum;
}
