/*
 * Control folders: PARENT (0700) / SANDBOX (0701) / socket (0602). The parent
 * keeps everybody else on the host out; inside the container, where only the
 * folder itself is mounted, the task's uid is "others" and may connect but
 * neither list nor change anything.
 */
#ifndef RUNNER_SANDBOX_FOLDER_H
#define RUNNER_SANDBOX_FOLDER_H

#include "lib/err.h"

/* The parent, ours alone, and PARENT/hosts. */
int sandbox_folder_prepare(const char *parent, struct err *err);
/* The folder and its listening socket. */
int sandbox_folder_make(const char *parent, const char *sandbox,
    int *ret_listener, struct err *err);
/* The folder is there: its socket anew, without a moment with none. */
int sandbox_folder_listen(const char *parent, const char *sandbox,
    int *ret_listener, struct err *err);
/* It need not be there. */
void sandbox_folder_remove(const char *parent, const char *sandbox);
/* Calls `each` with every sandbox that has a folder. */
int sandbox_folder_list(const char *parent,
    void (*each)(void *arg, const char *sandbox), void *arg, struct err *err);

#define SANDBOX_FOLDER_HOSTS "hosts"

#endif
