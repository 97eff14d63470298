/*
 * The closed template: every byte of what the engine is asked to create is
 * composed here, from what policy granted, the image's own inspection and
 * constants. What has no field here cannot be asked for. Pure: no I/O, no
 * clock.
 *
 * And the way back: what the engine says that it made is compared with what
 * was asked for, member by member, before anything is started.
 */
#ifndef RUNNER_TEMPLATE_H
#define RUNNER_TEMPLATE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/buffer.h"
#include "lib/err.h"
#include "policy/mount.h"
#include "policy/request.h"

/* Labels of every container of ours. */
#define TEMPLATE_LABEL_RUNNER "taskgate.runner"
#define TEMPLATE_LABEL_SANDBOX "taskgate.sandbox"

/* The one name that a task sees of its machine. */
#define TEMPLATE_HOSTNAME "task"
#define TEMPLATE_HOSTS                                 \
	"127.0.0.1\tlocalhost " TEMPLATE_HOSTNAME "\n" \
	"::1\tlocalhost ip6-localhost ip6-loopback\n"

#define TEMPLATE_VOLUMES_MAX 16

/* What an image brings along. Strings and values are borrowed from `json`. */
struct template_image {
	json_t *json; /* of the inspection what stands here; owned */
	const char *id; /* "sha256:" and 64 digits */
	const json_t *entrypoint, *command; /* arrays of strings, or NULL */
	const json_t *environment;
	const json_t *volumes; /* an object whose keys are paths, or NULL */
	const char *folder; /* WORKDIR; "" where there is none */
};

/* Characters and length of a name that the engine may be asked about. */
bool template_image_name_is_valid(const char *name);

/*
 * Reads the inspection of the image that the engine found under `name`.
 * ERR_NOT_FOUND: it found another one (the engine also takes the beginning
 * of an id for a name). ERR_UNPROCESSABLE: not an image that we can run.
 */
int template_image_read(json_t *inspection, const char *name,
    struct template_image *ret, struct err *err);
void template_image_done(struct template_image *image);

struct template_input {
	const struct template_image *image;
	const char *runner, *sandbox; /* ids */
	int64_t uid, gid;
	const int64_t *limits; /* by enum limit */
	const char *network; /* NULL: none */
	const struct mounts *mounts; /* of the rule; NULL: none */
	bool has_secrets; /* a tmpfs for them */
	const char *seccomp; /* the profile's text */
	const char *init_path, *control_folder, *hosts_path; /* on the host */
	int64_t processors; /* of the host: more of them is refused */
};

/* ERR_UNPROCESSABLE: a network that is not a named one, or a mount that the
 * image has a VOLUME in. The caller owns
 * *ret. */
int template_compose(
    const struct template_input *input, json_t **ret, struct err *err);

/*
 * Reads the inspection of a network that the engine found under `name`.
 * ERR_NOT_FOUND: it found another one (the engine also takes the beginning of
 * an id for a name). ERR_UNPROCESSABLE: it leads into the host's own network,
 * or is none that a container can be in.
 */
int template_network_check(
    const json_t *inspection, const char *name, struct err *err);

/* Of the description what engine_update() changes: memory, CPUs, PIDs. The
 * caller owns it. */
json_t *template_limits(const int64_t *limits, int64_t processors);
/* As template_check() below, of those members alone. */
int template_check_limits(
    const json_t *asked, const json_t *inspection, struct err *err);

/* ERR_CONFLICT with the member's path: what the engine made is not what it
 * was asked for. */
int template_check(const json_t *asked, const char *image_id,
    const json_t *inspection, struct err *err);

/* The body of task-init's order (runner/control.h): the image's ENTRYPOINT
 * with `args` or its CMD; the usual variables, the image's, then `env`.
 * file_max: the most bytes of an
 * output's file. ERR_UNPROCESSABLE: no command, or too much of it. */
struct sandbox_command;
int template_order_encode(const struct template_image *image,
    const struct sandbox_command *command, uint64_t file_max,
    struct buffer *ret, struct err *err);
/* The first argument of such an order; "" where there is none. */
const char *template_order_program(
    const struct template_image *image, const struct sandbox_command *command);

#endif
