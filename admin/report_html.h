/*
 * HTML in the making. Whatever a stranger wrote goes through html_text(): what
 * comes out is text between tags or within a quoted attribute, and no control
 * byte.
 */
#ifndef ADMIN_REPORT_HTML_H
#define ADMIN_REPORT_HTML_H

#include <stdint.h>

#include "lib/buffer.h"

/* Escaped, controls and invalid UTF-8 as \xNN; NULL is nothing. */
void html_text(struct buffer *html, const char *text);
/* The same between tags, where a long name may be broken: behind its parts. */
void html_name(struct buffer *html, const char *text);
/* "12 345", with spaces that do not break. */
void html_number(struct buffer *html, int64_t number);
/* "2026-01-02 03:04" (UTC), as an element that says it to machines too. */
void html_time(struct buffer *html, int64_t wall_ms);
/* The date alone. */
void html_date(struct buffer *html, int64_t wall_ms);

#endif
