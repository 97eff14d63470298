/*
 * An image as its sandboxes see it: one for all that are made of it, gone with
 * the last.
 */
#ifndef RUNNER_SANDBOX_IMAGE_H
#define RUNNER_SANDBOX_IMAGE_H

#include <stddef.h>

#include "runner/template.h"

struct sandbox_image {
	struct sandbox_image *next, **link; /* link is NULL: in no list */
	size_t users;
	struct template_image image;
};

/* The one of this id in the list, where a new one is put otherwise. Takes the
 * image over. */
struct sandbox_image *sandbox_image_get_take(
    struct sandbox_image **list, struct template_image *image);
/* It may be NULL. */
void sandbox_image_put(struct sandbox_image *image);
/* Out of the list, whatever uses it still. */
void sandbox_image_detach(struct sandbox_image *image);

#endif
