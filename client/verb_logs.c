/*
 * `logs`: the output of a task, byte for byte, from anywhere in it.
 */
#include "client/verbs.h"

#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "client/exit_code.h"
#include "client/follow.h"
#include "client/operand.h"
#include "client/output.h"
#include "lib/cleanup.h"
#include "lib/json.h"

struct logs {
	struct session session;
	struct follow follow;
	struct sink sinks[2];
	char id[OPERAND_ID];
};

static const struct {
	const char *name;
	int fd;
} outputs[] = {{"stdout", STDOUT_FILENO}, {"stderr", STDERR_FILENO}};

static void
logs_done(struct logs *logs)
{
	follow_done(&logs->follow);
	for (size_t i = 0; i < COUNT(logs->sinks); i++)
		sink_done(&logs->sinks[i]);
	session_close(&logs->session);
}

static int
add_streams(
    const struct invocation *invocation, struct logs *logs, struct err *err)
{
	const char *wanted = option_value(invocation, "stream");
	bool until_end = option_flag(invocation, "follow");
	bool keeps = logs->session.format != SHOW_TABLE;
	long long offset;

	if (option_integer(
		invocation, "offset", 0, 0, LLONG_MAX, &offset, err) != 0)
		return -1;
	for (size_t i = 0; i < COUNT(outputs); i++) {
		if (wanted != NULL && strcmp(wanted, outputs[i].name) != 0)
			continue;
		if (keeps)
			sink_init_memory(&logs->sinks[i], OUTPUT_KEPT_MAX);
		else
			sink_init(&logs->sinks[i], outputs[i].fd);
		follow_add(&logs->follow, outputs[i].name, &logs->sinks[i],
		    offset, until_end);
	}
	if (logs->follow.nstreams == 0)
		return err_set(err, ERR_UNPROCESSABLE,
		    "--stream: stdout or stderr, not \"%.32s\"", wanted);
	return 0;
}

static int
prepare(const struct invocation *invocation, struct logs *logs,
    struct failure *failure)
{
	struct err err;

	if (session_open(invocation, &logs->session, failure) != 0)
		return -1;
	logs->follow.session = &logs->session;
	if (operand_read_id(invocation->operands[0], logs->id, &err) != 0 ||
	    add_streams(invocation, logs, &err) != 0)
		return failure_from_err(failure, "usage", &err);
	follow_begin(&logs->follow, logs->id);
	return 0;
}

static int
fetch(const struct invocation *invocation, struct logs *logs,
    struct failure *failure)
{
	auto_json *finished = NULL;

	return option_flag(invocation, "follow")
	    ? follow_to_end(&logs->follow, &finished, failure)
	    : follow_streams(&logs->follow, failure);
}

static void
show_kept(const struct logs *logs)
{
	auto_json *document = json_object();

	json_object_set_new(document, "id", json_string(logs->id));
	for (size_t i = 0; i < logs->follow.nstreams; i++)
		output_add(document, logs->follow.streams[i].name,
		    logs->follow.streams[i].sink);
	show_document(logs->session.format, document);
}

int
verb_logs(struct invocation *invocation)
{
	__attribute__((cleanup(logs_done))) struct logs logs = {0};
	auto_failure failure = FAILURE_INIT;

	if (prepare(invocation, &logs, &failure) != 0 ||
	    fetch(invocation, &logs, &failure) != 0) {
		int code = exit_code_of_problem(failure.slug);

		/* As SIGPIPE would have it, without a word. */
		return code == EXIT_NO_READER
		    ? code
		    : session_report(&logs.session, &failure, code);
	}
	if (logs.session.format != SHOW_TABLE)
		show_kept(&logs);
	return 0;
}
