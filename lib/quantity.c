/*
 * Sizes, durations and processor shares. The readers trust no byte and never
 * overflow; a negative quantity is none.
 */
#include "lib/quantity.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/cleanup.h"

struct unit {
	const char *name;
	int64_t factor;
};

/* The largest first, as the writers want it. */
static const struct unit sizes[] = {
    {"TiB", INT64_C(1) << 40},
    {"GiB", INT64_C(1) << 30},
    {"MiB", INT64_C(1) << 20},
    {"KiB", INT64_C(1) << 10},
    {"B", 1},
};

static const struct unit durations[] = {
    {"d", 86400},
    {"h", 3600},
    {"m", 60},
    {"s", 1},
};

/* Digits at the front of *text, which is moved behind them. */
static bool
parse_number(const char **text, int64_t *ret)
{
	const char *at = *text;
	int64_t value = 0;

	if (*at < '0' || *at > '9')
		return false;
	for (; *at >= '0' && *at <= '9'; at++) {
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, *at - '0', &value))
			return false;
	}
	*text = at;
	*ret = value;
	return true;
}

static bool
parse_with_unit(
    const char *text, const struct unit *units, size_t count, int64_t *ret)
{
	int64_t value;
	int64_t product;

	if (!parse_number(&text, &value))
		return false;
	if (*text == '\0') {
		*ret = value;
		return true;
	}
	for (size_t i = 0; i < count; i++) {
		if (strcmp(text, units[i].name) != 0)
			continue;
		if (__builtin_mul_overflow(value, units[i].factor, &product))
			return false;
		*ret = product;
		return true;
	}
	return false;
}

bool
quantity_parse_size(const char *text, int64_t *ret_bytes)
{
	return parse_with_unit(text, sizes, COUNT(sizes), ret_bytes);
}

bool
quantity_parse_duration(const char *text, int64_t *ret_s)
{
	return parse_with_unit(text, durations, COUNT(durations), ret_s);
}

bool
quantity_parse_cpus(const char *text, int64_t *ret_milli)
{
	int64_t scale = 100;
	int64_t milli;

	if (!parse_number(&text, &milli) ||
	    __builtin_mul_overflow(milli, 1000, &milli))
		return false;
	if (*text == '.') {
		text++;
		if (*text == '\0')
			return false;
		for (; *text >= '0' && *text <= '9' && scale > 0; text++) {
			if (__builtin_add_overflow(
				milli, scale * (*text - '0'), &milli))
				return false;
			scale /= 10;
		}
	}
	if (*text != '\0')
		return false;
	*ret_milli = milli;
	return true;
}

static bool
read_quantity(const json_t *json, bool (*parse)(const char *, int64_t *),
    int64_t factor, int64_t *ret)
{
	int64_t value;

	if (json_is_integer(json)) {
		value = json_integer_value(json);
		if (value < 0 || __builtin_mul_overflow(value, factor, &value))
			return false;
		*ret = value;
		return true;
	}
	/* The readers stop at a NUL: a string that holds one is none. */
	if (!json_is_string(json) ||
	    strlen(json_string_value(json)) != json_string_length(json))
		return false;
	return parse(json_string_value(json), ret);
}

bool
quantity_read_size(const json_t *json, int64_t *ret_bytes)
{
	return read_quantity(json, quantity_parse_size, 1, ret_bytes);
}

bool
quantity_read_duration(const json_t *json, int64_t *ret_s)
{
	return read_quantity(json, quantity_parse_duration, 1, ret_s);
}

bool
quantity_read_cpus(const json_t *json, int64_t *ret_milli)
{
	return read_quantity(json, quantity_parse_cpus, 1000, ret_milli);
}

static void
format_with_unit(int64_t value, const struct unit *units, size_t count,
    char ret[QUANTITY_TEXT])
{
	const struct unit *unit = &units[count - 1];

	for (size_t i = 0; i < count && value != 0; i++) {
		if (value % units[i].factor == 0) {
			unit = &units[i];
			break;
		}
	}
	snprintf(ret, QUANTITY_TEXT, "%" PRId64 "%s", value / unit->factor,
	    unit->name);
}

void
quantity_format_size(int64_t bytes, char ret[QUANTITY_TEXT])
{
	format_with_unit(bytes, sizes, COUNT(sizes), ret);
}

void
quantity_format_duration(int64_t seconds, char ret[QUANTITY_TEXT])
{
	format_with_unit(seconds, durations, COUNT(durations), ret);
}

void
quantity_format_cpus(int64_t milli, char ret[QUANTITY_TEXT])
{
	int n = snprintf(ret, QUANTITY_TEXT, "%" PRId64 ".%03" PRId64,
	    milli / 1000, milli % 1000);

	while (n > 0 && ret[n - 1] == '0')
		ret[--n] = '\0';
	if (n > 0 && ret[n - 1] == '.')
		ret[n - 1] = '\0';
}
