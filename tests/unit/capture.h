/* What a function writes to standard output and standard error. */
#ifndef TESTS_UNIT_CAPTURE_H
#define TESTS_UNIT_CAPTURE_H

struct capture {
	int result;
	char *out; /* owned, each with a NUL behind it */
	char *err;
};

struct capture capture_run(int (*run)(void *arg), void *arg);
void capture_done(struct capture *capture);

#endif
