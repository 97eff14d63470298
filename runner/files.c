/*
 * The files that tasks leave behind. Each comes in order and is closed once it
 * has ended; of its name nothing but its place in the folder follows.
 */
#include "runner/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "lib/packet.h"
#include "policy/request.h"
#include "runner/file_digest.h"

struct file {
	int fd; /* -1: not a byte yet, or not open any more */
	uint64_t size;
	struct file_digest *digest; /* NULL: not a byte */
	enum control_file status;
	bool ended, dropped;
};

struct files {
	struct files_store *store;
	char task[UUID_TEXT];
	const char *const *names;
	size_t n;
	int directory; /* the task's own; -1: not made yet */
	int errnum; /* what the disk said first */
	size_t digesting;
	void (*done)(void *arg);
	void *arg;
	struct file file[];
};

int
files_store_open(const char *path, struct output_store *outputs,
    struct files_store *ret, struct err *err)
{
	int fd;

	if (file_make_directory(path, 0700, err) != 0)
		return -1;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_errno(err, "open %s", path);
	*ret = (struct files_store){.outputs = outputs, .directory = fd};
	return 0;
}

void
files_store_close(struct files_store *store)
{
	close(store->directory);
	store->directory = -1;
}

struct files *
files_new(struct files_store *store, const char *task, const char *const *names,
    size_t n)
{
	struct files *files =
	    alloc_zero(1, sizeof(*files) + n * sizeof(struct file));

	files->store = store;
	snprintf(files->task, sizeof(files->task), "%s", task);
	files->names = names;
	files->n = n;
	files->directory = -1;
	for (size_t i = 0; i < n; i++)
		files->file[i].fd = -1;
	return files;
}

/* -- the disk */

static int
open_directory(const struct files_store *store, const char *task)
{
	return openat(store->directory, task,
	    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static void
close_file(struct file *file)
{
	if (file->fd >= 0)
		close(file->fd);
	file->fd = -1;
}

/* Nothing of it stays. */
static void
discard(struct files *files, size_t index)
{
	struct file *file = &files->file[index];

	close_file(file);
	if (file->digest != NULL) {
		file_digest_free(take(file->digest));
		(void)unlinkat(files->directory, files->names[index], 0);
	}
	file->size = 0;
}

static void
drop(struct files *files, size_t index, int errnum)
{
	if (files->errnum == 0)
		files->errnum = errnum;
	files->file[index].dropped = true;
	discard(files, index);
}

static bool
make_directory(struct files *files)
{
	if (files->directory >= 0)
		return true;
	if (mkdirat(files->store->directory, files->task, 0700) != 0 &&
	    errno != EEXIST)
		return false;
	files->directory = open_directory(files->store, files->task);
	return files->directory >= 0;
}

static bool
make_file(struct files *files, size_t index)
{
	struct file *file = &files->file[index];

	if (file->fd >= 0)
		return true;
	if (!make_directory(files))
		return false;
	file->fd = openat(files->directory, files->names[index],
	    O_RDWR | O_CREAT | O_APPEND | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
	    0600);
	if (file->fd < 0)
		return false;
	file->digest = file_digest_new(files->store->outputs->loop);
	return true;
}

static void
adopt_file(struct files *files, size_t index)
{
	struct file *file = &files->file[index];
	struct stat st;

	file->fd = openat(files->directory, files->names[index],
	    O_RDWR | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (file->fd < 0 && errno == ENOENT)
		return;
	if (file->fd < 0 || fstat(file->fd, &st) != 0) {
		drop(files, index, errno);
		return;
	}
	file->size = (uint64_t)st.st_size;
	file->digest = file_digest_new(files->store->outputs->loop);
	file_digest_resume(file->digest, file->fd, st.st_size);
}

struct files *
files_adopt(struct files_store *store, const char *task,
    const char *const *names, size_t n)
{
	struct files *files = files_new(store, task, names, n);

	files->directory = open_directory(store, task);
	for (size_t i = 0; i < n && files->directory >= 0; i++)
		adopt_file(files, i);
	return files;
}

/* -- what comes */

/* 0, or what is wrong with the disk. */
static int
append(struct files *files, size_t index, const char *from, size_t len)
{
	struct file *file = &files->file[index];

	if (!output_store_take_room(files->store->outputs, len))
		return ENOSPC;
	if (!make_file(files, index))
		return errno;
	while (len > 0) {
		ssize_t n = write(file->fd, from, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno;
		file_digest_add(file->digest, file->fd, from, (size_t)n);
		file->size += (uint64_t)n;
		from += n;
		len -= (size_t)n;
	}
	return 0;
}

void
files_write(struct files *files, size_t index, uint64_t offset,
    const void *data, size_t len)
{
	struct file *file = index < files->n ? &files->file[index] : NULL;
	uint64_t known;
	int errnum;

	if (file == NULL || file->ended || file->dropped)
		return;
	if (offset > file->size) {
		drop(files, index, EILSEQ);
		return;
	}
	known = file->size - offset;
	if (len <= known)
		return;
	errnum = append(
	    files, index, (const char *)data + known, len - (size_t)known);
	if (errnum != 0)
		drop(files, index, errnum);
}

uint64_t
files_size(const struct files *files, size_t index)
{
	return index < files->n ? files->file[index].size : 0;
}

void
files_end(
    struct files *files, size_t index, enum control_file status, uint64_t size)
{
	struct file *file = index < files->n ? &files->file[index] : NULL;

	if (file == NULL || file->ended)
		return;
	file->ended = true;
	file->status = status;
	if (status != CONTROL_KEPT)
		discard(files, index);
	else if (!file->dropped && size != file->size)
		drop(files, index, EILSEQ);
	else
		close_file(file);
}

/* -- what is told of it */

static void
on_digest(void *arg)
{
	struct files *files = arg;

	if (--files->digesting == 0)
		files->done(files->arg);
}

void
files_digest(struct files *files, void (*done)(void *arg), void *arg)
{
	files->done = done;
	files->arg = arg;
	files->digesting = files->n + 1;
	for (size_t i = 0; i < files->n; i++) {
		struct file *file = &files->file[i];

		if (!file->ended && !file->dropped)
			drop(files, i, 0);
		if (file->digest != NULL)
			file_digest_end(file->digest, on_digest, files);
		else
			files->digesting--;
	}
	on_digest(files);
}

const char *
files_failure(const struct files *files)
{
	return files->errnum != 0 ? strerror(files->errnum) : NULL;
}

static const char *
digest_of(const struct file *file)
{
	return file->digest != NULL ? file_digest_hex(file->digest)
				    : SHA256_OF_NOTHING;
}

static bool
is_kept(const struct file *file)
{
	return file->ended && !file->dropped && file->status == CONTROL_KEPT &&
	    *digest_of(file) != '\0';
}

static const char *
status_text(const struct file *file)
{
	static const char *const texts[] = {
	    [CONTROL_KEPT] = "kept",
	    [CONTROL_MISSING] = "missing",
	    [CONTROL_LINK] = "link",
	    [CONTROL_NOT_REGULAR] = "not_regular",
	    [CONTROL_TOO_LARGE] = "too_large",
	    [CONTROL_UNREADABLE] = "unreadable",
	};

	if (is_kept(file))
		return texts[CONTROL_KEPT];
	return file->dropped || file->status == CONTROL_KEPT ||
		(size_t)file->status >= COUNT(texts)
	    ? "dropped"
	    : texts[file->status];
}

json_t *
files_render(const struct files *files)
{
	json_t *outputs = json_array();

	for (size_t i = 0; i < files->n; i++) {
		const struct file *file = &files->file[i];
		json_t *item = json_pack("{s:s, s:s}", "name", files->names[i],
		    "status", status_text(file));

		if (is_kept(file)) {
			json_object_set_new(
			    item, "size", json_integer((json_int_t)file->size));
			json_object_set_new(
			    item, "sha256", json_string(digest_of(file)));
		}
		json_array_append_new(outputs, item);
	}
	return outputs;
}

int64_t
files_bytes(const struct files *files)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < files->n; i++) {
		if (is_kept(&files->file[i]))
			bytes += files->file[i].size;
	}
	return (int64_t)bytes;
}

void
files_free(struct files *files)
{
	for (size_t i = 0; i < files->n; i++) {
		close_file(&files->file[i]);
		if (files->file[i].digest != NULL)
			file_digest_free(files->file[i].digest);
	}
	if (files->directory >= 0)
		close(files->directory);
	free(files);
}

/* -- of finished tasks */

int
files_find(const json_t *outputs, const char *name, int64_t *ret_size,
    const char **ret_sha256, struct err *err)
{
	for (size_t i = 0; i < json_array_size(outputs); i++) {
		const json_t *item = json_array_get(outputs, i);
		const char *found =
		    json_string_value(json_object_get(item, "name"));
		const json_t *size = json_object_get(item, "size");
		const char *sha256 =
		    json_string_value(json_object_get(item, "sha256"));

		if (found == NULL || strcmp(found, name) != 0)
			continue;
		if (size == NULL || sha256 == NULL)
			return err_set(err, ERR_NOT_FOUND,
			    "this output of the task was not kept");
		*ret_size = json_integer_value(size);
		*ret_sha256 = sha256;
		return 0;
	}
	return err_set(err, ERR_NOT_FOUND, "the task has no such output");
}

int
files_open(const struct files_store *store, const char *task, const char *name,
    int *ret_fd, struct err *err)
{
	auto_fd int directory = -1, fd = -1;

	if (!uuid_is_valid(task) || !request_file_name_is_valid(name))
		return err_set(err, ERR_NOT_FOUND, "no such file");
	directory = open_directory(store, task);
	if (directory < 0 && errno == ENOENT)
		return packet_seal("", 0, ret_fd, err);
	if (directory < 0)
		return err_errno(err, "open files/%s", task);
	fd = openat(
	    directory, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 && errno == ENOENT)
		return packet_seal("", 0, ret_fd, err);
	if (fd < 0)
		return err_errno(err, "open files/%s/%s", task, name);
	*ret_fd = take_fd(fd);
	return 0;
}

void
files_remove(const struct files_store *store, const char *task)
{
	int fd = open_directory(store, task);
	DIR *directory = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;

	if (directory == NULL) {
		if (fd >= 0)
			close(fd);
		return;
	}
	while ((entry = readdir(directory)) != NULL) {
		if (entry->d_name[0] != '.')
			(void)unlinkat(fd, entry->d_name, 0);
	}
	closedir(directory);
	(void)unlinkat(store->directory, task, AT_REMOVEDIR);
}
