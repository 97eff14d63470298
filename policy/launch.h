/*
 * What runs, where that is not what the request says: the image and the
 * arguments of a named task, an entry point of the rule's. It is granted with a
 * task and kept with it, as JSON:
 *
 *	{"image": "tools/resize:1", "args": ["--width=300"],
 *	 "entrypoint": ["/bin/resize"]}
 *
 * Each member may be absent; a launch without any is NULL.
 */
#ifndef POLICY_LAUNCH_H
#define POLICY_LAUNCH_H

#include "policy/request.h"

/* What the engine is asked for; borrowed from either. */
const char *launch_image(const json_t *launch, const struct request *request);
/* The caller frees the array, whose strings are borrowed. */
const char **launch_args(
    const json_t *launch, const struct request *request, size_t *ret_count);
/* The same; NULL: the image's own ENTRYPOINT. */
const char **launch_entrypoint(const json_t *launch, size_t *ret_count);
/* False: not what was written here. */
bool launch_is_valid(const json_t *launch);

#endif
