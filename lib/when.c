#include "lib/when.h"

#include <stdio.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/quantity.h"

bool
when_parse(const char *text, int64_t now_ms, int64_t *ret_ms)
{
	char whole[CLOCK_TEXT];
	int64_t seconds;

	/* A date is its first moment. */
	if (strlen(text) == strlen("2026-01-02")) {
		snprintf(whole, sizeof(whole), "%sT00:00:00Z", text);
		return clock_parse(whole, ret_ms);
	}
	if (clock_parse(text, ret_ms))
		return true;
	if (!quantity_parse_duration(text, &seconds) || seconds > now_ms / 1000)
		return false;
	*ret_ms = now_ms - 1000 * seconds;
	return true;
}
