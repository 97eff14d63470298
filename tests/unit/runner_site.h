/*
 * A runner inside of a test: real sockets, store, credentials and policy, and
 * an engine that cannot be reached. Requests are accepted all the same, so
 * that tasks wait; none is started.
 */
#ifndef TESTS_UNIT_RUNNER_SITE_H
#define TESTS_UNIT_RUNNER_SITE_H

#include <jansson.h>
#include <stdbool.h>

#include "certs/token.h"
#include "lib/message.h"
#include "runner/runner.h"

#define SITE_SUBJECT "alice"
#define SITE_IMAGE "demo/busybox" /* may be asked for unsigned */
#define SITE_SIGNED_IMAGE "demo/signed"
/* May be asked for unsigned, twice a day. */
#define SITE_RATED_IMAGE "demo/rated"
/* May be asked for unsigned; alice, carol or dave has to approve it. */
#define SITE_APPROVAL_IMAGE "demo/approved"
/* The named task "named" runs it, for whoever asks, unsigned. */
#define SITE_NAMED_IMAGE                   \
	"sha256:"                          \
	"11111111111111111111111111111111" \
	"11111111111111111111111111111111"

struct runner_site {
	const char *folder;
	struct runner runner;
	EVP_PKEY *ca_key, *token_key;
	X509 *ca;
	int gateway, admin; /* our ends, after hello */
	int64_t last_request;
	EVP_PKEY *client_key; /* of the last envelope */
	char thumbprint[SHA256_BASE64URL];
};

void runner_site_open(struct runner_site *site, const char *folder);
/* In order, as by SIGTERM; the sockets too. */
void runner_site_close(struct runner_site *site);
/* The same store again. */
void runner_site_restart(struct runner_site *site);

/* A connection before hello: to "gateway" or "admin". */
int runner_site_connect(const struct runner_site *site, const char *name);

/* The envelope of a client with these scopes; the caller frees. `request` is
 * counted up. */
json_t *runner_site_envelope(
    struct runner_site *site, const char *subject, unsigned scopes);
/* Signs a `submit` with the key of the last envelope, which is this one. */
void runner_site_sign(struct runner_site *site, json_t *members,
    const char *key, const char *body);
/* The same for another path than that of tasks. */
void runner_site_sign_for(struct runner_site *site, json_t *members,
    const char *path, const char *key, const char *body);
/* Bytes as they are; fd: -1 or one that goes along. */
void runner_site_send_raw(int sock, const char *data, size_t len, int fd);
/* `members` is taken. */
void runner_site_send_take(
    int sock, enum message_type type, json_t *members, int fd);
/* A sealed memfd. */
int runner_site_body(const char *text);

/* Turns the loop until a message of this type comes; others are passed over.
 * What the sockets said is the caller's to give back. */
struct message
runner_site_receive(struct runner_site *site, int sock, enum message_type type);
/* Whatever comes but what is told unasked: state, revocations. */
struct message runner_site_receive_any(struct runner_site *site, int sock);
/* Turns the loop until the runner has closed the connection. */
void runner_site_wait_dropped(struct runner_site *site, int sock);
/* Turns the loop until what was sent has been looked at and written. */
void runner_site_settle(struct runner_site *site);

/* Sends, and gives the body of the reply (the caller's); fails the test where
 * a failure comes. ret_status may be NULL. */
json_t *runner_site_ask_take(struct runner_site *site, enum message_type type,
    json_t *members, int fd, int *ret_status);
/* Sends, and expects a failure of this code. */
void runner_site_expect_failure_take(struct runner_site *site,
    enum message_type type, json_t *members, int fd, enum err_code code);

/* A task of the subject's; its id. The caller frees. */
char *runner_site_submit(
    struct runner_site *site, const char *subject, const char *body);

/* All records, oldest first; the caller frees. */
json_t *runner_site_audit(struct runner_site *site);
size_t runner_site_count_events(struct runner_site *site, const char *event);

/* On the store's file, while the runner has it open. */
void runner_site_run_sql(const struct runner_site *site, const char *sql);

#endif
