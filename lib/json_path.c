/*
 * Where in a JSON text something stands: paths such as "rules[3].image", and
 * the place of each. Works on texts that json_scan_check() has accepted; keys
 * are still a stranger's.
 */
#include <jansson.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/json.h"
#include "lib/json_scan.h"
#include "lib/utf8.h"

static bool
is_plain(const char *key, size_t len)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-/";

	for (size_t i = 0; i < len; i++) {
		if (key[i] == '\0' || strchr(plain, key[i]) == NULL)
			return false;
	}
	return len > 0;
}

void
json_path_add_key(struct buffer *path, const char *key, size_t len)
{
	if (is_plain(key, len)) {
		if (path->len > 0)
			buffer_append(path, ".", 1);
		buffer_append(path, key, len);
		return;
	}
	buffer_append_string(path, "[\"");
	utf8_append_neutral(path, key, len);
	buffer_append_string(path, "\"]");
}

void
json_path_add_index(struct buffer *path, size_t index)
{
	buffer_printf(path, "[%zu]", index);
}

/* A walk over the tokens with the path of where it is. */
struct walk {
	struct json_scanner scanner;
	struct buffer path; /* of the value that comes next, or came last */
	struct frame {
		bool is_object;
		bool wants_key;
		size_t path_len; /* of the path of the container itself */
		size_t index;
	} frames[JSON_DEPTH_MAX];
	size_t depth;
};

#define WALK_INIT(words, bytes)                               \
	{                                                     \
		.scanner = {.text = (words), .len = (bytes)}, \
		.path = BUFFER_INIT(SIZE_MAX)                 \
	}

static void
cut_path(struct buffer *path, size_t len)
{
	if (path->len <= len)
		return;
	path->len = len;
	path->data[len] = '\0';
}

static void
add_key(struct walk *walk)
{
	const char *raw = walk->scanner.text + walk->scanner.start;
	size_t len = walk->scanner.at - walk->scanner.start;
	auto_json *decoded = NULL;

	if (memchr(raw, '\\', len) == NULL) {
		json_path_add_key(&walk->path, raw + 1, len - 2);
		return;
	}
	decoded = json_loadb(raw, len, JSON_DECODE_ANY, NULL);
	if (decoded == NULL)
		die("a member's name that jansson refuses");
	json_path_add_key(&walk->path, json_string_value(decoded),
	    json_string_length(decoded));
}

static void
enter(struct walk *walk, bool is_object)
{
	if (walk->depth == JSON_DEPTH_MAX)
		die("a text that was not checked");
	walk->frames[walk->depth++] = (struct frame){
	    .is_object = is_object,
	    .wants_key = is_object,
	    .path_len = walk->path.len,
	};
	if (!is_object)
		json_path_add_index(&walk->path, 0);
}

static void
next_member(struct walk *walk)
{
	struct frame *top = &walk->frames[walk->depth - 1];

	cut_path(&walk->path, top->path_len);
	top->wants_key = top->is_object;
	if (!top->is_object)
		json_path_add_index(&walk->path, ++top->index);
}

static void
leave(struct walk *walk)
{
	walk->depth--;
	cut_path(&walk->path, walk->frames[walk->depth].path_len);
}

/* A member's name is taken into the path: true. */
static bool
take_key(struct walk *walk)
{
	struct frame *top = NULL;

	if (walk->depth == 0)
		return false;
	top = &walk->frames[walk->depth - 1];
	if (!top->wants_key)
		return false;
	add_key(walk);
	top->wants_key = false;
	return true;
}

/* One token; *ret_is_value: it is, or begins, the value that path names. */
static enum json_token
walk_step(struct walk *walk, bool *ret_is_value)
{
	enum json_token token = json_scan_token(&walk->scanner);
	bool closes =
	    token == JSON_TOKEN_OBJECT_END || token == JSON_TOKEN_ARRAY_END;

	if (closes && walk->depth > 0)
		leave(walk);
	else if (token == JSON_TOKEN_COMMA && walk->depth > 0)
		next_member(walk);
	*ret_is_value = !closes && token != JSON_TOKEN_COMMA &&
	    token != JSON_TOKEN_COLON && token != JSON_TOKEN_END &&
	    token != JSON_TOKEN_FAULT && !take_key(walk);
	return token;
}

static void
walk_into(struct walk *walk, enum json_token token)
{
	if (token == JSON_TOKEN_OBJECT_BEGIN || token == JSON_TOKEN_ARRAY_BEGIN)
		enter(walk, token == JSON_TOKEN_OBJECT_BEGIN);
}

void
json_scan_path(const char *text, size_t len, size_t offset,
    struct buffer *ret_path, size_t *ret_start)
{
	struct walk walk = WALK_INIT(text, len);
	enum json_token token;
	bool is_value;

	do {
		token = walk_step(&walk, &is_value);
		if (walk.scanner.at >= offset)
			break;
		walk_into(&walk, is_value ? token : JSON_TOKEN_COLON);
	} while (token != JSON_TOKEN_END && token != JSON_TOKEN_FAULT);
	buffer_append(ret_path, walk.path.data, walk.path.len);
	*ret_start = walk.scanner.start;
	buffer_done(&walk.path);
}

/* Whether `path` is `target` or leads to something around it. */
static bool
leads_to(const struct buffer *path, const char *target)
{
	if (path->len == 0)
		return true;
	if (strncmp(path->data, target, path->len) != 0)
		return false;
	return strchr(".[", target[path->len]) != NULL;
}

void
json_locate(const char *text, size_t len, const char *path, size_t *ret_line,
    size_t *ret_column)
{
	struct walk walk = WALK_INIT(text, len);
	size_t best_len = 0;
	size_t best = 0;
	enum json_token token;
	bool is_value;

	do {
		token = walk_step(&walk, &is_value);
		if (is_value && leads_to(&walk.path, path) &&
		    (walk.path.len > best_len || walk.depth == 0)) {
			best_len = walk.path.len;
			best = walk.scanner.start;
		}
		walk_into(&walk, is_value ? token : JSON_TOKEN_COLON);
	} while (token != JSON_TOKEN_END && token != JSON_TOKEN_FAULT);
	json_scan_place(text, best, ret_line, ret_column);
	buffer_done(&walk.path);
}

void
json_locate_in_item(const char *text, const struct json_item *item,
    const char *path, size_t *ret_line, size_t *ret_column)
{
	json_locate(text + item->offset, item->len, path, ret_line, ret_column);
	if (*ret_line == 1)
		*ret_column += item->column - 1;
	*ret_line += item->line - 1;
}

/* The items of one array while they are found. */
struct items {
	struct json_item *list;
	size_t count;
	bool open; /* the last one has not ended */
	size_t line, line_start, counted; /* so far */
};

static void
begin_item(struct items *items, const struct json_scanner *scanner)
{
	for (; items->counted < scanner->start; items->counted++) {
		if (scanner->text[items->counted] != '\n')
			continue;
		items->line++;
		items->line_start = items->counted + 1;
	}
	if ((items->count & (items->count - 1)) == 0)
		items->list = alloc_resize(
		    items->list, 2 * items->count + 1, sizeof(*items->list));
	items->list[items->count++] = (struct json_item){
	    .offset = scanner->start,
	    .line = items->line,
	    .column = scanner->start - items->line_start + 1,
	};
	items->open = true;
}

static void
end_item(struct items *items, const struct json_scanner *scanner)
{
	struct json_item *last = &items->list[items->count - 1];

	last->len = scanner->start - last->offset;
	items->open = false;
}

struct json_item *
json_find_items(
    const char *text, size_t len, const char *path, size_t *ret_count)
{
	struct walk walk = WALK_INIT(text, len);
	struct items items = {.line = 1};
	size_t depth = SIZE_MAX; /* of the items */
	enum json_token token;
	bool is_value;

	do {
		token = walk_step(&walk, &is_value);
		if (items.open && walk.depth <= depth &&
		    (token == JSON_TOKEN_COMMA || walk.depth < depth))
			end_item(&items, &walk.scanner);
		if (is_value && walk.depth == depth)
			begin_item(&items, &walk.scanner);
		if (is_value && token == JSON_TOKEN_ARRAY_BEGIN &&
		    walk.path.len > 0 && strcmp(walk.path.data, path) == 0)
			depth = walk.depth + 1;
		walk_into(&walk, is_value ? token : JSON_TOKEN_COLON);
	} while (token != JSON_TOKEN_END && token != JSON_TOKEN_FAULT &&
	    (depth == SIZE_MAX || walk.depth >= depth));
	buffer_done(&walk.path);
	*ret_count = items.count;
	return items.list;
}
