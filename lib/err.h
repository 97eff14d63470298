/*
 * What went wrong, in a struct that the caller owns.
 *
 * A function that can fail returns 0 or -1 and fills *err only on failure, in
 * one expression at the failing line:
 *
 *	return err_errno(err, "open %s", path);
 *
 * Its outputs are written only on success. `err` is never NULL.
 */
#ifndef LIB_ERR_H
#define LIB_ERR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum err_code {
	ERR_NONE,
#define ERROR(name, slug, status, detail, title) ERR_##name,
#include "lib/errors.def"
#undef ERROR
	ERR_COUNT_
};

#define ERR_DETAIL_MAX 512

struct err {
	enum err_code code;
	int errnum; /* errno where a system call failed, else 0 */
	int64_t
	    retry_after_s; /* BUSY, OVER_RATE, UNAVAILABLE: when; 0: not said */
	char detail[ERR_DETAIL_MAX]; /* one line of UTF-8, cut if too long */
};

/* All return -1, so that they can stand in a return statement. */
int err_set(struct err *err, enum err_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* ERR_INTERNAL; ": " and the text of the current errno are added. */
int err_errno(struct err *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Puts "context: " before the detail there is; keeps the code. */
int err_prefix(struct err *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* clang's analyser looks into one file at a time, and would go on behind a
 * failure as if there had been none. */
#ifdef __clang_analyzer__
#define err_set(...) ((err_set)(__VA_ARGS__), -1)
#define err_errno(...) ((err_errno)(__VA_ARGS__), -1)
#define err_prefix(...) ((err_prefix)(__VA_ARGS__), -1)
#endif

const char *err_slug(enum err_code code);
int err_status(enum err_code code);
const char *err_title(enum err_code code);
/* Whether a caller on the other side of a trust line may see the detail. */
bool err_detail_is_public(enum err_code code);
/* ERR_INTERNAL for a slug that is not in the table. */
enum err_code err_from_slug(const char *slug);

#endif
