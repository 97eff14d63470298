/* The place where sandboxes are tried. */
#include "tests/e2e/sandbox_site.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/alloc.h"
#include "lib/file.h"

struct site site;

void
site_alarm(uv_timer_t *timer)
{
	(void)timer;
	fail_msg("not within %d ms", DEADLINE_MS);
}

char *
site_path(const char *name)
{
	return alloc_printf("%s/%s", site.folder, name);
}

static char *
run_command(const char *command)
{
	auto_buffer output = BUFFER_INIT(1 << 20);
	FILE *pipe = popen(command, "re");
	char piece[4096];
	size_t n;

	assert_non_null(pipe);
	while ((n = fread(piece, 1, sizeof(piece), pipe)) > 0)
		buffer_append(&output, piece, n);
	if (pclose(pipe) != 0)
		fail_msg("failed: %s", command);
	return buffer_take(&output);
}

char *
site_command_output(const char *format, ...)
{
	char command[4096];
	va_list ap;

	va_start(ap, format);
	vsnprintf(command, sizeof(command), format, ap);
	va_end(ap);
	return run_command(command);
}

void
site_command(const char *format, ...)
{
	char command[4096];
	va_list ap;

	va_start(ap, format);
	vsnprintf(command, sizeof(command), format, ap);
	va_end(ap);
	free(run_command(command));
}

size_t
site_count_containers(void)
{
	auto_free char *list = site_command_output(
	    "curl -sSf --unix-socket '%s' -G http://engine/containers/json "
	    "-d all=1 --data-urlencode "
	    "'filters={\"label\":[\"taskgate.runner=%s\"]}'",
	    site.engine + strlen("unix://"), site.runner_id);
	size_t count = 0;

	for (const char *at = list; (at = strstr(at, "\"Id\":")) != NULL; at++)
		count++;
	return count;
}

size_t
site_count_folders(void)
{
	auto_free char *path = site_path("sandboxes");
	DIR *dir = opendir(path);
	const struct dirent *entry;
	size_t count = 0;

	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL)
		count += uuid_is_valid(entry->d_name) ? 1 : 0;
	closedir(dir);
	return count;
}

static void
note_engine(void *arg, const char *reason)
{
	(void)arg;
	site.ready = reason == NULL;
	snprintf(site.reason, sizeof(site.reason), "%s",
	    reason != NULL ? reason : "");
}

void
site_make_factory(const char *engine)
{
	site_make_factory_keeping(engine, NULL, 0);
}

void
site_make_factory_keeping(
    const char *engine, const struct sandbox_saved *keep, size_t nkeep)
{
	auto_free char *directory = site_path("sandboxes");
	auto_free char *init = site_path("task-init");
	auto_free char *seccomp = site_path("seccomp.json");
	struct sandbox_configuration configuration = {
	    .engine = engine,
	    .runner_id = site.runner_id,
	    .directory = directory,
	    .init_path = init,
	    .seccomp_path = seccomp,
	    .uid = TASK_UID,
	    .gid = TASK_UID,
	};
	struct err err;

	site.ready = false;
	site.reason[0] = '\0';
	site.factory = sandbox_factory_new(&site.loop, &configuration, &err);
	if (site.factory == NULL)
		fail_msg("%s", err.detail);
	sandbox_factory_start(site.factory, keep, nkeep, note_engine, NULL);
}

int
site_set_up(void **state)
{
	char folder[] = "/tmp/taskgate-sandbox-XXXXXX";
	char id[UUID_TEXT];
	const char *engine = getenv("TASKGATE_TEST_ENGINE");

	(void)state;
	if (engine == NULL || strncmp(engine, "unix://", 7) != 0) {
		print_error("TASKGATE_TEST_ENGINE names no engine\n");
		return -1;
	}
	signal(SIGPIPE, SIG_IGN);
	uuid_make(clock_wall_ms(), id);
	site.runner_id = alloc_string(id);
	site.engine = alloc_string(engine);
	site.folder = alloc_string(mkdtemp(folder));
	uv_loop_init(&site.loop);
	uv_timer_init(&site.loop, &site.alarm);
	site_command("'%s/tests/engine.sh' import '%s' %s '%s/tests/probe' "
		     "'%s/tests/intruder'",
	    SOURCE_DIR, engine + strlen("unix://"), IMAGE, BINARY_DIR,
	    BINARY_DIR);
	/* Where only we can change it, as in an installation. */
	site_command("install -m 0755 '%s/bin/task-init' '%s/task-init'",
	    BINARY_DIR, site.folder);
	site_command("install -m 0644 '%s/runner/seccomp.json' "
		     "'%s/seccomp.json'",
	    SOURCE_DIR, site.folder);
	site_make_factory(engine);
	UNTIL(site.ready);
	return 0;
}

int
site_tear_down(void **state)
{
	(void)state;
	if (site.factory == NULL)
		return -1;
	UNTIL(sandbox_factory_pending(site.factory) == 0);
	assert_int_equal(site_count_containers(), 0);
	assert_int_equal(site_count_folders(), 0);
	sandbox_factory_free(site.factory);
	uv_close((uv_handle_t *)&site.alarm, NULL);
	uv_run(&site.loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&site.loop), 0);
	site_command("rm -rf '%s'", site.folder);
	free(site.folder);
	free(site.engine);
	free(site.runner_id);
	return 0;
}
