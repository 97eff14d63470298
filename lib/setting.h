/*
 * What the configuration files of two programs have in common. The keys
 * themselves are each program's own table (lib/json.h).
 */
#ifndef LIB_SETTING_H
#define LIB_SETTING_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/err.h"
#include "lib/json.h"
#include "lib/log.h"

#define SETTING_FILE_MAX 65536
#define SETTING_UID_MAX INT64_C(4294967294) /* (uid_t)-1 is nobody's */

/* Rows of a table of keys; the member has the key's name. */
#define SETTING_STRING(type, member, required) \
	JSON_FIELD(type, member, #member, JSON_KIND_STRING, required, 1, 1024)
#define SETTING_INTEGER(type, member, required, min, max) \
	JSON_FIELD(type, member, #member, JSON_KIND_INTEGER, required, min, max)
#define SETTING_QUANTITY(type, member) \
	JSON_FIELD(type, member, #member, JSON_KIND_ANY, false, 0, 0)

/* The absolute folder of a file that exists. The caller frees; NULL: *err. */
char *setting_directory(const char *path, struct err *err);
/* A path as the file at `directory` means it. The caller frees. */
char *setting_resolve(const char *directory, const char *path);

/* ERR_UNPROCESSABLE, with the key. */
int setting_read_log(const char *format, const char *level,
    enum log_format *ret_format, enum log_level *ret_level, struct err *err);
/* "token_lifetime_max"; NULL: 24 hours. */
int setting_read_token_lifetime(
    const json_t *json, int64_t *ret_s, struct err *err);
/* A size or a duration of at least `least`. *ret is written only where the key
 * is there. */
int setting_read_quantity(const json_t *json, const char *name, bool is_size,
    int64_t least, int64_t *ret, struct err *err);

#endif
