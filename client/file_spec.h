/*
 * Files of a task as the command line names them. Pure.
 */
#ifndef CLIENT_FILE_SPEC_H
#define CLIENT_FILE_SPEC_H

#include <stdbool.h>

#include "lib/err.h"

struct file_spec {
	char *name; /* in the task's /tmp */
	char *path; /* here */
};

void file_spec_done(struct file_spec *spec);

/* docs/api.md: [A-Za-z0-9._-], 1 to 128, no "." or "-" first. */
bool file_spec_name_is_valid(const char *name);
/* "FILE" or "FILE=NAME": the last "=" counts. ERR_UNPROCESSABLE. */
int
file_spec_read_input(const char *text, struct file_spec *ret, struct err *err);
/* "NAME" or "NAME=FILE": the first "=" counts; *ret_has_path: there was a
 * FILE. ERR_UNPROCESSABLE. */
int file_spec_read_output(const char *text, struct file_spec *ret,
    bool *ret_has_path, struct err *err);

#endif
