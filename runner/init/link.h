/*
 * The connection to the runner, which comes and goes: it is made anew from
 * within the loop, and nothing here ever waits.
 */
#ifndef RUNNER_INIT_LINK_H
#define RUNNER_INIT_LINK_H

#include <sys/uio.h>

#include "runner/control.h"

struct link {
	int fd; /* -1: none */
	/* The runner has heard the hello and may be told more: at once while
	 * we wait for an order, else when it has said from where. */
	bool open;
	bool blocked; /* takes no more for now */
	int64_t made_ms; /* when this one was */
	int64_t lost_ms; /* since then nobody has listened */
	int64_t next_ms; /* when to try again */
};

/* What came; descriptors are the caller's to close. */
struct link_message {
	struct control_frame frame; /* its data is borrowed from the packet */
	int fds[CONTROL_DESCRIPTORS_MAX];
	size_t nfds;
};

enum link_result { LINK_NOTHING, LINK_MESSAGE, LINK_ENDED, LINK_BROKEN };

void link_init(struct link *link, int64_t now_ms);
/* Ends the connection; the next is tried soon. */
void link_drop(struct link *link, int64_t now_ms);
/* True: it stands now, and wants a hello. Tries no more often than is due. */
bool link_connect(struct link *link, int64_t now_ms);
/* False: not now. An end of the connection shows when it is read. */
bool link_send(struct link *link, const struct control_frame *frame,
    const struct iovec *tail, int ntail);
/* LINK_BROKEN: what came is no frame for us. */
enum link_result link_receive(struct link *link,
    uint8_t packet[CONTROL_PACKET_MAX], struct link_message *ret);
void link_message_close(struct link_message *message);

#endif
