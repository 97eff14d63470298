/*
 * What the runner may open and call, besides what all programs call.
 */
#include "runner/confine.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/cleanup.h"
#include "lib/confine.h"
#include "lib/file.h"
#include "runner/engine.h"

static const struct confine_call calls[] = {
    CONFINE_CALL(openat),
    CONFINE_CALL(access),
    CONFINE_CALL(faccessat2),
    CONFINE_CALL(getcwd),
    /* Folders and files of the state and run folders. */
    CONFINE_CALL(mkdir),
    CONFINE_CALL(mkdirat),
    CONFINE_CALL(unlink),
    CONFINE_CALL(unlinkat),
    CONFINE_CALL(renameat),
    CONFINE_CALL(linkat),
    CONFINE_CALL(chmod),
    CONFINE_CALL(fchmod),
    CONFINE_CALL(fchmodat),
    CONFINE_CALL(lchown),
    CONFINE_CALL(pwrite64),
    CONFINE_CALL(ftruncate),
    CONFINE_CALL(fallocate),
    CONFINE_CALL(fsync),
    CONFINE_CALL(fdatasync),
    CONFINE_CALL(fstatfs),
    /* A secret, from its file to the task. */
    CONFINE_CALL(sendfile),
    CONFINE_CALL(flock),
    /* SQLite's locks. */
    CONFINE_CALL_IF(fcntl, CONFINE_INT(1, F_GETLK)),
    CONFINE_CALL_IF(fcntl, CONFINE_INT(1, F_SETLK)),
    CONFINE_CALL_IF(fcntl, CONFINE_INT(1, F_SETLKW)),
    /* Its own sockets, and the engine's. */
    CONFINE_CALL_IF(socket, CONFINE_INT(0, AF_UNIX)),
    CONFINE_CALL(bind),
    CONFINE_CALL(listen),
};

int
runner_confine(const struct config *config, int *ret_landlock, struct err *err)
{
	const char *engine = engine_socket(config->engine, err);
	const struct confine_place places[] = {
	    {config->state, CONFINE_WRITE},
	    {config->run, CONFINE_WRITE},
	    {config->policy, CONFINE_READ_BESIDE},
	    {config->ca, CONFINE_READ_BESIDE},
	    {config->token_keys, CONFINE_READ_BESIDE},
	    {config->audit_key, CONFINE_READ_BESIDE},
	    {config->task_init, CONFINE_READ_BESIDE},
	    {config->seccomp, CONFINE_READ_BESIDE},
	    /* SQLite asks for it at any time. */
	    {"/dev/urandom", CONFINE_READ},
	    {engine, CONFINE_CONNECT_BESIDE},
	    /* Where there are any. */
	    {config->secrets, CONFINE_READ},
	    {config->audit_publish, CONFINE_WRITE},
	    {config->audit_copy, CONFINE_WRITE},
	};
	const struct confine_list list = {
	    .places = places,
	    .nplaces = COUNT(places),
	    .calls = calls,
	    .ncalls = COUNT(calls),
	};

	if (engine == NULL)
		return -1;
	if (file_make_directory(config->state, 0700, err) != 0)
		return err_prefix(err, "state");
	return confine(&list, ret_landlock, err);
}
