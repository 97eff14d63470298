/* The corpus of a parser, walked; only tests link this. */
#include "tests/unit/corpus.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/file.h"

#define CORPUS_FILE_MAX (8 * 1024 * 1024)

static int
is_case(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

void
corpus_each(const char *parser, const char *verdict,
    void (*visit)(const struct corpus_case *one))
{
	auto_free char *root =
	    alloc_printf("%s/%s/%s", CORPUS_DIR, parser, verdict);
	struct dirent **entries = NULL;
	int count = scandir(root, &entries, is_case, alphasort);

	if (count <= 0)
		fail_msg("no case in %s", root);
	for (int k = 0; k < count; k++) {
		auto_free char *name = alloc_printf(
		    "%s/%s/%s", parser, verdict, entries[k]->d_name);
		auto_free char *folder =
		    alloc_printf("%s/%s", root, entries[k]->d_name);

		visit(&(struct corpus_case){.name = name, .folder = folder});
		free(entries[k]);
	}
	free(entries);
}

char *
corpus_read(const struct corpus_case *one, const char *file, size_t *ret_len)
{
	auto_free char *path = alloc_printf("%s/%s", one->folder, file);
	struct err err = {0};
	char *text = file_read(path, CORPUS_FILE_MAX, ret_len, &err);

	if (text == NULL)
		fail_msg("%s: %s", one->name, err.detail);
	return text;
}
