/*
 * The runner's parts, put together and taken apart.
 */
#include "runner/runner.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/process.h"
#include "runner/claims.h"
#include "runner/peers.h"
#include "runner/refusals.h"

#define CERTIFICATES_CACHED 4096
#define TOKENS_CACHED 4096

int
runner_check_ready(const struct runner *runner, struct err *err)
{
	/* Details are for the operator: /readyz, the log, status. */
	if (runner->stopping)
		return err_set(
		    err, ERR_UNAVAILABLE, "the runner is being stopped");
	if (runner->engine_reason != NULL)
		return err_set(err, ERR_UNAVAILABLE,
		    "the container engine cannot be used at the moment");
	if (store_reason(runner->store) != NULL || runner->tasks.no_room ||
	    !runner->tasks.recovered)
		return err_set(err, ERR_UNAVAILABLE,
		    "nothing can be put on record at the moment");
	return 0;
}

/* -- what changes from outside */

static void
on_tasks_changed(void *arg)
{
	runner_state_changed(arg);
	revoke_settle(arg);
}

/* On record as well, now that something can be. */
static void
record_recovery(struct runner *runner)
{
	struct audit_entry *entry =
	    tasks_entry(&runner->tasks, EVENT_STORE_RECOVERED);
	char since[CLOCK_TEXT];

	clock_format(store_failed_ms(runner->store), since);
	entry->object = json_pack("{s:s, s:o}", "since", since, "reason",
	    audit_text(runner->store_reason));
	tasks_record_take(&runner->tasks, entry);
	free(take(runner->store_reason));
}

static void
on_store_changed(void *arg)
{
	struct runner *runner = arg;
	const char *reason = store_reason(runner->store);

	if (reason != NULL && runner->store_reason == NULL)
		runner->store_reason = alloc_string(reason);
	/* What is read first may be damaged. */
	if (runner->tasks.store == NULL)
		return;
	if (reason == NULL && runner->store_reason != NULL)
		record_recovery(runner);
	tasks_settle_arrears(&runner->tasks);
	tasks_dispatch(&runner->tasks);
	runner_state_changed(runner);
}

void
runner_look_at_room(struct runner *runner)
{
	bool no_room = !output_store_has_room(&runner->outputs);

	if (no_room == runner->tasks.no_room)
		return;
	runner->tasks.no_room = no_room;
	if (no_room)
		log_error("state.no_room", NULL);
	else
		log_info("state.has_room", NULL);
	tasks_dispatch(&runner->tasks);
}

static void
on_engine_changed(void *arg, const char *reason)
{
	struct runner *runner = arg;

	free(runner->engine_reason);
	runner->engine_reason = reason != NULL ? alloc_string(reason) : NULL;
	runner->tasks.engine_reason = runner->engine_reason;
	if (reason != NULL)
		log_warning("engine.unusable", "reason", reason, NULL);
	else
		log_info("engine.ready", NULL);
	tasks_dispatch(&runner->tasks);
	runner_state_changed(runner);
}

void
runner_forget_verified(struct runner *runner)
{
	certificate_cache_clear(runner->certificates);
	token_cache_clear(runner->tokens);
}

/* -- opening */

static int
open_in_force(struct runner *runner, struct err *err)
{
	AUTO(in_force_done) struct in_force in_force = {0};

	if (in_force_load(&runner->config, &in_force, err) != 0)
		return -1;
	runner_take_up(runner, &in_force);
	runner->certificates = certificate_cache_new(CERTIFICATES_CACHED);
	runner->tokens = token_cache_new(TOKENS_CACHED);
	return 0;
}

/* The runner's own, closed to everybody else. */
static int
open_folder(const char *path, struct err *err)
{
	struct stat st;

	if (file_make_directory(path, 0700, err) != 0)
		return -1;
	if (lstat(path, &st) != 0)
		return err_errno(err, "state: %s", path);
	if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() ||
	    (st.st_mode & (S_IRWXG | S_IRWXO)) != 0)
		return err_set(err, ERR_UNPROCESSABLE,
		    "state: %s: must be a directory of the runner's own, mode "
		    "0700 (it belongs to uid %lu and has %04o)",
		    path, (unsigned long)st.st_uid,
		    (unsigned)st.st_mode & 07777);
	return 0;
}

/* Two runners on one state would each call the other's tasks lost. */
static int
lock_folder(const char *path, int *ret_fd, struct err *err)
{
	auto_free char *name = alloc_printf("%s/lock", path);
	auto_fd int fd =
	    open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return err_errno(err, "open %s", name);
	if (flock(fd, LOCK_EX | LOCK_NB) != 0)
		return errno == EWOULDBLOCK
		    ? err_set(err, ERR_CONFLICT,
			  "state: another taskgate-runner uses %s", path)
		    : err_errno(err, "lock %s", name);
	*ret_fd = take_fd(fd);
	return 0;
}

static int
open_store(struct runner *runner, struct err *err)
{
	auto_free char *database =
	    alloc_printf("%s/store.db", runner->config.state);
	auto_free char *output =
	    alloc_printf("%s/output", runner->config.state);
	auto_free char *files = alloc_printf("%s/files", runner->config.state);
	auto_free char *origin = checkpoint_origin(runner->config.id);
	const struct store_signer signer = {runner->audit_key, origin};

	if (open_folder(runner->config.state, err) != 0 ||
	    lock_folder(runner->config.state, &runner->lock, err) != 0 ||
	    output_store_open(&runner->loop, output, &runner->outputs, err) !=
		0 ||
	    files_store_open(files, &runner->outputs, &runner->files, err) != 0)
		return -1;
	runner->store = store_open(
	    &runner->loop, database, &signer, on_store_changed, runner, err);
	if (runner->store == NULL)
		return -1;
	runner->audit_view = audit_view_open(&runner->loop, database);
	return 0;
}

static int
open_blobs(struct runner *runner, struct err *err)
{
	const struct config *config = &runner->config;
	auto_free char *directory = alloc_printf("%s/blobs", config->state);
	const struct blobs_bounds bounds = {
	    .blob_max = config->blob_max_bytes,
	    .per_subject = config->blobs_per_subject_bytes,
	    .total = config->blobs_max_bytes,
	    .max_age_s = config->blobs_max_age_s,
	};

	runner->blobs = blobs_open(&runner->loop, runner->store,
	    &runner->outputs, directory, &bounds, err);
	return runner->blobs != NULL ? 0 : -1;
}

static void
open_retention(struct runner *runner)
{
	const struct retention_bounds bounds = {
	    .age_s = runner->config.retention_age_s,
	    .bytes = runner->config.retention_bytes,
	    .audit_age_s = runner->config.audit_retention_age_s,
	};

	runner->retention = retention_open(&runner->loop, runner->store,
	    &runner->outputs, &runner->files, &bounds);
}

static int
open_factory(struct runner *runner, struct err *err)
{
	const struct config *config = &runner->config;
	auto_free char *directory = alloc_printf("%s/sandboxes", config->state);
	const struct sandbox_configuration configuration = {
	    .engine = config->engine,
	    .runner_id = config->id,
	    .directory = directory,
	    .init_path = config->task_init,
	    .seccomp_path = config->seccomp,
	    .uid = config->task_uid,
	    .gid = config->task_gid,
	    .guard = &runner->guard,
	};

	claims_guard(config, &runner->guard);
	if (file_make_directory(directory, 0700, err) != 0)
		return -1;
	runner->factory =
	    sandbox_factory_new(&runner->loop, &configuration, err);
	return runner->factory != NULL ? 0 : -1;
}

static void
open_pool(struct runner *runner)
{
	const struct config *config = &runner->config;
	const struct pool_bounds bounds = {
	    .sandboxes_max = (size_t)config->warm_max,
	    .memory_max_bytes = config->memory_max_bytes,
	    .creating_max = (size_t)process_processors(),
	};

	runner->pool = pool_new(&runner->loop, runner->factory, &bounds);
	pool_set_judge(runner->pool, revoke_may_use, runner);
	pool_set_policy(runner->pool, runner->policy);
	runner->tasks.pool = runner->pool;
}

void
runner_close_pool(struct runner *runner)
{
	runner->tasks.pool = NULL;
	if (runner->pool != NULL)
		pool_free(take(runner->pool));
}

/* What an earlier life left is known: the rest of it may be removed. */
static void
on_kept(void *arg, const struct sandbox_saved *saved, size_t n)
{
	struct runner *runner = arg;

	sandbox_factory_start(
	    runner->factory, saved, n, on_engine_changed, runner);
	open_pool(runner);
}

static void
open_tasks(struct runner *runner)
{
	const struct config *config = &runner->config;
	const struct queue_bounds bounds = {
	    .queued_max = config->queued_max,
	    .queued_per_subject = config->queued_per_subject,
	    .queued_per_rule = config->queued_per_rule,
	    .running_max = config->running_max,
	    .memory_max_bytes = config->memory_max_bytes,
	    .cpus = 1000 * process_processors(),
	    .bytes_max = TASKS_BYTES_MAX,
	};

	runner->tasks = (struct tasks){
	    .loop = &runner->loop,
	    .store = runner->store,
	    .outputs = &runner->outputs,
	    .files = &runner->files,
	    .blobs = runner->blobs,
	    .secret_folder = runner->config.secrets,
	    .factory = runner->factory,
	    .policy = runner->policy,
	    .changed = on_tasks_changed,
	    .kept = on_kept,
	    .arg = runner,
	    .engine_reason = "engine: it has not answered yet",
	};
	runner->engine_reason = alloc_string("engine: it has not answered yet");
	tasks_open(&runner->tasks, &bounds);
	runner->refusals = refusals_new(&runner->tasks);
	runner->connections = (struct bucket)BUCKET_INIT(
	    CONNECTIONS_BURST, CONNECTIONS_PERIOD_MS);
}

int
runner_open_take(struct runner *runner, struct config *config, struct err *err)
{
	*runner =
	    (struct runner){.config = *config, .started_ms = clock_boot_ms()};
	*config = (struct config){0};
	if (uv_loop_init(&runner->loop) != 0)
		die("uv_loop_init");
	if (open_in_force(runner, err) != 0 || open_store(runner, err) != 0 ||
	    open_blobs(runner, err) != 0 || open_factory(runner, err) != 0)
		return -1;
	open_tasks(runner);
	if (revoke_open(runner, err) != 0)
		return -1;
	open_retention(runner);
	if (runner->config.audit_copy != NULL)
		runner->copy = copy_open(
		    &runner->loop, runner->store, runner->config.audit_copy);
	if (runner->config.audit_stdout)
		runner->copy_stdout =
		    copy_open(&runner->loop, runner->store, NULL);
	if (runner->config.audit_publish != NULL)
		runner->publish = publish_open(&runner->loop, runner->store,
		    runner->config.audit_publish,
		    runner->config.audit_publish_each_s);
	runner_look_at_room(runner);
	runner_state_open(runner);
	runner->reload = reload_new(runner);
	return peers_listen(runner, err);
}

/* -- closing */

void
runner_close(struct runner *runner)
{
	struct audit_entry *entry;

	uv_close((uv_handle_t *)&runner->stop.timer, NULL);
	uv_close((uv_handle_t *)&runner->term, NULL);
	uv_close((uv_handle_t *)&runner->interrupt, NULL);
	uv_close((uv_handle_t *)&runner->hangup, NULL);
	uv_close((uv_handle_t *)&runner->push, NULL);
	while (runner->peers != NULL)
		peer_free(runner->peers);
	audit_view_close(runner->audit_view);
	reload_free(runner->reload);
	revoke_close(runner);
	store_drain(runner->store);
	refusals_free(runner->refusals);
	/* Once more: the next life knows of it by the store alone. */
	tasks_settle_arrears(&runner->tasks);
	entry = tasks_entry(&runner->tasks, EVENT_RUNNER_STOPPED);
	tasks_record_take(&runner->tasks, entry);
	runner_close_pool(runner);
	retention_close(runner->retention);
	if (runner->copy != NULL)
		copy_close(take(runner->copy));
	if (runner->copy_stdout != NULL)
		copy_close(take(runner->copy_stdout));
	if (runner->publish != NULL)
		publish_close(take(runner->publish));
	blobs_close(runner->blobs);
	/* Before the tasks: what it still reports is theirs. */
	store_close(runner->store);
	tasks_close(&runner->tasks);
	sandbox_factory_free(runner->factory);
}

static void
on_signal(uv_signal_t *handle, int number)
{
	struct runner *runner = handle->data;

	if (number == SIGHUP)
		reload_by_signal(runner->reload);
	else
		runner_stop(runner, number == SIGTERM);
}

static void
watch_signal(struct runner *runner, uv_signal_t *handle, int number)
{
	if (uv_signal_init(&runner->loop, handle) != 0 ||
	    uv_signal_start(handle, on_signal, number) != 0)
		die("signal %d cannot be watched", number);
	handle->data = runner;
}

static void
free_all(struct runner *runner)
{
	if (uv_loop_close(&runner->loop) != 0)
		die("something of the loop is still open");
	files_store_close(&runner->files);
	output_store_close(&runner->outputs);
	close(runner->lock);
	policy_free(runner->policy);
	EVP_PKEY_free(runner->audit_key);
	certificate_cache_free(runner->certificates);
	token_cache_free(runner->tokens);
	revoke_list_done(&runner->revoked);
	authority_done(&runner->authority);
	free(runner->engine_reason);
	free(runner->store_reason);
	free(runner->pushed);
	config_done(&runner->config);
}

static void
record_mending(struct runner *runner)
{
	const struct database_past *past = store_past(runner->store);
	struct audit_entry *entry;

	if (!past->crashed && past->wal.torn_bytes == 0)
		return;
	log_warning("store.mended", NULL);
	entry = tasks_entry(&runner->tasks, EVENT_STORE_MENDED);
	entry->object = json_pack("{s:I, s:I}", "taken_up_bytes",
	    (json_int_t)past->wal.committed_bytes, "torn_bytes",
	    (json_int_t)past->wal.torn_bytes);
	tasks_record_take(&runner->tasks, entry);
}

void
runner_start(struct runner *runner)
{
	struct audit_entry *entry;

	watch_signal(runner, &runner->term, SIGTERM);
	watch_signal(runner, &runner->interrupt, SIGINT);
	watch_signal(runner, &runner->hangup, SIGHUP);
	runner_stop_open(runner);
	entry = tasks_entry(&runner->tasks, EVENT_RUNNER_STARTED);
	entry->object = json_pack("{s:s, s:s}", "runner", runner->config.id,
	    "version", TASKGATE_VERSION);
	tasks_record_take(&runner->tasks, entry);
	record_mending(runner);
	runner_record_policy(runner);
	tasks_recover(&runner->tasks);
	log_info("runner.started", "runner", runner->config.id, NULL);
	process_notify("READY=1");
}

int
runner_finish(struct runner *runner)
{
	uv_run(&runner->loop, UV_RUN_DEFAULT);
	free_all(runner);
	log_info("runner.stopped", NULL);
	return runner->exit_code;
}
