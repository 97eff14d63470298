/*
 * HTTPS by libcurl: what a connection may be, and the turning of the wheel.
 * One reply and its pieces: http_reply.c.
 */
#include "client/http.h"

#include <curl/curl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "client/http_transfer.h"
#include "lib/alloc.h"
#include "lib/cleanup.h"

#define CONNECT_TIMEOUT_S 10L
#define FDS_MAX 8

struct http {
	CURLM *multi;
	const struct context *context;
};

void
http_setup(void)
{
	/* Neither openssl.cnf nor OPENSSL_CONF may loosen TLS: whoever asks
	 * first for the library decides, and libcurl would ask for the
	 * configuration. SSLKEYLOGFILE would have libcurl write the session's
	 * secrets. */
	if (OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) != 1)
		die("OpenSSL cannot be initialised");
	unsetenv("SSLKEYLOGFILE");
	if (curl_global_init(CURL_GLOBAL_ALL) != CURLE_OK)
		die("libcurl cannot be initialised");
}

struct http *
http_open(const struct context *context)
{
	struct http *http = alloc_zero(1, sizeof(*http));

	http->multi = curl_multi_init();
	if (http->multi == NULL)
		die("libcurl: no multi handle");
	http->context = context;
	return http;
}

void
http_close(struct http *http)
{
	curl_multi_cleanup(http->multi);
	free(http);
}

/* A server that is gone without a word is noticed within half a minute, also
 * while a stream is silent. */
static int
set_keepalive(void *arg, curl_socket_t fd, curlsocktype purpose)
{
	static const struct {
		int level, name, value;
	} options[] = {
	    {SOL_SOCKET, SO_KEEPALIVE, 1},
	    {IPPROTO_TCP, TCP_KEEPIDLE, 10},
	    {IPPROTO_TCP, TCP_KEEPINTVL, 5},
	    {IPPROTO_TCP, TCP_KEEPCNT, 4},
	    {IPPROTO_TCP, TCP_USER_TIMEOUT, 30000},
	};

	(void)arg;
	(void)purpose;
	for (size_t i = 0; i < COUNT(options); i++)
		setsockopt(fd, options[i].level, options[i].name,
		    &options[i].value, sizeof(options[i].value));
	return CURL_SOCKOPT_OK;
}

#define SET(easy, option, value)                                       \
	do {                                                           \
		if (curl_easy_setopt(easy, option, value) != CURLE_OK) \
			die("libcurl refuses " #option);               \
	} while (0)

static struct curl_blob
borrow_blob(char *text)
{
	return (struct curl_blob){
	    .data = text,
	    .len = strlen(text),
	    .flags = CURL_BLOB_NOCOPY,
	};
}

static void
set_tls(CURL *easy, const struct context *context)
{
	struct curl_blob ca = borrow_blob(context->ca);
	struct curl_blob certificate = borrow_blob(context->certificate);
	struct curl_blob key = borrow_blob(context->key);

	SET(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_3);
	SET(easy, CURLOPT_SSL_VERIFYPEER, 1L);
	SET(easy, CURLOPT_SSL_VERIFYHOST, 2L);
	/* Debian's libcurl brings a CAPATH of its own, which would be believed
	 * beside the blob. */
	SET(easy, CURLOPT_CAPATH, NULL);
	SET(easy, CURLOPT_CAINFO, NULL);
	SET(easy, CURLOPT_CAINFO_BLOB, &ca);
	SET(easy, CURLOPT_SSLCERTTYPE, "PEM");
	SET(easy, CURLOPT_SSLKEYTYPE, "PEM");
	SET(easy, CURLOPT_SSLCERT_BLOB, &certificate);
	SET(easy, CURLOPT_SSLKEY_BLOB, &key);
	SET(easy, CURLOPT_SSL_SESSIONID_CACHE, 0L);
}

static void
set_connection(CURL *easy)
{
	SET(easy, CURLOPT_PROTOCOLS_STR, "https");
	SET(easy, CURLOPT_PROXY, "");
	SET(easy, CURLOPT_FOLLOWLOCATION, 0L);
	SET(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SET(easy, CURLOPT_NOSIGNAL, 1L);
	SET(easy, CURLOPT_CONNECTTIMEOUT, CONNECT_TIMEOUT_S);
	SET(easy, CURLOPT_SOCKOPTFUNCTION, set_keepalive);
	SET(easy, CURLOPT_BUFFERSIZE, 128L * 1024);
	SET(easy, CURLOPT_USERAGENT, "taskgate/" TASKGATE_VERSION);
}

static void
add_field(struct transfer *transfer, const char *text)
{
	struct curl_slist *longer = curl_slist_append(transfer->fields, text);

	if (longer == NULL)
		die("out of memory");
	transfer->fields = longer;
}

static void
set_fields(struct transfer *transfer, const struct http *http,
    const struct http_request *request)
{
	auto_free char *token =
	    alloc_printf("Authorization: Bearer %s", http->context->token);

	if (!request->anonymous)
		add_field(transfer, token);
	OPENSSL_cleanse(token, strlen(token));
	add_field(transfer, "Expect:");
	if (request->body != NULL)
		add_field(transfer, "Content-Type: application/json");
	if (request->source != NULL)
		add_field(transfer, "Content-Type: application/octet-stream");
	if (request->content_digest != NULL) {
		auto_free char *digest =
		    alloc_printf("Content-Digest: %s", request->content_digest);

		add_field(transfer, digest);
	}
	if (request->idempotency_key != NULL) {
		auto_free char *key = alloc_printf(
		    "Idempotency-Key: %s", request->idempotency_key);

		add_field(transfer, key);
	}
	SET(transfer->easy, CURLOPT_HTTPHEADER, transfer->fields);
}

/* Without a length libcurl sends chunks. */
static void
set_source(struct transfer *transfer, const struct http_request *request)
{
	CURL *easy = transfer->easy;

	transfer->source = request->source;
	SET(easy, CURLOPT_UPLOAD, 1L);
	SET(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)request->source_len);
	SET(easy, CURLOPT_UPLOAD_BUFFERSIZE, 64L * 1024);
	SET(easy, CURLOPT_READFUNCTION, http_transfer_give_body);
	SET(easy, CURLOPT_READDATA, transfer);
}

static void
set_request(struct transfer *transfer, const struct http *http,
    const struct http_request *request)
{
	auto_free char *url =
	    alloc_printf("%s%s", http->context->server, request->path);
	CURL *easy = transfer->easy;

	SET(easy, CURLOPT_URL, url);
	SET(easy, CURLOPT_PATH_AS_IS, 1L);
	if (request->body != NULL) {
		SET(easy, CURLOPT_POSTFIELDSIZE_LARGE,
		    (curl_off_t)strlen(request->body));
		SET(easy, CURLOPT_POSTFIELDS, request->body);
	}
	if (request->source != NULL)
		set_source(transfer, request);
	SET(easy, CURLOPT_CUSTOMREQUEST, request->method);
	SET(easy, CURLOPT_TIMEOUT, (long)request->timeout_s);
	SET(easy, CURLOPT_HEADERFUNCTION, http_transfer_take_field);
	SET(easy, CURLOPT_HEADERDATA, transfer);
	SET(easy, CURLOPT_WRITEFUNCTION, http_transfer_take_body);
	SET(easy, CURLOPT_WRITEDATA, transfer);
	SET(easy, CURLOPT_ERRORBUFFER, transfer->error);
	SET(easy, CURLOPT_PRIVATE, transfer);
	set_fields(transfer, http, request);
}

struct transfer *
http_start(struct http *http, const struct http_request *request)
{
	struct transfer *transfer = alloc_zero(1, sizeof(*transfer));

	transfer->easy = curl_easy_init();
	if (transfer->easy == NULL)
		die("libcurl: no handle");
	transfer->multi = http->multi;
	transfer->write = request->write;
	transfer->arg = request->arg;
	transfer->body = (struct buffer)BUFFER_INIT(request->reply_max);
	http_transfer_reset(transfer);
	set_tls(transfer->easy, http->context);
	set_connection(transfer->easy);
	set_request(transfer, http, request);
	if (curl_multi_add_handle(http->multi, transfer->easy) != CURLM_OK)
		die("libcurl takes no more transfers");
	return transfer;
}

void
http_end(struct transfer *transfer)
{
	curl_multi_remove_handle(transfer->multi, transfer->easy);
	curl_easy_cleanup(transfer->easy);
	for (struct curl_slist *at = transfer->fields; at != NULL;
	     at = at->next)
		OPENSSL_cleanse(at->data, strlen(at->data));
	curl_slist_free_all(transfer->fields);
	buffer_done(&transfer->body);
	free(transfer);
}

void
http_resume(struct transfer *transfer)
{
	curl_easy_pause(transfer->easy, CURLPAUSE_CONT);
}

static void
take_ends(struct http *http)
{
	const CURLMsg *message = NULL;
	int left;

	while ((message = curl_multi_info_read(http->multi, &left)) != NULL) {
		struct transfer *transfer = NULL;

		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(
		    message->easy_handle, CURLINFO_PRIVATE, &transfer);
		transfer->done = true;
		transfer->code = message->data.result;
	}
}

void
http_turn(
    struct http *http, struct pollfd *fds, size_t nfds, int64_t timeout_ms)
{
	struct curl_waitfd waiting[FDS_MAX] = {0};
	int running;

	if (nfds > FDS_MAX)
		die("http_turn: %zu descriptors", nfds);
	for (size_t i = 0; i < nfds; i++) {
		waiting[i].fd = fds[i].fd;
		/* CURL_WAIT_* have the values of POLL* on Linux. */
		waiting[i].events = fds[i].events;
	}
	/* Waiting comes first: what a callback does, such as a sink that must
	 * be watched from now on, is the caller's to see before the next. New
	 * transfers and those that go on make it return at once. */
	if (timeout_ms < 0)
		timeout_ms = 0;
	if (curl_multi_poll(http->multi, waiting, (unsigned)nfds,
		timeout_ms < 60000 ? (int)timeout_ms : 60000, NULL) != CURLM_OK)
		die("libcurl: curl_multi_poll failed");
	for (size_t i = 0; i < nfds; i++)
		fds[i].revents = waiting[i].revents;
	if (curl_multi_perform(http->multi, &running) != CURLM_OK)
		die("libcurl: curl_multi_perform failed");
	take_ends(http);
}
