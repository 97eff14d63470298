/*
 * What a record of the audit log tells, as a sentence of plain English. Pure.
 * What a stranger wrote is in it as it was written: whoever shows it, escapes.
 */
#ifndef LIB_AUDIT_STORY_H
#define LIB_AUDIT_STORY_H

#include <jansson.h>

/* The caller frees. */
char *audit_story_tell(const json_t *record);

#endif
