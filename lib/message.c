/*
 * The messages of the private sockets. A packet is a peer's: it is read as
 * strictly as anything from the network.
 */
#include "lib/message.h"

#include <string.h>
#include <unistd.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/json.h"

static const char *const names[] = {
#define TO_RUNNER(name, roles, states, descriptors) [MESSAGE_##name] = #name,
#define FROM_RUNNER(name, descriptors) [MESSAGE_##name] = #name,
#include "lib/messages.def"
#undef TO_RUNNER
#undef FROM_RUNNER
};

/* By number, a bit each. */
enum { NO_DESCRIPTOR = 1 << 0, ONE_DESCRIPTOR = 1 << 1 };

static const unsigned char descriptor_counts[] = {
#define TO_RUNNER(name, roles, states, descriptors) \
	[MESSAGE_##name] = descriptors,
#define FROM_RUNNER(name, descriptors) [MESSAGE_##name] = descriptors,
#include "lib/messages.def"
#undef TO_RUNNER
#undef FROM_RUNNER
};

const char *
message_name(enum message_type type)
{
	return (unsigned)type < MESSAGE_COUNT ? names[type] : "unknown";
}

static int
find_type(const json_t *members, enum message_type *ret, struct err *err)
{
	const json_t *value = json_object_get(members, "type");
	const char *name = json_string_value(value);

	if (name == NULL)
		return err_set(err, ERR_MALFORMED, "a message without a type");
	for (unsigned type = 0; type < MESSAGE_COUNT; type++) {
		if (strcmp(names[type], name) == 0) {
			*ret = (enum message_type)type;
			return 0;
		}
	}
	return err_set(
	    err, ERR_MALFORMED, "a message of unknown type: %.64s", name);
}

int
message_decode(struct packet *packet, struct message *ret, struct err *err)
{
	struct message message = {0};
	auto_json *members = NULL;

	members = json_parse_strict(packet->data, packet->len, err);
	if (members == NULL) {
		err->code = ERR_MALFORMED;
		return err_prefix(err, "a message");
	}
	if (find_type(members, &message.type, err) != 0)
		return -1;
	json_object_del(members, "type");
	message.members = take(members);
	message.nfds = packet->nfds;
	for (size_t i = 0; i < PACKET_FDS_MAX; i++) {
		message.fds[i] = i < packet->nfds ? packet->fds[i] : -1;
		packet->fds[i] = -1;
	}
	packet->nfds = 0;
	*ret = message;
	return 0;
}

int
message_encode(enum message_type type, json_t *members, char **ret,
    size_t *ret_len, struct err *err)
{
	auto_json *whole = json_pack("{s:s}", "type", message_name(type));
	auto_free char *text = NULL;
	size_t len;

	if (whole == NULL ||
	    (members != NULL && json_object_update(whole, members) != 0))
		die("a message that cannot be put together");
	/* The type is ours to say. */
	json_object_set_new(whole, "type", json_string(message_name(type)));
	text = json_dumps(whole, JSON_COMPACT);
	if (text == NULL)
		die("a message that cannot be written: %s", message_name(type));
	len = strlen(text);
	if (len > PACKET_MAX)
		return err_set(err, ERR_TOO_LARGE,
		    "a %s of %zu bytes does not fit into a packet",
		    message_name(type), len);
	*ret = take(text);
	*ret_len = len;
	return 0;
}

int
message_check_descriptors(const struct message *message, struct err *err)
{
	if ((descriptor_counts[message->type] & 1U << message->nfds) != 0)
		return 0;
	return err_set(err, ERR_MALFORMED, "%s comes with %zu descriptors",
	    message_name(message->type), message->nfds);
}

void
message_done(struct message *message)
{
	json_decref(message->members);
	message->members = NULL;
	for (size_t i = 0; i < message->nfds; i++) {
		if (message->fds[i] >= 0)
			close(message->fds[i]);
		message->fds[i] = -1;
	}
	message->nfds = 0;
}
