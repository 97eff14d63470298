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

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct control_order order;
	size_t used = CONTROL_ORDER_HEAD;

	if (!control_decode_order(data, size, &order))
		return 0;
	require(order.nargs >= 1 && order.nargs <= CONTROL_ARGS_MAX);
	require(order.nenv <= CONTROL_ENV_MAX);
	used += strlen(order.folder) + 1;
	for (size_t i = 0; i < order.nargs; i++)
		used += strlen(order.args[i]) + 1;
	for (size_t i = 0; i < order.nenv; i++)
		used += strlen(order.env[i]) + 1;
	require(used == size);
	require(order.args[order.nargs] == NULL);
	require(order.env[order.nenv] == NULL);
	return 0;
}
