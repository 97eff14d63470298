/*
 * What is kept of a task that waits: a hundred thousand may. Pure.
 */
#ifndef RUNNER_TASK_PACK_H
#define RUNNER_TASK_PACK_H

#include "runner/task.h"

/* In one piece of memory; free() gives it back. */
struct task_pack {
	int64_t created_ms;
	int64_t limits[LIMIT_COUNT];
	int64_t uid, gid;
	uint8_t request_sha256[SHA256_BYTES], policy_sha256[SHA256_BYTES];
	size_t nroles;
	size_t request_bytes;
	char text[]; /* task_pack_texts() takes it apart */
};

/* Of one pack; borrowed. */
struct task_pack_texts {
	const char *subject, *thumbprint, *token_id, *address, *rule;
	const char *network; /* "": none */
	const char *mounts, *secrets; /* "": none */
	const char *launch; /* JSON; "": none */
	const char *roles[TOKEN_ROLES_MAX];
	size_t nroles;
	const char *request; /* JSON */
};

/* Takes *data over; NULL, and it is as it was: it is not as one that was just
 * accepted. Its id is not kept. */
struct task_pack *task_pack_take(struct task_data *data);
void task_pack_texts(const struct task_pack *pack, struct task_pack_texts *ret);
void task_unpack(const struct task_pack *pack, const char id[UUID_TEXT],
    struct task_data *ret);

#endif
