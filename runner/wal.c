#include "runner/wal.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"

#define MAGIC 0x377f0682 /* the last bit: sums go by big-endian words */
#define HEADER 32
#define HEADER_SUMMED 24
#define FRAME_HEADER 24
#define FRAME_SUMMED 8
#define PAGE_MIN 512
#define PAGE_MAX 65536

struct sum {
	uint32_t s[2];
};

struct walk {
	size_t frame; /* bytes of one, its header included */
	bool is_big;
	uint8_t salt[8];
	struct sum sum;
};

static uint32_t
read_big(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 |
	    (uint32_t)at[2] << 8 | at[3];
}

static uint32_t
read_little(const uint8_t *at)
{
	return (uint32_t)at[3] << 24 | (uint32_t)at[2] << 16 |
	    (uint32_t)at[1] << 8 | at[0];
}

static void
add(struct sum *sum, bool is_big, const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i += 8) {
		uint32_t first =
		    is_big ? read_big(data + i) : read_little(data + i);
		uint32_t second =
		    is_big ? read_big(data + i + 4) : read_little(data + i + 4);

		sum->s[0] += first + sum->s[1];
		sum->s[1] += second + sum->s[0];
	}
}

static bool
is_sum(const struct sum *sum, const uint8_t *at)
{
	return sum->s[0] == read_big(at) && sum->s[1] == read_big(at + 4);
}

static bool
read_header(const uint8_t header[HEADER], struct walk *ret)
{
	uint32_t magic = read_big(header), page = read_big(header + 8);

	if ((magic & ~UINT32_C(1)) != MAGIC || page < PAGE_MIN ||
	    page > PAGE_MAX || (page & (page - 1)) != 0)
		return false;
	*ret = (struct walk){
	    .frame = FRAME_HEADER + page, .is_big = (magic & 1) != 0};
	memcpy(ret->salt, header + 16, sizeof(ret->salt));
	add(&ret->sum, ret->is_big, header, HEADER_SUMMED);
	return is_sum(&ret->sum, header + HEADER_SUMMED);
}

/* Of what an earlier round left behind the end, the salt is another. */
static bool
is_of_this_round(const struct walk *walk, const uint8_t *frame, size_t len)
{
	size_t salted = len < FRAME_SUMMED ? 0 : len - FRAME_SUMMED;

	if (salted > sizeof(walk->salt))
		salted = sizeof(walk->salt);
	return len > 0 && memcmp(frame + FRAME_SUMMED, walk->salt, salted) == 0;
}

static bool
is_whole(struct walk *walk, const uint8_t *frame, size_t len)
{
	if (len != walk->frame)
		return false;
	add(&walk->sum, walk->is_big, frame, FRAME_SUMMED);
	add(&walk->sum, walk->is_big, frame + FRAME_HEADER,
	    walk->frame - FRAME_HEADER);
	return is_sum(&walk->sum, frame + FRAME_SUMMED + sizeof(walk->salt));
}

/* What one transaction wrote ends with a frame that says how large the
 * database is then. */
static void
walk_frames(FILE *file, struct walk *walk, struct wal_state *state)
{
	auto_free uint8_t *frame = alloc_zero(1, walk->frame);
	bool whole = true;
	size_t len;

	while ((len = fread(frame, 1, walk->frame, file)) > 0 &&
	    is_of_this_round(walk, frame, len)) {
		whole = whole && is_whole(walk, frame, len);
		state->torn_bytes += (int64_t)len;
		if (whole && read_big(frame + 4) != 0) {
			state->committed_bytes += state->torn_bytes;
			state->torn_bytes = 0;
		}
	}
}

int
wal_examine(FILE *file, struct wal_state *ret, struct err *err)
{
	struct wal_state state = {0};
	uint8_t header[HEADER];
	struct walk walk;
	size_t len = fread(header, 1, sizeof(header), file);

	if (len == sizeof(header) && read_header(header, &walk))
		walk_frames(file, &walk, &state);
	else
		state.torn_bytes = (int64_t)len;
	if (ferror(file) != 0)
		return err_set(
		    err, ERR_UNAVAILABLE, "the write-ahead log cannot be read");
	*ret = state;
	return 0;
}
