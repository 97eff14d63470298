/*
 * Patterns, compiled to a bit-parallel automaton (Baeza-Yates and Gonnet's
 * shift-and, with stars): one bit for each place in the pattern; a byte of the
 * value moves all of them at once. Trusts neither pattern nor value.
 */
#include "policy/pattern.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"

#define WORD_BITS 64
#define WORDS_MAX ((PATTERN_MAX + 1 + WORD_BITS - 1) / WORD_BITS)
#define BYTES 256

enum token_kind { TOKEN_ONE, TOKEN_STAR };

/* A place in the pattern: one byte of a set, or any number of them. */
struct token {
	enum token_kind kind;
	bool has[BYTES];
};

struct pattern {
	char *text;
	bool matches_all; /* "**", which is what most rules say of the rest */
	size_t words; /* of a set of places */
	size_t accept; /* the place behind the last token */
	/* Bytes that no token tells apart share a column: the places that a
	 * byte moves on, and those that it stays in. */
	uint8_t column_of[BYTES];
	uint64_t *columns;
	uint64_t *stars;
};

/* Habits of other languages, each with what to write instead. */
static const struct {
	const char *text;
	const char *why;
} habits[] = {
    {".*",
	"\".*\" is a regular expression: any bytes are * or **, and a dot "
	"before a star is [.]"},
    {".+",
	"\".+\" is a regular expression: any bytes are * or **, and a dot "
	"before a plus is [.]"},
    {"]+",
	"\"]+\" is a regular expression: a class stands for one byte, and "
	"a plus behind it is [+]"},
    {"]{",
	"\"]{\" is a regular expression: a class stands for one byte, and "
	"a brace behind it is [{]"},
    {"(?", "\"(?\" is a regular expression, which a pattern is not"},
    {"***", "three stars say no more than two"},
};

bool
pattern_is_special(const char *text)
{
	return strpbrk(text, "*?[") != NULL;
}

static const char *
find_habit(const char *text)
{
	size_t len = strlen(text);

	if (len == 0)
		return "an empty pattern";
	if (len > PATTERN_MAX)
		return "longer than 1024 bytes";
	if (text[0] == '^' || text[len - 1] == '$')
		return "a pattern matches the whole value: it has no ^ in "
		       "front and no $ behind (as bytes they are [^] and [$])";
	for (size_t k = 0; k < COUNT(habits); k++) {
		if (strstr(text, habits[k].text) != NULL)
			return habits[k].why;
	}
	return NULL;
}

static const char *
add_range(struct token *token, unsigned char first, unsigned char last)
{
	if (first >= 0x80 || last >= 0x80)
		return "a class of bytes that are not ASCII";
	if (first > last)
		return "a range that ends before it begins";
	for (unsigned byte = first; byte <= last; byte++)
		token->has[byte] = true;
	return NULL;
}

/* *at is behind the bracket, and behind the closing one afterwards. */
static const char *
read_class(const char **at, struct token *token)
{
	const char *p = *at;

	if ((*p == '^' || *p == '!') && p[1] != ']')
		return "a class cannot be turned around with ^ or !";
	for (bool first = true; first || *p != ']'; first = false) {
		unsigned char from = (unsigned char)p[0];
		unsigned char to = from;

		if (from == '\0')
			return "a class that does not end";
		if (from == '[' && p[1] == ':')
			return "named classes are not known: write the range";
		if (p[1] == '-' && p[2] != ']' && p[2] != '\0') {
			to = (unsigned char)p[2];
			p += 2;
		}
		p++;
		const char *why = add_range(token, from, to);

		if (why != NULL)
			return why;
	}
	*at = p + 1;
	return NULL;
}

/* One token from *at, which is moved behind it. */
static const char *
read_token(const char **at, struct token *token)
{
	char c = *(*at)++;

	*token = (struct token){.kind = c == '*' ? TOKEN_STAR : TOKEN_ONE};
	if (c == '[')
		return read_class(at, token);
	if (c == '\\')
		return "a backslash has no meaning here: what has one stands "
		       "in a class, [*], and a backslash itself too";
	if (c == '|')
		return "a bar has no meaning here: list the values in an enum "
		       "(as a byte it is [|])";
	if (c != '*' && c != '?') {
		token->has[(unsigned char)c] = true;
		return NULL;
	}
	memset(token->has, true, sizeof(token->has));
	token->has['/'] = c == '*' && **at == '*';
	if (token->has['/'])
		(*at)++;
	return NULL;
}

static void
set_bit(uint64_t *words, size_t bit)
{
	words[bit / WORD_BITS] |= UINT64_C(1) << bit % WORD_BITS;
}

/* What the byte does in each place: `words` moves, then `words` stays. */
static void
fill_column(const struct token *tokens, size_t count, size_t words, int byte,
    uint64_t *column)
{
	memset(column, 0, 2 * words * sizeof(*column));
	for (size_t k = 0; k < count; k++) {
		if (tokens[k].has[byte])
			set_bit(tokens[k].kind == TOKEN_STAR ? column + words
							     : column,
			    k);
	}
}

static void
fill_columns(struct pattern *pattern, const struct token *tokens)
{
	size_t size = 2 * pattern->words;
	size_t count = 0, room = 0;

	for (int byte = 0; byte < BYTES; byte++) {
		uint64_t *fresh;
		size_t k = 0;

		if (count == room) {
			room = 2 * room + 4;
			pattern->columns = alloc_resize(pattern->columns,
			    room * size, sizeof(*pattern->columns));
		}
		fresh = pattern->columns + count * size;
		fill_column(
		    tokens, pattern->accept, pattern->words, byte, fresh);
		while (memcmp(pattern->columns + k * size, fresh,
			   size * sizeof(*fresh)) != 0)
			k++;
		pattern->column_of[byte] = (uint8_t)k;
		count += k == count ? 1 : 0;
	}
}

static struct pattern *
compile(const char *text, const struct token *tokens, size_t count)
{
	struct pattern *pattern = alloc_zero(1, sizeof(*pattern));

	pattern->text = alloc_string(text);
	pattern->matches_all = strcmp(text, "**") == 0;
	pattern->accept = count;
	pattern->words = count / WORD_BITS + 1;
	pattern->stars = alloc_zero(pattern->words, sizeof(*pattern->stars));
	for (size_t k = 0; k < count; k++) {
		if (tokens[k].kind == TOKEN_STAR)
			set_bit(pattern->stars, k);
	}
	fill_columns(pattern, tokens);
	return pattern;
}

struct pattern *
pattern_new(const char *text, const char **ret_why)
{
	const char *why = find_habit(text);
	const char *at = text;
	auto_free struct token *tokens = NULL;
	size_t count = 0;

	if (why == NULL)
		tokens = alloc_zero(strlen(text), sizeof(*tokens));
	while (why == NULL && *at != '\0')
		why = read_token(&at, &tokens[count++]);
	if (why != NULL) {
		*ret_why = why;
		return NULL;
	}
	return compile(text, tokens, count);
}

void
pattern_free(struct pattern *pattern)
{
	if (pattern == NULL)
		return;
	free(pattern->text);
	free(pattern->columns);
	free(pattern->stars);
	free(pattern);
}

const char *
pattern_text(const struct pattern *pattern)
{
	return pattern->text;
}

/* A star may stand for nothing: whoever is at one is behind it too. Two never
 * follow each other, so that once is enough. */
static void
pass_stars(const struct pattern *pattern, uint64_t *places)
{
	uint64_t carry = 0;

	for (size_t k = 0; k < pattern->words; k++) {
		uint64_t at_star = places[k] & pattern->stars[k];

		places[k] |= at_star << 1 | carry;
		carry = at_star >> (WORD_BITS - 1);
	}
}

/* False when no place is left. */
static bool
take_byte(const struct pattern *pattern, unsigned char byte, uint64_t *places)
{
	const uint64_t *moves = pattern->columns +
	    (size_t)pattern->column_of[byte] * 2 * pattern->words;
	const uint64_t *stays = moves + pattern->words;
	uint64_t carry = 0;
	uint64_t any = 0;

	for (size_t k = 0; k < pattern->words; k++) {
		uint64_t moved = places[k] & moves[k];

		places[k] = (places[k] & stays[k]) | moved << 1 | carry;
		carry = moved >> (WORD_BITS - 1);
		any |= places[k];
	}
	pass_stars(pattern, places);
	return any != 0;
}

bool
pattern_is_match(const struct pattern *pattern, const char *value, size_t len)
{
	uint64_t places[WORDS_MAX] = {1};

	if (pattern->matches_all)
		return true;
	if (len > PATTERN_VALUE_MAX)
		return false;
	pass_stars(pattern, places);
	for (size_t k = 0; k < len; k++) {
		if (!take_byte(pattern, (unsigned char)value[k], places))
			return false;
	}
	return (places[pattern->accept / WORD_BITS] >>
		       pattern->accept % WORD_BITS &
		   1) != 0;
}
