/*
 * Replies. Every byte is a stranger's until TLS has verified who wrote it,
 * and even then need not be right.
 */
#include "client/reply.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "lib/cleanup.h"

#define INTERIM_MAX 8
#define LINE_MAX_BYTES 1024 /* no field that we read is as long */
#define CHUNK_LINE_MAX 18 /* 16 digits and CRLF */

void
reply_init(struct reply *reply)
{
	*reply = (struct reply){
	    .retry_after_s = -1,
	    .length = -1,
	};
}

static bool
read_decimal(const char *text, int64_t *ret)
{
	size_t digits = strspn(text, "0123456789");

	if (digits < 1 || digits > 18 || text[digits] != '\0')
		return false;
	*ret = strtoll(text, NULL, 10);
	return true;
}

static bool
take_length(struct reply *reply, const char *value)
{
	return reply->length < 0 && read_decimal(value, &reply->length);
}

static bool
take_coding(struct reply *reply, const char *value)
{
	if (reply->chunked || strcasecmp(value, "chunked") != 0)
		return false;
	reply->chunked = true;
	return true;
}

static bool
take_connection(struct reply *reply, const char *value)
{
	if (strcasecmp(value, "keep-alive") != 0)
		reply->closes = true;
	return true;
}

/* Seconds; a date, which RFC 9110 allows too, our servers do not send. */
static bool
take_retry_after(struct reply *reply, const char *value)
{
	int64_t seconds;

	if (read_decimal(value, &seconds) && seconds < 86400)
		reply->retry_after_s = (int)seconds;
	return true;
}

static bool
take_date(struct reply *reply, const char *value)
{
	struct tm tm = {0};
	const char *end = strptime(value, "%a, %d %b %Y %H:%M:%S GMT", &tm);

	if (end != NULL && *end == '\0')
		reply->date_s = timegm(&tm);
	return true;
}

static bool
take_link(struct reply *reply, const char *value)
{
	reply->has_next = strstr(value, "rel=\"next\"") != NULL;
	return true;
}

static bool
take_challenge(struct reply *reply, const char *value)
{
	const char *scope = strstr(value, "scope=\"");
	size_t len;

	if (scope == NULL)
		return true;
	scope += sizeof("scope=\"") - 1;
	len = strcspn(scope, "\"");
	if (len >= sizeof(reply->scope))
		return true;
	memcpy(reply->scope, scope, len);
	reply->scope[len] = '\0';
	return true;
}

/* RFC 9530, in the one form that our servers write. */
static bool
take_digest(struct reply *reply, const char *value)
{
	static const char prefix[] = "sha-256=:";
	size_t start = sizeof(prefix) - 1;
	size_t len = strlen(value);
	auto_free uint8_t *digest = NULL;
	size_t size = 0;

	if (len < start + 1 || strncmp(value, prefix, start) != 0 ||
	    value[len - 1] != ':' ||
	    !base64_decode(value + start, len - start - 1, &digest, &size) ||
	    size != SHA256_BYTES)
		return false;
	memcpy(reply->digest, digest, SHA256_BYTES);
	reply->has_digest = true;
	return true;
}

static const struct {
	const char *name;
	bool (*read)(struct reply *, const char *); /* false: no reply */
} known_fields[] = {
    {"Content-Length", take_length},
    {"Transfer-Encoding", take_coding},
    {"Connection", take_connection},
    {"Retry-After", take_retry_after},
    {"Date", take_date},
    {"Link", take_link},
    {"WWW-Authenticate", take_challenge},
    {"Content-Digest", take_digest},
};

static bool
is_token(const char *text, size_t len)
{
	static const char more[] = "!#$%&'*+-.^_`|~";

	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			(c >= '0' && c <= '9') || strchr(more, c) != NULL))
			return false;
	}
	return len > 0;
}

/* A value that is cut short says nothing: only those that frame the body must
 * be understood, and they are short. */
static bool
read_value(struct reply *reply, size_t field, const char *value, size_t len)
{
	char text[LINE_MAX_BYTES];

	while (len > 0 && (*value == ' ' || *value == '\t')) {
		value++;
		len--;
	}
	while (len > 0 && (value[len - 1] == ' ' || value[len - 1] == '\t'))
		len--;
	if (len >= sizeof(text))
		return known_fields[field].read != take_length &&
		    known_fields[field].read != take_coding;
	memcpy(text, value, len);
	text[len] = '\0';
	return known_fields[field].read(reply, text);
}

static bool
read_field(struct reply *reply, const char *line, size_t len)
{
	const char *colon = memchr(line, ':', len);
	size_t name = colon != NULL ? (size_t)(colon - line) : 0;

	if (colon == NULL || !is_token(line, name))
		return false;
	for (size_t i = 0; i < COUNT(known_fields); i++) {
		if (strlen(known_fields[i].name) == name &&
		    strncasecmp(line, known_fields[i].name, name) == 0)
			return read_value(reply, i, colon + 1, len - name - 1);
	}
	return true;
}

static bool
read_status(struct reply *reply, const char *line, size_t len)
{
	static const char version[] = "HTTP/1.1 ";
	const char *digits = line + sizeof(version) - 1;

	if (len < sizeof(version) + 2 ||
	    memcmp(line, version, sizeof(version) - 1) != 0)
		return false;
	for (size_t i = 0; i < 3; i++) {
		if (digits[i] < '0' || digits[i] > '9')
			return false;
	}
	reply->status = (digits[0] - '0') * 100 + (digits[1] - '0') * 10 +
	    (digits[2] - '0');
	return reply->status >= 100 && reply->status <= 599 &&
	    (len == sizeof(version) + 2 || digits[3] == ' ');
}

/* No control byte but the tabs of a value: a bare CR or LF, or a NUL, is read
 * by everybody in another way. */
static bool
is_clean(const char *line, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)line[i];

		if ((c < ' ' && c != '\t') || c == 0x7f)
			return false;
	}
	return true;
}

static bool
read_lines(struct reply *reply, const char *head, size_t len)
{
	bool first = true;

	while (len > 0) {
		const char *end = memmem(head, len, "\r\n", 2);
		size_t line = end != NULL ? (size_t)(end - head) : len;

		if (end == NULL || !is_clean(head, line))
			return false;
		if (first ? !read_status(reply, head, line)
			  : line > 0 && !read_field(reply, head, line))
			return false;
		first = false;
		head += line + 2;
		len -= line + 2;
	}
	return true;
}

/* Where the body ends, by RFC 9112 section 6.3; a length beside a coding is
 * nothing that a server of ours writes. */
static enum reply_state
find_body(struct reply *reply)
{
	if (reply->chunked && reply->length >= 0)
		return REPLY_BAD;
	if (reply->status == 204 || reply->status == 304)
		return REPLY_WHOLE;
	if (reply->chunked)
		return REPLY_IN_CHUNK_SIZE;
	if (reply->length >= 0) {
		reply->left = (uint64_t)reply->length;
		return reply->left > 0 ? REPLY_IN_BODY : REPLY_WHOLE;
	}
	reply->closes = true;
	return REPLY_UNTIL_CLOSE;
}

/* Returns how many bytes of a whole head stand there, 0: not all of it yet. */
static size_t
read_head(struct reply *reply, const char *data, size_t len)
{
	const char *end = memmem(data, len, "\r\n\r\n", 4);
	unsigned interim = reply->interim;
	size_t head;

	if (end == NULL || (size_t)(end - data) + 4 > REPLY_HEAD_MAX) {
		if (end != NULL || len >= REPLY_HEAD_MAX)
			reply->state = REPLY_BAD;
		return 0;
	}
	head = (size_t)(end - data) + 4;
	reply_init(reply);
	reply->interim = interim;
	if (!read_lines(reply, data, head)) {
		reply->state = REPLY_BAD;
		return 0;
	}
	if (reply->status >= 200) {
		reply->state = find_body(reply);
		return head;
	}
	/* An interim head: another follows. We never ask for a change of
	 * protocol. */
	if (reply->status == 101 || ++reply->interim > INTERIM_MAX)
		reply->state = REPLY_BAD;
	return head;
}

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static size_t
read_chunk_size(struct reply *reply, const char *data, size_t len)
{
	const char *end = memmem(
	    data, len < CHUNK_LINE_MAX ? len : CHUNK_LINE_MAX, "\r\n", 2);
	size_t digits = end != NULL ? (size_t)(end - data) : 0;
	uint64_t size = 0;

	if (end == NULL) {
		if (len >= CHUNK_LINE_MAX)
			reply->state = REPLY_BAD;
		return 0;
	}
	for (size_t i = 0; i < digits; i++) {
		int value = hex_value(data[i]);

		if (value < 0 || size >> 56 != 0) {
			reply->state = REPLY_BAD;
			return 0;
		}
		size = size * 16 + (uint64_t)value;
	}
	if (digits == 0) {
		reply->state = REPLY_BAD;
		return 0;
	}
	reply->left = size;
	reply->state = size > 0 ? REPLY_IN_CHUNK : REPLY_IN_TRAILER;
	return digits + 2;
}

static size_t
read_chunk_end(struct reply *reply, const char *data, size_t len)
{
	if (len < 2 && (len == 0 || data[0] == '\r'))
		return 0;
	if (len < 2 || memcmp(data, "\r\n", 2) != 0) {
		reply->state = REPLY_BAD;
		return 0;
	}
	reply->state = REPLY_IN_CHUNK_SIZE;
	return 2;
}

/* Passed over, line by line, up to the empty one. */
static size_t
read_trailer(struct reply *reply, const char *data, size_t len)
{
	const char *end = memmem(data, len, "\r\n", 2);
	size_t line = end != NULL ? (size_t)(end - data) + 2 : len;

	if (reply->trailer + line > REPLY_HEAD_MAX) {
		reply->state = REPLY_BAD;
		return 0;
	}
	if (end == NULL)
		return 0;
	reply->trailer += line;
	if (line == 2)
		reply->state = REPLY_WHOLE;
	return line;
}

static size_t (*const readers[])(struct reply *, const char *, size_t) = {
    [REPLY_IN_HEAD] = read_head,
    [REPLY_IN_CHUNK_SIZE] = read_chunk_size,
    [REPLY_IN_CHUNK_END] = read_chunk_end,
    [REPLY_IN_TRAILER] = read_trailer,
    [REPLY_BAD] = NULL,
};

static size_t
find_piece(const struct reply *reply, size_t len)
{
	return reply->state != REPLY_UNTIL_CLOSE && reply->left < len
	    ? (size_t)reply->left
	    : len;
}

enum reply_step
reply_read(struct reply *reply, const char *data, size_t len, size_t *ret_used,
    size_t *ret_body)
{
	*ret_used = 0;
	*ret_body = 0;
	while (readers[reply->state] != NULL) {
		enum reply_state before = reply->state;
		size_t used =
		    readers[before](reply, data + *ret_used, len - *ret_used);

		*ret_used += used;
		if (used == 0 && reply->state == before)
			return REPLY_STEP_MORE;
	}
	if (reply->state == REPLY_BAD)
		return REPLY_STEP_BAD;
	if (reply->state == REPLY_WHOLE)
		return REPLY_STEP_WHOLE;
	*ret_body = find_piece(reply, len - *ret_used);
	return *ret_body > 0 ? REPLY_STEP_BODY : REPLY_STEP_MORE;
}

void
reply_take(struct reply *reply, size_t len)
{
	if (reply->state == REPLY_UNTIL_CLOSE)
		return;
	reply->left -= len;
	if (reply->left == 0)
		reply->state = reply->state == REPLY_IN_CHUNK
		    ? REPLY_IN_CHUNK_END
		    : REPLY_WHOLE;
}

bool
reply_end(struct reply *reply)
{
	if (reply->state == REPLY_UNTIL_CLOSE)
		reply->state = REPLY_WHOLE;
	return reply->state == REPLY_WHOLE;
}
