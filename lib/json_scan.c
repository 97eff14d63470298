/*
 * The strict byte scanner of JSON. Trusts nothing; never reads behind the end
 * of the text, which need not have a NUL there.
 */
#include "lib/json_scan.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/json.h"
#include "lib/utf8.h"

static enum json_token
fault(struct json_scanner *s, size_t at, const char *reason)
{
	s->at = at;
	s->fault = reason;
	return JSON_TOKEN_FAULT;
}

static bool
is_digit(const struct json_scanner *s, size_t at)
{
	return at < s->len && s->text[at] >= '0' && s->text[at] <= '9';
}

static size_t
skip_digits(const struct json_scanner *s, size_t at)
{
	while (is_digit(s, at))
		at++;
	return at;
}

/* The digits from..to fit into an int64_t. */
static bool
integer_fits(const struct json_scanner *s, size_t from, size_t to, bool minus)
{
	int64_t value = 0;

	for (size_t i = from; i < to; i++) {
		int digit = s->text[i] - '0';

		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(
			value, minus ? -digit : digit, &value))
			return false;
	}
	return true;
}

static enum json_token
scan_number(struct json_scanner *s)
{
	bool minus = s->text[s->at] == '-';
	size_t first = s->at + (minus ? 1 : 0);
	size_t at = skip_digits(s, first);
	bool real = false;

	if (at == first)
		return fault(s, at, "a number without a digit");
	if (s->text[first] == '0' && at > first + 1)
		return fault(s, first, "a number with a leading zero");
	if (at < s->len && s->text[at] == '.') {
		real = true;
		if (!is_digit(s, at + 1))
			return fault(s, at + 1, "no digit behind the point");
		at = skip_digits(s, at + 1);
	}
	if (at < s->len && (s->text[at] == 'e' || s->text[at] == 'E')) {
		real = true;
		at++;
		if (at < s->len && (s->text[at] == '+' || s->text[at] == '-'))
			at++;
		if (!is_digit(s, at))
			return fault(s, at, "an exponent without a digit");
		at = skip_digits(s, at);
	}
	if (!real && !integer_fits(s, first, at, minus))
		return fault(s, s->at, "an integer of more than 64 bits");
	s->at = at;
	return JSON_TOKEN_NUMBER;
}

/* Four hexadecimal digits at `at`, or -1. */
static int32_t
read_hex4(const struct json_scanner *s, size_t at)
{
	int32_t value = 0;

	if (s->len < 4 || at > s->len - 4)
		return -1;
	for (size_t i = at; i < at + 4; i++) {
		char c = s->text[i];
		int digit = c >= '0' && c <= '9' ? c - '0'
		    : c >= 'a' && c <= 'f'       ? c - 'a' + 10
		    : c >= 'A' && c <= 'F'       ? c - 'A' + 10
						 : -1;

		if (digit < 0)
			return -1;
		value = value * 16 + digit;
	}
	return value;
}

/* The length of \uXXXX, or of the pair that a surrogate begins; 0: *reason
 * says what is wrong. */
static size_t
measure_unicode_escape(
    const struct json_scanner *s, size_t at, const char **reason)
{
	int32_t unit = read_hex4(s, at + 2);
	int32_t low;

	*reason = "\\u without four hexadecimal digits";
	if (unit < 0)
		return 0;
	*reason = "a NUL in a string";
	if (unit == 0)
		return 0;
	if (unit < 0xd800 || unit > 0xdfff)
		return 6;
	*reason = "a surrogate without its partner";
	if (unit > 0xdbff || s->len - at < 12 || s->text[at + 6] != '\\' ||
	    s->text[at + 7] != 'u')
		return 0;
	low = read_hex4(s, at + 8);
	return low >= 0xdc00 && low <= 0xdfff ? 12 : 0;
}

/* The length of the escape, or of the character, at `at`. */
static size_t
measure_character(const struct json_scanner *s, size_t at, const char **reason)
{
	unsigned char c = (unsigned char)s->text[at];

	*reason = "a control byte in a string";
	if (c < 0x20)
		return 0;
	*reason = "a byte that is not UTF-8";
	if (c != '\\')
		return utf8_decode(s->text + at, s->len - at, NULL);
	*reason = "an escape that JSON does not have";
	if (at + 1 >= s->len)
		return 0;
	if (s->text[at + 1] == 'u')
		return measure_unicode_escape(s, at, reason);
	return s->text[at + 1] != '\0' &&
		strchr("\"\\/bfnrt", s->text[at + 1]) != NULL
	    ? 2
	    : 0;
}

/* What stands for itself: of most strings it is every byte. */
static size_t
skip_plain(const struct json_scanner *s, size_t at)
{
	while (at < s->len && s->text[at] >= 0x20 && s->text[at] < 0x7f &&
	    s->text[at] != '"' && s->text[at] != '\\')
		at++;
	return at;
}

static enum json_token
scan_string(struct json_scanner *s)
{
	size_t at = skip_plain(s, s->at + 1);

	while (at < s->len && s->text[at] != '"') {
		const char *reason = NULL;
		size_t n = measure_character(s, at, &reason);

		if (n == 0)
			return fault(s, at, reason);
		at = skip_plain(s, at + n);
	}
	if (at >= s->len)
		return fault(s, at, "a string without its end");
	s->at = at + 1;
	return JSON_TOKEN_STRING;
}

static enum json_token
scan_word(struct json_scanner *s)
{
	static const char *const words[] = {"true", "false", "null"};

	for (size_t i = 0; i < COUNT(words); i++) {
		size_t n = strlen(words[i]);

		if (s->len - s->at >= n &&
		    memcmp(s->text + s->at, words[i], n) == 0) {
			s->at += n;
			return JSON_TOKEN_WORD;
		}
	}
	return fault(s, s->at,
	    s->text[s->at] == '\0' ? "a NUL byte" : "this begins no value");
}

enum json_token
json_scan_token(struct json_scanner *s)
{
	static const struct {
		char byte;
		enum json_token token;
	} marks[] = {
	    {'{', JSON_TOKEN_OBJECT_BEGIN},
	    {'}', JSON_TOKEN_OBJECT_END},
	    {'[', JSON_TOKEN_ARRAY_BEGIN},
	    {']', JSON_TOKEN_ARRAY_END},
	    {':', JSON_TOKEN_COLON},
	    {',', JSON_TOKEN_COMMA},
	};
	char c;

	while (s->at < s->len &&
	    (s->text[s->at] == ' ' || s->text[s->at] == '\t' ||
		s->text[s->at] == '\n' || s->text[s->at] == '\r'))
		s->at++;
	s->start = s->at;
	if (s->at >= s->len)
		return JSON_TOKEN_END;
	c = s->text[s->at];
	for (size_t i = 0; i < COUNT(marks); i++) {
		if (c == marks[i].byte) {
			s->at++;
			return marks[i].token;
		}
	}
	if (c == '"')
		return scan_string(s);
	if (c == '-' || is_digit(s, s->at))
		return scan_number(s);
	return scan_word(s);
}

void
json_scan_place(
    const char *text, size_t offset, size_t *ret_line, size_t *ret_column)
{
	size_t line = 1;
	size_t line_start = 0;

	for (size_t i = 0; i < offset; i++) {
		if (text[i] == '\n') {
			line++;
			line_start = i + 1;
		}
	}
	*ret_line = line;
	*ret_column = offset - line_start + 1;
}

/* What may come next. */
enum expectation {
	WANT_OUTERMOST,
	WANT_VALUE,
	WANT_ITEM_OR_END, /* behind [ */
	WANT_KEY, /* behind a comma in an object */
	WANT_KEY_OR_END, /* behind { */
	WANT_COLON,
	WANT_COMMA_OR_END,
	WANT_NOTHING
};

static const char *const wanted[] = {
    [WANT_OUTERMOST] = "an object or an array was expected",
    [WANT_VALUE] = "a value was expected",
    [WANT_ITEM_OR_END] = "a value or \"]\" was expected",
    [WANT_KEY] = "a member's name was expected",
    [WANT_KEY_OR_END] = "a member's name or \"}\" was expected",
    [WANT_COLON] = "\":\" was expected",
    [WANT_COMMA_OR_END] = "a comma or the closing bracket was expected",
    [WANT_NOTHING] = "something stands behind the value",
};

struct checker {
	struct json_scanner scanner;
	enum expectation want;
	unsigned depth;
	char open[JSON_DEPTH_MAX]; /* '{' or '[' */
};

static enum json_token
refuse(struct checker *c)
{
	return fault(&c->scanner, c->scanner.start, wanted[c->want]);
}

static enum json_token
begin(struct checker *c, enum json_token token)
{
	if (c->want != WANT_OUTERMOST && c->want != WANT_VALUE &&
	    c->want != WANT_ITEM_OR_END)
		return refuse(c);
	if (c->depth == JSON_DEPTH_MAX)
		return fault(
		    &c->scanner, c->scanner.start, "nested more than 32 deep");
	c->open[c->depth++] = token == JSON_TOKEN_OBJECT_BEGIN ? '{' : '[';
	c->want = token == JSON_TOKEN_OBJECT_BEGIN ? WANT_KEY_OR_END
						   : WANT_ITEM_OR_END;
	return token;
}

static enum json_token
end(struct checker *c, enum json_token token)
{
	enum expectation empty =
	    token == JSON_TOKEN_OBJECT_END ? WANT_KEY_OR_END : WANT_ITEM_OR_END;
	char open = token == JSON_TOKEN_OBJECT_END ? '{' : '[';

	if ((c->want != empty && c->want != WANT_COMMA_OR_END) ||
	    c->depth == 0 || c->open[c->depth - 1] != open)
		return refuse(c);
	c->depth--;
	c->want = c->depth > 0 ? WANT_COMMA_OR_END : WANT_NOTHING;
	return token;
}

static enum json_token
separate(struct checker *c, enum json_token token)
{
	if (token == JSON_TOKEN_COLON) {
		if (c->want != WANT_COLON)
			return refuse(c);
		c->want = WANT_VALUE;
		return token;
	}
	if (c->want != WANT_COMMA_OR_END)
		return refuse(c);
	c->want = c->open[c->depth - 1] == '{' ? WANT_KEY : WANT_VALUE;
	return token;
}

static enum json_token
scalar(struct checker *c, enum json_token token)
{
	bool is_key = c->want == WANT_KEY || c->want == WANT_KEY_OR_END;

	if (is_key ? token != JSON_TOKEN_STRING
		   : c->want != WANT_VALUE && c->want != WANT_ITEM_OR_END)
		return refuse(c);
	c->want = is_key ? WANT_COLON : WANT_COMMA_OR_END;
	return token;
}

static enum json_token
finish(struct checker *c, enum json_token token)
{
	if (c->want != WANT_NOTHING)
		return fault(&c->scanner, c->scanner.len,
		    c->want == WANT_OUTERMOST ? "empty" : "it ends too early");
	return token;
}

static enum json_token
report(struct checker *c, enum json_token token)
{
	(void)c;
	return token;
}

/* One token of the grammar. */
static enum json_token
step(struct checker *c)
{
	static enum json_token (*const rules[])(
	    struct checker *, enum json_token) = {
	    [JSON_TOKEN_END] = finish,
	    [JSON_TOKEN_FAULT] = report,
	    [JSON_TOKEN_OBJECT_BEGIN] = begin,
	    [JSON_TOKEN_OBJECT_END] = end,
	    [JSON_TOKEN_ARRAY_BEGIN] = begin,
	    [JSON_TOKEN_ARRAY_END] = end,
	    [JSON_TOKEN_COLON] = separate,
	    [JSON_TOKEN_COMMA] = separate,
	    [JSON_TOKEN_STRING] = scalar,
	    [JSON_TOKEN_NUMBER] = scalar,
	    [JSON_TOKEN_WORD] = scalar,
	};
	enum json_token token = json_scan_token(&c->scanner);

	return rules[token](c, token);
}

int
json_scan_check(const char *text, size_t len, struct err *err)
{
	struct checker c = {.scanner = {.text = text, .len = len}};
	enum json_token token;
	size_t line, column;

	do
		token = step(&c);
	while (token != JSON_TOKEN_END && token != JSON_TOKEN_FAULT);
	if (token == JSON_TOKEN_END)
		return 0;
	json_scan_place(text, c.scanner.at, &line, &column);
	return err_set(err, ERR_MALFORMED, "line %zu, column %zu: %s", line,
	    column, c.scanner.fault);
}
