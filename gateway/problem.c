/*
 * Errors as clients see them: the stable type, the public title, and a detail
 * only where it was written for them.
 */
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "gateway/headers.h"
#include "gateway/problem.h"
#include "lib/alloc.h"
#include "lib/buffer.h"
#include "lib/cleanup.h"
#include "lib/json.h"

#define RETRY_AFTER_S 1
#define RESPONSE_MAX 8192

const struct header headers_security[HEADERS_COUNT] = {
    {"Cache-Control", "no-store"},
    {"Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"},
    {"Referrer-Policy", "no-referrer"},
    {"Strict-Transport-Security", "max-age=63072000"},
    {"X-Content-Type-Options", "nosniff"},
    {"X-Frame-Options", "DENY"},
};

/* RFC 9110 15: the reason phrases of what errors.def has. */
static const char *
reason_phrase(int status)
{
	static const struct {
		int status;
		const char *phrase;
	} phrases[] = {
	    {400, "Bad Request"},
	    {401, "Unauthorized"},
	    {403, "Forbidden"},
	    {404, "Not Found"},
	    {405, "Method Not Allowed"},
	    {408, "Request Timeout"},
	    {409, "Conflict"},
	    {411, "Length Required"},
	    {413, "Content Too Large"},
	    {415, "Unsupported Media Type"},
	    {422, "Unprocessable Content"},
	    {429, "Too Many Requests"},
	    {431, "Request Header Fields Too Large"},
	    {503, "Service Unavailable"},
	};

	for (size_t i = 0; i < COUNT(phrases); i++)
		if (phrases[i].status == status)
			return phrases[i].phrase;
	return "Internal Server Error";
}

char *
problem_body(const struct problem *problem, const char *request_id)
{
	enum err_code code = problem->err.code;
	auto_free char *type =
	    alloc_printf("urn:taskgate:error:%s", err_slug(code));
	auto_json *body = json_pack("{s:s, s:s, s:i}", "type", type, "title",
	    err_title(code), "status", err_status(code));
	char *text;

	/* json_string() refuses what is not UTF-8: the member is left out. */
	if (err_detail_is_public(code) && problem->err.detail[0] != '\0')
		json_object_set_new(
		    body, "detail", json_string(problem->err.detail));
	if (problem->rule != NULL)
		json_object_set_new(body, "rule", json_string(problem->rule));
	if (problem->condition != NULL)
		json_object_set_new(
		    body, "condition", json_string(problem->condition));
	if (problem->received != NULL)
		json_object_set_new(
		    body, "received", json_integer(*problem->received));
	json_object_set_new(body, "request_id", json_string(request_id));
	text = json_dumps(body, JSON_COMPACT);
	if (text == NULL)
		die("a problem document cannot be written");
	return text;
}

static void
add_field(struct problem_field **at, const char *name, const char *value)
{
	(*at)->name = name;
	snprintf((*at)->value, sizeof((*at)->value), "%s", value);
	(*at)++;
}

void
problem_fields(
    const struct problem *problem, struct problem_field ret[PROBLEM_FIELDS_MAX])
{
	struct problem_field *at = ret;
	char value[128];

	memset(ret, 0, PROBLEM_FIELDS_MAX * sizeof(*ret));
	switch (problem->err.code) {
	case ERR_UNAUTHENTICATED: /* RFC 6750 3.1 */
	case ERR_REVOKED:
		add_field(
		    &at, "WWW-Authenticate", "Bearer error=\"invalid_token\"");
		break;
	case ERR_INSUFFICIENT_SCOPE:
		snprintf(value, sizeof(value),
		    "Bearer error=\"insufficient_scope\"%s%s%s",
		    problem->scope == NULL ? "" : ", scope=\"",
		    problem->scope == NULL ? "" : problem->scope,
		    problem->scope == NULL ? "" : "\"");
		add_field(&at, "WWW-Authenticate", value);
		break;
	case ERR_METHOD_NOT_ALLOWED:
		if (problem->allow != NULL)
			add_field(&at, "Allow", problem->allow);
		break;
	case ERR_BUSY:
	case ERR_OVER_RATE:
	case ERR_UNAVAILABLE:
		snprintf(value, sizeof(value), "%lld",
		    (long long)(problem->retry_after_s > 0
			    ? problem->retry_after_s
			    : RETRY_AFTER_S));
		add_field(&at, "Retry-After", value);
		break;
	default:
		break;
	}
}

static void
add_date(struct buffer *out)
{
	static const char days[7][4] = {
	    "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
	static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May",
	    "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
	time_t now = time(NULL);
	struct tm tm;

	if (gmtime_r(&now, &tm) == NULL)
		return;
	buffer_printf(out, "Date: %s, %02d %s %04d %02d:%02d:%02d GMT\r\n",
	    days[tm.tm_wday], tm.tm_mday, months[tm.tm_mon], tm.tm_year + 1900,
	    tm.tm_hour, tm.tm_min, tm.tm_sec);
}

char *
problem_response(const struct problem *problem, const char *request_id)
{
	auto_free char *body = problem_body(problem, request_id);
	auto_buffer out = BUFFER_INIT(RESPONSE_MAX);
	struct problem_field fields[PROBLEM_FIELDS_MAX];
	int status = err_status(problem->err.code);

	problem_fields(problem, fields);
	buffer_printf(
	    &out, "HTTP/1.1 %d %s\r\n", status, reason_phrase(status));
	add_date(&out);
	buffer_printf(&out,
	    "Content-Type: " PROBLEM_MEDIA_TYPE "\r\n"
	    "Content-Length: %zu\r\n"
	    "Connection: close\r\n"
	    "X-Request-Id: %s\r\n",
	    strlen(body), request_id);
	for (size_t i = 0; i < HEADERS_COUNT; i++)
		buffer_printf(&out, "%s: %s\r\n", headers_security[i].name,
		    headers_security[i].value);
	for (size_t i = 0; i < COUNT(fields) && fields[i].name != NULL; i++)
		buffer_printf(
		    &out, "%s: %s\r\n", fields[i].name, fields[i].value);
	buffer_append_string(&out, "\r\n");
	buffer_append_string(&out, body);
	if (out.full)
		die("a problem document of %zu bytes", strlen(body));
	return buffer_take(&out);
}
