#include "lib/json_pick.h"

#include <string.h>

#include "lib/json_scan.h"

struct pick {
	struct json_scanner scanner;
	const struct json_pick_member *members;
	size_t n;
	struct json_span *spans;
};

static bool
is_name(struct json_span key, const char *name)
{
	return strncmp(name, key.at, key.len) == 0 && name[key.len] == '\0';
}

static bool
is_part(const char *one, const char *other)
{
	return one == NULL || other == NULL ? one == other
					    : strcmp(one, other) == 0;
}

/* The one wanted of this name in this part, or `n`. */
static size_t
find_member(const struct pick *pick, const char *part, struct json_span key)
{
	for (size_t i = 0; i < pick->n; i++) {
		if (is_part(pick->members[i].part, part) &&
		    is_name(key, pick->members[i].name))
			return i;
	}
	return pick->n;
}

/* The part of this name that something is wanted of. */
static const char *
find_part(const struct pick *pick, struct json_span key)
{
	for (size_t i = 0; i < pick->n; i++) {
		const char *part = pick->members[i].part;

		if (part != NULL && is_name(key, part))
			return part;
	}
	return NULL;
}

static struct json_span
span_of(const struct json_scanner *s, enum json_token token)
{
	size_t quote = token == JSON_TOKEN_STRING ? 1 : 0;

	return (struct json_span){.at = s->text + s->start + quote,
	    .len = s->at - s->start - 2 * quote,
	    .is_string = token == JSON_TOKEN_STRING};
}

static bool
has_escape(struct json_span span)
{
	return memchr(span.at, '\\', span.len) != NULL;
}

/* Behind the opening of an object or array, to behind its end. */
static bool
skip_container(struct json_scanner *s)
{
	for (int depth = 1; depth > 0;) {
		switch (json_scan_token(s)) {
		case JSON_TOKEN_OBJECT_BEGIN:
		case JSON_TOKEN_ARRAY_BEGIN:
			depth++;
			break;
		case JSON_TOKEN_OBJECT_END:
		case JSON_TOKEN_ARRAY_END:
			depth--;
			break;
		case JSON_TOKEN_FAULT:
		case JSON_TOKEN_END:
			return false;
		default:
			break;
		}
	}
	return true;
}

static bool
keep(struct pick *pick, size_t member, struct json_span value)
{
	if (member == pick->n)
		return true;
	if (pick->spans[member].at != NULL ||
	    (value.is_string && has_escape(value)))
		return false;
	pick->spans[member] = value;
	return true;
}

static bool pick_object(struct pick *pick, const char *part);

static bool
pick_value(struct pick *pick, const char *part, struct json_span key)
{
	struct json_scanner *s = &pick->scanner;
	enum json_token token = json_scan_token(s);
	const char *inner = part == NULL ? find_part(pick, key) : NULL;

	switch (token) {
	case JSON_TOKEN_STRING:
	case JSON_TOKEN_NUMBER:
	case JSON_TOKEN_WORD:
		return keep(
		    pick, find_member(pick, part, key), span_of(s, token));
	case JSON_TOKEN_OBJECT_BEGIN:
		return inner != NULL ? pick_object(pick, inner)
				     : skip_container(s);
	case JSON_TOKEN_ARRAY_BEGIN:
		return skip_container(s);
	default:
		return false;
	}
}

/* Behind its opening, to behind its end. Two levels at most: parts have
 * none. */
static bool
pick_object(struct pick *pick, const char *part)
{
	struct json_scanner *s = &pick->scanner;
	enum json_token token = json_scan_token(s);

	while (token == JSON_TOKEN_STRING) {
		struct json_span key = span_of(s, token);

		if (has_escape(key) || json_scan_token(s) != JSON_TOKEN_COLON ||
		    !pick_value(pick, part, key))
			return false;
		token = json_scan_token(s);
		if (token == JSON_TOKEN_COMMA)
			token = json_scan_token(s);
		else if (token != JSON_TOKEN_OBJECT_END)
			return false;
	}
	return token == JSON_TOKEN_OBJECT_END;
}

bool
json_pick(const char *text, size_t len, const struct json_pick_member *members,
    size_t n, struct json_span *ret)
{
	struct pick pick = {.scanner = {.text = text, .len = len},
	    .members = members,
	    .n = n,
	    .spans = ret};

	for (size_t i = 0; i < n; i++)
		ret[i] = (struct json_span){0};
	return json_scan_token(&pick.scanner) == JSON_TOKEN_OBJECT_BEGIN &&
	    pick_object(&pick, NULL) &&
	    json_scan_token(&pick.scanner) == JSON_TOKEN_END;
}
