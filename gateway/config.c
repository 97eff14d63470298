/*
 * Configuration: one table of keys, read strictly. Trusts the file's owner,
 * not his typing: an unknown or misspelt member is refused with its place.
 */
#include <stdlib.h>
#include <unistd.h>

#include "gateway/config.h"
#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/process.h"
#include "lib/setting.h"

#define EXPIRY_MARGIN_S (INT64_C(24) * 3600)

/* The members as they stand in the file. */
struct raw {
	const char *listen, *operations;
	int64_t workers;
	const char *certificate, *key, *ca, *token_keys;
	const char *issuer, *audience;
	json_t *token_lifetime_max;
	const char *policy, *runner_socket;
	json_t *expiry_margin;
	int64_t runner_uid;
	const char *log_format, *log_level;
	int64_t connections_max, connections_per_address;
	int64_t handshakes_max;
	int64_t requests_per_principal;
	int64_t failures_per_address, failures_per_principal;
	int64_t head_timeout, body_timeout, idle_timeout, handshake_timeout;
};

#define STRING(member, required) SETTING_STRING(struct raw, member, required)
#define INTEGER(member, required, min, max) \
	SETTING_INTEGER(struct raw, member, required, min, max)

static const struct json_field fields[] = {
    STRING(listen, false),
    STRING(operations, false),
    INTEGER(workers, false, 0, CONFIG_WORKERS_MAX),
    STRING(certificate, true),
    STRING(key, true),
    STRING(ca, true),
    STRING(token_keys, true),
    STRING(issuer, true),
    STRING(audience, true),
    SETTING_QUANTITY(struct raw, token_lifetime_max),
    SETTING_QUANTITY(struct raw, expiry_margin),
    STRING(policy, true),
    STRING(runner_socket, true),
    INTEGER(runner_uid, true, 0, SETTING_UID_MAX),
    STRING(log_format, false),
    STRING(log_level, false),
    INTEGER(connections_max, false, 1, 1000000),
    INTEGER(connections_per_address, false, 1, 1000000),
    INTEGER(handshakes_max, false, 1, 100000),
    INTEGER(requests_per_principal, false, 1, 1000000),
    INTEGER(failures_per_address, false, 1, 1000000),
    INTEGER(failures_per_principal, false, 1, 1000000),
    INTEGER(head_timeout, false, 1, 3600),
    INTEGER(body_timeout, false, 1, 3600),
    INTEGER(idle_timeout, false, 1, 86400),
    INTEGER(handshake_timeout, false, 1, 3600),
};

static const struct raw defaults = {
    .listen = "127.0.0.1:8443",
    .operations = "127.0.0.1:8444",
    .log_format = "logfmt",
    .log_level = "info",
    .connections_max = 10000,
    .connections_per_address = 256,
    .handshakes_max = 512,
    .requests_per_principal = 100,
    .failures_per_address = 300,
    .failures_per_principal = 300,
    .head_timeout = 10,
    .body_timeout = 30,
    .idle_timeout = 60,
    .handshake_timeout = 10,
};

/* 0 in the file: one for each processor. */
static int64_t
count_workers(int64_t asked)
{
	long online = process_processors();

	if (asked > 0)
		return asked;
	return online > CONFIG_WORKERS_MAX ? CONFIG_WORKERS_MAX : online;
}

static int
read_texts(const struct raw *raw, struct config *config, struct err *err)
{
	if (address_parse(raw->listen, &config->listen, err) < 0)
		return err_prefix(err, "listen");
	if (address_parse(raw->operations, &config->operations, err) < 0)
		return err_prefix(err, "operations");
	if (setting_read_log(raw->log_format, raw->log_level,
		&config->log_format, &config->log_level, err) != 0)
		return -1;
	config->expiry_margin_s = EXPIRY_MARGIN_S;
	if (setting_read_quantity(raw->expiry_margin, "expiry_margin", false, 0,
		&config->expiry_margin_s, err) != 0)
		return -1;
	return setting_read_token_lifetime(
	    raw->token_lifetime_max, &config->token_lifetime_max_s, err);
}

static void
read_paths(const struct raw *raw, struct config *config)
{
	const char *dir = config->directory;

	config->certificate = setting_resolve(dir, raw->certificate);
	config->key = setting_resolve(dir, raw->key);
	config->ca = setting_resolve(dir, raw->ca);
	config->token_keys = setting_resolve(dir, raw->token_keys);
	config->policy = setting_resolve(dir, raw->policy);
	config->runner_socket = setting_resolve(dir, raw->runner_socket);
}

static void
read_numbers(const struct raw *raw, struct config *config)
{
	config->workers = count_workers(raw->workers);
	config->issuer = raw->issuer;
	config->audience = raw->audience;
	config->runner_uid = raw->runner_uid;
	config->connections_max = raw->connections_max;
	config->connections_per_address = raw->connections_per_address;
	config->handshakes_max = raw->handshakes_max;
	config->requests_per_principal = raw->requests_per_principal;
	config->failures_per_address = raw->failures_per_address;
	config->failures_per_principal = raw->failures_per_principal;
	config->head_timeout_s = raw->head_timeout;
	config->body_timeout_s = raw->body_timeout;
	config->idle_timeout_s = raw->idle_timeout;
	config->handshake_timeout_s = raw->handshake_timeout;
}

int
config_load(const char *path, struct config *ret, struct err *err)
{
	AUTO(config_done) struct config config = {0};
	struct raw raw = defaults;

	config.json = json_parse_file(path, SETTING_FILE_MAX, err);
	if (config.json == NULL)
		return -1;
	config.directory = setting_directory(path, err);
	if (config.directory == NULL)
		return -1;
	if (json_read_fields(
		config.json, "", fields, COUNT(fields), true, &raw, err) < 0 ||
	    read_texts(&raw, &config, err) < 0)
		return err_prefix(err, "%s", path);
	read_paths(&raw, &config);
	read_numbers(&raw, &config);
	*ret = config;
	config = (struct config){0};
	return 0;
}

void
config_done(struct config *config)
{
	json_decref(config->json);
	free(config->directory);
	free(config->certificate);
	free(config->key);
	free(config->ca);
	free(config->token_keys);
	free(config->policy);
	free(config->runner_socket);
	*config = (struct config){0};
}
