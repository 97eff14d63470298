/*
 * The corpus of a parser: tests/corpus/PARSER/{accept,reject}/CASE/, each case
 * a folder of files.
 */
#ifndef TESTS_UNIT_CORPUS_H
#define TESTS_UNIT_CORPUS_H

#include <stddef.h>

struct corpus_case {
	const char *name; /* PARSER/VERDICT/CASE, for messages */
	const char *folder; /* its path */
};

/* Calls `visit` for each case in the order of their names and fails the test
 * when there is none. */
void corpus_each(const char *parser, const char *verdict,
    void (*visit)(const struct corpus_case *one));
/* A file of the case with a NUL behind it; fails the test when it cannot be
 * read. The caller frees; ret_len may be NULL. */
char *
corpus_read(const struct corpus_case *one, const char *file, size_t *ret_len);

#endif
