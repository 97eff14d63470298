/* A folder of a test's own, removed behind it: setup and teardown of cmocka,
 * whose *state is the folder's path. */
#ifndef TESTS_UNIT_FOLDER_H
#define TESTS_UNIT_FOLDER_H

#include <stddef.h>

int folder_make(void **state);
int folder_remove(void **state);
/* The caller frees. */
char *folder_path(const char *folder, const char *name);
/* Entries, but "." and "..". */
size_t folder_count(const char *folder);

#endif
