/* What the sandboxes have on the host's disk. */
#include "runner/sandbox_folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "lib/packet.h"
#include "runner/control.h"
#include "runner/template.h"

#define PARENT_MODE 0700
#define FOLDER_MODE 0701
#define SOCKET_MODE 0602
#define HOSTS_MODE 0444

int
sandbox_folder_prepare(const char *parent, struct err *err)
{
	auto_free char *hosts =
	    alloc_printf("%s/" SANDBOX_FOLDER_HOSTS, parent);
	struct stat st;

	if (file_make_directory(parent, PARENT_MODE, err) != 0)
		return -1;
	if (lstat(parent, &st) != 0)
		return err_errno(err, "stat %s", parent);
	if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() ||
	    (st.st_mode & 07777) != PARENT_MODE)
		return err_set(err, ERR_UNPROCESSABLE,
		    "%s: not a directory of mode 0700 that belongs to the "
		    "runner",
		    parent);
	return file_write(
	    hosts, TEMPLATE_HOSTS, strlen(TEMPLATE_HOSTS), HOSTS_MODE, err);
}

int
sandbox_folder_make(
    const char *parent, const char *sandbox, int *ret_listener, struct err *err)
{
	auto_free char *path = alloc_printf("%s/%s", parent, sandbox);

	if (mkdir(path, 0700) != 0)
		return err_errno(err, "mkdir %s", path);
	if (packet_listen(path, CONTROL_SOCKET_NAME, SOCKET_MODE, ret_listener,
		err) != 0) {
		sandbox_folder_remove(parent, sandbox);
		return -1;
	}
	/* Whatever the umask took away. */
	if (chmod(path, FOLDER_MODE) == 0)
		return 0;
	err_errno(err, "chmod %s", path);
	close(*ret_listener);
	sandbox_folder_remove(parent, sandbox);
	return -1;
}

int
sandbox_folder_listen(
    const char *parent, const char *sandbox, int *ret_listener, struct err *err)
{
	auto_free char *path = alloc_printf("%s/%s", parent, sandbox);

	return packet_listen(
	    path, CONTROL_SOCKET_NAME, SOCKET_MODE, ret_listener, err);
}

/* Only what we made stands in it; nobody else can write there. */
static void
empty_folder(int folder)
{
	DIR *dir = fdopendir(folder);
	const struct dirent *entry;

	if (dir == NULL) {
		close(folder);
		return;
	}
	while ((entry = readdir(dir)) != NULL) {
		if (strcmp(entry->d_name, ".") != 0 &&
		    strcmp(entry->d_name, "..") != 0)
			unlinkat(dirfd(dir), entry->d_name, 0);
	}
	closedir(dir);
}

void
sandbox_folder_remove(const char *parent, const char *sandbox)
{
	auto_fd int at = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int folder;

	if (at < 0)
		return;
	/* What cannot be removed now is removed at the next start. */
	folder = openat(
	    at, sandbox, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (folder < 0)
		return;
	empty_folder(folder);
	unlinkat(at, sandbox, AT_REMOVEDIR);
}

int
sandbox_folder_list(const char *parent,
    void (*each)(void *arg, const char *sandbox), void *arg, struct err *err)
{
	DIR *dir = opendir(parent);
	const struct dirent *entry;

	if (dir == NULL)
		return err_errno(err, "open %s", parent);
	while ((entry = readdir(dir)) != NULL) {
		if (uuid_is_valid(entry->d_name))
			each(arg, entry->d_name);
	}
	closedir(dir);
	return 0;
}
