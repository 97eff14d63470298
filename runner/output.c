/*
 * Output files. What a task writes is a stranger's: it is counted before it is
 * kept, and never looked at.
 */
#include "runner/output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/packet.h"
#include "runner/follow.h"

static const char *const stream_names[STREAM_COUNT] = {
    [STREAM_STDOUT] = "stdout",
    [STREAM_STDERR] = "stderr",
};

#define NAME_SIZE (UUID_TEXT + 8)

static void
name_file(const char *task, enum stream stream, char ret[NAME_SIZE])
{
	snprintf(ret, NAME_SIZE, "%s.%s", task, stream_names[stream]);
}

static size_t
bound_followers(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 ||
	    limit.rlim_cur / 2 > OUTPUT_FOLLOWERS_MAX)
		return OUTPUT_FOLLOWERS_MAX;
	return (size_t)limit.rlim_cur / 2;
}

/* Of a file system that is small, as much as leaves room for something. */
static int64_t
find_reserve(int directory)
{
	struct statvfs room;
	int64_t quarter;

	if (fstatvfs(directory, &room) != 0)
		return OUTPUT_RESERVE_BYTES;
	quarter = (int64_t)(room.f_blocks * room.f_frsize) / 4;
	return quarter < OUTPUT_RESERVE_BYTES ? quarter : OUTPUT_RESERVE_BYTES;
}

int
output_store_open(uv_loop_t *loop, const char *path, struct output_store *ret,
    struct err *err)
{
	int fd;

	if (file_make_directory(path, 0700, err) != 0)
		return -1;
	fd = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_errno(err, "open %s", path);
	*ret = (struct output_store){
	    .loop = loop,
	    .directory = fd,
	    .followers_max = bound_followers(),
	    .reserve_bytes = find_reserve(fd),
	};
	return 0;
}

void
output_store_close(struct output_store *store)
{
	close(store->directory);
	store->directory = -1;
}

struct output *
output_new(struct output_store *store, const char *task, int64_t limit_bytes)
{
	struct output *output = alloc_zero(1, sizeof(*output));

	output->store = store;
	snprintf(output->task, sizeof(output->task), "%s", task);
	output->left = limit_bytes;
	for (int i = 0; i < STREAM_COUNT; i++)
		output->fds[i] = -1;
	return output;
}

static void
fail(struct output *output, int errnum)
{
	output->truncated = true;
	output->errnum = errnum;
	output->left = 0;
}

static void
adopt_stream(struct output *output, enum stream stream)
{
	char name[NAME_SIZE];
	struct stat st;
	auto_fd int fd = -1;

	name_file(output->task, stream, name);
	fd = openat(output->store->directory, name,
	    O_RDWR | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return;
	if (fd < 0 || fstat(fd, &st) != 0) {
		fail(output, errno);
		return;
	}
	output->fds[stream] = take_fd(fd);
	output->kept[stream] = st.st_size;
	output->left -= st.st_size;
	output->digests[stream] = file_digest_new(output->store->loop);
	file_digest_resume(
	    output->digests[stream], output->fds[stream], st.st_size);
}

struct output *
output_adopt(struct output_store *store, const char *task, int64_t limit_bytes)
{
	struct output *output = output_new(store, task, limit_bytes);

	for (int i = 0; i < STREAM_COUNT; i++)
		adopt_stream(output, (enum stream)i);
	if (output->left < 0)
		output->left = 0;
	return output;
}

void
output_cut(struct output *output)
{
	output->truncated = true;
	output->left = 0;
}

static bool
open_file(struct output *output, enum stream stream)
{
	char name[NAME_SIZE];

	if (output->fds[stream] >= 0)
		return true;
	name_file(output->task, stream, name);
	output->fds[stream] = openat(output->store->directory, name,
	    O_RDWR | O_CREAT | O_APPEND | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
	    0600);
	if (output->fds[stream] < 0) {
		fail(output, errno);
		return false;
	}
	output->digests[stream] = file_digest_new(output->store->loop);
	return true;
}

bool
output_store_has_room(const struct output_store *store)
{
	struct statvfs room;

	return fstatvfs(store->directory, &room) != 0 ||
	    (int64_t)(room.f_bavail * room.f_frsize) >= store->reserve_bytes;
}

/* Looked at often enough that the reserve is not gone in between. */
bool
output_store_take_room(struct output_store *store, size_t len)
{
	store->unchecked += (int64_t)len;
	if (store->unchecked < store->reserve_bytes / 8)
		return true;
	if (!output_store_has_room(store))
		return false;
	store->unchecked = 0;
	return true;
}

static bool
has_room(struct output *output, size_t len)
{
	if (output_store_take_room(output->store, len))
		return true;
	fail(output, ENOSPC);
	return false;
}

void
output_write(
    struct output *output, enum stream stream, const void *data, size_t len)
{
	const char *from = data;

	if (len == 0)
		return;
	if ((uint64_t)len > (uint64_t)output->left) {
		output->truncated = true;
		len = (size_t)output->left;
	}
	if (len > 0 && (!has_room(output, len) || !open_file(output, stream)))
		return;
	while (len > 0) {
		ssize_t n = write(output->fds[stream], from, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			fail(output, errno);
			break;
		}
		file_digest_add(output->digests[stream], output->fds[stream],
		    from, (size_t)n);
		from += n;
		len -= (size_t)n;
		output->left -= n;
		output->kept[stream] += n;
	}
	follow_pump(output, stream);
}

int64_t
output_kept(const struct output *output, enum stream stream)
{
	return output->kept[stream];
}

bool
output_is_truncated(const struct output *output)
{
	return output->truncated;
}

const char *
output_failure(const struct output *output)
{
	return output->errnum != 0 ? strerror(output->errnum) : NULL;
}

static void
on_digest(void *arg)
{
	struct output *output = arg;

	if (--output->digesting == 0 && output->digested != NULL)
		output->digested(output->arg);
}

void
output_digest(struct output *output, void (*done)(void *arg), void *arg)
{
	output->digested = done;
	output->arg = arg;
	output->digesting = STREAM_COUNT;
	for (int i = 0; i < STREAM_COUNT; i++) {
		if (output->digests[i] != NULL)
			file_digest_end(output->digests[i], on_digest, output);
		else
			on_digest(output);
	}
}

const char *
output_sha256(const struct output *output, enum stream stream)
{
	return output->digests[stream] != NULL
	    ? file_digest_hex(output->digests[stream])
	    : SHA256_OF_NOTHING;
}

void
output_end(struct output *output)
{
	output->ended = true;
	for (int i = 0; i < STREAM_COUNT; i++)
		follow_pump(output, (enum stream)i);
}

void
output_free_if_unused(struct output *output)
{
	if (!output->released || output->followers != NULL)
		return;
	for (int i = 0; i < STREAM_COUNT; i++) {
		if (output->fds[i] >= 0)
			close(output->fds[i]);
		if (output->digests[i] != NULL)
			file_digest_free(output->digests[i]);
	}
	free(output);
}

void
output_release(struct output *output)
{
	if (!output->ended)
		output_end(output);
	output->released = true;
	output->digested = NULL;
	output_free_if_unused(output);
}

int
output_open(const struct output_store *store, const char *task,
    enum stream stream, int64_t offset, int *ret_fd, struct err *err)
{
	char name[NAME_SIZE];
	auto_fd int fd = -1;

	name_file(task, stream, name);
	fd = openat(store->directory, name,
	    O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 && errno == ENOENT)
		return packet_seal("", 0, ret_fd, err);
	if (fd < 0)
		return err_errno(err, "open output/%s", name);
	if (lseek(fd, offset, SEEK_SET) != offset)
		return err_errno(err, "seek in output/%s", name);
	*ret_fd = take_fd(fd);
	return 0;
}

int64_t
output_size(
    const struct output_store *store, const char *task, enum stream stream)
{
	char name[NAME_SIZE];
	struct stat st;

	name_file(task, stream, name);
	if (fstatat(store->directory, name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
	    !S_ISREG(st.st_mode))
		return 0;
	return st.st_size;
}

void
output_remove(const struct output_store *store, const char *task)
{
	char name[NAME_SIZE];

	for (int i = 0; i < STREAM_COUNT; i++) {
		name_file(task, (enum stream)i, name);
		(void)unlinkat(store->directory, name, 0);
	}
}
