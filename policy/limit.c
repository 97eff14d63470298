/*
 * The bounds of a task: one table (limits.def), read and written here for
 * request, policy and store alike.
 */
#include <inttypes.h>
#include <stdio.h>

#include "lib/quantity.h"
#include "policy/request.h"

enum kind { KIND_size, KIND_duration, KIND_cpus, KIND_count };

static const struct {
	const char *text;
	enum kind kind;
	int64_t least, most, usual;
} limits[LIMIT_COUNT] = {
#define LIMIT(name, text, kind, least, most, usual) \
	[LIMIT_##name] = {text, KIND_##kind, least, most, usual},
#include "policy/limits.def"
#undef LIMIT
};

static bool
read_count(const json_t *json, int64_t *ret)
{
	if (!json_is_integer(json))
		return false;
	*ret = json_integer_value(json);
	return true;
}

static void
format_count(int64_t value, char ret[QUANTITY_TEXT])
{
	snprintf(ret, QUANTITY_TEXT, "%" PRId64, value);
}

static const struct {
	bool (*read)(const json_t *json, int64_t *ret);
	void (*format)(int64_t value, char ret[QUANTITY_TEXT]);
	const char *wanted;
} kinds[] = {
    [KIND_size] = {quantity_read_size, quantity_format_size,
	"bytes, or a size such as \"64MiB\""},
    [KIND_duration] = {quantity_read_duration, quantity_format_duration,
	"seconds, or a duration such as \"90s\""},
    [KIND_cpus] = {quantity_read_cpus, quantity_format_cpus,
	"processors, such as 2 or \"0.5\""},
    [KIND_count] = {read_count, format_count, "an integer"},
};

const char *
limit_name(enum limit limit)
{
	return limits[limit].text;
}

int64_t
limit_usual(enum limit limit)
{
	return limits[limit].usual;
}

bool
limit_read(enum limit limit, const json_t *json, int64_t *ret)
{
	int64_t value;

	if (!kinds[limits[limit].kind].read(json, &value))
		return false;
	if (value < limits[limit].least || value > limits[limit].most)
		return false;
	*ret = value;
	return true;
}

json_t *
limit_write(enum limit limit, int64_t value)
{
	char text[QUANTITY_TEXT];

	if (limits[limit].kind != KIND_cpus)
		return json_integer(value);
	quantity_format_cpus(value, text);
	return json_string(text);
}

void
limit_format(enum limit limit, int64_t value, char ret[QUANTITY_TEXT])
{
	kinds[limits[limit].kind].format(value, ret);
}

int
limit_check(enum limit limit, const json_t *json, const char *path,
    int64_t *ret, struct err *err)
{
	char least[QUANTITY_TEXT], most[QUANTITY_TEXT];

	if (limit_read(limit, json, ret))
		return 0;
	limit_format(limit, limits[limit].least, least);
	limit_format(limit, limits[limit].most, most);
	return err_set(err, ERR_UNPROCESSABLE, "%s: must be %s, from %s to %s",
	    path, kinds[limits[limit].kind].wanted, least, most);
}
