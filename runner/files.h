/*
 * The files that tasks leave behind: STATE/files/TASK/NAME, taken one after
 * the other as task-init reads them. Names are the request's, which are valid
 * (policy/request.h); what is in them is a stranger's and never looked at.
 */
#ifndef RUNNER_FILES_H
#define RUNNER_FILES_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "lib/err.h"
#include "runner/control.h"
#include "runner/output.h"

struct files;

struct files_store {
	struct output_store
	    *outputs; /* the room that is left is counted there */
	int directory;
};

int files_store_open(const char *path, struct output_store *outputs,
    struct files_store *ret, struct err *err);
void files_store_close(struct files_store *store);

/* Makes nothing yet: a file comes with its first byte. `names` is borrowed for
 * as long as it lives. */
struct files *files_new(struct files_store *store, const char *task,
    const char *const *names, size_t n);
/* Of an earlier life of the runner: what is there is kept, more is added. */
struct files *files_adopt(struct files_store *store, const char *task,
    const char *const *names, size_t n);

/* Bytes that are there already are passed over. A file that the disk does not
 * take, or of which something is missing, is dropped; what comes of it then is
 * passed over too. */
void files_write(struct files *files, size_t index, uint64_t offset,
    const void *data, size_t len);
/* How far a file has come: for the offset to collect from. */
uint64_t files_size(const struct files *files, size_t index);
/* What task-init said of it. One that is not kept is removed. */
void files_end(
    struct files *files, size_t index, enum control_file status, uint64_t size);
/* Nothing more will come; what was not ended is dropped. `done` is called
 * once, during the call where nothing has to be read for the digests. */
void files_digest(struct files *files, void (*done)(void *arg), void *arg);
/* The first file that the disk did not take: NULL, or why (for the log). */
const char *files_failure(const struct files *files);
/* After done(): the "outputs" of a task, as in docs/api.md. */
json_t *files_render(const struct files *files);
/* Bytes of those that are kept. */
int64_t files_bytes(const struct files *files);
/* What is on the disk stays there. */
void files_free(struct files *files);

/* Of a finished task, as files_render() said: ERR_NOT_FOUND: no such output, or
 * it was not kept. *ret_sha256 is borrowed from `outputs`. */
int files_find(const json_t *outputs, const char *name, int64_t *ret_size,
    const char **ret_sha256, struct err *err);
/* Read-only; an empty one where nothing was written. */
int files_open(const struct files_store *store, const char *task,
    const char *name, int *ret_fd, struct err *err);
/* Removes the files of a task. On any thread; may take its time. */
void files_remove(const struct files_store *store, const char *task);

#endif
