/*
 * The guard: chunked bodies (RFC 9112 7.1), byte by byte as they arrive.
 *
 * A size is plain hexadecimal digits and the end of the line. Extensions and
 * trailers, which no client of ours needs and which readers have been found to
 * delimit differently, are refused, and so are blanks, leading zeros and line
 * ends of one byte.
 */
#include "gateway/guard.h"

/* 4 GiB in one chunk; a size fits into every integer behind this. */
#define SIZE_DIGITS 8

/* So that what was taken in all fits too: 2^60 bytes. */
#define BODY_MAX (UINT64_C(1) << 60)

static int
malformed(struct err *err, const char *what)
{
	return err_set(err, ERR_MALFORMED, "%s", what);
}

static int
digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static int
read_size(struct guard *guard, char c, struct err *err)
{
	struct guard_chunk *chunk = &guard->chunk;
	int value = digit_value(c);

	if (value < 0 && chunk->digits > 0 && c == '\r') {
		chunk->state = GUARD_CHUNK_SIZE_END;
		return 0;
	}
	if (value < 0)
		return malformed(err, "a chunk does not begin with its size");
	if (chunk->digits > 0 && chunk->left == 0)
		return malformed(err, "a chunk's size has a leading zero");
	if (++chunk->digits > SIZE_DIGITS)
		return malformed(err, "a chunk is too large");
	chunk->left = chunk->left * 16 + (uint64_t)value;
	return 0;
}

static int
end_size(struct guard *guard, char c, struct err *err)
{
	struct guard_chunk *chunk = &guard->chunk;

	if (c != '\n')
		return malformed(err, "a chunk's size does not end its line");
	chunk->digits = 0;
	chunk->state = chunk->left == 0 ? GUARD_CHUNK_LAST : GUARD_CHUNK_DATA;
	if (guard->body_len > BODY_MAX - chunk->left)
		return malformed(err, "the body is too large");
	return 0;
}

static int
expect(struct guard *guard, char c, char wanted, enum guard_chunk_state next,
    struct err *err)
{
	if (c != wanted)
		return malformed(err,
		    guard->chunk.left == 0 &&
			    guard->chunk.state >= GUARD_CHUNK_LAST
			? "the last chunk is not the end of the body"
			: "a chunk is not as long as its size says");
	guard->chunk.state = next;
	return 0;
}

static int
read_byte(struct guard *guard, char c, struct err *err)
{
	switch (guard->chunk.state) {
	case GUARD_CHUNK_SIZE:
		return read_size(guard, c, err);
	case GUARD_CHUNK_SIZE_END:
		return end_size(guard, c, err);
	case GUARD_CHUNK_DATA_END:
		return expect(guard, c, '\r', GUARD_CHUNK_DATA_END_LF, err);
	case GUARD_CHUNK_DATA_END_LF:
		return expect(guard, c, '\n', GUARD_CHUNK_SIZE, err);
	case GUARD_CHUNK_LAST:
		return expect(guard, c, '\r', GUARD_CHUNK_LAST_LF, err);
	default:
		return expect(guard, c, '\n', GUARD_CHUNK_ENDED, err);
	}
}

/* As much of a chunk's bytes as there is. */
static size_t
pass_data(struct guard *guard, size_t len)
{
	struct guard_chunk *chunk = &guard->chunk;

	if (len > chunk->left)
		len = (size_t)chunk->left;
	chunk->left -= len;
	guard->body_len += len;
	if (chunk->left == 0)
		chunk->state = GUARD_CHUNK_DATA_END;
	return len;
}

enum guard_result
guard_read_chunks(struct guard *guard, const char *data, size_t len,
    size_t *ret_taken, struct err *err)
{
	size_t at = 0;

	while (at < len && guard->chunk.state != GUARD_CHUNK_ENDED) {
		if (guard->chunk.state == GUARD_CHUNK_DATA)
			at += pass_data(guard, len - at);
		else if (read_byte(guard, data[at++], err) != 0)
			return GUARD_REFUSED;
	}
	*ret_taken = at;
	return guard->chunk.state == GUARD_CHUNK_ENDED ? GUARD_ACCEPTED
						       : GUARD_MORE;
}
