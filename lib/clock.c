/*
 * The clocks, and how we write time. Reading text trusts no byte of it.
 */
#include "lib/clock.h"

#include <string.h>
#include <time.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/digest.h"

/* Microseconds. */
static int64_t
read_clock(clockid_t id)
{
	struct timespec now;

	if (clock_gettime(id, &now) != 0)
		die("clock_gettime(%d) failed", (int)id);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t
clock_wall_ms(void)
{
	return read_clock(CLOCK_REALTIME) / 1000;
}

int64_t
clock_boot_ms(void)
{
	return read_clock(CLOCK_BOOTTIME) / 1000;
}

int64_t
clock_boot_us(void)
{
	return read_clock(CLOCK_BOOTTIME);
}

static char *
put_number(char *to, unsigned value, unsigned digits)
{
	for (unsigned i = digits; i > 0; i--) {
		to[i - 1] = (char)('0' + value % 10);
		value /= 10;
	}
	return to + digits;
}

/* By hand: every line of a log has a time, and strftime() takes five times as
 * long (measured). */
void
clock_format(int64_t wall_ms, char ret[CLOCK_TEXT])
{
	/* 0000-01-01 to 9999-12-31: what four digits can say. */
	static const int64_t least = INT64_C(-62167219200000);
	static const int64_t most = INT64_C(253402300799999);
	int64_t ms = wall_ms < least ? least : wall_ms > most ? most : wall_ms;
	int64_t fraction = ((ms % 1000) + 1000) % 1000;
	time_t seconds = (time_t)((ms - fraction) / 1000);
	struct tm tm;

	if (gmtime_r(&seconds, &tm) == NULL)
		die("gmtime_r failed");
	const struct {
		int value;
		unsigned digits;
		char behind;
	} parts[] = {
	    {tm.tm_year + 1900, 4, '-'},
	    {tm.tm_mon + 1, 2, '-'},
	    {tm.tm_mday, 2, 'T'},
	    {tm.tm_hour, 2, ':'},
	    {tm.tm_min, 2, ':'},
	    {tm.tm_sec, 2, '.'},
	    {(int)fraction, 3, 'Z'},
	};

	for (size_t i = 0; i < COUNT(parts); i++) {
		ret =
		    put_number(ret, (unsigned)parts[i].value, parts[i].digits);
		*ret++ = parts[i].behind;
	}
	*ret = '\0';
}

/* Each 'd' of the pattern is a digit, anything else itself. */
static bool
matches(const char *text, const char *pattern)
{
	for (; *pattern != '\0'; text++, pattern++) {
		if (*pattern == 'd' ? *text < '0' || *text > '9'
				    : *text != *pattern)
			return false;
	}
	return *text == '\0';
}

static int
number(const char *digits, size_t len)
{
	int value = 0;

	for (size_t i = 0; i < len; i++)
		value = value * 10 + (digits[i] - '0');
	return value;
}

bool
clock_parse(const char *text, int64_t *ret_wall_ms)
{
	bool has_ms = matches(text, "dddd-dd-ddTdd:dd:dd.dddZ");
	struct tm tm = {0};
	struct tm normal;
	time_t seconds;

	if (!has_ms && !matches(text, "dddd-dd-ddTdd:dd:ddZ"))
		return false;
	tm.tm_year = number(text, 4) - 1900;
	tm.tm_mon = number(text + 5, 2) - 1;
	tm.tm_mday = number(text + 8, 2);
	tm.tm_hour = number(text + 11, 2);
	tm.tm_min = number(text + 14, 2);
	tm.tm_sec = number(text + 17, 2);
	normal = tm;
	/* timegm() turns the 31st of February into March: what it has changed
	 * was no date. A leap second is refused with the rest. */
	seconds = timegm(&normal);
	if (normal.tm_year != tm.tm_year || normal.tm_mon != tm.tm_mon ||
	    normal.tm_mday != tm.tm_mday || normal.tm_hour != tm.tm_hour ||
	    normal.tm_min != tm.tm_min || normal.tm_sec != tm.tm_sec)
		return false;
	*ret_wall_ms =
	    (int64_t)seconds * 1000 + (has_ms ? number(text + 20, 3) : 0);
	return true;
}

/* Of an id: each is drawn once. Asked of the kernel for many at a time, since
 * every request has one. */
static void
draw_random(uint8_t *ret, size_t len)
{
	static _Thread_local uint8_t pool[512];
	static _Thread_local size_t left;

	if (left < len) {
		random_bytes(pool, sizeof(pool));
		left = sizeof(pool);
	}
	left -= len;
	memcpy(ret, pool + left, len);
}

void
uuid_make(int64_t wall_ms, char ret[UUID_TEXT])
{
	static const size_t groups[] = {4, 2, 2, 2, 6};
	uint8_t bytes[16];
	const uint8_t *from = bytes;
	char *to = ret;

	draw_random(bytes, sizeof(bytes));
	/* RFC 9562 5.7: 48 bits of milliseconds, version, variant. */
	for (int i = 0; i < 6; i++)
		bytes[i] = (uint8_t)((uint64_t)wall_ms >> (40 - 8 * i));
	bytes[6] = (uint8_t)(0x70 | (bytes[6] & 0x0f));
	bytes[8] = (uint8_t)(0x80 | (bytes[8] & 0x3f));
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		if (i > 0)
			*to++ = '-';
		hex_encode(from, groups[i], to);
		from += groups[i];
		to += 2 * groups[i];
	}
}

bool
uuid_is_valid(const char *text)
{
	/* 'h': a lower-case hexadecimal digit; 'v': one of the variant. */
	static const char pattern[] = "hhhhhhhh-hhhh-7hhh-vhhh-hhhhhhhhhhhh";
	size_t len = strnlen(text, UUID_TEXT);

	if (len != sizeof(pattern) - 1)
		return false;
	for (size_t i = 0; i < len; i++) {
		const char *set = pattern[i] == 'h' ? "0123456789abcdef"
		    : pattern[i] == 'v'             ? "89ab"
		    : pattern[i] == '7'             ? "7"
						    : "-";

		if (strchr(set, text[i]) == NULL)
			return false;
	}
	return true;
}
