/*
 * Frames in and out. Linked into task-init as well: no library, no memory of
 * its own. A frame begins with four bytes: type, then stage or stream or scope
 * or manner or the like ("kind"), and two that are zero.
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
    [CONTROL_START_FAILED] = CONTROL_AT_SECRET + 1,
    [CONTROL_OUTPUT] = CONTROL_STREAMS,
    [CONTROL_TAKEN] = 2,
    [CONTROL_EXIT] = 2,
    [CONTROL_FILE] = CONTROL_FILES_MAX,
    [CONTROL_FILE_END] = CONTROL_UNREADABLE + 1,
    [CONTROL_ORDER] = 1,
    [CONTROL_RESUME] = 1,
    [CONTROL_ACK] = CONTROL_STREAMS,
    [CONTROL_SIGNAL] = CONTROL_ALL + 1,
    [CONTROL_INPUT] = 1,
    [CONTROL_INPUT_END] = 1,
    [CONTROL_COLLECT] = CONTROL_FILES_MAX + 1,
    [CONTROL_DONE] = 1,
};

static const bool TO_RUNNER[CONTROL_COUNT] = {
#define CONTROL_TO_RUNNER(name, size, tail) [CONTROL_##name] = true,
#define CONTROL_TO_INIT(name, size, tail)
#include "runner/control.def"
#undef CONTROL_TO_RUNNER
#undef CONTROL_TO_INIT
};

#define ERRNO_MOST 4095 /* Linux: MAX_ERRNO */
#define SIGNAL_MOST 64
/* What every version has: the type, the state and the version. */
#define FOREIGN_HELLO_SIZE 8

uint32_t
control_get_u32(const uint8_t *at)
{
	return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 |
	    (uint32_t)at[3] << 24;
}

uint64_t
control_get_u64(const uint8_t *at)
{
	return (uint64_t)control_get_u32(at) |
	    (uint64_t)control_get_u32(at + 4) << 32;
}

void
control_put_u32(uint8_t *at, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		at[i] = (uint8_t)(value >> (8 * i));
}

void
control_put_u64(uint8_t *at, uint64_t value)
{
	control_put_u32(at, (uint32_t)value);
	control_put_u32(at + 4, (uint32_t)(value >> 32));
}

/* Offsets are used as int64_t by those who store them. */
static bool
get_count(const uint8_t *at, uint64_t *ret)
{
	*ret = control_get_u64(at);
	return *ret <= INT64_MAX;
}

/* One that waits has had nothing of a task; of one that has, no more can be
 * on its way than task-init keeps. */
static bool
decode_progress(const uint8_t *data, struct control_hello *ret)
{
	uint32_t ended = control_get_u32(data + 68);

	ret->input_ended = ended == 1;
	if (ended > 1 || !get_count(data + 56, &ret->input))
		return false;
	for (int i = 0; i < CONTROL_STREAMS; i++) {
		if (!get_count(data + 24 + 8 * i, &ret->started[i]) ||
		    !get_count(data + 40 + 8 * i, &ret->written[i]) ||
		    ret->started[i] > ret->written[i] ||
		    ret->written[i] - ret->started[i] > CONTROL_OUTPUT_WINDOW)
			return false;
	}
	return ret->state != CONTROL_WAITING ||
	    (ret->written[0] == 0 && ret->written[1] == 0 && ret->input == 0 &&
		!ret->input_ended);
}

static bool
decode_hello(
    const uint8_t *data, size_t len, uint8_t kind, struct control_hello *ret)
{
	size_t tail = len - SHAPES[CONTROL_HELLO].size;

	ret->version = CONTROL_VERSION;
	ret->state = kind;
	ret->netns.device = control_get_u64(data + 8);
	ret->netns.inode = control_get_u64(data + 16);
	ret->nmounts = control_get_u32(data + 64);
	if (!decode_progress(data, ret) || ret->nmounts > CONTROL_MOUNTS_MAX ||
	    tail != ret->nmounts * CONTROL_MOUNT_SIZE)
		return false;
	for (uint32_t i = 0; i < ret->nmounts; i++) {
		const uint8_t *at =
		    data + SHAPES[CONTROL_HELLO].size + CONTROL_MOUNT_SIZE * i;

		ret->mounts[i].device = control_get_u64(at);
		ret->mounts[i].inode = control_get_u64(at + 8);
	}
	return true;
}

static bool
decode_exit(const uint8_t *data, uint8_t kind, struct control_exit *ret)
{
	ret->killed = kind == 1;
	ret->status = control_get_u32(data + 4);
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
decode_data(
    const uint8_t *data, size_t len, uint8_t kind, struct control_data *ret)
{
	ret->index = kind;
	ret->data = data + CONTROL_DATA_HEAD;
	ret->len = len - CONTROL_DATA_HEAD;
	return ret->len > 0 && control_get_u32(data + 4) == 0 &&
	    get_count(data + 8, &ret->offset) &&
	    ret->offset <= INT64_MAX - ret->len;
}

static bool
decode_start_failed(
    const uint8_t *data, uint8_t kind, struct control_frame *ret)
{
	uint32_t most = kind == CONTROL_AT_INPUT ? CONTROL_FILES_MAX
	    : kind == CONTROL_AT_SECRET          ? CONTROL_SECRETS_MAX
						 : 1;

	ret->start_failed.stage = kind;
	ret->start_failed.errnum = control_get_u32(data + 4);
	ret->start_failed.index = control_get_u32(data + 8);
	return ret->start_failed.errnum >= 1 &&
	    ret->start_failed.errnum <= ERRNO_MOST &&
	    ret->start_failed.index < most;
}

static bool
decode_file_end(const uint8_t *data, uint8_t kind, struct control_frame *ret)
{
	ret->file_end.status = kind;
	ret->file_end.index = control_get_u32(data + 4);
	return ret->file_end.index < CONTROL_FILES_MAX &&
	    get_count(data + 8, &ret->file_end.size) &&
	    (kind == CONTROL_KEPT || kind == CONTROL_TOO_LARGE ||
		ret->file_end.size == 0);
}

/* A type, a kind and one offset: what most of the runner's consist of. */
static bool
decode_offset(const uint8_t *data, uint64_t *ret)
{
	return control_get_u32(data + 4) == 0 && get_count(data + 8, ret);
}

static bool
decode_of_init(
    const uint8_t *data, size_t len, uint8_t kind, struct control_frame *ret)
{
	switch (ret->type) {
	case CONTROL_HELLO:
		return decode_hello(data, len, kind, &ret->hello);
	case CONTROL_STARTED:
		return true;
	case CONTROL_START_FAILED:
		return decode_start_failed(data, kind, ret);
	case CONTROL_OUTPUT:
		return decode_data(data, len, kind, &ret->output);
	case CONTROL_TAKEN:
		ret->taken.closed = kind == 1;
		return decode_offset(data, &ret->taken.offset);
	case CONTROL_EXIT:
		return decode_exit(data, kind, &ret->exit);
	case CONTROL_FILE:
		return decode_data(data, len, kind, &ret->file);
	case CONTROL_FILE_END:
		return decode_file_end(data, kind, ret);
	default:
		return false;
	}
}

static bool
decode_of_runner(
    const uint8_t *data, size_t len, uint8_t kind, struct control_frame *ret)
{
	switch (ret->type) {
	case CONTROL_ORDER:
		ret->order.version = control_get_u32(data + 4);
		return true;
	case CONTROL_RESUME:
		return decode_offset(data, &ret->resume.received[0]) &&
		    get_count(data + 16, &ret->resume.received[1]);
	case CONTROL_ACK:
		ret->ack.stream = kind;
		return decode_offset(data, &ret->ack.offset);
	case CONTROL_SIGNAL:
		ret->signal.scope = kind;
		ret->signal.number = control_get_u32(data + 4);
		return ret->signal.number >= 1 &&
		    ret->signal.number <= SIGNAL_MOST;
	case CONTROL_INPUT:
		return decode_data(data, len, kind, &ret->input);
	case CONTROL_INPUT_END:
		return decode_offset(data, &ret->input_end.offset);
	case CONTROL_COLLECT:
		ret->collect.index = kind;
		return decode_offset(data, &ret->collect.offset);
	case CONTROL_DONE:
		return true;
	default:
		return false;
	}
}

/* A hello says first of which version it is. */
static bool
is_foreign_hello(const uint8_t *data, size_t len)
{
	return data[0] == CONTROL_HELLO && len >= FOREIGN_HELLO_SIZE &&
	    control_get_u32(data + 4) != CONTROL_VERSION;
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
	if (is_foreign_hello(data, len)) {
		memset(&frame.hello, 0, sizeof(frame.hello));
		frame.hello.version = control_get_u32(data + 4);
		*ret = frame;
		return true;
	}
	if (len < SHAPES[frame.type].size ||
	    len - SHAPES[frame.type].size > SHAPES[frame.type].tail)
		return false;
	if (!(TO_RUNNER[frame.type] ? decode_of_init : decode_of_runner)(
		data, len, data[1], &frame))
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
	if (hello->version != CONTROL_VERSION)
		return FOREIGN_HELLO_SIZE;
	control_put_u64(to + 8, hello->netns.device);
	control_put_u64(to + 16, hello->netns.inode);
	for (int i = 0; i < CONTROL_STREAMS; i++) {
		control_put_u64(to + 24 + 8 * i, hello->started[i]);
		control_put_u64(to + 40 + 8 * i, hello->written[i]);
	}
	control_put_u64(to + 56, hello->input);
	control_put_u32(to + 64, hello->nmounts);
	control_put_u32(to + 68, hello->input_ended ? 1 : 0);
	for (uint32_t i = 0; i < hello->nmounts; i++) {
		control_put_u64(to + len, hello->mounts[i].device);
		control_put_u64(to + len + 8, hello->mounts[i].inode);
		len += CONTROL_MOUNT_SIZE;
	}
	return len;
}

static void
encode_exit(const struct control_exit *end, uint8_t *to)
{
	to[1] = end->killed ? 1 : 0;
	control_put_u32(to + 4, end->status);
	control_put_u64(to + 8, end->user_us);
	control_put_u64(to + 16, end->system_us);
	control_put_u64(to + 24, end->memory_peak);
	control_put_u64(to + 32, end->oom_kills);
	control_put_u64(to + 40, end->written[0]);
	control_put_u64(to + 48, end->written[1]);
}

static void
encode_offset(uint8_t *to, uint32_t kind, uint64_t offset)
{
	to[1] = (uint8_t)kind;
	control_put_u32(to + 4, 0);
	control_put_u64(to + 8, offset);
}

static void
encode_of_init(const struct control_frame *frame, uint8_t *to)
{
	switch (frame->type) {
	case CONTROL_START_FAILED:
		to[1] = (uint8_t)frame->start_failed.stage;
		control_put_u32(to + 4, frame->start_failed.errnum);
		control_put_u32(to + 8, frame->start_failed.index);
		break;
	case CONTROL_OUTPUT:
		encode_offset(to, frame->output.index, frame->output.offset);
		break;
	case CONTROL_TAKEN:
		encode_offset(
		    to, frame->taken.closed ? 1 : 0, frame->taken.offset);
		break;
	case CONTROL_EXIT:
		encode_exit(&frame->exit, to);
		break;
	case CONTROL_FILE:
		encode_offset(to, frame->file.index, frame->file.offset);
		break;
	case CONTROL_FILE_END:
		to[1] = (uint8_t)frame->file_end.status;
		control_put_u32(to + 4, frame->file_end.index);
		control_put_u64(to + 8, frame->file_end.size);
		break;
	default:
		break;
	}
}

static void
encode_of_runner(const struct control_frame *frame, uint8_t *to)
{
	switch (frame->type) {
	case CONTROL_ORDER:
		control_put_u32(to + 4, frame->order.version);
		break;
	case CONTROL_RESUME:
		encode_offset(to, 0, frame->resume.received[0]);
		control_put_u64(to + 16, frame->resume.received[1]);
		break;
	case CONTROL_ACK:
		encode_offset(to, frame->ack.stream, frame->ack.offset);
		break;
	case CONTROL_SIGNAL:
		to[1] = (uint8_t)frame->signal.scope;
		control_put_u32(to + 4, frame->signal.number);
		break;
	case CONTROL_INPUT:
		encode_offset(to, 0, frame->input.offset);
		break;
	case CONTROL_INPUT_END:
		encode_offset(to, 0, frame->input_end.offset);
		break;
	case CONTROL_COLLECT:
		encode_offset(to, frame->collect.index, frame->collect.offset);
		break;
	default:
		break;
	}
}

size_t
control_encode(const struct control_frame *frame, uint8_t ret[CONTROL_HEAD_MAX])
{
	ret[0] = (uint8_t)frame->type;
	ret[1] = ret[2] = ret[3] = 0;
	if (frame->type == CONTROL_HELLO)
		return encode_hello(&frame->hello, ret);
	(TO_RUNNER[frame->type] ? encode_of_init : encode_of_runner)(
	    frame, ret);
	return SHAPES[frame->type].size;
}

bool
control_is_to_runner(enum control_type type)
{
	return TO_RUNNER[type];
}
