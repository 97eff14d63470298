/*
 * Bodies on their way to the runner. The runner learns that one is whole by
 * being told its length, never by the end of the pipe, which comes too when
 * the client or this process has died.
 */
#include "gateway/upload.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/conn.h"
#include "gateway/worker.h"
#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/json.h"

/* Until the runner says that the body may come, or why it has closed the
 * pipe. */
#define REPLY_S 30
/* A file is on the disk, as a whole, before the runner answers. */
#define FILE_REPLY_S 300

struct upload {
	struct exchange *exchange;
	exchange_heard *heard;
	int fd; /* the pipe's writing end; -1: not yet, or no more */
	uv_poll_t *poll;
	uint64_t passed;
	bool broken; /* the runner does not read any more */
	bool ended; /* all of it was passed on */
};

static void
free_handle(uv_handle_t *handle)
{
	free(handle);
}

static void
close_pipe(struct upload *upload)
{
	if (upload->fd < 0)
		return;
	uv_poll_stop(upload->poll);
	uv_close((uv_handle_t *)upload->poll, free_handle);
	upload->poll = NULL;
	close(upload->fd);
	upload->fd = -1;
}

void
upload_free(struct upload *upload)
{
	close_pipe(upload);
	free(upload);
}

static void
on_began(void *arg, int *fd)
{
	struct exchange *x = arg;
	struct upload *upload = x->upload;
	struct conn *conn = x->conn;
	int flags = fcntl(*fd, F_GETFL);
	struct stat st;
	struct err err;

	if (fstat(*fd, &st) < 0 || !S_ISFIFO(st.st_mode) || flags < 0 ||
	    fcntl(*fd, F_SETFL, flags | O_NONBLOCK) < 0) {
		err_set(&err, ERR_INTERNAL, "the runner gave no pipe");
		exchange_refuse_err(x, &err);
		return;
	}
	upload->fd = *fd;
	*fd = -1;
	upload->poll = alloc_zero(1, sizeof(*upload->poll));
	if (uv_poll_init(x->worker->loop, upload->poll, upload->fd) != 0)
		die("a pipe cannot be watched");
	upload->poll->data = upload;
	conn->streams = true;
	conn->may_be_quiet = x->route->body == BODY_INPUT;
	worker_make_ready(x->worker, conn);
	if (x->suspended)
		http_resume(x);
}

static void
heard_upload(struct exchange *x, const struct link_answer *answer)
{
	struct err err;

	if (answer->failure != NULL) {
		exchange_pass_failure(x, answer);
	} else if (!x->upload->ended) {
		err_set(&err, ERR_INTERNAL,
		    "the runner answered before the body had come");
		exchange_refuse_err(x, &err);
	} else {
		x->upload->heard(x, answer);
	}
}

void
upload_ask_take(struct exchange *x, enum message_type type, json_t *members,
    exchange_heard *heard)
{
	struct upload *upload = alloc_zero(1, sizeof(*upload));

	upload->exchange = x;
	upload->heard = heard;
	upload->fd = -1;
	x->upload = upload;
	exchange_ask_take(x,
	    &(struct link_question){.type = type,
		.members = members,
		.fd = -1,
		.timeout_s = REPLY_S,
		.began = on_began},
	    heard_upload);
}

static void
on_writable(uv_poll_t *poll, int status, int events)
{
	struct upload *upload = poll->data;

	(void)status; /* writing tells */
	(void)events;
	uv_poll_stop(poll);
	if (upload->exchange->suspended)
		http_resume(upload->exchange);
}

/* Within a callback of MHD's, where suspending is allowed. */
static void
wait(struct upload *upload)
{
	struct exchange *x = upload->exchange;

	if (!upload->broken)
		uv_poll_start(upload->poll, UV_WRITABLE, on_writable);
	x->suspended = true;
	MHD_suspend_connection(x->mhd);
}

size_t
upload_take(struct upload *upload, const char *data, size_t len)
{
	struct exchange *x = upload->exchange;
	ssize_t n = 0;

	if (!upload->broken) {
		n = write(upload->fd, data, len);
		if (n < 0 && errno != EAGAIN && errno != EINTR) {
			/* Why comes by the other way. */
			upload->broken = true;
			link_expect(x->worker->link, x->request, REPLY_S);
		}
		n = n < 0 ? 0 : n;
		upload->passed += (uint64_t)n;
	}
	if ((size_t)n < len)
		wait(upload);
	return (size_t)n;
}

/* By the guard, which has seen all of it. */
static uint64_t
announced_length(const struct guard *guard)
{
	return guard->chunked ? guard->body_len : guard->content_length;
}

void
upload_end(struct upload *upload)
{
	struct exchange *x = upload->exchange;
	auto_json *members = json_pack("{s:I, s:I}", "request",
	    (json_int_t)x->request, "length", (json_int_t)upload->passed);
	struct err err;

	x->in_body = false;
	upload->ended = true;
	close_pipe(upload);
	if (upload->broken)
		return;
	/* Then two readers have read it two ways: nothing of it counts. */
	if (upload->passed != announced_length(&x->conn->guard)) {
		err_set(&err, ERR_INTERNAL,
		    "a body of another length than was announced");
		exchange_refuse_err(x, &err);
		return;
	}
	if (link_tell(x->worker->link, MESSAGE_finish, members, &err) < 0) {
		exchange_refuse_err(x, &err);
		return;
	}
	/* Standard input is handed over as fast as its task takes it. */
	if (x->route->body == BODY_FILE)
		link_expect(x->worker->link, x->request, FILE_REPLY_S);
	x->waits = true;
	worker_make_ready(x->worker, x->conn);
}
