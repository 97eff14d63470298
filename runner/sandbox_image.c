/* Counted, and found by id: an id is the hash of what we read of an image. */
#include "runner/sandbox_image.h"

#include <stdlib.h>
#include <string.h>

#include "lib/alloc.h"

static struct sandbox_image *
add(struct sandbox_image **list, struct template_image *image)
{
	struct sandbox_image *new = alloc_zero(1, sizeof(*new));

	new->image = *image;
	new->next = *list;
	new->link = list;
	if (new->next != NULL)
		new->next->link = &new->next;
	*list = new;
	return new;
}

struct sandbox_image *
sandbox_image_get_take(
    struct sandbox_image **list, struct template_image *image)
{
	struct sandbox_image *found = *list;

	while (found != NULL && strcmp(found->image.id, image->id) != 0)
		found = found->next;
	if (found != NULL)
		template_image_done(image);
	else
		found = add(list, image);
	found->users++;
	return found;
}

void
sandbox_image_detach(struct sandbox_image *image)
{
	if (image->link == NULL)
		return;
	*image->link = image->next;
	if (image->next != NULL)
		image->next->link = image->link;
	image->link = NULL;
}

void
sandbox_image_put(struct sandbox_image *image)
{
	if (image == NULL || --image->users > 0)
		return;
	sandbox_image_detach(image);
	template_image_done(&image->image);
	free(image);
}
