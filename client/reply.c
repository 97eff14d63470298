/*
 * Replies: one head, and the two ways to say where a body ends. RFC 9112 6.3
 * knows a third, the end of the connection; a server of ours has no use for
 * it, and it could not be told from a line that was cut.
 */
#include "client/reply.h"

#include <string.h>

#include "lib/cleanup.h"

#define INTERIM_MAX 8
#define SIZE_DIGITS 8 /* 4 GiB in one chunk */

void
reply_init(struct reply *reply)
{
	*reply = (struct reply){.head = {.retry_after_s = -1, .length = -1}};
}

static enum reply_state
find_body(const struct reply_head *head, uint64_t *ret_left)
{
	*ret_left = 0;
	/* RFC 9112 6.1, 6.2: never both, and neither with a 204. */
	if (head->chunked && head->length >= 0)
		return REPLY_BAD;
	if (head->status == 204)
		return head->chunked || head->length > 0 ? REPLY_BAD
							 : REPLY_WHOLE;
	if (head->chunked)
		return REPLY_IN_CHUNK_SIZE;
	if (head->length < 0)
		return REPLY_BAD;
	*ret_left = (uint64_t)head->length;
	return head->length > 0 ? REPLY_IN_BODY : REPLY_WHOLE;
}

/* An interim head: another follows. We never ask for a change of protocol, nor
 * for what a 304 would answer. */
static enum reply_state
judge_head(struct reply *reply)
{
	int status = reply->head.status;

	if (status >= 200)
		return status == 304 ? REPLY_BAD
				     : find_body(&reply->head, &reply->left);
	return status == 101 || ++reply->interim > INTERIM_MAX ? REPLY_BAD
							       : REPLY_IN_HEAD;
}

/* Like all readers: how many bytes are done with; 0 with the state as it was:
 * more must come first. */
static size_t
read_head(struct reply *reply, const char *data, size_t len)
{
	const char *end = memmem(data, len, "\r\n\r\n", 4);
	size_t head = end != NULL ? (size_t)(end - data) + 4 : len;

	if (head > REPLY_HEAD_MAX || (end == NULL && len == REPLY_HEAD_MAX)) {
		reply->state = REPLY_BAD;
		return 0;
	}
	if (end == NULL)
		return 0;
	if (!reply_head_read(data, head, &reply->head)) {
		reply->state = REPLY_BAD;
		return 0;
	}
	reply->state = judge_head(reply);
	return head;
}

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Hexadecimal digits without a leading zero. Extensions, which readers have
 * been found to delimit differently, are refused. */
static bool
parse_size(const char *digits, size_t count, uint64_t *ret)
{
	uint64_t size = 0;

	if (count < 1 || count > SIZE_DIGITS || (count > 1 && *digits == '0'))
		return false;
	for (size_t i = 0; i < count; i++) {
		int value = hex_value(digits[i]);

		if (value < 0)
			return false;
		size = size * 16 + (uint64_t)value;
	}
	*ret = size;
	return true;
}

static size_t
read_chunk_size(struct reply *reply, const char *data, size_t len)
{
	size_t longest = SIZE_DIGITS + 2;
	const char *end =
	    memmem(data, len < longest ? len : longest, "\r\n", 2);

	if (end == NULL && len < longest)
		return 0;
	if (end == NULL ||
	    !parse_size(data, (size_t)(end - data), &reply->left)) {
		reply->state = REPLY_BAD;
		return 0;
	}
	reply->state = reply->left > 0 ? REPLY_IN_CHUNK : REPLY_IN_LAST_CHUNK;
	return (size_t)(end - data) + 2;
}

static size_t
read_line_end(
    struct reply *reply, const char *data, size_t len, enum reply_state next)
{
	if (len < 2 && (len == 0 || data[0] == '\r'))
		return 0;
	if (len < 2 || memcmp(data, "\r\n", 2) != 0) {
		reply->state = REPLY_BAD;
		return 0;
	}
	reply->state = next;
	return 2;
}

static size_t
read_chunk_end(struct reply *reply, const char *data, size_t len)
{
	return read_line_end(reply, data, len, REPLY_IN_CHUNK_SIZE);
}

/* No server of ours sends trailers. */
static size_t
read_last_chunk(struct reply *reply, const char *data, size_t len)
{
	return read_line_end(reply, data, len, REPLY_WHOLE);
}

static size_t (*const readers[])(struct reply *, const char *, size_t) = {
    [REPLY_IN_HEAD] = read_head,
    [REPLY_IN_CHUNK_SIZE] = read_chunk_size,
    [REPLY_IN_CHUNK_END] = read_chunk_end,
    [REPLY_IN_LAST_CHUNK] = read_last_chunk,
    [REPLY_BAD] = NULL,
};

enum reply_step
reply_read(struct reply *reply, const char *data, size_t len, size_t *ret_used,
    size_t *ret_body)
{
	size_t left;

	*ret_used = 0;
	*ret_body = 0;
	while (readers[reply->state] != NULL) {
		enum reply_state before = reply->state;
		size_t used =
		    readers[before](reply, data + *ret_used, len - *ret_used);

		*ret_used += used;
		if (used == 0 && reply->state == before)
			return REPLY_STEP_MORE;
	}
	if (reply->state == REPLY_BAD)
		return REPLY_STEP_BAD;
	if (reply->state == REPLY_WHOLE)
		return REPLY_STEP_WHOLE;
	left = len - *ret_used;
	*ret_body = reply->left < left ? (size_t)reply->left : left;
	return *ret_body > 0 ? REPLY_STEP_BODY : REPLY_STEP_MORE;
}

void
reply_take(struct reply *reply, size_t len)
{
	reply->left -= len;
	if (reply->left == 0)
		reply->state = reply->state == REPLY_IN_CHUNK
		    ? REPLY_IN_CHUNK_END
		    : REPLY_WHOLE;
}
