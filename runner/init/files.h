/*
 * Files in and out of the task's /tmp: inputs are placed before anything of
 * the image runs, outputs are read when nothing of it runs any more. Names
 * have been checked by the order's decoder: one component each.
 */
#ifndef RUNNER_INIT_FILES_H
#define RUNNER_INIT_FILES_H

#include <sys/types.h>
#include <sys/uio.h>

#include "runner/control.h"

struct files {
	int folder; /* /tmp as it was before the task; -1: not opened */
	uint64_t max; /* bytes of one output */
	size_t noutputs;
	char outputs[CONTROL_FILES_MAX][CONTROL_FILE_NAME_MAX + 1];
	/* What is sent next; nothing before files_collect(). */
	bool collecting;
	uint32_t index;
	uint64_t offset;
	int fd; /* of outputs[index]; -1: not opened yet */
	uint64_t size; /* as it was when it was opened */
};

/* A new file of this mode with what is in the descriptor, whatever the umask.
 * 0, or the errno. */
int files_place(int folder, const char *name, int input, mode_t mode);

void files_init(struct files *files);
/* Places the inputs and keeps the outputs' names. 0, or the errno with the
 * input's index. */
int files_begin(struct files *files, const struct control_order *order,
    const int *inputs, uint32_t *ret_index);
/* From here on files_next() gives what is sent. False: there is no such
 * output. */
bool files_collect(struct files *files, uint32_t index, uint64_t offset);
/* The connection has ended: the next one says where to go on. */
void files_pause(struct files *files);
/* The next frame, its bytes read into `buffer`; false: all is said. The same
 * again until files_advance(). */
bool files_next(struct files *files, uint8_t buffer[CONTROL_DATA_MAX],
    struct control_frame *ret);
/* There is something to send. */
bool files_are_pending(const struct files *files);
void files_advance(struct files *files, const struct control_frame *sent);

#endif
