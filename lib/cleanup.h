/*
 * Ownership by scope: a variable marked with one of these gives back what it
 * holds when it goes out of scope. take() hands the value over and leaves
 * the variable empty. No function of ours uses goto to clean up.
 */
#ifndef LIB_CLEANUP_H
#define LIB_CLEANUP_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* `unused`: some variables do nothing but own. */
#define AUTO(fn) __attribute__((cleanup(fn), unused))

static inline void
cleanup_free(void *p)
{
	free(*(void **)p);
}

static inline void
cleanup_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void
cleanup_file(FILE **file)
{
	if (*file != NULL)
		fclose(*file);
}

/* The variable must be initialised where it is declared: NULL, or -1. */
#define auto_free AUTO(cleanup_free)
#define auto_fd AUTO(cleanup_fd)
#define auto_file AUTO(cleanup_file)

#define take(pointer)                                   \
	(__extension__({                                \
		__typeof__(pointer) taken_ = (pointer); \
		(pointer) = NULL;                       \
		taken_;                                 \
	}))

#define take_fd(fd)                \
	(__extension__({           \
		int taken_ = (fd); \
		(fd) = -1;         \
		taken_;            \
	}))

/*
 * DEFINE_CLEANUP(struct thing, thing_free) makes thing_freep for
 * AUTO(thing_freep) struct thing *t = NULL;
 */
#define DEFINE_CLEANUP(type, fn)           \
	static inline void fn##p(type **p) \
	{                                  \
		if (*p != NULL)            \
			fn(*p);            \
	}                                  \
	struct fn##p_is_defined

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#endif
