/*
 * The body of an order. Linked into task-init as well: no library, no memory
 * of its own. The head: six numbers of 32 bits (arguments, variables, flags,
 * inputs, outputs, secrets), two zeros of 32 bits, and two numbers of 64 bits
 * (the most bytes of an output file, the seconds that the task may run).
 */
#include <string.h>

#include "runner/control.h"

#define FLAG_STDIN 1U

static bool
is_name_byte(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	    (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
}

bool
control_file_name_is_valid(const char *name)
{
	size_t len = 0;

	if (name[0] == '.' || name[0] == '-')
		return false;
	for (; name[len] != '\0'; len++) {
		if (len == CONTROL_FILE_NAME_MAX || !is_name_byte(name[len]))
			return false;
	}
	return len > 0;
}

/* The string at *at, which moves behind it; NULL where none ends. */
static const char *
next_string(const char **at, const char *end)
{
	const char *s = *at;
	const char *nul = memchr(s, '\0', (size_t)(end - s));

	if (nul == NULL)
		return NULL;
	*at = nul + 1;
	return s;
}

static bool
read_strings(const char **at, const char *end, size_t count, const char **ret)
{
	for (size_t i = 0; i < count; i++) {
		ret[i] = next_string(at, end);
		if (ret[i] == NULL)
			return false;
	}
	ret[count] = NULL;
	return true;
}

/* Each of the form of a name, and none twice. */
static bool
read_names(const char **at, const char *end, size_t count, const char **ret)
{
	if (!read_strings(at, end, count, ret))
		return false;
	for (size_t i = 0; i < count; i++) {
		if (!control_file_name_is_valid(ret[i]))
			return false;
		for (size_t k = 0; k < i; k++) {
			if (strcmp(ret[i], ret[k]) == 0)
				return false;
		}
	}
	return true;
}

static bool
decode_head(const uint8_t *head, struct control_order *ret)
{
	uint32_t flags = control_get_u32(head + 8);

	ret->nargs = control_get_u32(head);
	ret->nenv = control_get_u32(head + 4);
	ret->has_stdin = (flags & FLAG_STDIN) != 0;
	ret->ninputs = control_get_u32(head + 12);
	ret->noutputs = control_get_u32(head + 16);
	ret->nsecrets = control_get_u32(head + 20);
	ret->file_max = control_get_u64(head + 32);
	ret->deadline_s = control_get_u64(head + 40);
	return (flags & ~FLAG_STDIN) == 0 && control_get_u64(head + 24) == 0 &&
	    ret->nargs >= 1 && ret->nargs <= CONTROL_ARGS_MAX &&
	    ret->nenv <= CONTROL_ENV_MAX && ret->ninputs <= CONTROL_FILES_MAX &&
	    ret->noutputs <= CONTROL_FILES_MAX &&
	    ret->nsecrets <= CONTROL_SECRETS_MAX &&
	    ret->file_max <= INT64_MAX && ret->deadline_s >= 1 &&
	    ret->deadline_s <= CONTROL_DEADLINE_MAX_S;
}

bool
control_decode_order(const void *data, size_t len, struct control_order *ret)
{
	const char *at, *end;

	if (len < CONTROL_ORDER_HEAD || len > CONTROL_ORDER_MAX ||
	    !decode_head(data, ret))
		return false;
	at = (const char *)data + CONTROL_ORDER_HEAD;
	end = (const char *)data + len;
	ret->folder = next_string(&at, end);
	return ret->folder != NULL &&
	    read_strings(&at, end, ret->nargs, ret->args) &&
	    read_strings(&at, end, ret->nenv, ret->env) &&
	    read_names(&at, end, ret->ninputs, ret->inputs) &&
	    read_names(&at, end, ret->noutputs, ret->outputs) &&
	    read_names(&at, end, ret->nsecrets, ret->secrets) && at == end;
}

void
control_encode_order_head(
    const struct control_order *order, uint8_t ret[CONTROL_ORDER_HEAD])
{
	memset(ret, 0, CONTROL_ORDER_HEAD);
	control_put_u32(ret, (uint32_t)order->nargs);
	control_put_u32(ret + 4, (uint32_t)order->nenv);
	control_put_u32(ret + 8, order->has_stdin ? FLAG_STDIN : 0);
	control_put_u32(ret + 12, (uint32_t)order->ninputs);
	control_put_u32(ret + 16, (uint32_t)order->noutputs);
	control_put_u32(ret + 20, (uint32_t)order->nsecrets);
	control_put_u64(ret + 32, order->file_max);
	control_put_u64(ret + 40, order->deadline_s);
}
