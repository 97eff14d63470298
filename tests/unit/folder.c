/* A folder of a test's own; only tests link this. */
#include "tests/unit/folder.h"

#include <dirent.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"

int
folder_make(void **state)
{
	const char *base = getenv("TMPDIR");
	auto_free char *path =
	    alloc_printf("%s/taskgate-XXXXXX", base != NULL ? base : P_tmpdir);

	if (mkdtemp(path) == NULL)
		return -1;
	*state = take(path);
	return 0;
}

static int
remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st;
	(void)kind;
	(void)ftw;
	return remove(path);
}

int
folder_remove(void **state)
{
	auto_free char *path = *state;

	return nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

char *
folder_path(const char *folder, const char *name)
{
	return alloc_printf("%s/%s", folder, name);
}

size_t
folder_count(const char *folder)
{
	DIR *directory = opendir(folder);
	struct dirent *entry = NULL;
	size_t count = 0;

	if (directory == NULL)
		return 0;
	while ((entry = readdir(directory)) != NULL)
		count += strcmp(entry->d_name, ".") != 0 &&
		    strcmp(entry->d_name, "..") != 0;
	closedir(directory);
	return count;
}
