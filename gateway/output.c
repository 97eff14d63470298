/*
 * A task's output: the runner hands over the file itself, or the reading end
 * of a pipe while more is to come. The bytes are the task's and are never
 * looked at here.
 *
 * The end of a pipe can be the end of the output, or of the runner. So the
 * runner is asked once more: only if it answers is the answer complete;
 * otherwise it is cut off, and the client sees that it was.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/exchange.h"
#include "gateway/query.h"
#include "gateway/worker.h"
#include "lib/alloc.h"
#include "lib/cleanup.h"

#define REPLY_S 30
#define BLOCK 16384

enum { OUTPUT_STREAM, OUTPUT_OFFSET, OUTPUT_FOLLOW, OUTPUT_COUNT };

static const char *const streams[] = {"stdout", "stderr", NULL};

static const struct query_spec specs[OUTPUT_COUNT] = {
    [OUTPUT_STREAM] = {.name = "stream", .kind = QUERY_WORD, .words = streams},
    [OUTPUT_OFFSET] = {.name = "offset",
	.kind = QUERY_INTEGER,
	.max = INT64_MAX},
    [OUTPUT_FOLLOW] = {.name = "follow", .kind = QUERY_FLAG},
};

struct follow {
	struct exchange *exchange;
	uv_poll_t *poll;
	int fd;
	bool ended; /* the pipe's end was read */
	bool confirmed; /* the runner was still there after it */
	bool failed;
};

static void
free_handle(uv_handle_t *handle)
{
	free(handle);
}

static void
follow_free(void *arg)
{
	struct follow *follow = arg;

	uv_poll_stop(follow->poll);
	uv_close((uv_handle_t *)follow->poll, free_handle);
	close(follow->fd);
	free(follow);
}

static void
on_readable(uv_poll_t *poll, int status, int events)
{
	struct follow *follow = poll->data;

	(void)status;
	(void)events;
	uv_poll_stop(poll);
	if (follow->exchange->suspended)
		http_resume(follow->exchange);
}

/* Within a reader's callback, where suspending is allowed. */
static void
suspend(struct follow *follow)
{
	follow->exchange->suspended = true;
	MHD_suspend_connection(follow->exchange->mhd);
}

static void
heard_of_end(struct exchange *x, const struct link_answer *answer)
{
	struct follow *follow = x->follow;

	/* Whatever it says of the task: it is there to say it. */
	follow->confirmed =
	    answer->failure == NULL || answer->failure->code != ERR_UNAVAILABLE;
	follow->failed = !follow->confirmed;
	if (x->suspended)
		http_resume(x);
}

/* 0: the runner is being asked; -1: it is not there. */
static int
ask_of_end(struct follow *follow)
{
	struct exchange *x = follow->exchange;
	const struct link_question question = {.type = MESSAGE_get,
	    .members =
		json_pack("{s:s, s:i}", "task", x->in_path.task, "wait", 0),
	    .fd = -1,
	    .timeout_s = REPLY_S};
	struct err err;

	follow->ended = true;
	return exchange_ask_again_take(x, &question, heard_of_end, &err);
}

static ssize_t
read_pipe(void *arg, uint64_t position, char *data, size_t size)
{
	struct follow *follow = arg;
	ssize_t n;

	(void)position;
	if (follow->exchange->conn == NULL || follow->failed)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	if (follow->confirmed)
		return MHD_CONTENT_READER_END_OF_STREAM;
	if (follow->ended) { /* resumed for another reason */
		suspend(follow);
		return 0;
	}
	n = read(follow->fd, data, size);
	if (n > 0)
		return n;
	if (n == 0 && ask_of_end(follow) < 0)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	if (n < 0 && errno != EAGAIN && errno != EINTR)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	if (n < 0)
		uv_poll_start(follow->poll, UV_READABLE, on_readable);
	suspend(follow);
	return 0;
}

/* Takes the descriptor over. */
static void
answer_pipe_take(struct exchange *x, int fd)
{
	struct follow *follow = alloc_zero(1, sizeof(*follow));
	int flags = fcntl(fd, F_GETFL);

	follow->exchange = x;
	follow->fd = fd;
	follow->poll = alloc_zero(1, sizeof(*follow->poll));
	follow->poll->data = follow;
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
	    uv_poll_init(x->worker->loop, follow->poll, fd) != 0)
		die("a pipe cannot be watched");
	x->follow = follow;
	x->waits = true;
	exchange_answer_take(x, MHD_HTTP_OK,
	    MHD_create_response_from_callback(
		MHD_SIZE_UNKNOWN, BLOCK, read_pipe, follow, follow_free));
}

/* Takes the descriptor over. */
static void
answer_file_take(struct exchange *x, int fd, int64_t length)
{
	exchange_answer_take(x, MHD_HTTP_OK,
	    MHD_create_response_from_fd_at_offset64(
		(uint64_t)length, fd, (uint64_t)x->offset));
}

/* What the runner handed over, by what it is; it decides nothing else. */
static int
answer_descriptor(
    struct exchange *x, const struct link_answer *answer, struct err *err)
{
	const json_t *member = json_object_get(answer->body, "length");
	int64_t length = json_integer_value(member);
	struct stat st;

	if (*answer->fd < 0 || fstat(*answer->fd, &st) < 0)
		return err_set(
		    err, ERR_INTERNAL, "the runner gave no descriptor");
	if (json_is_integer(member) && S_ISREG(st.st_mode) && length >= 0 &&
	    x->offset <= st.st_size && length <= st.st_size - x->offset)
		answer_file_take(x, take_fd(*answer->fd), length);
	else if (member == NULL && S_ISFIFO(st.st_mode))
		answer_pipe_take(x, take_fd(*answer->fd));
	else
		return err_set(err, ERR_INTERNAL,
		    "the runner gave neither a file nor a pipe");
	return 0;
}

static void
heard_output(struct exchange *x, const struct link_answer *answer)
{
	struct err err;

	if (answer->failure != NULL) {
		exchange_pass_failure(x, answer);
		return;
	}
	if (answer_descriptor(x, answer, &err) < 0) {
		exchange_refuse_err(x, &err);
		return;
	}
	exchange_header(
	    x, MHD_HTTP_HEADER_CONTENT_TYPE, "application/octet-stream");
}

void
handle_task_output(struct exchange *x)
{
	struct query_value values[OUTPUT_COUNT] = {
	    [OUTPUT_STREAM] = {.text = "stdout"}};
	struct err err;

	if (query_read(x, &(struct query_table){specs, values, OUTPUT_COUNT},
		&err) < 0) {
		exchange_refuse_err(x, &err);
		return;
	}
	x->offset = values[OUTPUT_OFFSET].integer;
	exchange_ask_take(x,
	    &(struct link_question){.type = MESSAGE_output,
		.members = json_pack("{s:s, s:s, s:I, s:b}", "task",
		    x->in_path.task, "stream", values[OUTPUT_STREAM].text,
		    "offset", (json_int_t)values[OUTPUT_OFFSET].integer,
		    "follow", values[OUTPUT_FOLLOW].integer != 0),
		.fd = -1,
		.timeout_s = REPLY_S},
	    heard_output);
}
