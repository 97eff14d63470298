/*
 * Any bytes as the body of an order: what is accepted consists of as many
 * strings as it says, all of them within it.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "runner/control.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool condition)
{
	if (!condition)
		abort();
}

/* Of these strings every one counts, and NULL stands behind the last. */
static size_t
measure(const char *const *strings, size_t count)
{
	size_t used = 0;

	for (size_t i = 0; i < count; i++)
		used += strlen(strings[i]) + 1;
	require(strings[count] == NULL);
	return used;
}

static void
require_names(const char *const *names, size_t count)
{
	require(count <= CONTROL_FILES_MAX);
	for (size_t i = 0; i < count; i++) {
		require(control_file_name_is_valid(names[i]));
		require(strlen(names[i]) <= CONTROL_FILE_NAME_MAX);
		require(strchr(names[i], '/') == NULL && names[i][0] != '.');
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct control_order order;
	uint8_t head[CONTROL_ORDER_HEAD];
	size_t used = CONTROL_ORDER_HEAD;

	if (!control_decode_order(data, size, &order))
		return 0;
	require(order.nargs >= 1 && order.nargs <= CONTROL_ARGS_MAX);
	require(order.nenv <= CONTROL_ENV_MAX);
	used += strlen(order.folder) + 1;
	used += measure(order.args, order.nargs);
	used += measure(order.env, order.nenv);
	used += measure(order.inputs, order.ninputs);
	used += measure(order.outputs, order.noutputs);
	used += measure(order.secrets, order.nsecrets);
	require(used == size);
	require_names(order.inputs, order.ninputs);
	require_names(order.outputs, order.noutputs);
	require(order.nsecrets <= CONTROL_SECRETS_MAX);
	require_names(order.secrets, order.nsecrets);
	require(order.file_max <= INT64_MAX && order.deadline_s >= 1);
	control_encode_order_head(&order, head);
	require(memcmp(head, data, sizeof(head)) == 0);
	return 0;
}
