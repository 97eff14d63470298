/*
 * runner.json (docs/configuration.md). Read once, read-only afterwards.
 */
#ifndef RUNNER_CONFIG_H
#define RUNNER_CONFIG_H

#include <jansson.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/err.h"
#include "lib/log.h"

#define CONFIG_ADMINS_MAX 16

struct config {
	json_t *json; /* owns the strings below that are not paths */
	const char *id;
	char *state, *run;
	char *policy, *ca, *token_keys, *audit_key, *task_init, *seccomp;
	char *secrets; /* NULL: none are given to tasks */
	const char *engine, *issuer, *audience;
	int64_t token_lifetime_max_s;
	uid_t gateway_uid;
	uid_t admin_uids[CONFIG_ADMINS_MAX];
	size_t nadmins;
	uid_t task_uid;
	gid_t task_gid;
	int64_t running_max; /* at least 1 */
	int64_t queued_max, queued_per_subject, queued_per_rule;
	int64_t memory_max_bytes; /* more than 0 */
	int64_t warm_max; /* sandboxes that wait for a task; 0: none */
	int64_t blob_max_bytes, blobs_per_subject_bytes, blobs_max_bytes;
	int64_t blobs_max_age_s; /* since it was last used */
	int64_t retention_age_s; /* 0: finished tasks are kept for ever */
	char *audit_copy; /* folder; NULL: none */
	bool audit_stdout;
	char *audit_publish; /* folder, without links; NULL: none */
	int64_t audit_publish_each_s;
	int64_t audit_retention_age_s; /* 0: texts are kept for ever */
	int64_t retention_bytes; /* output and files; 0: no bound */
	enum log_format log_format;
	enum log_level log_level;
};

/* ERR_UNPROCESSABLE or ERR_MALFORMED: the detail names file and member. */
int config_load(const char *path, struct config *ret, struct err *err);
void config_done(struct config *config);

#endif
