/*
 * The frames between the runner and task-init, on a SOCK_SEQPACKET socket:
 * one packet is one frame of at most CONTROL_PACKET_MAX bytes.
 *
 * A frame is a fixed head, little-endian, and for some a tail. Both sides
 * decode with control_decode(), which trusts nothing: a frame has exactly the
 * length that it must have, every reserved bit is zero and every number is
 * within its range. No allocation, no I/O.
 *
 *	init -> runner   hello, started, start_failed, output, taken, exit,
 *	                 file, file_end
 *	runner -> init   order (with descriptors), resume, ack, signal, input,
 *	                 input_end, collect, done
 *
 * Bytes are numbered by absolute offset in both directions: who sends them
 * keeps what has not been acknowledged, so that a connection made anew goes
 * on where the old one ended.
 */
#ifndef RUNNER_CONTROL_H
#define RUNNER_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONTROL_VERSION 2
#define CONTROL_PACKET_MAX 65536
#define CONTROL_MOUNTS_MAX 32
/* Bytes of one mount in `hello`. */
#define CONTROL_MOUNT_SIZE ((size_t)16)
#define CONTROL_STREAMS 2
/* Of each output stream, what task-init keeps until it is acknowledged. */
#define CONTROL_OUTPUT_WINDOW (256 * 1024)
/* So much is acknowledged at once; less than that can wait for more. */
#define CONTROL_ACK_EACH (CONTROL_OUTPUT_WINDOW / 4)
/* Of standard input, what may be on its way beyond what was taken. */
#define CONTROL_INPUT_WINDOW (64 * 1024)
/* Input files of one order, and as many outputs. */
#define CONTROL_FILES_MAX 32
#define CONTROL_FILE_NAME_MAX 128
/* Secrets of one order. */
#define CONTROL_SECRETS_MAX 16
/* The order's memfd, the inputs and the secrets. */
#define CONTROL_DESCRIPTORS_MAX (1 + CONTROL_FILES_MAX + CONTROL_SECRETS_MAX)

/* Where task-init finds itself and the socket inside the container. */
#define CONTROL_INIT_PATH "/.taskgate/init"
#define CONTROL_FOLDER_PATH "/.taskgate/control"
#define CONTROL_SOCKET_NAME "socket"
/* Where inputs are placed and outputs taken from. */
#define CONTROL_FILES_PATH "/tmp"
/* Where secrets are placed: a tmpfs of its own. */
#define CONTROL_SECRETS_PATH "/run/secrets"

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
	CONTROL_AT_EXEC,
	CONTROL_AT_INPUT,
	CONTROL_AT_SECRET
};

/* To the task's process group, or to every process but task-init. */
enum control_scope { CONTROL_GROUP, CONTROL_ALL };

/* What became of an output file. */
enum control_file {
	CONTROL_KEPT,
	CONTROL_MISSING,
	CONTROL_LINK, /* it is one, or lies behind one */
	CONTROL_NOT_REGULAR,
	CONTROL_TOO_LARGE, /* `size` says how large */
	CONTROL_UNREADABLE
};

struct control_inode {
	uint64_t device;
	uint64_t inode;
};

/* Of another version nothing but `version` is read and written. */
struct control_hello {
	uint32_t version;
	uint32_t state; /* enum control_state */
	struct control_inode netns;
	/* By stream: all before it was acknowledged; read from the task so
	 * far. Zero while it waits, like `input` and `input_ended`. */
	uint64_t started[CONTROL_STREAMS];
	uint64_t written[CONTROL_STREAMS];
	uint64_t input; /* bytes of standard input that have come so far */
	bool input_ended;
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

/* Bytes of a stream, a file or standard input. */
struct control_data {
	uint32_t index; /* of the stream, of the file; 0 for input */
	uint64_t offset;
	const uint8_t *data; /* borrowed from the packet */
	size_t len; /* at least 1 */
};

struct control_frame {
	enum control_type type;
	union {
		struct control_hello hello;
		struct {
			uint32_t stage; /* enum control_stage */
			uint32_t errnum;
			uint32_t
			    index; /* of the input, of the secret; else 0 */
		} start_failed;
		struct control_data output, file, input;
		struct {
			bool closed; /* whatever still comes is dropped */
			uint64_t offset; /* the task's pipe has all before it */
		} taken;
		struct control_exit exit;
		struct {
			uint32_t status; /* enum control_file */
			uint32_t index;
			uint64_t size; /* 0 unless kept or too large */
		} file_end;
		struct {
			uint32_t version;
		} order;
		struct {
			uint64_t received[CONTROL_STREAMS];
		} resume;
		struct {
			uint32_t stream;
			uint64_t offset; /* all before it is the runner's */
		} ack;
		struct {
			uint32_t scope; /* enum control_scope */
			uint32_t number;
		} signal;
		struct {
			uint64_t offset; /* the whole length */
		} input_end;
		struct {
			uint32_t index; /* at most the number of outputs */
			uint64_t offset;
		} collect;
	};
};

#define CONTROL_HEAD_MAX (80 + CONTROL_MOUNT_SIZE * CONTROL_MOUNTS_MAX)
/* Bytes of `output`, `file` and `input` before their data. */
#define CONTROL_DATA_HEAD 16
#define CONTROL_DATA_MAX (CONTROL_PACKET_MAX - CONTROL_DATA_HEAD)

/* False: not a frame. `data` stays the caller's. */
bool control_decode(const void *data, size_t len, struct control_frame *ret);

/* One that task-init may send; the others are the runner's. */
bool control_is_to_runner(enum control_type type);

/* Writes the frame without the data of `output`, `file` and `input`, which
 * the caller sends behind it, and returns its length. */
size_t control_encode(
    const struct control_frame *frame, uint8_t ret[CONTROL_HEAD_MAX]);

/*
 * An order's body, in a sealed memfd of at most CONTROL_ORDER_MAX bytes: a
 * head, then NUL-terminated strings: the working directory (empty: where init
 * stands), the arguments, the variables as NAME=VALUE, the names of the
 * inputs, those of the outputs and those of the secrets. Exactly that, and
 * nothing behind it. The inputs themselves, then the secrets, are the
 * descriptors behind the order's own.
 */
#define CONTROL_ORDER_MAX ((size_t)4 * 1024 * 1024)
#define CONTROL_ORDER_HEAD 48
#define CONTROL_ARGS_MAX 2048
#define CONTROL_ENV_MAX 2048
/* A month and more: beyond it is a mistake. */
#define CONTROL_DEADLINE_MAX_S (INT64_C(400) * 86400)

struct control_order {
	const char *folder;
	const char *args[CONTROL_ARGS_MAX + 1]; /* NULL behind the last */
	size_t nargs; /* at least 1 */
	const char *env[CONTROL_ENV_MAX + 1];
	size_t nenv;
	const char *inputs[CONTROL_FILES_MAX + 1];
	size_t ninputs;
	const char *outputs[CONTROL_FILES_MAX + 1];
	size_t noutputs;
	const char *secrets[CONTROL_SECRETS_MAX + 1];
	size_t nsecrets;
	bool has_stdin; /* a pipe; otherwise /dev/null */
	uint64_t file_max; /* the most bytes of an output file */
	uint64_t deadline_s; /* of CLOCK_BOOTTIME from the start; at least 1 */
};

/* Strings are borrowed from data. Where it is false, *ret means nothing. */
bool
control_decode_order(const void *data, size_t len, struct control_order *ret);

/* The head alone, from the order's numbers; the strings follow it. */
void control_encode_order_head(
    const struct control_order *order, uint8_t ret[CONTROL_ORDER_HEAD]);

/* [A-Za-z0-9._-]{1,128}, and neither a dot nor a dash first. */
bool control_file_name_is_valid(const char *name);

/* Numbers as both bodies and frames write them. */
uint32_t control_get_u32(const uint8_t *at);
uint64_t control_get_u64(const uint8_t *at);
void control_put_u32(uint8_t *at, uint32_t value);
void control_put_u64(uint8_t *at, uint64_t value);

#endif
