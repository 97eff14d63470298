/*
 * Names of images, read so strictly that two that mean the same image to us
 * are the same bytes, and that the engine cannot take one for something else.
 *
 *	demo/busybox              is demo/busybox:latest
 *	demo/busybox:1.36
 *	demo/busybox@sha256:<64>  a repository digest
 *	sha256:<64>               an image id
 *
 * Nothing else is filled in: busybox is not docker.io/library/busybox, because
 * a rule can only allow, and what it does not name is denied. A name that has
 * both tag and digest is refused (the engine would not look at the tag), as is
 * one without either that could be the beginning of an image id.
 */
#ifndef POLICY_IMAGE_H
#define POLICY_IMAGE_H

#include <stdbool.h>
#include <stddef.h>

#define IMAGE_MAX 255 /* bytes, with tag or digest */
#define IMAGE_REFERENCE (IMAGE_MAX + 1)

enum image_kind { IMAGE_TAG, IMAGE_DIGEST, IMAGE_ID };

/* NULL, or why it is not the name of an image; nothing is written then. */
const char *image_read(
    const char *text, char ret[IMAGE_REFERENCE], enum image_kind *ret_kind);

/* How else the image of a name can be written that means its tag "latest":
 * "demo" for "demo:latest", and the other way round. False: it is no such name;
 * *ret is of no use then. */
bool image_respell(const char *text, char ret[IMAGE_REFERENCE]);

/* Of a reference: bytes of the name without tag or digest; 0 of an id. */
size_t image_name_len(const char *reference);

/* What kind of name a pattern is for, and whether ":latest" belongs behind
 * it: the same rules, read off the pattern's text. */
enum image_kind image_pattern_kind(const char *pattern, bool *ret_add_latest);

#endif
