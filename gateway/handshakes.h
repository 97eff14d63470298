/*
 * Handshakes under way: so many places, and turns of a worker's time. Pure;
 * knows neither sockets nor TLS.
 *
 * Trusts nobody: one address, however many connections it opens, takes places
 * from itself before it takes one from anybody else, and of the worker's time
 * one turn in as many as there are addresses that want one.
 */
#ifndef GATEWAY_HANDSHAKES_H
#define GATEWAY_HANDSHAKES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

#include "gateway/limits.h"

struct conn;
struct handshakes;
struct handshakes_group;

/* Part of the connection that it is of; all zero: not under way. */
struct handshake {
	struct conn *conn; /* the caller's */
	struct handshakes_group *group; /* NULL: not under way */
	bool is_due;
	TAILQ_ENTRY(handshake) beside;
};

struct handshakes *handshakes_new(size_t max);
void handshakes_free(struct handshakes *handshakes);

/* Gives a place. Where all are taken, the address with the most of them loses
 * one: that handshake is returned, has left already, and is the caller's to
 * end. NULL: none had to. */
struct handshake *handshakes_enter(struct handshakes *handshakes,
    struct handshake *handshake, const struct limits_key *key);
/* Harmless for one that is not under way. */
void
handshakes_leave(struct handshakes *handshakes, struct handshake *handshake);

/* It has something to work on, and wants a turn. */
void handshakes_want_turn(
    struct handshakes *handshakes, struct handshake *handshake);
/* Whose turn it is, once; NULL: nobody wants one. By turns of the addresses,
 * in each by turns of its handshakes. */
struct handshake *handshakes_next(struct handshakes *handshakes);

size_t handshakes_count(const struct handshakes *handshakes);
/* How many want a turn. */
size_t handshakes_due(const struct handshakes *handshakes);

#endif
