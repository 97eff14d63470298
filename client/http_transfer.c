/*
 * One reply: its head's fields, its body within bounds, and what it means
 * that there was none. All of it is a stranger's until TLS has been verified,
 * which libcurl does before any of this is called.
 */
#include "client/http_transfer.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/cleanup.h"

/* Enough for any problem document of ours. */
#define PROBLEM_MAX (64 * 1024)

void
http_transfer_reset(struct transfer *transfer)
{
	transfer->status = 0;
	transfer->retry_after_s = -1;
	transfer->date_s = 0;
	transfer->has_next = false;
	transfer->scope[0] = '\0';
	transfer->has_digest = false;
}

static void
take_status(struct transfer *transfer, const char *value)
{
	(void)value;
	http_transfer_reset(transfer);
}

/* Seconds; a date, which RFC 9110 allows too, our servers do not send. */
static void
take_retry_after(struct transfer *transfer, const char *value)
{
	char *end = NULL;
	long seconds = strtol(value, &end, 10);

	if (end != value && *end == '\0' && seconds >= 0 && seconds < 86400)
		transfer->retry_after_s = (int)seconds;
}

static void
take_date(struct transfer *transfer, const char *value)
{
	time_t time = curl_getdate(value, NULL);

	if (time > 0)
		transfer->date_s = time;
}

static void
take_link(struct transfer *transfer, const char *value)
{
	transfer->has_next = strstr(value, "rel=\"next\"") != NULL;
}

static void
take_challenge(struct transfer *transfer, const char *value)
{
	const char *scope = strstr(value, "scope=\"");
	size_t len;

	if (scope == NULL)
		return;
	scope += sizeof("scope=\"") - 1;
	len = strcspn(scope, "\"");
	if (len >= sizeof(transfer->scope))
		return;
	memcpy(transfer->scope, scope, len);
	transfer->scope[len] = '\0';
}

/* RFC 9530, in the one form that our servers send; another says nothing. */
static void
take_digest(struct transfer *transfer, const char *value)
{
	static const char prefix[] = "sha-256=:";
	size_t start = sizeof(prefix) - 1;
	size_t len = strlen(value);
	auto_free uint8_t *digest = NULL;
	size_t size = 0;

	if (len <= start || strncmp(value, prefix, start) != 0 ||
	    value[len - 1] != ':' ||
	    !base64_decode(value + start, len - start - 1, &digest, &size) ||
	    size != SHA256_BYTES)
		return;
	memcpy(transfer->digest, digest, SHA256_BYTES);
	transfer->has_digest = true;
}

static const struct {
	const char *name;
	void (*read)(struct transfer *, const char *);
} known_fields[] = {
    {"Retry-After", take_retry_after},
    {"Date", take_date},
    {"Link", take_link},
    {"WWW-Authenticate", take_challenge},
    {"Content-Digest", take_digest},
};

size_t
http_transfer_take_field(char *data, size_t size, size_t count, void *arg)
{
	struct transfer *transfer = arg;
	size_t len = size * count;
	char line[1024];
	char *colon = NULL;
	char *value = NULL;

	/* No field that we read is as long. */
	if (len == 0 || len >= sizeof(line))
		return len;
	memcpy(line, data, len);
	line[len] = '\0';
	line[strcspn(line, "\r\n")] = '\0';
	if (strncmp(line, "HTTP/", 5) == 0)
		take_status(transfer, line);
	colon = strchr(line, ':');
	if (colon == NULL)
		return len;
	*colon = '\0';
	value = colon + 1 + strspn(colon + 1, " \t");
	for (size_t i = 0; i < COUNT(known_fields); i++) {
		if (strcasecmp(line, known_fields[i].name) == 0)
			known_fields[i].read(transfer, value);
	}
	return len;
}

static int
read_status(const struct transfer *transfer)
{
	long status = 0;

	curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
	return (int)status;
}

static int64_t
read_length(const struct transfer *transfer)
{
	curl_off_t length = -1;

	curl_easy_getinfo(
	    transfer->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
	return length;
}

size_t
http_transfer_take_body(char *data, size_t size, size_t count, void *arg)
{
	struct transfer *transfer = arg;
	size_t len = size * count;
	int status = read_status(transfer);

	if (status == 200 && transfer->write != NULL)
		return transfer->write(transfer->arg, data, len)
		    ? len
		    : CURL_WRITEFUNC_PAUSE;
	if (status >= 400 && transfer->body.max > PROBLEM_MAX)
		transfer->body.max = PROBLEM_MAX;
	buffer_append(&transfer->body, data, len);
	/* Fewer bytes than were given end the transfer. */
	return transfer->body.full ? 0 : len;
}

size_t
http_transfer_give_body(char *data, size_t size, size_t count, void *arg)
{
	struct transfer *transfer = arg;
	ssize_t n = transfer->source(transfer->arg, data, size * count);

	if (n == HTTP_SOURCE_LATER)
		return CURL_READFUNC_PAUSE;
	return n < 0 ? CURL_READFUNC_ABORT : (size_t)n;
}

bool
http_is_done(const struct transfer *transfer)
{
	return transfer->done;
}

bool
http_has_begun(const struct transfer *transfer)
{
	return read_status(transfer) == 200;
}

/* With TLS 1.3 the server judges our certificate after we think ourselves
 * connected: its refusal is an alert found when we read. */
static bool
is_refused_by_alert(const struct transfer *transfer)
{
	static const char *const reasons[] = {
	    "certificate", "unknown ca", "access denied"};
	const char *alert = strstr(transfer->error, " alert ");

	for (size_t i = 0; alert != NULL && i < COUNT(reasons); i++) {
		if (strstr(alert, reasons[i]) != NULL)
			return true;
	}
	return false;
}

/* The line broke in the handshake: as good as a reply that was lost, whereas
 * what a peer says or cannot say stays as it is. */
static bool
is_lost_in_handshake(const struct transfer *transfer)
{
	return transfer->code == CURLE_SSL_CONNECT_ERROR &&
	    (strstr(transfer->error, "OpenSSL SSL_connect:") != NULL ||
		strstr(transfer->error, "unexpected eof") != NULL);
}

static bool
is_connected(const struct transfer *transfer)
{
	curl_off_t us = 0;

	return curl_easy_getinfo(transfer->easy, CURLINFO_APPCONNECT_TIME_T,
		   &us) == CURLE_OK &&
	    us > 0;
}

static const struct {
	CURLcode code;
	enum retry_cause cause;
	const char *sentence;
} faults[] = {
    {CURLE_COULDNT_RESOLVE_HOST, RETRY_NOT_CONNECTED,
	"there is no host of this name"},
    {CURLE_COULDNT_CONNECT, RETRY_NOT_CONNECTED,
	"nobody answers at this address"},
    {CURLE_PEER_FAILED_VERIFICATION, RETRY_NEVER,
	"what answers there is not the server of this context: its "
	"certificate is not accepted"},
    {CURLE_SSL_CERTPROBLEM, RETRY_NEVER,
	"our own certificate or key cannot be used"},
    {CURLE_SSL_CACERT_BADFILE, RETRY_NEVER,
	"the context's CA certificate cannot be used"},
    {CURLE_SSL_CONNECT_ERROR, RETRY_NOT_CONNECTED,
	"no TLS 1.3 connection came about"},
    {CURLE_SEND_ERROR, RETRY_LOST, "the connection was lost"},
    {CURLE_RECV_ERROR, RETRY_LOST, "the connection was lost"},
    {CURLE_GOT_NOTHING, RETRY_LOST, "the connection ended without a reply"},
    {CURLE_PARTIAL_FILE, RETRY_LOST, "the connection ended in the middle"},
    {CURLE_WEIRD_SERVER_REPLY, RETRY_NEVER,
	"what answers there does not speak HTTP"},
    {CURLE_UNSUPPORTED_PROTOCOL, RETRY_NEVER,
	"what answers there does not speak HTTP/1.1"},
    {CURLE_WRITE_ERROR, RETRY_NEVER,
	"the reply is larger than we are ready to keep"},
    {CURLE_ABORTED_BY_CALLBACK, RETRY_NEVER, "what was to be sent is gone"},
};

static void
explain_fault(struct transfer *transfer, struct http_reply *reply)
{
	const char *sentence = "the transfer failed";

	reply->cause =
	    is_connected(transfer) ? RETRY_LOST : RETRY_NOT_CONNECTED;
	reply->slug = "unreachable";
	if (transfer->code == CURLE_SSL_CERTPROBLEM ||
	    transfer->code == CURLE_SSL_CACERT_BADFILE)
		reply->slug = "context";
	if (transfer->code == CURLE_ABORTED_BY_CALLBACK)
		reply->slug = "local";
	if (transfer->code == CURLE_OPERATION_TIMEDOUT)
		sentence = is_connected(transfer)
		    ? "no reply within the time"
		    : "no connection within the time";
	for (size_t i = 0; i < COUNT(faults); i++) {
		if (faults[i].code != transfer->code)
			continue;
		reply->cause = faults[i].cause;
		sentence = faults[i].sentence;
	}
	if (is_lost_in_handshake(transfer)) {
		reply->cause = RETRY_LOST;
		sentence = "the connection was lost";
	}
	if (is_refused_by_alert(transfer)) {
		reply->cause = RETRY_NEVER;
		reply->slug = "unauthenticated";
		sentence = "the server did not accept our certificate";
	}
	snprintf(transfer->sentence, sizeof(transfer->sentence), "%s (%s)",
	    sentence,
	    transfer->error[0] != '\0' ? transfer->error
				       : curl_easy_strerror(transfer->code));
	reply->error = transfer->sentence;
}

struct http_reply
http_reply(const struct transfer *done)
{
	/* The sentence is made on demand, in the transfer's own memory. */
	struct transfer *transfer = (struct transfer *)done;
	struct http_reply reply = {
	    .cause = RETRY_NEVER,
	    .body = transfer->body.data != NULL ? transfer->body.data : "",
	    .len = transfer->body.len,
	    .retry_after_s = transfer->retry_after_s,
	    .date_s = transfer->date_s,
	    .has_next = transfer->has_next,
	    .scope = transfer->scope[0] != '\0' ? transfer->scope : NULL,
	    .digest = transfer->has_digest ? transfer->digest : NULL,
	    .length = -1,
	};

	if (transfer->code != CURLE_OK) {
		explain_fault(transfer, &reply);
		return reply;
	}
	reply.status = read_status(transfer);
	reply.length = read_length(transfer);
	if (reply.status == 429 || reply.status == 503)
		reply.cause = RETRY_PUT_OFF;
	return reply;
}
