/*
 * What two configuration files have in common. Trusts the file's owner, not
 * his typing.
 */
#include "lib/setting.h"

#include <stdlib.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/quantity.h"

#define TOKEN_LIFETIME_S (INT64_C(24) * 3600)

/* Absolute: containers are told paths below it, and nothing changes folder. */
char *
setting_directory(const char *path, struct err *err)
{
	auto_free char *real = realpath(path, NULL);
	char *slash = real != NULL ? strrchr(real, '/') : NULL;

	if (slash == NULL) {
		err_errno(err, "%s", path);
		return NULL;
	}
	return slash == real ? alloc_string("/")
			     : alloc_bytes(real, (size_t)(slash - real));
}

char *
setting_resolve(const char *directory, const char *path)
{
	if (path[0] == '/')
		return alloc_string(path);
	return alloc_printf("%s/%s", directory, path);
}

int
setting_read_log(const char *format, const char *level,
    enum log_format *ret_format, enum log_level *ret_level, struct err *err)
{
	if (!log_format_parse(format, ret_format))
		return err_set(err, ERR_UNPROCESSABLE,
		    "log_format: must be logfmt or json");
	if (!log_level_parse(level, ret_level))
		return err_set(err, ERR_UNPROCESSABLE,
		    "log_level: must be debug, info, warning or error");
	return 0;
}

int
setting_read_token_lifetime(const json_t *json, int64_t *ret_s, struct err *err)
{
	int64_t lifetime_s = TOKEN_LIFETIME_S;

	if (json != NULL &&
	    (!quantity_read_duration(json, &lifetime_s) || lifetime_s < 1))
		return err_set(err, ERR_UNPROCESSABLE,
		    "token_lifetime_max: must be a duration such as \"24h\"");
	*ret_s = lifetime_s;
	return 0;
}

int
setting_read_quantity(const json_t *json, const char *name, bool is_size,
    int64_t least, int64_t *ret, struct err *err)
{
	int64_t value = 0;
	bool is_good;

	if (json == NULL)
		return 0;
	is_good = is_size ? quantity_read_size(json, &value)
			  : quantity_read_duration(json, &value);
	if (!is_good || value < least)
		return err_set(err, ERR_UNPROCESSABLE, "%s: must be a %s", name,
		    is_size ? "size such as \"8GiB\""
			    : "duration such as \"24h\", not too short");
	*ret = value;
	return 0;
}
