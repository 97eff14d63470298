/*
 * Role: files and folders of an installation: made when missing, else kept.
 * Trusts the folder only if nobody but its owner can write to it.
 * Must never write over a file that is there.
 */
#include "admin/setup.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/file.h"

#define KEY_MAX ((size_t)16 * 1024)

char *
setup_path(const struct setup *setup, const char *name)
{
	return *name == '\0' ? alloc_string(setup->directory)
			     : alloc_printf("%s/%s", setup->directory, name);
}

bool
setup_exists(const struct setup *setup, const char *name)
{
	auto_free char *path = setup_path(setup, name);
	struct stat st;

	return lstat(path, &st) == 0;
}

static void
note(json_t *list, const struct setup *setup, const char *name)
{
	auto_free char *path = setup_path(setup, name);

	json_array_append_new(list, json_string(path));
}

void
setup_kept(struct setup *setup, const char *name)
{
	note(setup->kept, setup, name);
}

/* Root writes here and others read: whoever could put a link into the folder
 * would choose what is written over. */
static int
check_folder(const char *path, struct err *err)
{
	struct stat st;

	if (lstat(path, &st) != 0)
		return err_errno(err, "stat %s", path);
	if (!S_ISDIR(st.st_mode))
		return err_set(err, ERR_CONFLICT, "%s: not a directory", path);
	if (st.st_uid != geteuid() && st.st_uid != 0)
		return err_set(err, ERR_CONFLICT,
		    "%s: belongs to uid %u; it must be the operator's: chown "
		    "%u %s",
		    path, (unsigned)st.st_uid, (unsigned)geteuid(), path);
	if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return err_set(err, ERR_CONFLICT,
		    "%s: others can write to it; chmod go-w %s", path, path);
	return 0;
}

int
setup_directory(
    struct setup *setup, const char *name, mode_t mode, struct err *err)
{
	auto_free char *path = setup_path(setup, name);

	if (setup_exists(setup, name)) {
		setup_kept(setup, name);
		return check_folder(path, err);
	}
	if (file_make_directory(path, mode, err) != 0)
		return -1;
	note(setup->made, setup, name);
	return 0;
}

int
setup_text(
    struct setup *setup, const char *name, const char *text, struct err *err)
{
	auto_free char *path = setup_path(setup, name);

	if (setup_exists(setup, name)) {
		setup_kept(setup, name);
		return 0;
	}
	if (file_write(path, text, strlen(text), 0644, err) != 0)
		return -1;
	note(setup->made, setup, name);
	return 0;
}

/* Whose key it is to be; a run that was cut off may have left it root's. */
static int
give_to(const char *path, uid_t owner, struct err *err)
{
	struct stat st;

	if (lstat(path, &st) != 0)
		return err_errno(err, "stat %s", path);
	if (st.st_uid == owner || st.st_uid != geteuid())
		return 0;
	if (geteuid() != 0)
		return err_set(err, ERR_DENIED,
		    "%s is to belong to uid %u: run this as root", path,
		    (unsigned)owner);
	if (lchown(path, owner, (gid_t)-1) != 0)
		return err_errno(err, "chown %s", path);
	return 0;
}

static int
check_key_file(const char *path, uid_t owner, struct err *err)
{
	struct stat st;

	if (lstat(path, &st) != 0)
		return err_errno(err, "stat %s", path);
	if (!S_ISREG(st.st_mode))
		return err_set(
		    err, ERR_CONFLICT, "%s: not a regular file", path);
	if (st.st_uid != owner && st.st_uid != geteuid() && st.st_uid != 0)
		return err_set(err, ERR_CONFLICT,
		    "%s: belongs to uid %u, not to uid %u; chown %u %s", path,
		    (unsigned)st.st_uid, (unsigned)owner, (unsigned)owner,
		    path);
	if ((st.st_mode & (S_IRWXG | S_IRWXO)) != 0)
		return err_set(err, ERR_CONFLICT,
		    "%s: mode %04o lets others in; chmod 600 %s", path,
		    (unsigned)st.st_mode & 07777, path);
	return 0;
}

static int
read_key(const char *path, uid_t owner, EVP_PKEY **ret, struct err *err)
{
	size_t len;

	if (check_key_file(path, owner, err) != 0)
		return -1;
	auto_secret char *pem = file_read(path, KEY_MAX, &len, err);
	if (pem == NULL)
		return -1;
	EVP_PKEY *key = issue_key_parse(pem, len, err);
	if (key == NULL)
		return err_prefix(err, "%s", path);
	*ret = key;
	return 0;
}

static int
make_key(
    const char *path, enum issue_key_kind kind, EVP_PKEY **ret, struct err *err)
{
	EVP_PKEY *key = issue_key_new(kind);
	auto_secret char *pem = issue_key_encode(key);

	if (file_write(path, pem, strlen(pem), 0600, err) != 0) {
		EVP_PKEY_free(key);
		return -1;
	}
	*ret = key;
	return 0;
}

int
setup_key(struct setup *setup, const char *name, enum issue_key_kind kind,
    uid_t owner, EVP_PKEY **ret, struct err *err)
{
	auto_free char *path = setup_path(setup, name);
	bool there = setup_exists(setup, name);
	EVP_PKEY *key = NULL;
	int result = there ? read_key(path, owner, &key, err)
			   : make_key(path, kind, &key, err);

	if (result != 0)
		return -1;
	if (give_to(path, owner, err) != 0) {
		EVP_PKEY_free(key);
		return -1;
	}
	note(there ? setup->kept : setup->made, setup, name);
	*ret = key;
	return 0;
}
