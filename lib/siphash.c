#include "lib/siphash.h"

#include <endian.h>
#include <string.h>

static uint64_t
rotate(uint64_t word, unsigned bits)
{
	return word << bits | word >> (64 - bits);
}

static void
turn(struct siphash *s)
{
	s->v0 += s->v1;
	s->v2 += s->v3;
	s->v1 = rotate(s->v1, 13) ^ s->v0;
	s->v3 = rotate(s->v3, 16) ^ s->v2;
	s->v0 = rotate(s->v0, 32) + s->v3;
	s->v2 += s->v1;
	s->v3 = rotate(s->v3, 21) ^ s->v0;
	s->v1 = rotate(s->v1, 17) ^ s->v2;
	s->v2 = rotate(s->v2, 32);
}

static void
take_in(struct siphash *s, uint64_t word)
{
	s->v3 ^= word;
	turn(s);
	s->v0 ^= word;
}

/* At most a word's bytes. */
static uint64_t
load(const uint8_t *data, size_t len)
{
	uint64_t word = 0;

	if (len > 0)
		memcpy(&word, data, len);
	return le64toh(word);
}

void
siphash_init(struct siphash *ret, const uint64_t key[2])
{
	*ret = (struct siphash){
	    .v0 = key[0] ^ UINT64_C(0x736f6d6570736575),
	    .v1 = key[1] ^ UINT64_C(0x646f72616e646f6d),
	    .v2 = key[0] ^ UINT64_C(0x6c7967656e657261),
	    .v3 = key[1] ^ UINT64_C(0x7465646279746573),
	};
}

void
siphash_add(struct siphash *hash, const void *data, size_t len)
{
	const uint8_t *at = data;
	size_t held = hash->len % sizeof(uint64_t);

	hash->len += len;
	if (held > 0) {
		size_t room = sizeof(uint64_t) - held;
		size_t fits = len < room ? len : room;

		hash->tail |= load(at, fits) << (8 * held);
		if (len < room)
			return;
		take_in(hash, hash->tail);
		at += room;
		len -= room;
	}
	for (; len >= sizeof(uint64_t); len -= sizeof(uint64_t)) {
		take_in(hash, load(at, sizeof(uint64_t)));
		at += sizeof(uint64_t);
	}
	hash->tail = load(at, len);
}

uint64_t
siphash_sum(const struct siphash *hash)
{
	struct siphash s = *hash;

	take_in(&s, s.tail | (uint64_t)s.len << 56);
	s.v2 ^= 0xff;
	turn(&s);
	turn(&s);
	turn(&s);
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}
