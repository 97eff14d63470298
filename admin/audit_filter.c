#include "admin/audit_filter.h"

#include <stddef.h>

#include "lib/cleanup.h"
#include "lib/when.h"

#define SHOWN 100
#define SHOWN_MAX 1000000000

static int
read_time(const struct invocation *invocation, const char *name, int64_t now_ms,
    int64_t *ret_ms, struct err *err)
{
	const char *text = option_value(invocation, name);

	if (text == NULL || when_parse(text, now_ms, ret_ms))
		return 0;
	return err_set(err, ERR_UNPROCESSABLE,
	    "--%s: \"%s\" is neither a date (2026-01-02), nor a time "
	    "(2026-01-02T03:04:05Z), nor how long ago (90s, 5m, 1h, 7d)",
	    name, text);
}

int
audit_filter_times(const struct invocation *invocation, int64_t now_ms,
    int64_t ago_s, struct audit_filter *ret, struct err *err)
{
	ret->since_ms = ago_s != 0 ? now_ms - 1000 * ago_s : 0;
	if (read_time(invocation, "since", now_ms, &ret->since_ms, err) != 0 ||
	    read_time(invocation, "until", now_ms, &ret->until_ms, err) != 0)
		return -1;
	if (ret->until_ms != 0 && ret->until_ms <= ret->since_ms)
		return err_set(err, ERR_UNPROCESSABLE,
		    "--until is not after --since: nothing can be between");
	return 0;
}

static const struct {
	const char *option;
	size_t offset;
} texts[] = {
    {"task", offsetof(struct audit_filter, task)},
    {"subject", offsetof(struct audit_filter, subject)},
    {"thumbprint", offsetof(struct audit_filter, thumbprint)},
    {"image", offsetof(struct audit_filter, image)},
    {"rule", offsetof(struct audit_filter, rule)},
    {"outcome", offsetof(struct audit_filter, outcome)},
    {"event", offsetof(struct audit_filter, event)},
    {"text", offsetof(struct audit_filter, text)},
};

int
audit_filter_read(const struct invocation *invocation, int64_t now_ms,
    struct audit_filter *ret, struct err *err)
{
	long long limit;

	for (size_t i = 0; i < COUNT(texts); i++)
		*(const char **)((char *)ret + texts[i].offset) =
		    option_value(invocation, texts[i].option);
	if (audit_filter_times(invocation, now_ms, 0, ret, err) != 0 ||
	    option_integer(
		invocation, "limit", SHOWN, 0, SHOWN_MAX, &limit, err) != 0)
		return -1;
	ret->limit = limit;
	ret->newest = true;
	return 0;
}
