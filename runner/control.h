/*
 * The frames between the runner and task-init, on a SOCK_SEQPACKET socket:
 * one packet is one frame of at most CONTROL_PACKET_MAX bytes.
 *
 * A frame is a fixed head, little-endian, and for `output` and `hello` a
 * tail. Both sides decode with control_decode(), which trusts nothing: a
 * frame has exactly the length that it must have, every reserved bit is zero
 * and every number is within its range. No allocation, no I/O.
 *
 *	init -> runner   hello, started, start_failed, output, exit
 *	runner -> init   order (with a sealed memfd), ack, signal, done
 *
 * Output is numbered by absolute offset: init keeps what has not been
 * acknowledged, so that a connection made anew can go on where the old one
 * ended.
 */
#ifndef RUNNER_CONTROL_H
#define RUNNER_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONTROL_VERSION 1
#define CONTROL_PACKET_MAX 65536
#define CONTROL_MOUNTS_MAX 32
/* Bytes of one mount in `hello`. */
#define CONTROL_MOUNT_SIZE ((size_t)16)
#define CONTROL_STREAMS 2

/* Where task-init finds itself and the socket inside the container. */
#define CONTROL_INIT_PATH "/.taskgate/init"
#define CONTROL_FOLDER_PATH "/.taskgate/control"
#define CONTROL_SOCKET_NAME "socket"

enum control_type {
#define CONTROL_TO_RUNNER(name, size, tail) CONTROL_##name,
#define CONTROL_TO_INIT(name, size, tail) CONTROL_##name,
#include "runner/control.def"
#undef CONTROL_TO_RUNNER
#undef CONTROL_TO_INIT
	CONTROL_COUNT
};

/* What a newly made connection finds. */
enum control_state { CONTROL_WAITING, CONTROL_RUNNING, CONTROL_ENDED };

/* Where a start failed. */
enum control_stage {
	CONTROL_AT_ORDER,
	CONTROL_AT_FORK,
	CONTROL_AT_FOLDER,
	CONTROL_AT_EXEC
};

/* To the task's process group, or to every process but task-init. */
enum control_scope { CONTROL_GROUP, CONTROL_ALL };

struct control_inode {
	uint64_t device;
	uint64_t inode;
};

struct control_hello {
	uint32_t version;
	uint32_t state; /* enum control_state */
	struct control_inode netns;
	/* Bytes read from the task so far, by stream. */
	uint64_t written[CONTROL_STREAMS];
	uint32_t nmounts;
	/* Of the paths on task-init's command line, in order. */
	struct control_inode mounts[CONTROL_MOUNTS_MAX];
};

struct control_exit {
	bool killed;
	uint32_t status; /* exit code (0-255) or signal (1-64) */
	uint64_t user_us;
	uint64_t system_us;
	uint64_t memory_peak; /* bytes */
	uint64_t oom_kills; /* as the container's cgroup counts them */
	uint64_t written[CONTROL_STREAMS];
};

struct control_frame {
	enum control_type type;
	union {
		struct control_hello hello;
		struct {
			uint32_t stage; /* enum control_stage */
			uint32_t errnum;
		} start_failed;
		struct {
			uint32_t stream;
			uint64_t offset;
			const uint8_t *data; /* borrowed from the packet */
			size_t len; /* at least 1 */
		} output;
		struct control_exit exit;
		struct {
			uint32_t version;
		} order;
		struct {
			uint32_t stream;
			uint64_t offset; /* all before it is the runner's */
		} ack;
		struct {
			uint32_t scope; /* enum control_scope */
			uint32_t number;
		} signal;
	};
};

#define CONTROL_HEAD_MAX (64 + CONTROL_MOUNT_SIZE * CONTROL_MOUNTS_MAX)
/* Bytes of an `output` frame before its data. */
#define CONTROL_OUTPUT_HEAD 16
#define CONTROL_OUTPUT_MAX (CONTROL_PACKET_MAX - CONTROL_OUTPUT_HEAD)

/* False: not a frame. `data` stays the caller's. */
bool control_decode(const void *data, size_t len, struct control_frame *ret);

/* Writes the frame without the data of `output`, which the caller sends
 * behind it, and returns its length. */
size_t control_encode(
    const struct control_frame *frame, uint8_t ret[CONTROL_HEAD_MAX]);

/*
 * An order's body, in a sealed memfd of at most CONTROL_ORDER_MAX bytes:
 * three numbers of 32 bits (arguments, variables, flags), then NUL-terminated
 * strings: the working directory (empty: where init stands), the arguments,
 * the variables as NAME=VALUE. Exactly that, and nothing behind it.
 */
#define CONTROL_ORDER_MAX ((size_t)4 * 1024 * 1024)
#define CONTROL_ORDER_HEAD 12
#define CONTROL_ARGS_MAX 2048
#define CONTROL_ENV_MAX 2048

struct control_order {
	const char *folder;
	const char *args[CONTROL_ARGS_MAX + 1]; /* NULL behind the last */
	size_t nargs; /* at least 1 */
	const char *env[CONTROL_ENV_MAX + 1];
	size_t nenv;
};

/* Strings are borrowed from data. Where it is false, *ret means nothing. */
bool
control_decode_order(const void *data, size_t len, struct control_order *ret);

/* A number of 32 bits, as both bodies and frames write it. */
void control_put_u32(uint8_t *at, uint32_t value);

#endif
