#include "lib/idempotency_key.h"

#include <string.h>

bool
idempotency_key_is_valid(const char *key)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				       "abcdefghijklmnopqrstuvwxyz"
				       "0123456789_-";
	size_t len = strlen(key);

	return len > 0 && len <= IDEMPOTENCY_KEY_MAX &&
	    strspn(key, alphabet) == len;
}
