/*
 * Role: `reload`: has runner and gateways read their files again.
 * Trusts the runner; a gateway's words are a stranger's.
 */
#include <string.h>

#include "admin/runner_link.h"
#include "admin/tool.h"
#include "admin/verbs.h"
#include "lib/cleanup.h"
#include "lib/json.h"

static const struct column columns[] = {
    {"PROCESS", "process"},
    {"RESULT", "result"},
    {"REASON", "reason"},
};
static const struct view view = {columns, COUNT(columns), "process"};

static bool
is_done(const json_t *process)
{
	const char *result =
	    json_string_value(json_object_get(process, "result"));

	return result != NULL && strcmp(result, "done") == 0;
}

static bool
are_all_done(const json_t *processes)
{
	size_t k;
	const json_t *process;

	json_array_foreach(processes, k, process)
	{
		if (!is_done(process))
			return false;
	}
	return true;
}

int
verb_reload(struct invocation *invocation)
{
	auto_json *body = NULL;
	struct err err;

	if (runner_link_ask(invocation, MESSAGE_reload, &body, &err) != 0) {
		if (err.code == ERR_UNAVAILABLE)
			tool_note("without a runner, SIGHUP has a gateway "
				  "reload: systemctl reload taskgate-gateway");
		return tool_fail(&err);
	}
	const json_t *processes = json_object_get(body, "processes");
	if (tool_print_list(invocation, &view, processes, &err) != 0)
		return tool_fail(&err);
	if (json_array_size(processes) < 2)
		tool_note("no gateway is connected to the runner: one that "
			  "runs all the same needs SIGHUP");
	return are_all_done(processes) ? 0 : 1;
}
