#include "admin/policy_path.h"

#include "admin/tool.h"
#include "lib/alloc.h"

char *
policy_path(const struct invocation *invocation, const char *path)
{
	return path != NULL
	    ? alloc_string(path)
	    : alloc_printf("%s/policy.json", tool_directory(invocation));
}

struct policy *
policy_path_load(
    const struct invocation *invocation, const char *path, struct err *err)
{
	auto_free char *chosen = policy_path(invocation, path);

	return policy_load(chosen, err);
}
