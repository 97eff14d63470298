/*
 * Configuration: one table of keys, read strictly. Trusts the file's owner,
 * not his typing: an unknown or misspelt member is refused with its place.
 */
#include "runner/config.h"

#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/process.h"
#include "lib/quantity.h"
#include "lib/setting.h"

/* The members as they stand in the file. */
struct raw {
	const char *id, *state, *run;
	int64_t gateway_uid;
	json_t *admin_uids;
	const char *engine, *policy, *ca, *token_keys, *issuer, *audience;
	json_t *token_lifetime_max;
	const char *audit_key, *task_init, *seccomp, *secrets;
	int64_t task_uid, task_gid;
	int64_t running_max, queued_max, queued_per_subject, queued_per_rule;
	int64_t warm_max;
	json_t *memory_max;
	json_t *blob_max, *blobs_per_subject, *blobs_max, *blobs_max_age;
	json_t *retention_age, *retention_size, *audit_retention_age;
	const char *audit_publish, *audit_copy;
	bool audit_stdout;
	json_t *audit_publish_each;
	const char *log_format, *log_level;
};

#define STRING(member, required) SETTING_STRING(struct raw, member, required)
#define INTEGER(member, required, min, max) \
	SETTING_INTEGER(struct raw, member, required, min, max)
#define QUANTITY(member) SETTING_QUANTITY(struct raw, member)

static const struct json_field fields[] = {
    STRING(id, true),
    STRING(state, true),
    STRING(run, true),
    INTEGER(gateway_uid, true, 0, SETTING_UID_MAX),
    JSON_FIELD(struct raw, admin_uids, "admin_uids", JSON_KIND_ARRAY, false, 0,
	CONFIG_ADMINS_MAX),
    STRING(engine, false),
    STRING(policy, true),
    STRING(ca, true),
    STRING(token_keys, true),
    STRING(issuer, true),
    STRING(audience, true),
    QUANTITY(token_lifetime_max),
    STRING(audit_key, true),
    STRING(task_init, true),
    STRING(seccomp, true),
    STRING(secrets, false),
    INTEGER(task_uid, true, 1, SETTING_UID_MAX),
    INTEGER(task_gid, true, 1, SETTING_UID_MAX),
    INTEGER(running_max, false, 0, 100000),
    INTEGER(queued_max, false, 1, 1000000),
    INTEGER(queued_per_subject, false, 1, 1000000),
    INTEGER(queued_per_rule, false, 1, 1000000),
    INTEGER(warm_max, false, 0, 10000),
    QUANTITY(memory_max),
    QUANTITY(blob_max),
    QUANTITY(blobs_per_subject),
    QUANTITY(blobs_max),
    QUANTITY(blobs_max_age),
    QUANTITY(retention_age),
    QUANTITY(retention_size),
    QUANTITY(audit_retention_age),
    STRING(audit_publish, false),
    STRING(audit_copy, false),
    JSON_FIELD(struct raw, audit_stdout, "audit_stdout", JSON_KIND_BOOLEAN,
	false, 0, 0),
    QUANTITY(audit_publish_each),
    STRING(log_format, false),
    STRING(log_level, false),
};

static const struct raw defaults = {
    .engine = "unix:///run/docker.sock",
    .queued_max = 10000,
    .queued_per_subject = 1000,
    .queued_per_rule = 5000,
    .warm_max = 32,
    .log_format = "logfmt",
    .log_level = "info",
};

static int
read_admins(const struct raw *raw, struct config *config, struct err *err)
{
	size_t count = json_array_size(raw->admin_uids);

	if (raw->admin_uids == NULL) {
		config->admin_uids[0] = 0;
		config->nadmins = 1;
		return 0;
	}
	for (size_t i = 0; i < count; i++) {
		const json_t *item = json_array_get(raw->admin_uids, i);
		int64_t uid = json_integer_value(item);

		if (!json_is_integer(item) || uid < 0 || uid > SETTING_UID_MAX)
			return err_set(err, ERR_UNPROCESSABLE,
			    "admin_uids[%zu]: must be a uid", i);
		config->admin_uids[i] = (uid_t)uid;
	}
	config->nadmins = count;
	return 0;
}

static int64_t
machine_memory(void)
{
	long pages = sysconf(_SC_PHYS_PAGES);
	long size = sysconf(_SC_PAGESIZE);

	if (pages <= 0 || size <= 0)
		die("the machine does not say how much memory it has");
	return (int64_t)pages * size;
}

/* What takes room on the disk, and for how long. */
static int
read_stored(const struct raw *raw, struct config *config, struct err *err)
{
	const struct {
		const char *name;
		const json_t *json;
		bool is_size;
		int64_t least;
		int64_t *ret;
	} quantities[] = {
	    {"blob_max", raw->blob_max, true, 1, &config->blob_max_bytes},
	    {"blobs_per_subject", raw->blobs_per_subject, true, 1,
		&config->blobs_per_subject_bytes},
	    {"blobs_max", raw->blobs_max, true, 1, &config->blobs_max_bytes},
	    {"blobs_max_age", raw->blobs_max_age, false, 60,
		&config->blobs_max_age_s},
	    {"retention_age", raw->retention_age, false, 0,
		&config->retention_age_s},
	    {"retention_size", raw->retention_size, true, 0,
		&config->retention_bytes},
	    {"audit_retention_age", raw->audit_retention_age, false, 0,
		&config->audit_retention_age_s},
	    {"audit_publish_each", raw->audit_publish_each, false, 1,
		&config->audit_publish_each_s},
	};

	config->blob_max_bytes = INT64_C(1) << 30;
	config->blobs_per_subject_bytes = INT64_C(4) << 30;
	config->blobs_max_bytes = INT64_C(16) << 30;
	config->blobs_max_age_s = 24 * 3600;
	config->retention_age_s = INT64_C(30) * 24 * 3600;
	config->retention_bytes = INT64_C(10) << 30;
	config->audit_retention_age_s = 0;
	config->audit_publish_each_s = 60;
	for (size_t i = 0; i < COUNT(quantities); i++) {
		if (setting_read_quantity(quantities[i].json,
			quantities[i].name, quantities[i].is_size,
			quantities[i].least, quantities[i].ret, err) != 0)
			return -1;
	}
	return 0;
}

static int
read_quantities(const struct raw *raw, struct config *config, struct err *err)
{

	if (setting_read_token_lifetime(raw->token_lifetime_max,
		&config->token_lifetime_max_s, err) != 0)
		return -1;
	config->memory_max_bytes = 0;
	if (raw->memory_max != NULL &&
	    (!quantity_read_size(raw->memory_max, &config->memory_max_bytes) ||
		config->memory_max_bytes < 0))
		return err_set(err, ERR_UNPROCESSABLE,
		    "memory_max: must be a size such as \"8GiB\"");
	if (config->memory_max_bytes == 0)
		config->memory_max_bytes = machine_memory() / 4 * 3;
	config->running_max = raw->running_max;
	if (config->running_max == 0)
		config->running_max = 4 * process_processors();
	return 0;
}

static int
read_texts(const struct raw *raw, struct config *config, struct err *err)
{
	if (!uuid_is_valid(raw->id))
		return err_set(err, ERR_UNPROCESSABLE,
		    "id: must be a UUID of version 7 in lower case");
	if (setting_read_log(raw->log_format, raw->log_level,
		&config->log_format, &config->log_level, err) != 0)
		return -1;
	config->id = raw->id;
	config->engine = raw->engine;
	config->issuer = raw->issuer;
	config->audience = raw->audience;
	return 0;
}

/* The pair must be nobody's: who shares a task's uid on the host can reach
 * into its container through /proc. */
static int
read_ids(const struct raw *raw, struct config *config, struct err *err)
{
	config->gateway_uid = (uid_t)raw->gateway_uid;
	config->task_uid = (uid_t)raw->task_uid;
	config->task_gid = (gid_t)raw->task_gid;
	if (config->task_uid == config->gateway_uid ||
	    config->task_uid == getuid())
		return err_set(err, ERR_UNPROCESSABLE,
		    "task_uid: %lu is the gateway's or the runner's own",
		    (unsigned long)config->task_uid);
	if (getpwuid(config->task_uid) != NULL)
		return err_set(err, ERR_UNPROCESSABLE,
		    "task_uid: %lu is an account of this host",
		    (unsigned long)config->task_uid);
	config->queued_max = raw->queued_max;
	config->queued_per_subject = raw->queued_per_subject;
	config->queued_per_rule = raw->queued_per_rule;
	config->warm_max = raw->warm_max;
	return 0;
}

/* As it is now, without links: later it may be away, and not to be looked at
 * while somebody waits. */
static char *
resolve_remote(const char *directory, const char *path)
{
	auto_free char *named = setting_resolve(directory, path);
	char *real = realpath(named, NULL);

	return real != NULL ? real : take(named);
}

static void
read_paths(const struct raw *raw, const char *directory, struct config *config)
{
	config->state = setting_resolve(directory, raw->state);
	config->run = setting_resolve(directory, raw->run);
	config->policy = setting_resolve(directory, raw->policy);
	config->ca = setting_resolve(directory, raw->ca);
	config->token_keys = setting_resolve(directory, raw->token_keys);
	config->audit_key = setting_resolve(directory, raw->audit_key);
	config->task_init = setting_resolve(directory, raw->task_init);
	config->seccomp = setting_resolve(directory, raw->seccomp);
	config->audit_stdout = raw->audit_stdout;
	if (raw->audit_copy != NULL)
		config->audit_copy =
		    setting_resolve(directory, raw->audit_copy);
	if (raw->audit_publish != NULL)
		config->audit_publish =
		    resolve_remote(directory, raw->audit_publish);
	if (raw->secrets != NULL)
		config->secrets = setting_resolve(directory, raw->secrets);
}

int
config_load(const char *path, struct config *ret, struct err *err)
{
	AUTO(config_done) struct config config = {0};
	auto_free char *directory = NULL;
	struct raw raw = defaults;

	config.json = json_parse_file(path, SETTING_FILE_MAX, err);
	if (config.json == NULL)
		return -1;
	directory = setting_directory(path, err);
	if (directory == NULL)
		return -1;
	if (json_read_fields(
		config.json, "", fields, COUNT(fields), true, &raw, err) != 0 ||
	    read_texts(&raw, &config, err) != 0 ||
	    read_admins(&raw, &config, err) != 0 ||
	    read_quantities(&raw, &config, err) != 0 ||
	    read_stored(&raw, &config, err) != 0 ||
	    read_ids(&raw, &config, err) != 0)
		return err_prefix(err, "%s", path);
	read_paths(&raw, directory, &config);
	*ret = config;
	config = (struct config){0};
	return 0;
}

void
config_done(struct config *config)
{
	json_decref(config->json);
	free(config->state);
	free(config->run);
	free(config->policy);
	free(config->ca);
	free(config->token_keys);
	free(config->audit_key);
	free(config->task_init);
	free(config->seccomp);
	free(config->audit_publish);
	free(config->audit_copy);
	free(config->secrets);
	*config = (struct config){0};
}
