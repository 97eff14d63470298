/*
 * What stands in /tmp is hostile: a link that leads elsewhere, a device, a
 * FIFO without a writer, a hole of a terabyte. It is looked at before it is
 * opened, opened without following anything, and looked at again.
 */
#include "runner/init/files.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Of a copy: what the kernel does before it looks at us again. */
#define COPY_MAX ((size_t)1024 * 1024)

void
files_init(struct files *files)
{
	files->folder = files->fd = -1;
}

static int
copy_all(int from, int to)
{
	/* From its beginning, wherever the runner's descriptor stands. */
	off_t at = 0;
	ssize_t n;

	do
		n = sendfile(to, from, &at, COPY_MAX);
	while (n > 0 || (n < 0 && errno == EINTR));
	return n == 0 ? 0 : errno;
}

int
files_place(int folder, const char *name, int input, mode_t mode)
{
	struct stat st;
	int errnum, fd;

	if (fstat(input, &st) != 0)
		return errno;
	if (!S_ISREG(st.st_mode))
		return EINVAL;
	fd = openat(folder, name,
	    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return errno;
	errnum = copy_all(input, fd);
	if (errnum == 0 && fchmod(fd, mode) != 0)
		errnum = errno;
	close(fd);
	return errnum;
}

int
files_begin(struct files *files, const struct control_order *order,
    const int *inputs, uint32_t *ret_index)
{
	int errnum = 0;

	*ret_index = 0;
	if (order->ninputs == 0 && order->noutputs == 0)
		return 0;
	files->folder =
	    open(CONTROL_FILES_PATH, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (files->folder < 0)
		return errno;
	for (uint32_t i = 0; i < order->ninputs && errnum == 0; i++) {
		*ret_index = i;
		errnum = files_place(
		    files->folder, order->inputs[i], inputs[i], 0644);
	}
	files->max = order->file_max;
	files->noutputs = order->noutputs;
	for (size_t i = 0; i < order->noutputs; i++)
		memcpy(files->outputs[i], order->outputs[i],
		    strlen(order->outputs[i]) + 1);
	return errnum;
}

static void
close_file(struct files *files)
{
	if (files->fd >= 0)
		close(files->fd);
	files->fd = -1;
}

bool
files_collect(struct files *files, uint32_t index, uint64_t offset)
{
	if (index > files->noutputs)
		return false;
	close_file(files);
	files->index = index;
	files->offset = offset;
	files->collecting = true;
	return true;
}

void
files_pause(struct files *files)
{
	close_file(files);
	files->collecting = false;
}

static enum control_file
judge(const struct files *files, const struct stat *st)
{
	if (S_ISLNK(st->st_mode))
		return CONTROL_LINK;
	if (!S_ISREG(st->st_mode))
		return CONTROL_NOT_REGULAR;
	return (uint64_t)st->st_size > files->max ? CONTROL_TOO_LARGE
						  : CONTROL_KEPT;
}

static enum control_file
judge_failure(void)
{
	if (errno == ENOENT)
		return CONTROL_MISSING;
	return errno == ELOOP ? CONTROL_LINK : CONTROL_UNREADABLE;
}

static enum control_file
open_output(struct files *files)
{
	/* Not beyond the folder, not through a link, not into what is mounted
	 * there; a FIFO would be opened without waiting for its writer. */
	struct open_how how = {
	    .flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
	    .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV,
	};
	const char *name = files->outputs[files->index];
	enum control_file status;
	struct stat st;

	if (fstatat(files->folder, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return judge_failure();
	files->size = (uint64_t)st.st_size;
	status = judge(files, &st);
	if (status != CONTROL_KEPT)
		return status;
	files->fd =
	    (int)syscall(SYS_openat2, files->folder, name, &how, sizeof(how));
	if (files->fd < 0)
		return judge_failure();
	if (fstat(files->fd, &st) != 0)
		return CONTROL_UNREADABLE;
	files->size = (uint64_t)st.st_size;
	return judge(files, &st);
}

static void
finish_output(const struct files *files, enum control_file status,
    struct control_frame *ret)
{
	ret->type = CONTROL_FILE_END;
	ret->file_end.index = files->index;
	ret->file_end.status = status;
	ret->file_end.size =
	    status == CONTROL_KEPT || status == CONTROL_TOO_LARGE ? files->size
								  : 0;
}

/* Exactly as many bytes as it had when it was opened. */
static enum control_file
read_output(struct files *files, uint8_t *buffer, struct control_frame *ret)
{
	size_t len = CONTROL_DATA_MAX;
	ssize_t n;

	if (files->offset >= files->size)
		return files->offset == files->size ? CONTROL_KEPT
						    : CONTROL_UNREADABLE;
	if (len > files->size - files->offset)
		len = (size_t)(files->size - files->offset);
	do
		n = pread(files->fd, buffer, len, (off_t)files->offset);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return CONTROL_UNREADABLE;
	ret->type = CONTROL_FILE;
	ret->file.index = files->index;
	ret->file.offset = files->offset;
	ret->file.data = buffer;
	ret->file.len = (size_t)n;
	return CONTROL_KEPT;
}

bool
files_are_pending(const struct files *files)
{
	return files->collecting && files->index < files->noutputs;
}

bool
files_next(struct files *files, uint8_t buffer[CONTROL_DATA_MAX],
    struct control_frame *ret)
{
	enum control_file status = CONTROL_KEPT;

	if (!files_are_pending(files))
		return false;
	if (files->fd < 0)
		status = open_output(files);
	ret->type = CONTROL_FILE_END;
	if (status == CONTROL_KEPT)
		status = read_output(files, buffer, ret);
	if (ret->type == CONTROL_FILE_END)
		finish_output(files, status, ret);
	return true;
}

void
files_advance(struct files *files, const struct control_frame *sent)
{
	if (sent->type == CONTROL_FILE) {
		files->offset += sent->file.len;
		return;
	}
	close_file(files);
	files->index++;
	files->offset = 0;
}
