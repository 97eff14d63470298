/*
 * Sizes, durations and processor shares as people write them, in policy,
 * requests and options alike.
 *
 *	size      1048576, "1MiB"; units B, KiB, MiB, GiB, TiB
 *	duration  30, "30s"; units s, m, h, d
 *	cpus      1, "0.5": at most three decimals
 */
#ifndef LIB_QUANTITY_H
#define LIB_QUANTITY_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

bool quantity_parse_size(const char *text, int64_t *ret_bytes);
bool quantity_parse_duration(const char *text, int64_t *ret_s);
bool quantity_parse_cpus(const char *text, int64_t *ret_milli);
/* The same for a JSON integer or string. */
bool quantity_read_size(const json_t *json, int64_t *ret_bytes);
bool quantity_read_duration(const json_t *json, int64_t *ret_s);
bool quantity_read_cpus(const json_t *json, int64_t *ret_milli);

#define QUANTITY_TEXT 32
/* Exact where a unit divides it: "64MiB", "90s", "0.5". */
void quantity_format_size(int64_t bytes, char ret[QUANTITY_TEXT]);
void quantity_format_duration(int64_t seconds, char ret[QUANTITY_TEXT]);
void quantity_format_cpus(int64_t milli, char ret[QUANTITY_TEXT]);

#endif
