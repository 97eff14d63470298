/*
 * Query parameters. Their bytes come decoded and may be anything: they are
 * compared with their length, never as strings.
 */
#include <string.h>

#include "certs/certificate.h"
#include "gateway/exchange.h"
#include "gateway/query.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/utf8.h"
#include "policy/policy.h"

#define DIGITS_MAX 18

static bool
read_integer(const struct query_spec *spec, const char *text, int64_t *ret)
{
	size_t len = strlen(text);
	int64_t value = 0;

	if (len == 0 || len > DIGITS_MAX || strspn(text, "0123456789") != len)
		return false;
	for (size_t i = 0; i < len; i++)
		value = value * 10 + (text[i] - '0');
	if (value < spec->min || value > spec->max)
		return false;
	*ret = value;
	return true;
}

static int
set_integer(
    const struct query_spec *spec, struct query_value *value, struct err *err)
{
	if (read_integer(spec, value->text, &value->integer))
		return 0;
	return err_set(err, ERR_UNPROCESSABLE,
	    "%s: not an integer from %lld to %lld", spec->name,
	    (long long)spec->min, (long long)spec->max);
}

static int
set_flag(
    const struct query_spec *spec, struct query_value *value, struct err *err)
{
	static const struct query_spec flag = {.min = 0, .max = 1};

	if (read_integer(&flag, value->text, &value->integer))
		return 0;
	return err_set(
	    err, ERR_UNPROCESSABLE, "%s: neither 0 nor 1", spec->name);
}

static int
set_id(
    const struct query_spec *spec, struct query_value *value, struct err *err)
{
	if (uuid_is_valid(value->text))
		return 0;
	return err_set(err, ERR_UNPROCESSABLE, "%s: not an id", spec->name);
}

static int
set_word(
    const struct query_spec *spec, struct query_value *value, struct err *err)
{
	auto_buffer words = BUFFER_INIT(ERR_DETAIL_MAX);

	for (size_t i = 0; spec->words[i] != NULL; i++)
		if (strcmp(spec->words[i], value->text) == 0)
			return 0;
	for (size_t i = 0; spec->words[i] != NULL; i++)
		buffer_printf(&words, " %s", spec->words[i]);
	return err_set(
	    err, ERR_UNPROCESSABLE, "%s: not one of%s", spec->name, words.data);
}

static int
set_subject(
    const struct query_spec *spec, struct query_value *value, struct err *err)
{
	if (subject_is_valid(value->text))
		return 0;
	return err_set(err, ERR_UNPROCESSABLE, "%s: not a subject", spec->name);
}

static int
set_rule(
    const struct query_spec *spec, struct query_value *value, struct err *err)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
				      "0123456789._-";
	size_t len = strlen(value->text);

	if (len > 0 && len <= RULE_ID_MAX &&
	    strspn(value->text, allowed) == len)
		return 0;
	return err_set(
	    err, ERR_UNPROCESSABLE, "%s: not the id of a rule", spec->name);
}

static int
set_text(
    const struct query_spec *spec, struct query_value *value, struct err *err)
{
	if (*value->text != '\0' &&
	    utf8_is_valid(value->text, strlen(value->text)))
		return 0;
	return err_set(
	    err, ERR_UNPROCESSABLE, "%s: empty, or not UTF-8", spec->name);
}

static int
set_time(
    const struct query_spec *spec, struct query_value *value, struct err *err)
{
	if (clock_parse(value->text, &value->integer) && value->integer > 0)
		return 0;
	return err_set(err, ERR_UNPROCESSABLE,
	    "%s: not a time such as 2026-01-02T03:04:05Z", spec->name);
}

static int (*const setters[])(const struct query_spec *spec,
    struct query_value *value, struct err *err) = {
    [QUERY_INTEGER] = set_integer,
    [QUERY_FLAG] = set_flag,
    [QUERY_ID] = set_id,
    [QUERY_WORD] = set_word,
    [QUERY_SUBJECT] = set_subject,
    [QUERY_TEXT] = set_text,
    [QUERY_TIME] = set_time,
    [QUERY_RULE] = set_rule,
};

static const struct query_spec *
find_spec(const struct query_table *table, struct query_text name)
{
	for (size_t i = 0; i < table->count; i++)
		if (strlen(table->specs[i].name) == name.len &&
		    memcmp(table->specs[i].name, name.data, name.len) == 0)
			return &table->specs[i];
	return NULL;
}

int
query_set(const struct query_table *table, struct query_text name,
    struct query_text value, struct err *err)
{
	const struct query_spec *spec = find_spec(table, name);
	struct query_value read = {.given = true};
	struct query_value *place;

	if (spec == NULL)
		return err_set(err, ERR_UNPROCESSABLE,
		    "the query has a parameter that is not known here");
	place = &table->values[spec - table->specs];
	if (place->given)
		return err_set(
		    err, ERR_UNPROCESSABLE, "%s: came twice", spec->name);
	if (value.data == NULL || value.len >= sizeof(read.text) ||
	    memchr(value.data, '\0', value.len) != NULL)
		return err_set(err, ERR_UNPROCESSABLE,
		    "%s: has no value, or none that fits", spec->name);
	memcpy(read.text, value.data, value.len);
	if (setters[spec->kind](spec, &read, err) < 0)
		return -1;
	*place = read;
	return 0;
}

void
query_write(struct buffer *link, const struct query_spec *spec,
    const struct query_value *value)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "abcdefghijklmnopqrstuvwxyz"
				    "0123456789-._~";

	buffer_printf(link, "%s=", spec->name);
	for (const char *at = value->text; *at != '\0'; at++) {
		if (strchr(plain, *at) != NULL)
			buffer_append(link, at, 1);
		else
			buffer_printf(
			    link, "%%%02X", (unsigned)(unsigned char)*at);
	}
	buffer_append_string(link, "&");
}

struct reading {
	const struct query_table *table;
	struct err *err;
	int result;
};

static enum MHD_Result
read_one(void *arg, enum MHD_ValueKind kind, const char *name, size_t name_len,
    const char *value, size_t value_len)
{
	struct reading *reading = arg;

	(void)kind;
	reading->result =
	    query_set(reading->table, (struct query_text){name, name_len},
		(struct query_text){value, value_len}, reading->err);
	return reading->result == 0 ? MHD_YES : MHD_NO;
}

int
query_read(const struct exchange *exchange, const struct query_table *table,
    struct err *err)
{
	struct reading reading = {.table = table, .err = err};

	MHD_get_connection_values_n(
	    exchange->mhd, MHD_GET_ARGUMENT_KIND, read_one, &reading);
	return reading.result;
}
