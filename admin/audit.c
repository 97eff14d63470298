/*
 * Role: `audit tail`: what was asked for and done last, as it comes.
 * Trusts the runner; what clients wrote stands in records too.
 * Must never print a control byte of a record to a terminal.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "admin/audit_line.h"
#include "admin/runner_link.h"
#include "admin/tool.h"
#include "admin/verbs.h"
#include "lib/alloc.h"
#include "lib/buffer.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/json.h"
#include "lib/packet.h"
#include "lib/terminal.h"

#define PAGE 1000
#define PAGE_BYTES_MAX ((size_t)64 * 1024 * 1024)
#define SHOWN 20
#define FOLLOW_MS 500

struct query {
	json_int_t after; /* -1: from the beginning */
	json_int_t limit;
	const char *task; /* NULL: of all */
	bool newest;
};

struct page {
	json_t *records; /* array, oldest first */
	json_int_t last; /* sequence number; -1: no record */
};

static int
read_lines(const char *text, size_t len, json_t *records, struct err *err)
{
	while (len > 0) {
		const char *end = memchr(text, '\n', len);
		size_t line = end != NULL ? (size_t)(end - text) : len;
		if (line > 0) {
			json_t *record = json_parse_strict(text, line, err);
			if (record == NULL)
				return err_prefix(err, "a record");
			json_array_append_new(records, record);
		}
		size_t used = line + (end != NULL);
		text += used;
		len -= used;
	}
	return 0;
}

static json_t *
compose(const struct query *query)
{
	json_t *members = json_pack("{s:I, s:b}", "limit", query->limit,
	    "newest", query->newest ? 1 : 0);

	if (query->after >= 0)
		json_object_set_new(
		    members, "after", json_integer(query->after));
	if (query->task != NULL)
		json_object_set_new(members, "task", json_string(query->task));
	return members;
}

static json_int_t
sequence(const json_t *record)
{
	return json_integer_value(json_object_get(record, "seq"));
}

/* Whatever order the runner gives them in. */
static void
sort_oldest_first(json_t *records)
{
	size_t n = json_array_size(records);

	if (n < 2 ||
	    sequence(json_array_get(records, 0)) <
		sequence(json_array_get(records, n - 1)))
		return;
	for (size_t k = 0; k < n / 2; k++) {
		json_t *low = json_incref(json_array_get(records, k));
		json_t *high = json_incref(json_array_get(records, n - 1 - k));
		json_array_set_new(records, k, high);
		json_array_set_new(records, n - 1 - k, low);
	}
}

static int
read_page(struct runner_link *link, const struct query *query, struct page *ret,
    struct err *err)
{
	auto_json *body = NULL;
	auto_fd int fd = -1;
	auto_free char *text = NULL;
	size_t len;

	if (runner_link_call_take(
		link, MESSAGE_audit_read, compose(query), &body, &fd, err) != 0)
		return -1;
	if (fd < 0)
		return err_set(err, ERR_UNAVAILABLE,
		    "the runner's answer came without the records");
	if (packet_read_sealed(fd, PAGE_BYTES_MAX, &text, &len, err) != 0)
		return -1;
	auto_json *records = json_array();
	if (read_lines(text, len, records, err) != 0)
		return -1;
	sort_oldest_first(records);
	size_t n = json_array_size(records);
	ret->last = n > 0 ? sequence(json_array_get(records, n - 1)) : -1;
	ret->records = take(records);
	return 0;
}

static int
print_page(const struct invocation *invocation, const struct page *page,
    struct err *err)
{
	struct audit_printer printer;
	size_t k;
	const json_t *record;

	if (audit_printer_begin(invocation, &printer, err) != 0)
		return -1;
	json_array_foreach(page->records, k, record)
	    audit_printer_add(&printer, record);
	return audit_printer_end(&printer, err);
}

static void
pause_ms(long ms)
{
	const struct timespec time = {ms / 1000, ms % 1000 * 1000000};

	nanosleep(&time, NULL);
}

/* Until the operator or the runner ends it. */
static int
follow(const struct invocation *invocation, struct runner_link *link,
    json_int_t last, const char *task, struct err *err)
{
	for (;;) {
		const struct query query = {
		    .after = last, .limit = PAGE, .task = task};
		struct page page = {0};
		if (read_page(link, &query, &page, err) != 0)
			return -1;
		int result = 0;
		if (json_array_size(page.records) > 0) {
			last = page.last;
			result = print_page(invocation, &page, err);
		}
		size_t count = json_array_size(page.records);
		json_decref(page.records);
		if (result != 0)
			return -1;
		if (count < PAGE)
			pause_ms(FOLLOW_MS);
	}
}

static int
check_follow(const struct invocation *invocation, struct err *err)
{
	enum tool_format format;

	if (tool_format(invocation, &format, err) != 0)
		return -1;
	if (format == FORMAT_JSON && option_flag(invocation, "follow"))
		return err_set(err, ERR_UNPROCESSABLE,
		    "-o json has an end, and --follow has none: take -o jsonl");
	return 0;
}

static int
tail(const struct invocation *invocation, struct err *err)
{
	AUTO(runner_link_close) struct runner_link link = {.sock = -1};
	const char *task = option_value(invocation, "task");
	struct page page = {0};
	long long limit;

	if (task != NULL && !uuid_is_valid(task))
		return err_set(err, ERR_UNPROCESSABLE,
		    "--task: \"%.64s\" is not a task's id; audit search finds "
		    "them",
		    task);
	if (check_follow(invocation, err) != 0 ||
	    option_integer(invocation, "limit", SHOWN, 1, PAGE, &limit, err) !=
		0 ||
	    runner_link_open(invocation, &link, err) != 0)
		return -1;
	const struct query query = {
	    .after = -1, .limit = limit, .task = task, .newest = true};
	if (read_page(&link, &query, &page, err) != 0)
		return -1;
	int result = print_page(invocation, &page, err);
	json_decref(page.records);
	if (result != 0 || !option_flag(invocation, "follow"))
		return result;
	return follow(invocation, &link, page.last, task, err);
}

int
verb_audit_tail(struct invocation *invocation)
{
	struct err err;

	return tail(invocation, &err) == 0 ? 0 : tool_fail(&err);
}
