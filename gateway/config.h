/*
 * gateway.json (docs/configuration.md). Read once, read-only afterwards.
 */
#ifndef GATEWAY_CONFIG_H
#define GATEWAY_CONFIG_H

#include <jansson.h>
#include <stdint.h>

#include "gateway/address.h"
#include "lib/err.h"
#include "lib/log.h"

#define CONFIG_WORKERS_MAX 64

struct config {
	json_t *json; /* owns the strings below that are not paths */
	char *directory; /* relative paths are taken from here */
	struct address listen;
	struct address operations;
	int64_t workers; /* at least 1 */
	char *certificate, *key, *ca, *token_keys, *policy, *runner_socket;
	const char *issuer, *audience;
	int64_t token_lifetime_max_s;
	int64_t expiry_margin_s; /* red from so long before an end */
	int64_t runner_uid;
	enum log_format log_format;
	enum log_level log_level;
	int64_t connections_max, connections_per_address;
	int64_t handshakes_max; /* under way */
	int64_t requests_per_principal; /* a second */
	int64_t failures_per_address, failures_per_principal; /* a minute */
	int64_t head_timeout_s, body_timeout_s, idle_timeout_s;
	int64_t handshake_timeout_s;
};

/* ERR_UNPROCESSABLE or ERR_MALFORMED: the detail names file and member. */
int config_load(const char *path, struct config *ret, struct err *err);
void config_done(struct config *config);

#endif
