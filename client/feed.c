/*
 * The feed. One request carries at most what the window holds, since only its
 * reply says that it arrived; the last one has nothing behind it, and its end
 * is that of standard input. What it reads is the user's: not looked at.
 */
#include "client/feed.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "client/task.h"
#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/digest.h"
#include "lib/json.h"

#define READ_SIZE (64 * 1024)
#define READS_MAX 8 /* in one turn: then the others have theirs */

void
feed_begin(struct feed *feed, struct session *session, const char *task, int fd)
{
	*feed = (struct feed){
	    .fd = fd,
	    .task = task,
	    .session = session,
	};
}

void
feed_done(struct feed *feed)
{
	if (feed->transfer != NULL)
		http_end(take(feed->transfer));
	window_done(&feed->window);
}

static bool
can_read(const struct feed *feed)
{
	struct pollfd fd = {feed->fd, POLLIN, 0};

	return window_room(&feed->window) > 0 && poll(&fd, 1, 0) == 1;
}

/* Descriptors may be anybody's terminal or pipe: O_NONBLOCK, which their other
 * users would get too, is not set; what polls as readable does not block. */
static int
read_input(struct feed *feed, struct failure *failure)
{
	char data[READ_SIZE];
	bool more = false;

	for (int i = 0; i < READS_MAX && can_read(feed); i++) {
		size_t room = window_room(&feed->window);
		ssize_t n = read(
		    feed->fd, data, room < sizeof(data) ? room : sizeof(data));

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			break;
		if (n < 0)
			return failure_set(failure, "local",
			    "standard input cannot be read: %s",
			    strerror(errno));
		if (n == 0)
			window_end(&feed->window);
		window_add(&feed->window, data, (size_t)n);
		more = true;
	}
	if (more && feed->transfer != NULL)
		http_resume(feed->transfer);
	return 0;
}

/* Of struct http_request: `arg` is the feed. */
static ssize_t
give(void *arg, char *data, size_t room)
{
	struct feed *feed = arg;
	size_t len = WINDOW_MAX - feed->given;

	len = window_send(&feed->window, data, len < room ? len : room);
	feed->given += len;
	if (len > 0)
		return (ssize_t)len;
	return feed->window.ended || feed->given == WINDOW_MAX
	    ? HTTP_SOURCE_END
	    : HTTP_SOURCE_LATER;
}

static void
start_sending(struct feed *feed)
{
	bool is_last = feed->window.ended;
	auto_free char *path =
	    alloc_printf("/v1/tasks/%s/stdin?offset=%" PRIu64 "%s", feed->task,
		window_offset(&feed->window), is_last ? "" : "&more=1");
	const struct http_request request = {
	    .method = "PUT",
	    .path = path,
	    .reply_max = 64 * 1024,
	    .source = give,
	    .source_len = is_last ? (int64_t)window_unsent(&feed->window) : -1,
	    .arg = feed,
	};

	feed->is_last = is_last;
	feed->given = 0;
	feed->state = FEED_SENDING;
	feed->transfer = http_start(feed->session->http, &request);
}

static void
start_asking(struct feed *feed)
{
	auto_free char *path = alloc_printf("/v1/tasks/%s", feed->task);
	const struct http_request request = {
	    .method = "GET",
	    .path = path,
	    .timeout_s = 30,
	    .reply_max = 16 * 1024 * 1024,
	};

	feed->state = FEED_ASKING;
	feed->transfer = http_start(feed->session->http, &request);
}

static int
fail(struct feed *feed, const struct http_reply *reply, struct failure *failure)
{
	session_fail(feed->session, reply, failure);
	failure->task = alloc_string(feed->task);
	failure_hint(failure,
	    "the task waits for standard input; taskgate cancel %s",
	    feed->task);
	return -1;
}

/* Later, and then at the byte where the server stands by then. */
static bool
put_off(struct feed *feed, enum retry_cause cause, int retry_after_s)
{
	uint32_t random;
	int64_t delay_ms;

	random_bytes(&random, sizeof(random));
	if (!retry_decide(&retry_stream, &feed->retry, cause, retry_after_s,
		clock_boot_ms(), random, &delay_ms))
		return false;
	feed->due_ms = clock_boot_ms() + delay_ms;
	feed->state = FEED_ASKING;
	return true;
}

static int
try_again(struct feed *feed, const struct http_reply *reply,
    enum retry_cause cause, struct failure *failure)
{
	return put_off(feed, cause, reply->retry_after_s)
	    ? 0
	    : fail(feed, reply, failure);
}

static int
go_on(struct feed *feed, int64_t received, struct failure *failure)
{
	if (received < 0 || !window_go_on(&feed->window, (uint64_t)received)) {
		failure_set(failure, "reply",
		    "of standard input the server says to have %" PRId64
		    " bytes, which cannot be gone on from",
		    received);
		failure->task = alloc_string(feed->task);
		return -1;
	}
	feed->state = FEED_READY;
	return 0;
}

/* A task that takes more than it may is ended by the server, which the follow
 * will see; a person is told why. */
static int
take_refusal(
    struct feed *feed, const struct http_reply *reply, struct failure *failure)
{
	auto_failure told = FAILURE_INIT;

	if (reply->status == 413) {
		session_fail(feed->session, reply, &told);
		failure_print(&told);
		feed->state = FEED_OVER;
		return 0;
	}
	/* It has ended, or another request of ours is still being read there,
	 * or stands elsewhere: its document says which. */
	if (reply->status == 409)
		return try_again(feed, reply, RETRY_PUT_OFF, failure);
	return try_again(feed, reply, reply->cause, failure);
}

static json_t *
parse(const struct http_reply *reply)
{
	struct err ignored;

	return json_parse_strict(reply->body, reply->len, &ignored);
}

static int64_t
read_integer(const json_t *document, const char *name)
{
	const json_t *value = json_object_get(document, name);

	return json_is_integer(value) ? json_integer_value(value) : -1;
}

static bool
is_true(const json_t *document, const char *name)
{
	return json_is_true(json_object_get(document, name));
}

static int
take_sent(
    struct feed *feed, const struct http_reply *reply, struct failure *failure)
{
	auto_json *document = parse(reply);

	retry_reset(&feed->retry);
	if (go_on(feed, read_integer(document, "received"), failure) != 0)
		return -1;
	if (feed->is_last || is_true(document, "ended") ||
	    is_true(document, "closed"))
		feed->state = FEED_OVER;
	return 0;
}

/* "stdin" of the task's document. */
static int
take_answer(
    struct feed *feed, const struct http_reply *reply, struct failure *failure)
{
	auto_json *document = parse(reply);
	const json_t *input = json_object_get(document, "stdin");
	int64_t received;
	struct task task;
	struct err err;

	if (task_read(document, &task, &err) != 0)
		return failure_from_err(failure, "reply", &err);
	if (task_is_finished(&task) || is_true(input, "ended") ||
	    is_true(input, "closed")) {
		feed->state = FEED_OVER;
		return 0;
	}
	received = read_integer(input, "received");
	/* docs/api.md: less than it said before, until a runner that has come
	 * back has taken the task up. */
	if (received >= 0 && (uint64_t)received < feed->window.base &&
	    put_off(feed, RETRY_PUT_OFF, -1))
		return 0;
	return go_on(feed, received, failure);
}

static int
take_reply(struct feed *feed, struct failure *failure)
{
	struct http_reply reply = http_reply(feed->transfer);
	bool asked = feed->state == FEED_ASKING;
	int result;

	if (reply.status == 200)
		result = asked ? take_answer(feed, &reply, failure)
			       : take_sent(feed, &reply, failure);
	else
		result = take_refusal(feed, &reply, failure);
	http_end(take(feed->transfer));
	return result;
}

static bool
has_something(const struct feed *feed)
{
	return window_unsent(&feed->window) > 0 || feed->window.ended;
}

int
feed_turn(struct feed *feed, struct failure *failure)
{
	if (feed->state == FEED_OVER)
		return 0;
	if (feed->transfer != NULL && http_is_done(feed->transfer) &&
	    take_reply(feed, failure) != 0)
		return -1;
	if (feed->state != FEED_OVER && read_input(feed, failure) != 0)
		return -1;
	if (feed->transfer != NULL || feed->due_ms > clock_boot_ms())
		return 0;
	if (feed->state == FEED_ASKING)
		start_asking(feed);
	if (feed->state == FEED_READY && has_something(feed))
		start_sending(feed);
	return 0;
}

struct pollfd
feed_wants(const struct feed *feed)
{
	bool reads = feed->state != FEED_OVER && window_room(&feed->window) > 0;

	return (struct pollfd){reads ? feed->fd : -1, POLLIN, 0};
}

int64_t
feed_due(const struct feed *feed)
{
	return feed->state != FEED_OVER && feed->transfer == NULL &&
		(feed->state == FEED_ASKING || has_something(feed))
	    ? feed->due_ms
	    : INT64_MAX;
}
