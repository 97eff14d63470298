/*
 * The runner's end of one sandbox's control socket. Of a new sandbox the first
 * connection is task-init's, since no code of the image has run before it; of
 * an adopted one it is that of the process which was task-init before, and
 * all others are turned away. After it nobody else is let in. Frames of the
 * wrong direction or form, and descriptors, end the connection.
 */
#ifndef RUNNER_SANDBOX_CONTROL_H
#define RUNNER_SANDBOX_CONTROL_H

#include <sys/types.h>
#include <uv.h>

#include "lib/err.h"
#include "runner/control.h"

struct sandbox_control;

struct sandbox_control_events {
	/* Of task-init's direction; borrowed for the call. -1 with *err drops
	 * the connection. */
	int (*frame)(
	    void *arg, const struct control_frame *frame, struct err *err);
	/* Once; ERR_NONE: the other side closed. */
	void (*closed)(void *arg, const struct err *err);
	/* There is room again, after sandbox_control_send_data() had none. */
	void (*room)(void *arg);
};

struct sandbox_control_peer {
	uid_t uid;
	pid_t pid; /* 0: the first that connects */
};

/* Takes the listening socket over. `packet`, of CONTROL_PACKET_MAX bytes, is
 * one for all that turn on this loop: it holds what a frame borrows. */
struct sandbox_control *sandbox_control_open_take(uv_loop_t *loop, int listener,
    const struct sandbox_control_peer *peer, uint8_t *packet,
    const struct sandbox_control_events *events, void *arg);
/* Sent in order, now or when there is room. The descriptors stay the
 * caller's. */
void sandbox_control_send(struct sandbox_control *control,
    const struct control_frame *frame, const int *fds, size_t nfds);
/* A frame with its data, now or not at all (false), and then `room` comes. */
bool sandbox_control_send_data(struct sandbox_control *control,
    const struct control_frame *frame, const void *data, size_t len);
/* Tells task-init, at the next occasion, that all before the offset is here;
 * only the last of them counts. */
void sandbox_control_acknowledge(
    struct sandbox_control *control, uint32_t stream, uint64_t offset);
/* Of the connection; 0 before it. */
pid_t sandbox_control_peer(const struct sandbox_control *control);
/* No event comes after this; memory goes when the loop has turned. */
void sandbox_control_close(struct sandbox_control *control);

#endif
