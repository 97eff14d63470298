/*
 * Limits by address and by principal: token buckets and counts of what is
 * open, in a table of fixed size. Each worker has its own; nothing is locked.
 *
 * Trusts nobody: whoever comes from many addresses cannot make the table
 * grow, nor choose what is forgotten: the hash is keyed with random bytes, and
 * what makes room is the entry that nobody has used for longest and that has
 * nothing open. Time is a parameter (milliseconds of clock_boot_ms()).
 */
#ifndef GATEWAY_LIMITS_H
#define GATEWAY_LIMITS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LIMITS_KEY_MAX 64

struct limits_key {
	uint8_t len;
	uint8_t bytes[LIMITS_KEY_MAX];
};

/* An IPv4 address, an IPv6 /64 (one subscriber has at least that many); an
 * IPv4 address mapped into IPv6 is the IPv4 address. Anything else is one key
 * of its own. */
struct limits_key limits_key_of_address(const struct sockaddr *address);
/* A subject; of a longer text only the first LIMITS_KEY_MAX bytes count. */
struct limits_key limits_key_of_subject(const char *subject);
bool limits_key_is_same(const struct limits_key *a, const struct limits_key *b);

struct limits_spec {
	size_t entries; /* size of the table */
	uint32_t rate; /* tokens a minute; 0: the bucket is not used */
	uint32_t burst; /* tokens at most */
	uint32_t active_max; /* open at a time; 0: not bounded here */
};

struct limits;

struct limits *limits_new(const struct limits_spec *spec);
void limits_free(struct limits *limits);

/* Takes one token. False: there is none; *ret_wait_ms (NULL: not wanted) says
 * in how long there is one. */
bool limits_take(struct limits *limits, const struct limits_key *key,
    int64_t now_ms, int64_t *ret_wait_ms);
/* Whether a token is there, without taking it: for counting failures, which
 * are asked about before and taken after the fact. */
bool limits_has(struct limits *limits, const struct limits_key *key,
    int64_t now_ms, int64_t *ret_wait_ms);

/* One more is open. False: too many of this key, or the whole table is open;
 * nothing was counted. Each true wants its limits_leave(). */
bool limits_enter(
    struct limits *limits, const struct limits_key *key, int64_t now_ms);
void limits_leave(struct limits *limits, const struct limits_key *key);

/* Entries in use: never more than the spec's. */
size_t limits_count(const struct limits *limits);

#endif
