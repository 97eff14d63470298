/*
 * The user's own configuration folder. Trusts its owner; names from the
 * command line never lead out of it.
 */
#include "client/context_store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/json.h"

#define CONTEXTS_MAX 10000

bool
context_name_is_valid(const char *name)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "abcdefghijklmnopqrstuvwxyz"
				      "0123456789._-";
	size_t len = strlen(name);

	return len >= 1 && len <= CONTEXT_NAME_MAX && *name != '.' &&
	    name[strspn(name, allowed)] == '\0';
}

static int
check_name(const char *name, struct err *err)
{
	if (!context_name_is_valid(name))
		return err_set(err, ERR_UNPROCESSABLE,
		    "\"%s\" cannot be a context's name: letters, digits, "
		    "\"-\", \"_\" and \".\", at most %d",
		    name, CONTEXT_NAME_MAX);
	return 0;
}

/* XDG Base Directory Specification: a relative path is to be ignored. */
static char *
find_home(void)
{
	const char *config = getenv("XDG_CONFIG_HOME");
	const char *home = getenv("HOME");
	const struct passwd *account = NULL;

	if (config != NULL && *config == '/')
		return alloc_printf("%s/taskgate", config);
	if (home == NULL || *home != '/') {
		account = getpwuid(geteuid());
		home = account != NULL ? account->pw_dir : "/";
	}
	return alloc_printf("%s/.config/taskgate", home);
}

static char *
path_of(const char *what)
{
	auto_free char *home = find_home();

	return alloc_printf("%s/%s", home, what);
}

static char *
path_of_context(const char *name)
{
	auto_free char *home = find_home();

	return alloc_printf("%s/contexts/%s", home, name);
}

char *
context_current(void)
{
	auto_free char *path = path_of("current");
	struct err err;
	char *name = file_read(path, CONTEXT_NAME_MAX + 1, NULL, &err);

	if (name == NULL)
		return NULL;
	name[strcspn(name, "\n")] = '\0';
	if (!context_name_is_valid(name)) {
		free(name);
		return NULL;
	}
	return name;
}

static bool
is_directory(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

char *
context_find(const char *wish, struct err *err)
{
	auto_free char *current = wish == NULL ? context_current() : NULL;
	auto_free char *path = NULL;

	if (wish == NULL && current == NULL) {
		err_set(err, ERR_NOT_FOUND,
		    "no context is selected: nothing says which server to "
		    "talk to, and as whom");
		return NULL;
	}
	if (wish != NULL && strchr(wish, '/') != NULL)
		return alloc_string(wish);
	if (check_name(wish != NULL ? wish : current, err) != 0)
		return NULL;
	path = path_of_context(wish != NULL ? wish : current);
	if (!is_directory(path)) {
		err_set(err, ERR_NOT_FOUND, "there is no context \"%s\" (%s)",
		    wish != NULL ? wish : current, path);
		return NULL;
	}
	return take(path);
}

static int
write_current(const char *name, struct err *err)
{
	auto_free char *path = path_of("current");
	auto_free char *line = alloc_printf("%s\n", name);

	return file_write(path, line, strlen(line), 0600, err);
}

int
context_use(const char *name, struct err *err)
{
	auto_free char *folder = NULL;

	if (check_name(name, err) != 0)
		return -1;
	folder = context_find(name, err);
	return folder == NULL ? -1 : write_current(name, err);
}

static int
compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void
context_list_free(char ***names)
{
	for (char **at = *names; at != NULL && *at != NULL; at++)
		free(*at);
	free(*names);
}

static void
close_directory(DIR **directory)
{
	if (*directory != NULL)
		closedir(*directory);
}

char **
context_list(struct err *err)
{
	auto_free char *path = path_of("contexts");
	AUTO(close_directory) DIR *directory = opendir(path);
	char **names = alloc_zero(1, sizeof(*names));
	const struct dirent *entry = NULL;
	size_t count = 0;

	if (directory == NULL && errno == ENOENT)
		return names;
	if (directory == NULL) {
		free(names);
		err_errno(err, "open %s", path);
		return NULL;
	}
	while (count < CONTEXTS_MAX && (entry = readdir(directory)) != NULL) {
		if (!context_name_is_valid(entry->d_name))
			continue;
		names = alloc_resize(names, count + 2, sizeof(*names));
		names[count++] = alloc_string(entry->d_name);
		names[count] = NULL;
	}
	qsort(names, count, sizeof(*names), compare_names);
	return names;
}

/* Only files: a context has no folders, and what else is in there is not ours
 * to remove. */
static int
remove_folder(const char *path, struct err *err)
{
	AUTO(close_directory) DIR *directory = opendir(path);
	const struct dirent *entry = NULL;

	if (directory == NULL)
		return err_errno(err, "open %s", path);
	while ((entry = readdir(directory)) != NULL) {
		if (strcmp(entry->d_name, ".") == 0 ||
		    strcmp(entry->d_name, "..") == 0)
			continue;
		if (unlinkat(dirfd(directory), entry->d_name, 0) != 0)
			return err_errno(
			    err, "remove %s/%s", path, entry->d_name);
	}
	return rmdir(path) == 0 ? 0 : err_errno(err, "remove %s", path);
}

static char *
make_document(const struct context *context)
{
	auto_json *document = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}",
	    "server", context->server, "subject", context->subject,
	    "certificate", "client.crt", "key", "client.key", "ca", "ca.crt",
	    "token", "token");

	if (document == NULL)
		die("a context that is not UTF-8");
	if (context->audit_key != NULL)
		json_object_set_new(
		    document, "audit_key", json_string("audit.pub"));
	return json_dumps(document, JSON_INDENT(2));
}

static int
write_files(const char *folder, const struct context *context, struct err *err)
{
	auto_free char *document = make_document(context);
	const struct {
		const char *name, *text;
	} files[] = {
	    {"client.crt", context->certificate},
	    {"client.key", context->key},
	    {"ca.crt", context->ca},
	    {"token", context->token},
	    {"audit.pub", context->audit_key},
	    {"context.json", document},
	};

	for (size_t i = 0; i < COUNT(files); i++) {
		auto_free char *path = NULL;

		if (files[i].text == NULL)
			continue;
		path = alloc_printf("%s/%s", folder, files[i].name);
		if (file_write(path, files[i].text, strlen(files[i].text), 0600,
			err) != 0)
			return -1;
	}
	return 0;
}

/* The new folder takes the name in one step; what was there under it before
 * has the new one's temporary name then. */
static int
put_in_place(
    const char *temporary, const char *path, bool replace, struct err *err)
{
	if (renameat2(AT_FDCWD, temporary, AT_FDCWD, path, RENAME_NOREPLACE) ==
	    0)
		return 0;
	if (errno != EEXIST)
		return err_errno(err, "rename %s to %s", temporary, path);
	if (!replace)
		return err_set(err, ERR_CONFLICT,
		    "there is a context at %s already", path);
	if (renameat2(AT_FDCWD, temporary, AT_FDCWD, path, RENAME_EXCHANGE) !=
	    0)
		return err_errno(err, "exchange %s and %s", temporary, path);
	return remove_folder(temporary, err);
}

int
context_save(const char *name, const struct context *context, bool replace,
    struct err *err)
{
	auto_free char *folder = path_of("contexts");
	auto_free char *path = NULL;
	auto_free char *temporary = NULL;
	struct err ignored;

	if (check_name(name, err) != 0)
		return -1;
	path = path_of_context(name);
	temporary = alloc_printf("%s/.%s.%ld", folder, name, (long)getpid());
	if (file_make_directory(folder, 0700, err) != 0 ||
	    file_make_directory(temporary, 0700, err) != 0)
		return -1;
	if (write_files(temporary, context, err) == 0 &&
	    put_in_place(temporary, path, replace, err) == 0)
		return 0;
	remove_folder(temporary, &ignored);
	return -1;
}

int
context_remove(const char *name, struct err *err)
{
	auto_free char *folder = NULL;
	auto_free char *current = context_current();
	auto_free char *current_path = path_of("current");

	if (check_name(name, err) != 0)
		return -1;
	folder = context_find(name, err);
	if (folder == NULL || remove_folder(folder, err) != 0)
		return -1;
	if (current != NULL && strcmp(current, name) == 0 &&
	    unlink(current_path) != 0 && errno != ENOENT)
		return err_errno(err, "remove %s", current_path);
	return 0;
}
