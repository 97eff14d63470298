/*
 * The messages of the private sockets: names, and the strict way in and out.
 * A message is a JSON object whose member "type" is its name; the other
 * members are read by a table of fields (lib/json.h), so that an unknown or
 * missing one is an error.
 */
#ifndef LIB_MESSAGE_H
#define LIB_MESSAGE_H

#include <jansson.h>

#include "lib/err.h"
#include "lib/packet.h"

#define PROTOCOL_VERSION 1
/* How many one `refusal` may stand for. */
#define MESSAGE_REFUSALS_MAX INT64_C(1000000000)

enum message_type {
#define TO_RUNNER(name, roles, states, descriptors) MESSAGE_##name,
#define FROM_RUNNER(name, descriptors) MESSAGE_##name,
#include "lib/messages.def"
#undef TO_RUNNER
#undef FROM_RUNNER
	MESSAGE_COUNT
};

struct message {
	enum message_type type;
	json_t *members; /* owned; "type" is taken out */
	int fds[PACKET_FDS_MAX];
	size_t nfds; /* owned descriptors */
};

const char *message_name(enum message_type type);
/* Takes the packet's descriptors over; ERR_MALFORMED: not strict JSON, no
 * type or an unknown one. */
int message_decode(struct packet *packet, struct message *ret, struct err *err);
/* ERR_MALFORMED: as many descriptors do not come with one of its type. */
int message_check_descriptors(const struct message *message, struct err *err);
/* The text of a message: `members` with "type" added. The caller frees.
 * ERR_TOO_LARGE above PACKET_MAX. */
int message_encode(enum message_type type, json_t *members, char **ret,
    size_t *ret_len, struct err *err);
void message_done(struct message *message);

#endif
