/*
 * Heads of replies. Every byte is a stranger's until TLS has verified who wrote
 * it, and even then need not be right: what two readers could read differently
 * is refused, what means nothing to us is passed over.
 */
#include "client/reply_head.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "lib/cleanup.h"
#include "policy/allowances.h"

#define VALUE_MAX 1024 /* none that we read is as long */

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
take_length(struct reply_head *head, const char *value)
{
	return head->length < 0 && read_decimal(value, &head->length);
}

static bool
take_coding(struct reply_head *head, const char *value)
{
	if (head->chunked || strcasecmp(value, "chunked") != 0)
		return false;
	head->chunked = true;
	return true;
}

static bool
take_connection(struct reply_head *head, const char *value)
{
	if (strcasecmp(value, "keep-alive") != 0)
		head->closes = true;
	return true;
}

/* Seconds, and no longer than a rule can make anybody wait; a date, which RFC
 * 9110 allows too, our servers do not send. */
static bool
take_retry_after(struct reply_head *head, const char *value)
{
	int64_t seconds;

	if (read_decimal(value, &seconds) && seconds <= ALLOWANCE_PERIOD_MAX_S)
		head->retry_after_s = (int)seconds;
	return true;
}

static bool
take_date(struct reply_head *head, const char *value)
{
	struct tm tm = {0};
	const char *end = strptime(value, "%a, %d %b %Y %H:%M:%S GMT", &tm);

	if (end != NULL && *end == '\0')
		head->date_s = timegm(&tm);
	return true;
}

static bool
take_link(struct reply_head *head, const char *value)
{
	head->has_next = strstr(value, "rel=\"next\"") != NULL;
	return true;
}

static bool
take_challenge(struct reply_head *head, const char *value)
{
	const char *scope = strstr(value, "scope=\"");
	size_t len;

	if (scope == NULL)
		return true;
	scope += sizeof("scope=\"") - 1;
	len = strcspn(scope, "\"");
	if (len >= sizeof(head->scope))
		return true;
	memcpy(head->scope, scope, len);
	head->scope[len] = '\0';
	return true;
}

/* RFC 9530, in the one form that our servers write. */
static bool
take_digest(struct reply_head *head, const char *value)
{
	static const char prefix[] = "sha-256=:";
	size_t start = sizeof(prefix) - 1;
	size_t len = strlen(value);
	auto_free uint8_t *digest = NULL;
	size_t size = 0;

	if (head->has_digest || len < start + 1 ||
	    strncmp(value, prefix, start) != 0 || value[len - 1] != ':' ||
	    !base64_decode(value + start, len - start - 1, &digest, &size) ||
	    size != SHA256_BYTES)
		return false;
	memcpy(head->digest, digest, SHA256_BYTES);
	head->has_digest = true;
	return true;
}

static const struct {
	const char *name;
	bool (*read)(struct reply_head *, const char *); /* false: no reply */
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
read_value(struct reply_head *head, size_t field, const char *value, size_t len)
{
	char text[VALUE_MAX];

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
	return known_fields[field].read(head, text);
}

static bool
read_field(struct reply_head *head, const char *line, size_t len)
{
	const char *colon = memchr(line, ':', len);
	size_t name = colon != NULL ? (size_t)(colon - line) : 0;

	if (colon == NULL || !is_token(line, name))
		return false;
	for (size_t i = 0; i < COUNT(known_fields); i++) {
		if (strlen(known_fields[i].name) == name &&
		    strncasecmp(line, known_fields[i].name, name) == 0)
			return read_value(head, i, colon + 1, len - name - 1);
	}
	return true;
}

static bool
read_status(struct reply_head *head, const char *line, size_t len)
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
	head->status = (digits[0] - '0') * 100 + (digits[1] - '0') * 10 +
	    (digits[2] - '0');
	return head->status >= 100 && head->status <= 599 &&
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

bool
reply_head_read(const char *text, size_t len, struct reply_head *ret)
{
	struct reply_head head = {.retry_after_s = -1, .length = -1};
	bool first = true;

	while (len > 0) {
		const char *end = memmem(text, len, "\r\n", 2);
		size_t line = end != NULL ? (size_t)(end - text) : len;

		if (end == NULL || !is_clean(text, line))
			return false;
		if (first ? !read_status(&head, text, line)
			  : line > 0 && !read_field(&head, text, line))
			return false;
		first = false;
		text += line + 2;
		len -= line + 2;
	}
	*ret = head;
	return true;
}
