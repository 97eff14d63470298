/*
 * Limits by address and by principal. A pool of entries that is taken at the
 * start and never grows; a keyed hash leads to them; those with nothing open
 * stand in a list by their last use, whose oldest makes room.
 */
#include "gateway/limits.h"

#include <stdlib.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/digest.h"
#include "lib/siphash.h"

#define NONE UINT32_MAX

/* A token is so many parts that a rate a minute is a rate of parts a
 * millisecond. */
#define PARTS 60000

struct entry {
	struct limits_key key;
	int64_t parts; /* of tokens, as of updated_ms */
	int64_t updated_ms;
	uint32_t active;
	uint32_t next; /* in the chain, or in the list of free ones */
	uint32_t older, newer; /* in the list of idle ones */
};

struct limits {
	struct limits_spec spec;
	uint64_t secret[2];
	struct entry *entries;
	uint32_t *heads; /* of chains */
	uint32_t mask; /* number of chains less one */
	uint32_t free; /* entries not in use */
	uint32_t oldest, newest; /* idle */
	size_t count;
};

/* Nobody outside can choose what collides. */
static uint32_t
hash_key(const struct limits *limits, const struct limits_key *key)
{
	struct siphash hash;

	siphash_init(&hash, limits->secret);
	siphash_add(&hash, key->bytes, key->len);
	return (uint32_t)siphash_sum(&hash) & limits->mask;
}

bool
limits_key_is_same(const struct limits_key *a, const struct limits_key *b)
{
	return a->len == b->len && memcmp(a->bytes, b->bytes, a->len) == 0;
}

static void
idle_remove(struct limits *limits, uint32_t at)
{
	struct entry *entry = &limits->entries[at];

	if (entry->older == NONE)
		limits->oldest = entry->newer;
	else
		limits->entries[entry->older].newer = entry->newer;
	if (entry->newer == NONE)
		limits->newest = entry->older;
	else
		limits->entries[entry->newer].older = entry->older;
}

static void
idle_add(struct limits *limits, uint32_t at)
{
	struct entry *entry = &limits->entries[at];

	entry->older = limits->newest;
	entry->newer = NONE;
	if (limits->newest == NONE)
		limits->oldest = at;
	else
		limits->entries[limits->newest].newer = at;
	limits->newest = at;
}

static uint32_t
find(const struct limits *limits, const struct limits_key *key, uint32_t chain)
{
	uint32_t at = limits->heads[chain];

	while (at != NONE && !limits_key_is_same(&limits->entries[at].key, key))
		at = limits->entries[at].next;
	return at;
}

static void
unchain(struct limits *limits, uint32_t at)
{
	uint32_t *link =
	    &limits->heads[hash_key(limits, &limits->entries[at].key)];

	while (*link != at)
		link = &limits->entries[*link].next;
	*link = limits->entries[at].next;
}

/* A free entry, or the oldest idle one; NONE where all are open. */
static uint32_t
make_room(struct limits *limits)
{
	uint32_t at = limits->free;

	if (at != NONE) {
		limits->free = limits->entries[at].next;
		limits->count++;
		return at;
	}
	at = limits->oldest;
	if (at == NONE)
		return NONE;
	idle_remove(limits, at);
	unchain(limits, at);
	return at;
}

/* The entry of the key, made where there is none: idle, with a full bucket. */
static struct entry *
lookup(struct limits *limits, const struct limits_key *key, int64_t now_ms)
{
	uint32_t chain = hash_key(limits, key);
	uint32_t at = find(limits, key, chain);

	if (at != NONE) {
		if (limits->entries[at].active == 0) {
			idle_remove(limits, at);
			idle_add(limits, at);
		}
		return &limits->entries[at];
	}
	at = make_room(limits);
	if (at == NONE)
		return NULL;
	limits->entries[at] = (struct entry){
	    .key = *key,
	    .parts = (int64_t)limits->spec.burst * PARTS,
	    .updated_ms = now_ms,
	    .next = limits->heads[chain],
	};
	limits->heads[chain] = at;
	idle_add(limits, at);
	return &limits->entries[at];
}

static void
refill(const struct limits *limits, struct entry *entry, int64_t now_ms)
{
	int64_t full = (int64_t)limits->spec.burst * PARTS;
	int64_t passed_ms = now_ms - entry->updated_ms;

	if (passed_ms <= 0)
		return;
	entry->updated_ms = now_ms;
	/* Divided, not multiplied: a long time must not overflow. */
	if (passed_ms > full / limits->spec.rate)
		entry->parts = full;
	else
		entry->parts += passed_ms * limits->spec.rate;
	if (entry->parts > full)
		entry->parts = full;
}

/* False where the table has no room for the key: everything in it is open. */
static bool
has_token(struct limits *limits, struct entry *entry, int64_t now_ms,
    int64_t *ret_wait_ms)
{
	int64_t rate = limits->spec.rate;
	int64_t missing = PARTS;

	if (entry != NULL) {
		refill(limits, entry, now_ms);
		missing = PARTS - entry->parts;
	}
	if (missing <= 0)
		return true;
	if (ret_wait_ms != NULL)
		*ret_wait_ms = (missing + rate - 1) / rate;
	return false;
}

bool
limits_has(struct limits *limits, const struct limits_key *key, int64_t now_ms,
    int64_t *ret_wait_ms)
{
	if (limits->spec.rate == 0)
		return true;
	uint32_t at = find(limits, key, hash_key(limits, key));

	/* Asking makes no entry: who has none has taken nothing. */
	if (at == NONE)
		return true;
	return has_token(limits, &limits->entries[at], now_ms, ret_wait_ms);
}

bool
limits_take(struct limits *limits, const struct limits_key *key, int64_t now_ms,
    int64_t *ret_wait_ms)
{
	if (limits->spec.rate == 0)
		return true;
	struct entry *entry = lookup(limits, key, now_ms);

	if (!has_token(limits, entry, now_ms, ret_wait_ms))
		return false;
	entry->parts -= PARTS;
	return true;
}

bool
limits_enter(
    struct limits *limits, const struct limits_key *key, int64_t now_ms)
{
	struct entry *entry = lookup(limits, key, now_ms);

	if (entry == NULL)
		return false;
	if (limits->spec.active_max > 0 &&
	    entry->active >= limits->spec.active_max)
		return false;
	if (entry->active++ == 0)
		idle_remove(limits, (uint32_t)(entry - limits->entries));
	return true;
}

void
limits_leave(struct limits *limits, const struct limits_key *key)
{
	uint32_t at = find(limits, key, hash_key(limits, key));

	if (at == NONE || limits->entries[at].active == 0)
		die("limits: left without having entered");
	if (--limits->entries[at].active == 0)
		idle_add(limits, at);
}

size_t
limits_count(const struct limits *limits)
{
	return limits->count;
}

struct limits_key
limits_key_of_address(const struct sockaddr *address)
{
	struct limits_key key = {.len = 1};
	const struct sockaddr_in *four = (const void *)address;
	const struct sockaddr_in6 *six = (const void *)address;
	const uint8_t *bytes = NULL;
	uint8_t len = 0;

	if (address->sa_family == AF_INET) {
		bytes = (const uint8_t *)&four->sin_addr;
		len = 4;
	} else if (address->sa_family == AF_INET6 &&
	    IN6_IS_ADDR_V4MAPPED(&six->sin6_addr)) {
		bytes = six->sin6_addr.s6_addr + 12;
		len = 4;
	} else if (address->sa_family == AF_INET6) {
		bytes = six->sin6_addr.s6_addr;
		len = 8;
	}
	/* The first byte tells the families apart from each other. */
	key.bytes[0] = len;
	key.len = (uint8_t)(1 + len);
	if (len > 0)
		memcpy(key.bytes + 1, bytes, len);
	return key;
}

struct limits_key
limits_key_of_subject(const char *subject)
{
	struct limits_key key = {0};

	key.len = (uint8_t)strnlen(subject, LIMITS_KEY_MAX);
	memcpy(key.bytes, subject, key.len);
	return key;
}

struct limits *
limits_new(const struct limits_spec *spec)
{
	struct limits *limits = alloc_zero(1, sizeof(*limits));
	uint32_t chains = 1;

	if (spec->entries == 0 || spec->entries > UINT32_MAX / 4 ||
	    (spec->rate > 0 && spec->burst == 0))
		die("limits: a table of no use");
	while (chains < spec->entries)
		chains *= 2;
	limits->spec = *spec;
	limits->mask = chains - 1;
	limits->heads = alloc_zero(chains, sizeof(*limits->heads));
	limits->entries = alloc_zero(spec->entries, sizeof(*limits->entries));
	limits->oldest = NONE;
	limits->newest = NONE;
	random_bytes(limits->secret, sizeof(limits->secret));
	for (uint32_t k = 0; k < chains; k++)
		limits->heads[k] = NONE;
	for (uint32_t k = 0; k < spec->entries; k++)
		limits->entries[k].next = k + 1 < spec->entries ? k + 1 : NONE;
	return limits;
}

void
limits_free(struct limits *limits)
{
	if (limits == NULL)
		return;
	free(limits->entries);
	free(limits->heads);
	free(limits);
}
