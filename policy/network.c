#include "policy/network.h"

#include <stddef.h>
#include <string.h>

#include "lib/cleanup.h"

#define FIRST_BYTES                                            \
	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ" \
	"0123456789"

bool
network_name_is_valid(const char *name)
{
	/* What engines make themselves; "container:ID" has a byte that no name
	 * has. */
	static const char *const reserved[] = {"host", "none", "default",
	    "bridge", "nat", "ingress", "docker_gwbridge"};
	size_t len = strlen(name);

	for (size_t k = 0; k < COUNT(reserved); k++) {
		if (strcmp(name, reserved[k]) == 0)
			return false;
	}
	return len >= 1 && len <= NETWORK_NAME_MAX &&
	    strchr(FIRST_BYTES, name[0]) != NULL &&
	    strspn(name, FIRST_BYTES "_.-") == len;
}
