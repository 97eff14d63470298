/*
 * The outputs' files, one after the other, each from its beginning to its end
 * and never more of it than the order allowed.
 */
#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "runner/sandbox_state.h"

/* task-init reads them from memory: it has no reason to be slower than this
 * many bytes in this time. */
#define STEP_BYTES (1024 * 1024)
#define STEP_WITHIN_MS 30000

static void
finish(struct sandbox *sandbox)
{
	sandbox_finish(sandbox);
}

/* The task's end is known and stands; whatever has no `file_end` is left out.
 */
static void
expect_step(struct sandbox *sandbox)
{
	sandbox->harvest.since = 0;
	sandbox_expect(sandbox, STEP_WITHIN_MS, finish);
}

void
sandbox_files_begin(struct sandbox *sandbox)
{
	struct sandbox_harvest *harvest = &sandbox->harvest;
	struct control_frame frame = {.type = CONTROL_COLLECT};

	sandbox->exit_known = true;
	sandbox->state = SANDBOX_LEAVING;
	if (sandbox->events.exited != NULL)
		sandbox->events.exited(sandbox->arg);
	/* It was destroyed or killed by whom it told. */
	if (sandbox->destroyed || sandbox->state != SANDBOX_LEAVING)
		return;
	if (harvest->index >= harvest->count) {
		sandbox_finish(sandbox);
		return;
	}
	frame.collect.index = harvest->index;
	frame.collect.offset = harvest->offset;
	sandbox_control_send(sandbox->control, &frame, NULL, 0);
	expect_step(sandbox);
}

static int
check_place(const struct sandbox *sandbox, uint32_t index, struct err *err)
{
	if (sandbox->state != SANDBOX_LEAVING)
		return err_set(err, ERR_MALFORMED, "an unexpected file");
	if (index != sandbox->harvest.index)
		return err_set(err, ERR_MALFORMED, "a file out of its turn");
	return 0;
}

int
sandbox_files_take(
    struct sandbox *sandbox, const struct control_data *data, struct err *err)
{
	struct sandbox_harvest *harvest = &sandbox->harvest;
	uint64_t offset = harvest->offset;

	if (check_place(sandbox, data->index, err) != 0)
		return -1;
	if (data->offset != offset)
		return err_set(err, ERR_MALFORMED,
		    "a file that does not go on where it stood");
	if (offset > harvest->file_max ||
	    data->len > harvest->file_max - offset)
		return err_set(
		    err, ERR_MALFORMED, "a file that is larger than it may be");
	harvest->offset += data->len;
	harvest->since += data->len;
	if (harvest->since >= STEP_BYTES)
		expect_step(sandbox);
	if (sandbox->events.file != NULL)
		sandbox->events.file(
		    sandbox->arg, data->index, offset, data->data, data->len);
	return 0;
}

int
sandbox_files_take_end(struct sandbox *sandbox, uint32_t index, uint32_t status,
    uint64_t size, struct err *err)
{
	struct sandbox_harvest *harvest = &sandbox->harvest;

	if (check_place(sandbox, index, err) != 0)
		return -1;
	if (status == CONTROL_KEPT && size != harvest->offset)
		return err_set(err, ERR_MALFORMED,
		    "a file that is shorter than it is said to be");
	harvest->index++;
	harvest->offset = 0;
	if (sandbox->events.file_end != NULL)
		sandbox->events.file_end(
		    sandbox->arg, index, (enum sandbox_file)status, size);
	if (sandbox->destroyed || sandbox->state != SANDBOX_LEAVING)
		return 0;
	if (harvest->index < harvest->count)
		expect_step(sandbox);
	else
		sandbox_finish(sandbox);
	return 0;
}
