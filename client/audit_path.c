#include "client/audit_path.h"

#include <stdlib.h>
#include <string.h>

#include "client/operand.h"
#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/utf8.h"
#include "lib/when.h"

/* docs/api.md */
#define VALUE_MAX 256

void
audit_path_escape(struct buffer *path, const char *text)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "abcdefghijklmnopqrstuvwxyz"
				    "0123456789-._~";

	for (const char *at = text; *at != '\0'; at++) {
		if (strchr(plain, *at) != NULL)
			buffer_append(path, at, 1);
		else
			buffer_printf(
			    path, "%%%02X", (unsigned)(unsigned char)*at);
	}
}

static int
add_text(const struct invocation *invocation, const char *name,
    struct buffer *path, struct err *err)
{
	const char *text = option_value(invocation, name);

	if (text == NULL)
		return 0;
	if (*text == '\0' || strlen(text) > VALUE_MAX ||
	    !utf8_is_valid(text, strlen(text)))
		return err_set(err, ERR_UNPROCESSABLE,
		    "--%s: 1 to %d bytes of UTF-8", name, VALUE_MAX);
	buffer_printf(path, "&%s=", name);
	audit_path_escape(path, text);
	return 0;
}

static int
add_time(const struct invocation *invocation, const char *name, int64_t now_ms,
    struct buffer *path, struct err *err)
{
	const char *text = option_value(invocation, name);
	char when[CLOCK_TEXT];
	int64_t ms;

	if (text == NULL)
		return 0;
	if (!when_parse(text, now_ms, &ms) || ms <= 0)
		return err_set(err, ERR_UNPROCESSABLE,
		    "--%s: \"%s\" is neither a date (2026-01-02), nor a time "
		    "(2026-01-02T03:04:05Z), nor how long ago (90s, 5m, 1h, "
		    "7d)",
		    name, text);
	clock_format(ms, when);
	buffer_printf(path, "&%s=", name);
	audit_path_escape(path, when);
	return 0;
}

int
audit_path_search(const struct invocation *invocation, int64_t now_ms,
    struct buffer *ret, struct err *err)
{
	static const char *const texts[] = {"subject", "thumbprint", "image",
	    "rule", "outcome", "event", "task", "text"};

	buffer_append_string(ret, "/v1/audit?newest=1");
	for (size_t i = 0; i < COUNT(texts); i++) {
		if (add_text(invocation, texts[i], ret, err) != 0)
			return -1;
	}
	if (add_time(invocation, "since", now_ms, ret, err) != 0 ||
	    add_time(invocation, "until", now_ms, ret, err) != 0)
		return -1;
	return ret->full ? err_set(err, ERR_UNPROCESSABLE,
			       "that is too much to ask for at once")
			 : 0;
}

int
audit_path_show(
    const char *operand, char **ret, bool *ret_is_one, struct err *err)
{
	size_t digits = strspn(operand, "0123456789");
	char id[OPERAND_ID];
	struct err ignored;

	if (digits > 0 && digits <= 18 && operand[digits] == '\0' &&
	    atoll(operand) > 0) {
		*ret = alloc_printf("/v1/audit?before=%lld&after=%lld",
		    atoll(operand) + 1, atoll(operand) - 1);
		*ret_is_one = true;
		return 0;
	}
	if (operand_read_id(operand, id, &ignored) != 0)
		return err_set(err, ERR_UNPROCESSABLE,
		    "\"%s\" is neither a record's number nor a task's id",
		    operand);
	*ret = alloc_printf("/v1/audit?task=%s", id);
	*ret_is_one = false;
	return 0;
}
