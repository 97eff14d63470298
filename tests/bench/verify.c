/*
 * verify RUNNER.json CONTEXT ROUNDS: how long the runner takes to verify a
 * submission, by the function that it calls for each: with certificate and
 * token that it has seen, unsigned and signed, also of the largest body; and
 * with those that it has not. CONTEXT is a client's folder; each request is
 * signed by its key under a new idempotency key. One JSON object: of each the
 * median and the 99th percentile of the rounds, in nanoseconds.
 */
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "certs/signature_make.h"
#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/digest.h"
#include "lib/file.h"
#include "runner/gate.h"
#include "tests/bench/timing.h"

#define BODY 4096
#define FILE_MAX (64 * 1024)
#define ROUNDS_MAX 10000

/* What the client has. */
struct client {
	EVP_PKEY *key;
	char *certificate; /* base64url of the DER */
	char thumbprint[SHA256_BASE64URL];
	char *token;
};

/* One that is on its way. */
struct submission {
	const char *body;
	size_t len;
	char key[24];
	char *input, *value; /* of the signature; NULL: none */
};

/* -- credentials */

static char *
read_file(const char *folder, const char *name)
{
	auto_free char *path = alloc_printf("%s/%s", folder, name);
	size_t len = 0;
	struct err err = {0};
	char *text = file_read(path, FILE_MAX, &len, &err);

	if (text == NULL)
		die("%s", err.detail);
	return text;
}

static void
read_certificate(const char *folder, struct client *ret)
{
	auto_free char *text = read_file(folder, "client.crt");
	BIO *bio = BIO_new_mem_buf(text, -1);
	X509 *certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	unsigned char *der = NULL;
	int len = i2d_X509(certificate, &der);
	uint8_t hash[SHA256_BYTES];

	if (len <= 0)
		die("client.crt: not a certificate");
	digest_sha256(der, (size_t)len, hash);
	auto_free char *thumbprint = base64url_encode(hash, sizeof(hash));

	memcpy(ret->thumbprint, thumbprint, sizeof(ret->thumbprint));
	ret->certificate = base64url_encode(der, (size_t)len);
	OPENSSL_free(der);
	X509_free(certificate);
	BIO_free(bio);
}

static void
client_open(const char *folder, struct client *ret)
{
	auto_free char *text = read_file(folder, "client.key");
	BIO *bio = BIO_new_mem_buf(text, -1);

	ret->key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
	if (ret->key == NULL)
		die("client.key: not a key");
	BIO_free(bio);
	read_certificate(folder, ret);
	ret->token = read_file(folder, "token");
	ret->token[strcspn(ret->token, "\n")] = '\0';
}

static void
client_done(struct client *client)
{
	EVP_PKEY_free(client->key);
	free(client->certificate);
	free(client->token);
}

/* -- one verification, as runner/gate_submit.c goes about it */

static struct signed_request
request_of(const struct client *client, const struct submission *submission,
    const uint8_t sha256[SHA256_BYTES])
{
	return (struct signed_request){
	    .method = "POST",
	    .path = "/v1/tasks",
	    .token = client->token,
	    .body_sha256 = sha256,
	    .idempotency_key = submission->key,
	};
}

static void
sign(const struct client *client, struct submission *submission)
{
	const struct signature_key key = {client->key, client->thumbprint};
	uint8_t sha256[SHA256_BYTES];
	struct signed_request request;
	struct err err;

	digest_sha256(submission->body, submission->len, sha256);
	request = request_of(client, submission, sha256);
	if (signature_make(&request, &key, clock_wall_ms() / 1000,
		&submission->input, &submission->value, &err) != 0)
		die("%s", err.detail);
}

static void
verify(const struct runner *runner, const struct client *client,
    const struct submission *submission)
{
	uint8_t sha256[SHA256_BYTES];
	struct principal principal;
	struct gate_claim claim;
	const struct envelope envelope = {
	    .certificate = client->certificate,
	    .token = client->token,
	    .claim = submission->value != NULL ? &claim : NULL,
	};
	struct err err;

	digest_sha256(submission->body, submission->len, sha256);
	claim = (struct gate_claim){
	    .request = request_of(client, submission, sha256),
	    .signature = {submission->input, submission->value},
	};
	if (gate_authenticate(runner, &envelope, &principal, &err) != 0)
		die("%s", err.detail);
}

struct trial {
	bool is_signed;
	bool is_new; /* certificate and token were never seen */
	size_t len; /* of the body */
};

/* The times in order. */
static void
measure(const struct runner *runner, const struct client *client,
    const struct trial *trial, size_t rounds, int64_t times[ROUNDS_MAX])
{
	auto_free char *body = alloc_zero(trial->len, 1);

	memset(body, 'x', trial->len);
	/* The first does not count. */
	for (size_t i = 0; i < rounds + 1; i++) {
		struct submission submission = {
		    .body = body, .len = trial->len};
		int64_t began;

		snprintf(submission.key, sizeof(submission.key), "key-%zu", i);
		if (trial->is_signed)
			sign(client, &submission);
		if (trial->is_new) {
			certificate_cache_clear(runner->certificates);
			token_cache_clear(runner->tokens);
		}
		began = now_ns();
		verify(runner, client, &submission);
		times[i > 0 ? i - 1 : 0] = now_ns() - began;
		free(submission.input);
		free(submission.value);
	}
}

static void
measure_all(
    const struct runner *runner, const struct client *client, size_t rounds)
{
	static const struct {
		const char *name;
		struct trial trial;
	} trials[] = {
	    {"unsigned", {false, false, BODY}},
	    {"signed", {true, false, BODY}},
	    {"largest", {true, false, REQUEST_BODY_MAX}},
	    {"new", {true, true, BODY}},
	};
	auto_free int64_t *times = alloc_zero(ROUNDS_MAX, sizeof(*times));

	printf("{");
	for (size_t i = 0; i < COUNT(trials); i++) {
		measure(runner, client, &trials[i].trial, rounds, times);
		printf("%s\"%s\": {\"median\": %lld, \"p99\": %lld}",
		    i > 0 ? ", " : "", trials[i].name,
		    (long long)percentile(times, rounds, 50),
		    (long long)percentile(times, rounds, 99));
	}
	printf("}\n");
}

int
main(int argc, char **argv)
{
	auto_free struct runner *runner = alloc_zero(1, sizeof(*runner));
	struct client client = {0};
	struct err err;
	size_t rounds;

	if (argc != 4)
		die("usage: verify RUNNER.json CONTEXT ROUNDS");
	rounds = (size_t)strtoul(argv[3], NULL, 10);
	if (rounds < 1 || rounds > ROUNDS_MAX)
		die("ROUNDS is 1 to %d", ROUNDS_MAX);
	if (config_load(argv[1], &runner->config, &err) != 0 ||
	    authority_load(runner->config.ca, runner->config.token_keys,
		runner->config.issuer, runner->config.audience,
		runner->config.token_lifetime_max_s, &runner->authority,
		&err) != 0)
		die("%s", err.detail);
	runner->certificates = certificate_cache_new(2);
	runner->tokens = token_cache_new(2);
	client_open(argv[2], &client);
	measure_all(runner, &client, rounds);
	client_done(&client);
	certificate_cache_free(runner->certificates);
	token_cache_free(runner->tokens);
	authority_done(&runner->authority);
	config_done(&runner->config);
	return 0;
}
