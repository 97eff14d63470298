/*
 * Frames in and out. Linked into task-init as well: no library, no memory of
 * its own. A frame begins with four bytes: type, stage or stream or scope or
 * manner ("kind"), and two that are zero.
 */
#include "runner/control.h"

#include <string.h>

static const struct shape {
	size_t size;
	size_t tail;
} SHAPES[CONTROL_COUNT] = {
#define CONTROL_TO_RUNNER(name, size, tail) [CONTROL_##name] = {size, tail},
#define CONTROL_TO_INIT(name, size, tail) [CONTROL_##name] = {size, tail},
#include "runner/control.def"
#undef CONTROL_TO_RUNNER
#undef CONTROL_TO_INIT
};

/* How many values the byte "kind" can have. */
static const uint8_t KINDS[CONTROL_COUNT] = {
    [CONTROL_HELLO] = CONTROL_ENDED + 1,
    [CONTROL_STARTED] = 1,
    [CONTROL_START_FAILED] = CONTROL_AT_EXEC + 1,
    [CONTROL_OUTPUT] = CONTROL_STREAMS,
    [CONTROL_EXIT] = 2,
    [CONTROL_ORDER] = 1,
    [CONTROL_ACK] = CONTROL_STREAMS,
    [CONTROL_SIGNAL] = CONTROL_ALL + 1,
    [CONTROL_DONE] = 1,
};

#define ERRNO_MOST 4095 /* Linux: MAX_ERRNO */
#define SIGNAL_MOST 64

static uint32_t
get_u32(const uint8_t *at)
{
	return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 |
	    (uint32_t)at[3] << 24;
}

static uint64_t
get_u64(const uint8_t *at)
{
	return (uint64_t)get_u32(at) | (uint64_t)get_u32(at + 4) << 32;
}

void
control_put_u32(uint8_t *at, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		at[i] = (uint8_t)(value >> (8 * i));
}

static void
put_u64(uint8_t *at, uint64_t value)
{
	control_put_u32(at, (uint32_t)value);
	control_put_u32(at + 4, (uint32_t)(value >> 32));
}

/* Offsets are used as int64_t by those who store them. */
static bool
get_count(const uint8_t *at, uint64_t *ret)
{
	*ret = get_u64(at);
	return *ret <= INT64_MAX;
}

static bool
decode_hello(
    const uint8_t *data, size_t len, uint8_t kind, struct control_hello *ret)
{
	size_t tail = len - SHAPES[CONTROL_HELLO].size;

	ret->version = get_u32(data + 4);
	ret->state = kind;
	ret->netns.device = get_u64(data + 8);
	ret->netns.inode = get_u64(data + 16);
	if (!get_count(data + 24, &ret->written[0]) ||
	    !get_count(data + 32, &ret->written[1]))
		return false;
	ret->nmounts = get_u32(data + 40);
	if (get_u32(data + 44) != 0 || ret->nmounts > CONTROL_MOUNTS_MAX ||
	    tail != ret->nmounts * CONTROL_MOUNT_SIZE)
		return false;
	for (uint32_t i = 0; i < ret->nmounts; i++) {
		const uint8_t *at =
		    data + SHAPES[CONTROL_HELLO].size + CONTROL_MOUNT_SIZE * i;

		ret->mounts[i].device = get_u64(at);
		ret->mounts[i].inode = get_u64(at + 8);
	}
	return true;
}

static bool
decode_exit(const uint8_t *data, uint8_t kind, struct control_exit *ret)
{
	ret->killed = kind == 1;
	ret->status = get_u32(data + 4);
	if (ret->killed ? ret->status < 1 || ret->status > SIGNAL_MOST
			: ret->status > 255)
		return false;
	return get_count(data + 8, &ret->user_us) &&
	    get_count(data + 16, &ret->system_us) &&
	    get_count(data + 24, &ret->memory_peak) &&
	    get_count(data + 32, &ret->oom_kills) &&
	    get_count(data + 40, &ret->written[0]) &&
	    get_count(data + 48, &ret->written[1]);
}

static bool
decode_output(
    const uint8_t *data, size_t len, uint8_t kind, struct control_frame *ret)
{
	ret->output.stream = kind;
	ret->output.data = data + CONTROL_OUTPUT_HEAD;
	ret->output.len = len - CONTROL_OUTPUT_HEAD;
	return ret->output.len > 0 && get_u32(data + 4) == 0 &&
	    get_count(data + 8, &ret->output.offset) &&
	    ret->output.offset <= INT64_MAX - ret->output.len;
}

static bool
decode_rest(
    const uint8_t *data, size_t len, uint8_t kind, struct control_frame *ret)
{
	switch (ret->type) {
	case CONTROL_HELLO:
		return decode_hello(data, len, kind, &ret->hello);
	case CONTROL_START_FAILED:
		ret->start_failed.stage = kind;
		ret->start_failed.errnum = get_u32(data + 4);
		return ret->start_failed.errnum >= 1 &&
		    ret->start_failed.errnum <= ERRNO_MOST;
	case CONTROL_OUTPUT:
		return decode_output(data, len, kind, ret);
	case CONTROL_EXIT:
		return decode_exit(data, kind, &ret->exit);
	case CONTROL_ORDER:
		ret->order.version = get_u32(data + 4);
		return true;
	case CONTROL_ACK:
		ret->ack.stream = kind;
		return get_u32(data + 4) == 0 &&
		    get_count(data + 8, &ret->ack.offset);
	case CONTROL_SIGNAL:
		ret->signal.scope = kind;
		ret->signal.number = get_u32(data + 4);
		return ret->signal.number >= 1 &&
		    ret->signal.number <= SIGNAL_MOST;
	case CONTROL_STARTED:
	case CONTROL_DONE:
		return true;
	case CONTROL_COUNT:
		break;
	}
	return false;
}

bool
control_decode(const void *packet, size_t len, struct control_frame *ret)
{
	const uint8_t *data = packet;
	struct control_frame frame;

	if (len < 4 || len > CONTROL_PACKET_MAX || data[0] >= CONTROL_COUNT ||
	    data[1] >= KINDS[data[0]] || data[2] != 0 || data[3] != 0)
		return false;
	frame.type = (enum control_type)data[0];
	if (len < SHAPES[frame.type].size ||
	    len - SHAPES[frame.type].size > SHAPES[frame.type].tail)
		return false;
	if (!decode_rest(data, len, data[1], &frame))
		return false;
	*ret = frame;
	return true;
}

static size_t
encode_hello(const struct control_hello *hello, uint8_t *to)
{
	size_t len = SHAPES[CONTROL_HELLO].size;

	to[1] = (uint8_t)hello->state;
	control_put_u32(to + 4, hello->version);
	put_u64(to + 8, hello->netns.device);
	put_u64(to + 16, hello->netns.inode);
	put_u64(to + 24, hello->written[0]);
	put_u64(to + 32, hello->written[1]);
	control_put_u32(to + 40, hello->nmounts);
	control_put_u32(to + 44, 0);
	for (uint32_t i = 0; i < hello->nmounts; i++) {
		put_u64(to + len, hello->mounts[i].device);
		put_u64(to + len + 8, hello->mounts[i].inode);
		len += CONTROL_MOUNT_SIZE;
	}
	return len;
}

static void
encode_exit(const struct control_exit *end, uint8_t *to)
{
	to[1] = end->killed ? 1 : 0;
	control_put_u32(to + 4, end->status);
	put_u64(to + 8, end->user_us);
	put_u64(to + 16, end->system_us);
	put_u64(to + 24, end->memory_peak);
	put_u64(to + 32, end->oom_kills);
	put_u64(to + 40, end->written[0]);
	put_u64(to + 48, end->written[1]);
}

static void
encode_numbered(uint8_t *to, uint32_t stream, uint64_t offset)
{
	to[1] = (uint8_t)stream;
	control_put_u32(to + 4, 0);
	put_u64(to + 8, offset);
}

size_t
control_encode(const struct control_frame *frame, uint8_t ret[CONTROL_HEAD_MAX])
{
	ret[0] = (uint8_t)frame->type;
	ret[1] = ret[2] = ret[3] = 0;
	switch (frame->type) {
	case CONTROL_HELLO:
		return encode_hello(&frame->hello, ret);
	case CONTROL_START_FAILED:
		ret[1] = (uint8_t)frame->start_failed.stage;
		control_put_u32(ret + 4, frame->start_failed.errnum);
		break;
	case CONTROL_OUTPUT:
		encode_numbered(
		    ret, frame->output.stream, frame->output.offset);
		break;
	case CONTROL_EXIT:
		encode_exit(&frame->exit, ret);
		break;
	case CONTROL_ORDER:
		control_put_u32(ret + 4, frame->order.version);
		break;
	case CONTROL_ACK:
		encode_numbered(ret, frame->ack.stream, frame->ack.offset);
		break;
	case CONTROL_SIGNAL:
		ret[1] = (uint8_t)frame->signal.scope;
		control_put_u32(ret + 4, frame->signal.number);
		break;
	case CONTROL_STARTED:
	case CONTROL_DONE:
	case CONTROL_COUNT:
		break;
	}
	return SHAPES[frame->type].size;
}

/* The string at *at, which moves behind it; NULL where none ends. */
static const char *
next_string(const char **at, const char *end)
{
	const char *s = *at;
	const char *nul = memchr(s, '\0', (size_t)(end - s));

	if (nul == NULL)
		return NULL;
	*at = nul + 1;
	return s;
}

static bool
read_strings(const char **at, const char *end, size_t count, const char **ret)
{
	for (size_t i = 0; i < count; i++) {
		ret[i] = next_string(at, end);
		if (ret[i] == NULL)
			return false;
	}
	ret[count] = NULL;
	return true;
}

bool
control_decode_order(const void *data, size_t len, struct control_order *ret)
{
	const uint8_t *head = data;
	const char *at, *end;

	if (len < CONTROL_ORDER_HEAD || len > CONTROL_ORDER_MAX)
		return false;
	ret->nargs = get_u32(head);
	ret->nenv = get_u32(head + 4);
	if (ret->nargs < 1 || ret->nargs > CONTROL_ARGS_MAX ||
	    ret->nenv > CONTROL_ENV_MAX || get_u32(head + 8) != 0)
		return false;
	at = (const char *)data + CONTROL_ORDER_HEAD;
	end = (const char *)data + len;
	ret->folder = next_string(&at, end);
	return ret->folder != NULL &&
	    read_strings(&at, end, ret->nargs, ret->args) &&
	    read_strings(&at, end, ret->nenv, ret->env) && at == end;
}
