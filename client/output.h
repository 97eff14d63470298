/*
 * A task's output as members of its document.
 */
#ifndef CLIENT_OUTPUT_H
#define CLIENT_OUTPUT_H

#include <jansson.h>

#include "client/sink.h"

/* Of each stream, in memory; what is beyond it is not fetched. */
#define OUTPUT_KEPT_MAX (64 * 1024 * 1024)

/*
 * What the sink kept becomes `name` as text, or `name`_base64 where it is not
 * UTF-8 or holds a NUL; whatever stood there under either is replaced.
 * `name`_cut is true where more came than was kept.
 */
void output_add(json_t *document, const char *name, const struct sink *sink);

#endif
