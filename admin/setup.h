/*
 * What `taskgate-admin init` is doing: each step makes what is missing, keeps
 * what is there, and says which.
 */
#ifndef ADMIN_SETUP_H
#define ADMIN_SETUP_H

#include <jansson.h>
#include <sys/types.h>

#include "certs/issue_key.h"
#include "lib/command.h"
#include "lib/err.h"

struct setup {
	const struct invocation *invocation;
	char *directory; /* absolute */
	int64_t now_s;
	uid_t gateway_uid, runner_uid;
	json_t *gateway, *runner; /* the files that were there, or NULL */
	json_t *made, *kept; /* paths */
	EVP_PKEY *ca_key; /* NULL: kept elsewhere */
	X509 *ca;
};

bool setup_exists(const struct setup *setup, const char *name);
/* The caller frees. */
char *setup_path(const struct setup *setup, const char *name);
void setup_kept(struct setup *setup, const char *name);

int setup_directory(
    struct setup *setup, const char *name, mode_t mode, struct err *err);
/* A text file, unless it is there. */
int setup_text(
    struct setup *setup, const char *name, const char *text, struct err *err);
/* A private key of mode 0600 and its owner: made, or read. */
int setup_key(struct setup *setup, const char *name, enum issue_key_kind kind,
    uid_t owner, EVP_PKEY **ret, struct err *err);

/* CA, token key, audit key, server's certificate, in this order. */
int setup_credentials(struct setup *setup, struct err *err);

/* Who runs what: options, else the files that are there, else accounts. */
int setup_find_users(struct setup *setup, struct err *err);
/* gateway.json and runner.json, agreeing with one another. */
int setup_configuration(struct setup *setup, struct err *err);
/* policy.json, which lets nobody do anything. */
int setup_policy(struct setup *setup, struct err *err);

#endif
