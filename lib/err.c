/*
 * What went wrong. Whatever a format brings in may come from a stranger: the
 * detail is cut to its size and made one line of valid UTF-8.
 */
#include "lib/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/utf8.h"

#undef err_set
#undef err_errno
#undef err_prefix

#define PUBLIC true
#define PRIVATE false

static const struct {
	const char *slug;
	int status;
	bool detail_is_public;
	const char *title;
} errors[] = {
    [ERR_NONE] = {"none", 200, PRIVATE, "Nothing went wrong"},
#define ERROR(name, slug, status, detail, title) \
	[ERR_##name] = {slug, status, detail, title},
#include "lib/errors.def"
#undef ERROR
};

/* A character that was cut in two is dropped, any other stray byte becomes a
 * question mark. */
static void
make_one_line(char *text, bool was_cut)
{
	size_t len = strlen(text);
	size_t at = 0;

	while (at < len) {
		size_t n = utf8_decode(text + at, len - at, NULL);

		if (n == 0 && was_cut && len - at < 4) {
			text[at] = '\0';
			return;
		}
		if (n <= 1 &&
		    (n == 0 || (unsigned char)text[at] < ' ' ||
			text[at] == 0x7f))
			text[at] = n == 0 ? '?' : ' ';
		at += n > 0 ? n : 1;
	}
}

__attribute__((format(printf, 2, 0))) static void
write_detail(struct err *err, const char *format, va_list ap)
{
	int n = vsnprintf(err->detail, sizeof(err->detail), format, ap);

	if (n < 0)
		die("a format that cannot be printed: %s", format);
	make_one_line(err->detail, (size_t)n >= sizeof(err->detail));
}

int
err_set(struct err *err, enum err_code code, const char *format, ...)
{
	/* Formatted apart: an argument may be this very detail. */
	struct err made = {.code = code};
	va_list ap;

	va_start(ap, format);
	write_detail(&made, format, ap);
	va_end(ap);
	*err = made;
	return -1;
}

int
err_errno(struct err *err, const char *format, ...)
{
	int errnum = errno;
	struct err context = {.code = ERR_INTERNAL};
	va_list ap;

	va_start(ap, format);
	write_detail(&context, format, ap);
	va_end(ap);
	err_set(err, ERR_INTERNAL, "%s: %s", context.detail, strerror(errnum));
	err->errnum = errnum;
	return -1;
}

int
err_prefix(struct err *err, const char *format, ...)
{
	struct err context = {.code = err->code};
	int64_t retry_after_s = err->retry_after_s;
	int errnum = err->errnum;
	va_list ap;

	va_start(ap, format);
	write_detail(&context, format, ap);
	va_end(ap);
	err_set(err, err->code, "%s: %s", context.detail, err->detail);
	err->errnum = errnum;
	err->retry_after_s = retry_after_s;
	return -1;
}

static bool
is_known(enum err_code code)
{
	return (unsigned)code < ERR_COUNT_;
}

const char *
err_slug(enum err_code code)
{
	return errors[is_known(code) ? code : ERR_INTERNAL].slug;
}

int
err_status(enum err_code code)
{
	return errors[is_known(code) ? code : ERR_INTERNAL].status;
}

const char *
err_title(enum err_code code)
{
	return errors[is_known(code) ? code : ERR_INTERNAL].title;
}

bool
err_detail_is_public(enum err_code code)
{
	return errors[is_known(code) ? code : ERR_INTERNAL].detail_is_public;
}

enum err_code
err_from_slug(const char *slug)
{
	for (int code = ERR_NONE + 1; code < ERR_COUNT_; code++) {
		if (strcmp(errors[code].slug, slug) == 0)
			return (enum err_code)code;
	}
	return ERR_INTERNAL;
}
