/* The one order: read from the runner's memfd, obeyed or refused as a whole.
 * It stays mapped only while it is needed. */
#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "runner/init/init.h"

static void
fail(struct init *init, enum control_stage stage, uint32_t index, int errnum)
{
	init->failed = true;
	init->failure.type = CONTROL_START_FAILED;
	init->failure.start_failed.stage = stage;
	init->failure.start_failed.index = index;
	init->failure.start_failed.errnum = (uint32_t)errnum;
}

static void
start(struct init *init, const int *fds, size_t nfds, int64_t now_ms)
{
	const struct control_order *order = &init->order;
	enum control_stage stage;
	uint32_t index;
	int errnum;

	if (order->ninputs + order->nsecrets != nfds) {
		fail(init, CONTROL_AT_ORDER, 0, EPROTO);
		return;
	}
	errnum = files_begin(&init->files, order, fds, &index);
	if (errnum != 0) {
		fail(init, CONTROL_AT_INPUT, index, errnum);
		return;
	}
	errnum = secrets_place(order, fds + order->ninputs, &index);
	if (errnum != 0) {
		fail(init, CONTROL_AT_SECRET, index, errnum);
		return;
	}
	errnum = task_start(&init->task, order, &stage);
	if (errnum != 0) {
		fail(init, stage, 0, errnum);
		return;
	}
	init->deadline_ms = now_ms + (int64_t)order->deadline_s * 1000;
	for (int i = 0; i < CONTROL_STREAMS; i++)
		stream_open_take(&init->streams[i], init->task.pipes[i]);
	if (order->has_stdin)
		input_open_take(&init->input, init->task.input);
}

void
order_obey(struct init *init, const int *fds, size_t nfds, int64_t now_ms)
{
	struct stat st;
	void *data = MAP_FAILED;

	if (fstat(fds[0], &st) == 0 && st.st_size > 0 &&
	    (size_t)st.st_size <= CONTROL_ORDER_MAX)
		data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE,
		    fds[0], 0);
	if (data == MAP_FAILED) {
		fail(init, CONTROL_AT_ORDER, 0, EPROTO);
		return;
	}
	if (control_decode_order(data, (size_t)st.st_size, &init->order))
		start(init, fds + 1, nfds - 1, now_ms);
	else
		fail(init, CONTROL_AT_ORDER, 0, EPROTO);
	munmap(data, (size_t)st.st_size);
}
