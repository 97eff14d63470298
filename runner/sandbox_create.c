/*
 * From nothing to a container that waits: image, folder, create, inspect and
 * compare, start, hello. Each step begins the next; the first that fails ends
 * it.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "policy/network.h"
#include "runner/sandbox_folder.h"
#include "runner/sandbox_state.h"

/* From the start of the container to task-init's hello. */
#define READY_WITHIN_MS 60000
/* Whether the container still runs, which task-init's silence hides. */
#define LOOK_EACH_MS 1000

static void
fail_engine(struct sandbox *sandbox, const struct err *err)
{
	if (err->code == ERR_UNAVAILABLE) {
		sandbox->end.retry = true;
		sandbox_factory_doubt(sandbox->factory, err);
	}
	sandbox_fail(sandbox, SANDBOX_FAILURE_ENGINE, err->detail);
}

static void
fail_late(struct sandbox *sandbox)
{
	sandbox_fail(sandbox, SANDBOX_FAILURE_ENGINE,
	    "the container was started, but task-init did not report in time");
}

static void look_after(struct sandbox *sandbox);

static void
on_looked_after(void *arg, json_t *answer, const struct err *err)
{
	struct sandbox *sandbox = arg;
	const json_t *state = json_object_get(answer, "State");

	(void)err;
	sandbox->call = NULL;
	if (sandbox->state != SANDBOX_AWAITED)
		return;
	if (json_is_false(json_object_get(state, "Running"))) {
		sandbox->end.retry = true;
		sandbox_fail(sandbox, SANDBOX_FAILURE_ENGINE,
		    "the container ended before task-init reported");
	} else if (clock_boot_ms() >= sandbox->deadline_ms) {
		fail_late(sandbox);
	} else {
		sandbox_expect(sandbox, LOOK_EACH_MS, look_after);
	}
}

static void
look_after(struct sandbox *sandbox)
{
	struct engine_done done = {on_looked_after, sandbox};

	sandbox->call =
	    engine_inspect(sandbox->factory->engine, sandbox->container, done);
}

/* What the engine says of a failed start matters; that it has succeeded,
 * task-init has mostly said long before. */
static void
on_started(void *arg, json_t *answer, const struct err *err)
{
	struct sandbox *sandbox = arg;

	sandbox->start_call = NULL;
	if (sandbox->state != SANDBOX_AWAITED)
		return;
	if (answer == NULL)
		fail_engine(sandbox, err);
	else
		sandbox_expect(sandbox, LOOK_EACH_MS, look_after);
}

/* What is not needed again: with the profile's text in it, it is large. */
static void
drop_body(struct sandbox *sandbox)
{
	sandbox->mounts = json_incref(json_object_get(
	    json_object_get(sandbox->body, "HostConfig"), "Mounts"));
	json_decref(take(sandbox->body));
}

static void
start_container(struct sandbox *sandbox)
{
	struct engine_done done = {on_started, sandbox};

	drop_body(sandbox);
	sandbox->state = SANDBOX_AWAITED;
	sandbox->deadline_ms = clock_boot_ms() + READY_WITHIN_MS;
	sandbox_expect(sandbox, READY_WITHIN_MS, fail_late);
	sandbox->start_call =
	    engine_start(sandbox->factory->engine, sandbox->container, done);
}

/* Security page, requirement 20. */
static void
on_inspected(void *arg, json_t *answer, const struct err *err)
{
	struct sandbox *sandbox = arg;
	struct err failure;

	sandbox->call = NULL;
	if (answer == NULL)
		fail_engine(sandbox, err);
	else if (template_check(sandbox->body, sandbox->found->image.id, answer,
		     &failure) != 0)
		fail_engine(sandbox, &failure);
	else
		start_container(sandbox);
}

static bool
is_container_id(const char *id)
{
	return id != NULL && strlen(id) == 64 &&
	    strspn(id, "0123456789abcdef") == 64;
}

static void
on_created(void *arg, json_t *answer, const struct err *err)
{
	struct sandbox *sandbox = arg;
	struct engine_done done = {on_inspected, sandbox};
	const char *id = json_string_value(json_object_get(answer, "Id"));

	sandbox->call = NULL;
	if (answer == NULL) {
		fail_engine(sandbox, err);
		return;
	}
	if (!is_container_id(id)) {
		sandbox_fail(sandbox, SANDBOX_FAILURE_ENGINE,
		    "the engine gives no proper id for the container");
		return;
	}
	sandbox->container = alloc_string(id);
	sandbox->made_ms = clock_boot_ms();
	sandbox->call =
	    engine_inspect(sandbox->factory->engine, sandbox->container, done);
}

static int
compose(struct sandbox *sandbox, struct err *err)
{
	const struct sandbox_factory *factory = sandbox->factory;
	auto_free char *folder =
	    alloc_printf("%s/%s", factory->directory, sandbox->id);
	struct template_input input = {
	    .image = &sandbox->found->image,
	    .runner = factory->runner_id,
	    .sandbox = sandbox->id,
	    .uid = sandbox->uid,
	    .gid = sandbox->gid,
	    .limits = sandbox->limits,
	    .network = sandbox->network,
	    .mounts = &sandbox->asked,
	    .has_secrets = sandbox->has_secrets,
	    .seccomp = factory->seccomp,
	    .init_path = factory->init_path,
	    .control_folder = folder,
	    .hosts_path = factory->hosts_path,
	    .processors = factory->processors,
	};

	return template_compose(&input, &sandbox->body, err);
}

static int
open_control(struct sandbox *sandbox, struct err *err)
{
	int listener;

	if (sandbox_folder_make(
		sandbox->factory->directory, sandbox->id, &listener, err) != 0)
		return -1;
	sandbox_listen_take(sandbox, listener, 0);
	return 0;
}

static void
make_container(struct sandbox *sandbox)
{
	struct engine_done done = {on_created, sandbox};
	struct err err;

	if (sandbox_mounts_open(sandbox, &err) != 0) {
		sandbox_fail(sandbox, SANDBOX_FAILURE_MOUNT, err.detail);
		return;
	}
	if (compose(sandbox, &err) != 0 || open_control(sandbox, &err) != 0) {
		fail_engine(sandbox, &err);
		return;
	}
	/* Named after the sandbox: whatever becomes of the call, what bears
	 * this name is ours to remove. */
	sandbox->name = alloc_printf("taskgate-%s", sandbox->id);
	sandbox->call = engine_create(
	    sandbox->factory->engine, sandbox->name, sandbox->body, done);
}

static void
fail_network(struct sandbox *sandbox, const struct err *err)
{
	auto_free char *detail = err->code == ERR_NOT_FOUND
	    ? alloc_printf("there is no network \"%s\"; the operator has to "
			   "make it",
		  sandbox->network)
	    : alloc_printf("network \"%s\": %s", sandbox->network, err->detail);

	sandbox_fail(sandbox, SANDBOX_FAILURE_NETWORK, detail);
}

static void
on_network(void *arg, json_t *answer, const struct err *err)
{
	struct sandbox *sandbox = arg;
	struct err failure;

	sandbox->call = NULL;
	if (answer == NULL && err->code == ERR_NOT_FOUND)
		fail_network(sandbox, err);
	else if (answer == NULL)
		fail_engine(sandbox, err);
	else if (template_network_check(answer, sandbox->network, &failure) !=
	    0)
		fail_network(sandbox, &failure);
	else
		make_container(sandbox);
}

static void
create_container(struct sandbox *sandbox)
{
	struct engine_done done = {on_network, sandbox};
	struct err err;

	if (sandbox->network == NULL) {
		make_container(sandbox);
	} else if (!network_name_is_valid(sandbox->network)) {
		err_set(
		    &err, ERR_UNPROCESSABLE, "not one that a task may have");
		fail_network(sandbox, &err);
	} else {
		sandbox->call = engine_inspect_network(
		    sandbox->factory->engine, sandbox->network, done);
	}
}

static void
fail_image(struct sandbox *sandbox, const struct err *err)
{
	auto_free char *detail = err->code == ERR_NOT_FOUND
	    ? alloc_printf("there is no image \"%s\" here; the operator can "
			   "pull, load or import it (nothing is pulled for a "
			   "task)",
		  sandbox->image)
	    : alloc_printf("image \"%s\": %s", sandbox->image, err->detail);

	sandbox_fail(sandbox, SANDBOX_FAILURE_IMAGE, detail);
}

static void
on_image(void *arg, json_t *answer, const struct err *err)
{
	struct sandbox *sandbox = arg;
	struct template_image image;
	struct err failure;

	sandbox->call = NULL;
	if (answer == NULL && err->code == ERR_NOT_FOUND) {
		fail_image(sandbox, err);
	} else if (answer == NULL) {
		fail_engine(sandbox, err);
	} else if (template_image_read(
		       answer, sandbox->image, &image, &failure) != 0) {
		fail_image(sandbox, &failure);
	} else {
		sandbox->found =
		    sandbox_image_get_take(&sandbox->factory->images, &image);
		sandbox->image_found(sandbox);
	}
}

/* An image that came from no registry has no repository digest; its id serves
 * as one in NAME@sha256:... */
static void
on_image_by_name(void *arg, json_t *answer, const struct err *err)
{
	struct sandbox *sandbox = arg;
	const char *digest = strstr(sandbox->image, "@sha256:");
	struct engine_done done = {on_image, sandbox};

	if (answer != NULL || err->code != ERR_NOT_FOUND || digest == NULL) {
		on_image(sandbox, answer, err);
		return;
	}
	sandbox->call =
	    engine_inspect_image(sandbox->factory->engine, digest + 1, done);
}

void
sandbox_create_find_image(
    struct sandbox *sandbox, void (*found)(struct sandbox *sandbox))
{
	struct engine_done done = {on_image_by_name, sandbox};

	sandbox->image_found = found;
	sandbox->call = engine_inspect_image(
	    sandbox->factory->engine, sandbox->image, done);
}

void
sandbox_create_begin(struct sandbox *sandbox)
{
	if (!engine_is_agreed(sandbox->factory->engine)) {
		sandbox->end.retry = true;
		sandbox_fail(sandbox, SANDBOX_FAILURE_ENGINE,
		    sandbox->factory->told ? sandbox->factory->reason
					   : "the engine is not connected yet");
		return;
	}
	if (!template_image_name_is_valid(sandbox->image)) {
		sandbox_fail(sandbox, SANDBOX_FAILURE_IMAGE,
		    "this is not the name of an image");
		return;
	}
	sandbox_create_find_image(sandbox, create_container);
}
