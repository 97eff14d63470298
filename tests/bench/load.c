/*
 * Load on a TLS server that asks for client certificates, from one address:
 *
 *	load requests   PORT FROM FOLDER COUNT CONNECTIONS
 *	load handshakes PORT FROM FOLDER COUNT
 *	load idle       PORT FROM FOLDER COUNT
 *	load pace       PORT FROM FOLDER SECONDS A-SECOND
 *	load flood      PORT FROM FOLDER SECONDS HANDSHAKES TOKENS STRANGER
 *
 * FOLDER has client.crt, client.key, ca.crt and token; STRANGER, a client.crt
 * and client.key that the server does not take. `idle` says "ready" and holds
 * its connections until standard input ends; `flood` takes numbers a minute.
 * What was seen comes out as one line of JSON. So that the load costs little
 * beside what it measures, this is C and one thread.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/timing.h"

#define NS_PER_S INT64_C(1000000000)
#define TIMEOUT_S 30
#define ANSWER_MAX 8192
#define TOKEN_MAX 4096

struct load {
	SSL_CTX *tls, *stranger;
	struct sockaddr_in to, from;
	char request[TOKEN_MAX + 256];
	char **words; /* after FOLDER */
};

static void
fail(const char *what)
{
	fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
	exit(EXIT_FAILURE);
}

static void
sleep_until(int64_t then_ns)
{
	struct timespec then = {
	    .tv_sec = then_ns / NS_PER_S, .tv_nsec = then_ns % NS_PER_S};

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &then, NULL);
}

/* ---- one connection ---- */

static SSL_CTX *
make_context(const char *folder, const char *authority)
{
	SSL_CTX *tls = SSL_CTX_new(TLS_client_method());
	char path[512], key[512];

	snprintf(path, sizeof(path), "%s/client.crt", folder);
	snprintf(key, sizeof(key), "%s/client.key", folder);
	if (tls == NULL ||
	    SSL_CTX_set_min_proto_version(tls, TLS1_3_VERSION) != 1 ||
	    SSL_CTX_use_certificate_chain_file(tls, path) != 1 ||
	    SSL_CTX_use_PrivateKey_file(tls, key, SSL_FILETYPE_PEM) != 1)
		fail(path);
	snprintf(path, sizeof(path), "%s/ca.crt", authority);
	if (SSL_CTX_load_verify_locations(tls, path, NULL) != 1)
		fail(path);
	SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_OFF);
	/* Not every server says good-bye; what was refused comes as an alert.
	 */
	SSL_CTX_set_options(tls, SSL_OP_IGNORE_UNEXPECTED_EOF);
	return tls;
}

/* -1: it was refused. */
static int
open_socket(const struct load *load)
{
	const struct timeval timeout = {.tv_sec = TIMEOUT_S};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int on = 1;

	if (fd < 0)
		fail("socket");
	/* The port is chosen when it is known where to: so that more are
	 * open than an address has ports for. */
	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	if (bind(fd, (const struct sockaddr *)&load->from, sizeof(load->from)) <
	    0)
		fail("bind");
	if (connect(fd, (const struct sockaddr *)&load->to, sizeof(load->to)) ==
	    0)
		return fd;
	close(fd);
	return -1;
}

/* One who was stopped and goes on finds a wait with a time limit interrupted:
 * signal(7). */
static int
receive(SSL *ssl, char *bytes, size_t len)
{
	int n;

	do {
		errno = 0;
		n = SSL_read(ssl, bytes, (int)len);
	} while (n <= 0 && errno == EINTR);
	return n;
}

static bool
shake_hands(SSL *ssl)
{
	int done;

	do {
		errno = 0;
		done = SSL_connect(ssl);
	} while (done != 1 && errno == EINTR);
	return done == 1;
}

static void
close_tls(SSL *ssl)
{
	int fd = SSL_get_fd(ssl);

	SSL_free(ssl);
	close(fd);
}

/* NULL: it was refused before our side of the handshake was through. */
static SSL *
open_tls(const struct load *load, SSL_CTX *tls)
{
	int fd = open_socket(load);
	SSL *ssl;

	if (fd < 0)
		return NULL;
	ssl = SSL_new(tls);
	if (ssl == NULL || SSL_set_fd(ssl, fd) != 1)
		fail("SSL_new");
	if (shake_hands(ssl))
		return ssl;
	close_tls(ssl);
	return NULL;
}

static bool
send_request(SSL *ssl, const char *request)
{
	int len = (int)strlen(request);

	return SSL_write(ssl, request, len) == len;
}

/* Status of the answer, once all of it has come; 0: there is none. */
static int
read_answer(SSL *ssl)
{
	char text[ANSWER_MAX];
	size_t len = 0;

	for (;;) {
		int n = receive(ssl, text + len, sizeof(text) - 1 - len);
		const char *body, *field;

		if (n <= 0)
			return 0;
		len += (size_t)n;
		text[len] = '\0';
		body = strstr(text, "\r\n\r\n");
		field = strcasestr(text, "\r\nContent-Length:");
		if (body != NULL && field != NULL && field < body &&
		    len >= (size_t)(body + 4 - text) +
			    strtoul(field + 17, NULL, 10))
			return atoi(text + strlen("HTTP/1.1 "));
	}
}

static int
ask(SSL *ssl, const char *request)
{
	return send_request(ssl, request) ? read_answer(ssl) : 0;
}

static SSL *
open_and_ask(const struct load *load)
{
	SSL *ssl = open_tls(load, load->tls);

	if (ssl == NULL || ask(ssl, load->request) != 200)
		fail("a good request was not answered");
	return ssl;
}

/* ---- what may be asked for ---- */

static int64_t
number(const struct load *load, int index)
{
	return strtoll(load->words[index], NULL, 10);
}

static void
run_requests(const struct load *load)
{
	int64_t rounds = number(load, 0) / number(load, 1);
	size_t count = (size_t)number(load, 1);
	SSL **all = calloc(count, sizeof(SSL *));

	if (all == NULL)
		fail("connections");
	for (size_t i = 0; i < count; i++)
		all[i] = open_and_ask(load);
	for (; rounds > 0; rounds--) {
		for (size_t i = 0; i < count; i++)
			if (!send_request(all[i], load->request))
				fail("a request could not be sent");
		for (size_t i = 0; i < count; i++)
			if (read_answer(all[i]) != 200)
				fail("a good request was not answered");
	}
	for (size_t i = 0; i < count; i++)
		close_tls(all[i]);
	free(all);
	puts("{}");
}

/* Each until the server has closed too: it has verified us then. */
static void
run_handshakes(const struct load *load)
{
	char byte;

	for (int64_t left = number(load, 0); left > 0; left--) {
		SSL *ssl = open_tls(load, load->tls);

		if (ssl == NULL || SSL_shutdown(ssl) < 0)
			fail("a good handshake was refused");
		while (receive(ssl, &byte, 1) > 0)
			;
		if (SSL_get_error(ssl, 0) != SSL_ERROR_ZERO_RETURN)
			fail("a good handshake was refused");
		close_tls(ssl);
	}
	puts("{}");
}

/* The sockets alone stay: our side of TLS is not needed any more. */
static void
run_idle(const struct load *load)
{
	char byte;

	for (int64_t left = number(load, 0); left > 0; left--) {
		SSL *ssl = open_and_ask(load);

		SSL_set_quiet_shutdown(ssl, 1);
		SSL_free(ssl);
	}
	puts("ready");
	fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
}

/* At its times whether or not the one before was slow: what waits meanwhile
 * counts as waiting. */
static void
run_pace(const struct load *load)
{
	size_t count = (size_t)(number(load, 0) * number(load, 1));
	int64_t *took_ns = calloc(count, sizeof(int64_t));
	SSL *ssl = open_and_ask(load);
	int64_t begin_ns = now_ns();

	if (took_ns == NULL)
		fail("times");
	for (size_t i = 0; i < count; i++) {
		int64_t due_ns =
		    begin_ns + (int64_t)i * NS_PER_S / number(load, 1);

		sleep_until(due_ns);
		if (ask(ssl, load->request) != 200)
			fail("a good request was not answered");
		took_ns[i] = now_ns() - due_ns;
	}
	close_tls(ssl);
	qsort(took_ns, count, sizeof(int64_t), compare_times);
	printf("{\"p50_us\": %lld, \"p99_us\": %lld, \"max_us\": %lld}\n",
	    (long long)took_ns[count / 2] / 1000,
	    (long long)took_ns[count * 99 / 100] / 1000,
	    (long long)took_ns[count - 1] / 1000);
	free(took_ns);
}

struct flood {
	SSL *ssl; /* for tokens; NULL: none is open */
	int64_t handshakes, tokens; /* tried */
	int64_t unauthenticated, busy; /* answers to tokens */
	int64_t refused; /* connections for tokens that were not let in */
};

static void
try_handshake(const struct load *load, struct flood *flood)
{
	SSL *ssl = open_tls(load, load->stranger);
	char byte;

	flood->handshakes++;
	if (ssl == NULL)
		return;
	if (receive(ssl, &byte, 1) > 0)
		fail("a stranger was taken");
	close_tls(ssl);
}

static void
try_token(const struct load *load, struct flood *flood)
{
	int status = 0;

	flood->tokens++;
	for (int tries = 0; status == 0 && tries < 2; tries++) {
		bool fresh = flood->ssl == NULL;

		if (fresh)
			flood->ssl = open_tls(load, load->tls);
		if (flood->ssl != NULL)
			status = ask(flood->ssl, load->request);
		if (status == 0 && flood->ssl != NULL) {
			close_tls(flood->ssl);
			flood->ssl = NULL;
		}
		/* What the server closed before is no answer to this one. */
		if (fresh)
			break;
	}
	flood->unauthenticated += status == 401;
	flood->busy += status == 429;
	flood->refused += status == 0;
	if (status == 200)
		fail("a bad token was taken");
}

static void
run_flood(const struct load *load)
{
	int64_t handshakes = number(load, 1), tokens = number(load, 2);
	int64_t begin_ns = now_ns();
	int64_t end_ns = begin_ns + number(load, 0) * NS_PER_S;
	struct flood flood = {0};

	for (;;) {
		int64_t handshake_ns =
		    begin_ns + flood.handshakes * 60 * NS_PER_S / handshakes;
		int64_t token_ns =
		    begin_ns + flood.tokens * 60 * NS_PER_S / tokens;
		bool is_token = token_ns < handshake_ns;
		int64_t due_ns = is_token ? token_ns : handshake_ns;

		if (due_ns >= end_ns || now_ns() >= end_ns)
			break;
		sleep_until(due_ns);
		if (is_token)
			try_token(load, &flood);
		else
			try_handshake(load, &flood);
	}
	if (flood.ssl != NULL)
		close_tls(flood.ssl);
	printf("{\"handshakes\": %lld, \"tokens\": %lld, "
	       "\"unauthenticated\": %lld, \"busy\": %lld, "
	       "\"refused\": %lld}\n",
	    (long long)flood.handshakes, (long long)flood.tokens,
	    (long long)flood.unauthenticated, (long long)flood.busy,
	    (long long)flood.refused);
}

static const struct {
	const char *name;
	int words;
	void (*run)(const struct load *load);
} modes[] = {
    {"requests", 2, run_requests},
    {"handshakes", 1, run_handshakes},
    {"idle", 1, run_idle},
    {"pace", 2, run_pace},
    {"flood", 4, run_flood},
};

static void
compose_request(struct load *load, const char *folder)
{
	char path[512], token[TOKEN_MAX];
	FILE *file;

	snprintf(path, sizeof(path), "%s/token", folder);
	file = fopen(path, "re");
	if (file == NULL || fgets(token, sizeof(token), file) == NULL)
		fail(path);
	fclose(file);
	token[strcspn(token, "\n")] = '\0';
	snprintf(load->request, sizeof(load->request),
	    "GET /v1/whoami HTTP/1.1\r\nHost: 127.0.0.1\r\n"
	    "Authorization: Bearer %s\r\n\r\n",
	    token);
}

int
main(int argc, char **argv)
{
	struct load load = {
	    .to = {.sin_family = AF_INET}, .from = {.sin_family = AF_INET}};

	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (argc < 5 || strcmp(argv[1], modes[i].name) != 0 ||
		    argc != 5 + modes[i].words)
			continue;
		load.to.sin_port = htons((uint16_t)atoi(argv[2]));
		load.to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		if (inet_pton(AF_INET, argv[3], &load.from.sin_addr) != 1)
			fail(argv[3]);
		load.words = argv + 5;
		load.tls = make_context(argv[4], argv[4]);
		if (modes[i].run == run_flood)
			load.stranger = make_context(argv[8], argv[4]);
		compose_request(&load, argv[4]);
		modes[i].run(&load);
		return EXIT_SUCCESS;
	}
	fputs("usage: load MODE PORT FROM FOLDER NUMBER...; see load.c\n",
	    stderr);
	return 2;
}
