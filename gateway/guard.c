/*
 * The guard: RFC 9112 heads, read strictly, line by line as they arrive.
 *
 * Trusts nothing. Where the RFC lets a server be lenient this reader is not:
 * each leniency is something that another parser on the way reads differently
 * (request smuggling), and no client that means well needs one. It must never
 * repeat a byte of the request in what it reports.
 */
#include "gateway/guard.h"

#include <string.h>

#include "lib/cleanup.h"

/* RFC 9110 5.6.2, 9112 3.2.1 and RFC 3986 3.3: what stands in names and
 * targets beside letters and digits. */
#define TOKEN_EXTRA "!#$%&'*+-.^_`|~"
#define PATH_EXTRA "-._~!$&'()*+,;=:@/"
#define QUERY_EXTRA PATH_EXTRA "?"
#define HOST_EXTRA "-._~"

/* libmicrohttpd takes a query and cookies apart in the memory of the
 * connection. When that is used up it answers by itself, or not at all and
 * keeps the connection (measured on 0.9.75: 32 KiB and 500 parameters). */
#define PARTS_MAX 64

/* 10^18 - 1 fits into every integer that is used behind this. */
#define LENGTH_DIGITS 18

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
is_among(char c, const char *extra)
{
	if (is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
		return true;
	return c != '\0' && strchr(extra, c) != NULL;
}

/* How many of the first bytes are letters, digits or among `extra`. */
static size_t
span(const char *text, size_t len, const char *extra)
{
	size_t n = 0;

	while (n < len && is_among(text[n], extra))
		n++;
	return n;
}

static bool
is_named(const char *text, size_t len, const char *lower)
{
	if (len != strlen(lower))
		return false;
	for (size_t k = 0; k < len; k++) {
		char c = text[k];

		if (c >= 'A' && c <= 'Z')
			c = (char)(c - 'A' + 'a');
		if (c != lower[k])
			return false;
	}
	return true;
}

static int
hex_value(char c)
{
	if (is_digit(c))
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static int
malformed(struct err *err, const char *what)
{
	return err_set(err, ERR_MALFORMED, "%s", what);
}

/* As many parts as there are separators, and one. */
static int
count_parts(struct guard *guard, const char *text, size_t len, char separator,
    struct err *err)
{
	guard->parts++;
	for (size_t k = 0; k < len; k++)
		guard->parts += text[k] == separator ? 1 : 0;
	if (guard->parts <= PARTS_MAX)
		return 0;
	return err_set(err, ERR_HEAD_TOO_LARGE,
	    "query and cookies have more than %d parts", PARTS_MAX);
}

/* A query may hold any byte percent-encoded but control bytes: %00 ends a C
 * string, %0d%0a is header injection once somebody decodes it. */
static int
check_query(const char *query, size_t len, struct err *err)
{
	for (size_t k = 0; k < len; k++) {
		if (is_among(query[k], QUERY_EXTRA))
			continue;
		if (query[k] != '%')
			return malformed(
			    err, "the query has a byte that must be encoded");
		if (len - k < 3 || hex_value(query[k + 1]) < 0 ||
		    hex_value(query[k + 2]) < 0)
			return malformed(err,
			    "the query has a percent sign without two "
			    "hexadecimal digits");
		int byte =
		    hex_value(query[k + 1]) * 16 + hex_value(query[k + 2]);

		if (byte < 0x20 || byte == 0x7f)
			return malformed(
			    err, "the query has an encoded control byte");
		k += 2;
	}
	return 0;
}

/* RFC 9112 3.2.1, origin form alone: a path, and perhaps a query. */
static int
check_target(
    struct guard *guard, const char *target, size_t len, struct err *err)
{
	if (len == 0 || target[0] != '/')
		return malformed(
		    err, "the request target does not begin with a slash");
	size_t path = span(target, len, PATH_EXTRA);

	if (path == len)
		return 0;
	if (target[path] == '%')
		return malformed(err, "the path has an encoded byte");
	if (target[path] != '?')
		return malformed(
		    err, "the path has a byte that no path here has");
	if (check_query(target + path + 1, len - path - 1, err) != 0)
		return -1;
	return count_parts(guard, target + path + 1, len - path - 1, '&', err);
}

static int
read_request_line(
    struct guard *guard, const char *line, size_t len, struct err *err)
{
	size_t method = span(line, len, TOKEN_EXTRA);

	if (method == 0 || method == len || line[method] != ' ')
		return malformed(err,
		    "the request line does not begin with a method and one "
		    "space");
	if (method >= sizeof(guard->method))
		return malformed(err, "the method is too long");
	const char *target = line + method + 1;
	size_t rest = len - method - 1;
	const char *blank = memchr(target, ' ', rest);

	if (blank == NULL)
		return malformed(err, "the request line has no version");
	size_t target_len = (size_t)(blank - target);

	if (check_target(guard, target, target_len, err) != 0)
		return -1;
	if (rest - target_len - 1 != strlen("HTTP/1.1") ||
	    memcmp(blank + 1, "HTTP/1.1", strlen("HTTP/1.1")) != 0)
		return malformed(err, "the version is not HTTP/1.1");
	memcpy(guard->method, line, method);
	guard->method[method] = '\0';
	return 0;
}

/* RFC 9110 7.2: a name or an address, perhaps a port. No user information,
 * no percent-encoding: nothing that two readers could take apart in two
 * ways. */
static int
read_host(struct guard *guard, const char *value, size_t len, struct err *err)
{
	size_t name = span(value, len, HOST_EXTRA);

	(void)guard;
	if (len > 0 && value[0] == '[') {
		name = 1 + span(value + 1, len - 1, ":.");
		if (name < 3 || name == len || value[name] != ']')
			return malformed(err, "the Host is not a host");
		name++;
	}
	if (name == 0)
		return malformed(err, "the Host is not a host");
	if (name == len)
		return 0;
	size_t port = name + 1;

	while (port < len && is_digit(value[port]))
		port++;
	if (value[name] != ':' || port != len || port == name + 1 ||
	    port > name + 6)
		return malformed(err, "the Host is not a host");
	return 0;
}

static int
read_content_length(
    struct guard *guard, const char *value, size_t len, struct err *err)
{
	uint64_t length = 0;

	/* A leading zero is octal to some readers and never needed. */
	if (len == 0 || len > LENGTH_DIGITS || (len > 1 && value[0] == '0'))
		return malformed(err, "the Content-Length is not a length");
	for (size_t k = 0; k < len; k++) {
		if (!is_digit(value[k]))
			return malformed(
			    err, "the Content-Length is not a length");
		length = length * 10 + (uint64_t)(value[k] - '0');
	}
	guard->has_length = true;
	guard->content_length = length;
	return 0;
}

static int
read_transfer_encoding(
    struct guard *guard, const char *value, size_t len, struct err *err)
{
	if (!is_named(value, len, "chunked"))
		return malformed(err, "the Transfer-Encoding is not chunked");
	guard->chunked = true;
	return 0;
}

static int
read_expect(struct guard *guard, const char *value, size_t len, struct err *err)
{
	if (!is_named(value, len, "100-continue"))
		return malformed(err, "the Expect is not 100-continue");
	guard->expect_continue = true;
	return 0;
}

/* RFC 9110 7.6.1: a list of tokens, separated by commas and blanks. */
static int
read_connection(
    struct guard *guard, const char *value, size_t len, struct err *err)
{
	for (size_t at = 0; at < len;) {
		size_t option = span(value + at, len - at, TOKEN_EXTRA);

		if (is_named(value + at, option, "close"))
			guard->close = true;
		if (is_named(value + at, option, "upgrade"))
			return malformed(err, "nothing here can be upgraded");
		at += option;
		if (option == 0 && value[at] != ' ' && value[at] != ',')
			return malformed(err, "the Connection is not a list");
		if (option == 0)
			at++;
	}
	return 0;
}

static int
read_upgrade(
    struct guard *guard, const char *value, size_t len, struct err *err)
{
	(void)guard;
	(void)value;
	(void)len;
	return malformed(err, "nothing here can be upgraded");
}

static int
read_cookie(struct guard *guard, const char *value, size_t len, struct err *err)
{
	return count_parts(guard, value, len, ';', err);
}

enum once {
	ONCE_NO = 0,
	ONCE_HOST = 1 << 0,
	ONCE_LENGTH = 1 << 1,
	ONCE_ENCODING = 1 << 2,
	ONCE_AUTHORIZATION = 1 << 3,
	ONCE_TYPE = 1 << 4,
	ONCE_CONTENT_ENCODING = 1 << 5,
	ONCE_EXPECT = 1 << 6,
	ONCE_IDEMPOTENCY = 1 << 7,
	ONCE_TRACE = 1 << 8,
	ONCE_CONTENT_DIGEST = 1 << 9,
	ONCE_SIGNATURE = 1 << 10,
	ONCE_SIGNATURE_INPUT = 1 << 11
};

/* What this reader itself understands, and what must not come twice because
 * readers differ about which one counts. */
static const struct field {
	const char *name; /* lower case */
	enum once once;
	int (*read)(struct guard *guard, const char *value, size_t len,
	    struct err *err);
} fields[] = {
    {"host", ONCE_HOST, read_host},
    {"content-length", ONCE_LENGTH, read_content_length},
    {"transfer-encoding", ONCE_ENCODING, read_transfer_encoding},
    {"authorization", ONCE_AUTHORIZATION, NULL},
    {"content-type", ONCE_TYPE, NULL},
    {"content-encoding", ONCE_CONTENT_ENCODING, NULL},
    {"expect", ONCE_EXPECT, read_expect},
    {"idempotency-key", ONCE_IDEMPOTENCY, NULL},
    {"traceparent", ONCE_TRACE, NULL},
    {"content-digest", ONCE_CONTENT_DIGEST, NULL},
    {"signature", ONCE_SIGNATURE, NULL},
    {"signature-input", ONCE_SIGNATURE_INPUT, NULL},
    {"connection", ONCE_NO, read_connection},
    {"upgrade", ONCE_NO, read_upgrade},
    {"cookie", ONCE_NO, read_cookie},
};

static const struct field *
find_field(const char *name, size_t len)
{
	for (size_t k = 0; k < COUNT(fields); k++) {
		if (is_named(name, len, fields[k].name))
			return &fields[k];
	}
	return NULL;
}

static int
read_known_field(struct guard *guard, const struct field *field,
    const char *value, size_t len, struct err *err)
{
	if ((guard->once & (unsigned)field->once) != 0)
		return err_set(
		    err, ERR_MALFORMED, "the field %s came twice", field->name);
	guard->once |= (unsigned)field->once;
	/* RFC 9112 6.3: both at once is how requests are smuggled. */
	if ((guard->once & ONCE_LENGTH) != 0 &&
	    (guard->once & ONCE_ENCODING) != 0)
		return malformed(
		    err, "Content-Length and Transfer-Encoding came together");
	if (field->read == NULL)
		return 0;
	return field->read(guard, value, len, err);
}

static int
read_field_line(
    struct guard *guard, const char *line, size_t len, struct err *err)
{
	if (++guard->fields > GUARD_FIELDS_MAX)
		return err_set(err, ERR_HEAD_TOO_LARGE,
		    "the head has more than %d fields", GUARD_FIELDS_MAX);
	if (line[0] == ' ')
		return malformed(err, "a line begins with white space");
	size_t name = span(line, len, TOKEN_EXTRA);

	if (name == 0 || name == len || line[name] != ':')
		return malformed(
		    err, "a field does not begin with a name and a colon");
	const char *value = line + name + 1;
	size_t value_len = len - name - 1;

	while (value_len > 0 && value[0] == ' ') {
		value++;
		value_len--;
	}
	while (value_len > 0 && value[value_len - 1] == ' ')
		value_len--;
	const struct field *field = find_field(line, name);

	if (field == NULL)
		return 0;
	return read_known_field(guard, field, value, value_len, err);
}

static int
read_line(struct guard *guard, const char *line, size_t len, struct err *err)
{
	if (guard->line == 0)
		return read_request_line(guard, line, len, err);
	return read_field_line(guard, line, len, err);
}

static enum guard_result
finish(struct guard *guard, struct err *err)
{
	if ((guard->once & ONCE_HOST) == 0) {
		malformed(err, "the head has no Host");
		return GUARD_REFUSED;
	}
	guard->head_len = guard->seen;
	return GUARD_ACCEPTED;
}

/* Line ends are CR LF together, and everything else can be printed: not even
 * a tab, which smuggles "chunked" past whoever trims blanks alone. */
static int
check_byte(const char *data, size_t line, size_t at, struct err *err)
{
	unsigned char c = (unsigned char)data[at];
	bool after_return = at > line && data[at - 1] == '\r';

	if (after_return != (c == '\n'))
		return malformed(err,
		    "a line does not end with carriage return and line feed");
	if (c == '\n' || c == '\r')
		return 0;
	if (c < 0x20 || c > 0x7e)
		return malformed(err,
		    "the head has a byte that is not ASCII "
		    "or cannot be printed");
	return 0;
}

void
guard_init(struct guard *guard)
{
	memset(guard, 0, sizeof(*guard));
}

enum guard_result
guard_read_head(
    struct guard *guard, const char *data, size_t len, struct err *err)
{
	size_t end = len < GUARD_HEAD_MAX ? len : GUARD_HEAD_MAX;

	while (guard->seen < end) {
		if (check_byte(data, guard->line, guard->seen, err) != 0)
			return GUARD_REFUSED;
		if (data[guard->seen++] != '\n')
			continue;
		size_t line_len = guard->seen - guard->line - 2;

		if (line_len == 0 && guard->line > 0)
			return finish(guard, err);
		if (read_line(guard, data + guard->line, line_len, err) != 0)
			return GUARD_REFUSED;
		guard->line = guard->seen;
	}
	if (len < GUARD_HEAD_MAX)
		return GUARD_MORE;
	err_set(err, ERR_HEAD_TOO_LARGE, "the head is longer than %d bytes",
	    GUARD_HEAD_MAX);
	return GUARD_REFUSED;
}
