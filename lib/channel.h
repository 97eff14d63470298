/*
 * A packet socket on a libuv loop: packets in, packets out in order, nothing
 * blocks. What cannot be sent at once waits in a bounded queue (its
 * descriptors duplicated); a peer that lets it overflow is dropped. Bodies that
 * wait there are bounded apart, and one too many is refused. A bad packet drops
 * the channel, never the process.
 */
#ifndef LIB_CHANNEL_H
#define LIB_CHANNEL_H

#include <uv.h>

#include "lib/message.h"

#define CHANNEL_QUEUE_MAX 4096 /* messages */
#define CHANNEL_QUEUE_BYTES_MAX ((size_t)64 * 1024 * 1024) /* and of bodies */

struct channel;

struct channel_events {
	/* The message is the callee's to read, not to keep: take descriptors
	 * by setting them to -1 and members by json_incref(). -1 with *err
	 * set drops the channel (session class). */
	int (*message)(void *arg, struct message *message, struct err *err);
	/* Once, when the peer closed, misbehaved or was dropped; err says
	 * which (ERR_NONE: closed in order). channel_close() is still the
	 * owner's to call, from here or later. */
	void (*closed)(void *arg, const struct err *err);
};

/* Takes the descriptor over in every case. */
struct channel *channel_open_take(
    uv_loop_t *loop, int fd, const struct channel_events *events, void *arg);
/* Descriptors stay the caller's. -1 only when it does not fit into a packet
 * or the channel is closed or full. */
int channel_send(struct channel *channel, enum message_type type,
    json_t *members, const int *fds, size_t nfds, struct err *err);
/* Peer's uid as SO_PEERCRED gave it when the channel was opened. */
uid_t channel_peer_uid(const struct channel *channel);
/* No event comes after this; memory goes when the loop has turned. */
void channel_close(struct channel *channel);

#endif
