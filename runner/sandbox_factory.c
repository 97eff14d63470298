/*
 * The engine's health, and order among the containers that carry our label:
 * whatever is neither a sandbox of ours nor being removed goes, at the start
 * and from time to time (an engine that died in the middle of a call may have
 * made a container that nobody was told of).
 */
#include "runner/sandbox_factory.h"
#include "lib/process.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/json.h"
#include "runner/sandbox_folder.h"
#include "runner/sandbox_state.h"
#include "runner/template.h"

#define SECCOMP_MAX (1024 * 1024)
#define PING_EACH_MS 5000
#define RETRY_LEAST_MS 200
#define RETRY_MOST_MS 5000
#define SWEEP_EACH_MS 60000

/* The engine resolves a path again, as root: it must lead nowhere else. */
static char *
resolve_safe(const char *path, struct err *err)
{
	auto_free char *real = realpath(path, NULL);

	if (real == NULL) {
		err_errno(err, "%s", path);
		return NULL;
	}
	if (file_check_path_is_safe(real, geteuid(), err) != 0)
		return NULL;
	return take(real);
}

static char *
load_seccomp(const char *path, struct err *err)
{
	auto_free char *real = resolve_safe(path, err);
	auto_json *json =
	    real != NULL ? json_parse_file(real, SECCOMP_MAX, err) : NULL;

	if (json == NULL)
		return NULL;
	/* An empty profile would allow everything. */
	if (strcmp(json_is_string(json_object_get(json, "defaultAction"))
		    ? json_string_value(json_object_get(json, "defaultAction"))
		    : "",
		"SCMP_ACT_ERRNO") != 0) {
		err_set(err, ERR_UNPROCESSABLE,
		    "%s: defaultAction is not SCMP_ACT_ERRNO", path);
		return NULL;
	}
	return json_dumps(json, JSON_COMPACT);
}

static int
check_files(const struct sandbox_configuration *configuration,
    struct sandbox_factory *factory, struct err *err)
{
	factory->init_path = resolve_safe(configuration->init_path, err);
	if (factory->init_path == NULL)
		return err_prefix(err, "task-init");
	if (access(factory->init_path, X_OK) != 0)
		return err_errno(err, "%s: not a program", factory->init_path);
	factory->seccomp = load_seccomp(configuration->seccomp_path, err);
	if (factory->seccomp == NULL)
		return err_prefix(err, "the seccomp profile");
	if (sandbox_folder_prepare(configuration->directory, err) != 0)
		return -1;
	factory->directory = resolve_safe(configuration->directory, err);
	if (factory->directory == NULL)
		return err_prefix(err, "the control folders");
	factory->hosts_path =
	    alloc_printf("%s/" SANDBOX_FOLDER_HOSTS, factory->directory);
	return 0;
}

static void
free_members(struct sandbox_factory *factory)
{
	if (factory->removals != NULL)
		sandbox_removals_free(factory->removals);
	engine_free(factory->engine);
	free(factory->packet);
	free(factory->runner_id);
	free(factory->directory);
	free(factory->hosts_path);
	free(factory->init_path);
	free(factory->seccomp);
	free(factory);
}
DEFINE_CLEANUP(struct sandbox_factory, free_members);

struct sandbox_factory *
sandbox_factory_new(uv_loop_t *loop,
    const struct sandbox_configuration *configuration, struct err *err)
{
	AUTO(free_membersp)
	struct sandbox_factory *factory = alloc_zero(1, sizeof(*factory));

	factory->loop = loop;
	factory->packet = alloc_zero(1, CONTROL_PACKET_MAX);
	factory->uid = configuration->uid;
	factory->gid = configuration->gid;
	factory->guard = configuration->guard;
	factory->runner_id = alloc_string(configuration->runner_id);
	factory->processors = process_processors();
	if (!uuid_is_valid(factory->runner_id)) {
		err_set(err, ERR_UNPROCESSABLE, "the runner's id: not a UUID");
		return NULL;
	}
	if (check_files(configuration, factory, err) != 0)
		return NULL;
	factory->engine = engine_new(loop, configuration->engine, err);
	if (factory->engine == NULL)
		return NULL;
	factory->removals =
	    sandbox_removals_new(loop, factory->engine, factory->directory);
	return take(factory);
}

static void
free_timer(uv_handle_t *handle)
{
	free(handle);
}

void
sandbox_factory_free(struct sandbox_factory *factory)
{
	if (factory == NULL)
		return;
	while (factory->sandboxes != NULL)
		sandbox_destroy(factory->sandboxes);
	while (factory->kept != NULL)
		sandbox_factory_drop(factory, factory->kept->id);
	/* Sandboxes are freed in the next turn. */
	while (factory->images != NULL)
		sandbox_image_detach(factory->images);
	if (factory->timer != NULL)
		uv_close((uv_handle_t *)factory->timer, free_timer);
	free_members(factory);
}

size_t
sandbox_factory_pending(const struct sandbox_factory *factory)
{
	return sandbox_removals_count(factory->removals);
}

/* Once for every change. */
static void
tell(struct sandbox_factory *factory, const char *reason)
{
	if (factory->told && strcmp(factory->reason, reason) == 0)
		return;
	factory->told = true;
	snprintf(factory->reason, sizeof(factory->reason), "%s", reason);
	reason = *reason != '\0' ? factory->reason : NULL;
	factory->ready(factory->arg, reason);
	if (factory->watch != NULL)
		factory->watch(factory->watch_arg, reason);
}

bool
sandbox_factory_is_ready(const struct sandbox_factory *factory)
{
	return factory->told && *factory->reason == '\0';
}

void
sandbox_factory_watch(struct sandbox_factory *factory,
    void (*watch)(void *arg, const char *reason), void *arg)
{
	factory->watch = watch;
	factory->watch_arg = arg;
}

void
sandbox_factory_keep(struct sandbox_factory *factory, const char *sandbox)
{
	struct kept *kept = alloc_zero(1, sizeof(*kept));

	memcpy(kept->id, sandbox, UUID_TEXT);
	kept->next = factory->kept;
	factory->kept = kept;
}

void
sandbox_factory_drop(struct sandbox_factory *factory, const char *sandbox)
{
	for (struct kept **at = &factory->kept; *at != NULL;
	     at = &(*at)->next) {
		struct kept *kept = *at;

		if (strcmp(kept->id, sandbox) != 0)
			continue;
		*at = kept->next;
		free(kept);
		return;
	}
}

bool
sandbox_factory_knows(
    const struct sandbox_factory *factory, const char *sandbox)
{
	for (const struct sandbox *s = factory->sandboxes; s != NULL;
	     s = s->next) {
		if (strcmp(s->id, sandbox) == 0)
			return true;
	}
	for (const struct kept *kept = factory->kept; kept != NULL;
	     kept = kept->next) {
		if (strcmp(kept->id, sandbox) == 0)
			return true;
	}
	return sandbox_removals_has(factory->removals, sandbox);
}

static void connect_engine(struct sandbox_factory *factory);
static void ping(struct sandbox_factory *factory);

static void
on_timer(uv_timer_t *timer)
{
	struct sandbox_factory *factory = timer->data;

	if (factory->call != NULL)
		return;
	if (factory->told && *factory->reason == '\0')
		ping(factory);
	else
		connect_engine(factory);
}

static void
fail(struct sandbox_factory *factory, const struct err *err)
{
	uv_timer_start(factory->timer, on_timer, factory->wait_ms, 0);
	factory->wait_ms *= 2;
	if (factory->wait_ms > RETRY_MOST_MS)
		factory->wait_ms = RETRY_MOST_MS;
	tell(factory, err->detail);
}

void
sandbox_factory_doubt(struct sandbox_factory *factory, const struct err *err)
{
	if (!factory->told || *factory->reason != '\0')
		return;
	/* A look that is under way settles it. */
	if (factory->call == NULL)
		fail(factory, err);
	else
		tell(factory, err->detail);
}

static void
succeed(struct sandbox_factory *factory)
{
	factory->wait_ms = RETRY_LEAST_MS;
	uv_timer_start(factory->timer, on_timer, PING_EACH_MS, 0);
	tell(factory, "");
}

/* What stood before is gone, or has been tried once: an old container that
 * the engine cannot remove must not keep the runner from serving. */
static void
on_tried(void *arg)
{
	struct sandbox_factory *factory = arg;

	if (factory->call != NULL ||
	    sandbox_removals_untried(factory->removals) > 0)
		return;
	sandbox_removals_watch(factory->removals, NULL, NULL);
	succeed(factory);
}

static void
sweep_container(struct sandbox_factory *factory, const json_t *container)
{
	const char *id = json_string_value(json_object_get(container, "Id"));
	const json_t *labels = json_object_get(container, "Labels");
	const char *sandbox =
	    json_string_value(json_object_get(labels, TEMPLATE_LABEL_SANDBOX));
	const char *runner =
	    json_string_value(json_object_get(labels, TEMPLATE_LABEL_RUNNER));

	/* Only what is plainly ours. */
	if (id == NULL || sandbox == NULL || runner == NULL ||
	    !uuid_is_valid(sandbox) || strcmp(runner, factory->runner_id) != 0)
		return;
	if (!sandbox_factory_knows(factory, sandbox))
		sandbox_removals_add(
		    factory->removals, sandbox, id, SANDBOX_REMOVAL_NOW);
}

static void
sweep_folder(void *arg, const char *sandbox)
{
	struct sandbox_factory *factory = arg;

	if (!sandbox_factory_knows(factory, sandbox))
		sandbox_removals_add(
		    factory->removals, sandbox, NULL, SANDBOX_REMOVAL_NOW);
}

static void
on_listed(void *arg, json_t *answer, const struct err *err)
{
	struct sandbox_factory *factory = arg;
	struct err failure = {0};
	size_t i;
	json_t *container;

	factory->call = NULL;
	if (answer == NULL) {
		fail(factory, err);
		return;
	}
	json_array_foreach(answer, i, container)
	    sweep_container(factory, container);
	if (sandbox_folder_list(
		factory->directory, sweep_folder, factory, &failure) != 0) {
		fail(factory, &failure);
		return;
	}
	factory->swept_ms = clock_boot_ms();
	if (factory->told && *factory->reason == '\0') {
		succeed(factory);
		return;
	}
	sandbox_removals_watch(factory->removals, on_tried, factory);
	on_tried(factory);
}

static void
sweep(struct sandbox_factory *factory)
{
	struct engine_done done = {on_listed, factory};

	factory->call = engine_list(
	    factory->engine, TEMPLATE_LABEL_RUNNER, factory->runner_id, done);
}

static void
on_connected(void *arg, json_t *answer, const struct err *err)
{
	struct sandbox_factory *factory = arg;

	factory->call = NULL;
	if (answer == NULL) {
		fail(factory, err);
		return;
	}
	sandbox_removals_hurry(factory->removals);
	sweep(factory);
}

static void
connect_engine(struct sandbox_factory *factory)
{
	struct engine_done done = {on_connected, factory};

	factory->call = engine_connect(factory->engine, done);
}

static void
on_pong(void *arg, json_t *answer, const struct err *err)
{
	struct sandbox_factory *factory = arg;

	factory->call = NULL;
	if (answer == NULL)
		fail(factory, err);
	else if (clock_boot_ms() - factory->swept_ms >= SWEEP_EACH_MS)
		sweep(factory);
	else
		succeed(factory);
}

static void
ping(struct sandbox_factory *factory)
{
	struct engine_done done = {on_pong, factory};

	factory->call = engine_ping(factory->engine, done);
}

void
sandbox_factory_start(struct sandbox_factory *factory,
    const struct sandbox_saved *keep, size_t nkeep,
    void (*ready)(void *arg, const char *reason), void *arg)
{
	for (size_t i = 0; i < nkeep; i++)
		sandbox_factory_keep(factory, keep[i].id);
	factory->ready = ready;
	factory->arg = arg;
	factory->wait_ms = RETRY_LEAST_MS;
	factory->timer = alloc_zero(1, sizeof(*factory->timer));
	uv_timer_init(factory->loop, factory->timer);
	factory->timer->data = factory;
	connect_engine(factory);
}
