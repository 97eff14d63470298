/*
 * The real task-init as PID 1 of namespaces of its own, with the machine's
 * programs and a /tmp of its own, and a runner's end of its control socket
 * that does as a test says. Whatever waits here has a deadline, and what goes
 * wrong fails the test. Needs root, as containers do.
 */
#ifndef TESTS_UNIT_INIT_SITE_H
#define TESTS_UNIT_INIT_SITE_H

#include <sys/types.h>

#include "lib/buffer.h"
#include "lib/cleanup.h"
#include "runner/control.h"

#define INIT_SITE_WITHIN_MS 30000

struct init_file {
	struct buffer data;
	bool ended;
	uint32_t status;
	uint64_t size;
};

struct init_site {
	/* Set before init_site_start(), where the default does not do. */
	const char *tmp_size; /* of the tmpfs, as mount(8) writes it */
	/* Called as root in the new /tmp. */
	void (*prepare)(void);
	bool deaf; /* output is not acknowledged by itself */

	char *folder;
	int listener, link;
	pid_t pid; /* as it is seen here */
	/* What was said, the newest. */
	struct control_hello hello;
	bool started, failed, exited;
	struct {
		uint32_t stage, index;
		int errnum;
	} failure;
	struct buffer output[CONTROL_STREAMS]; /* from the first byte on */
	uint64_t acknowledged[CONTROL_STREAMS];
	uint64_t taken;
	bool closed;
	unsigned times_taken; /* how often it was said */
	struct control_exit exit;
	struct init_file files[CONTROL_FILES_MAX];
};

struct init_order {
	const char *const *args; /* ends with NULL */
	bool has_stdin;
	const char *const *inputs; /* ends with NULL; or NULL */
	const int *fds; /* one for each */
	const char *const *outputs;
	const char *const *secrets; /* as inputs */
	const int *secret_fds;
	size_t nfds; /* only so many of these are sent; 0: each */
	uint64_t file_max, deadline_s; /* 0: large */
};

/* Starts it and takes its first hello. */
void init_site_start(struct init_site *site);
void init_site_stop(struct init_site *site);
#define INIT_SITE AUTO(init_site_stop) struct init_site

void init_site_order(struct init_site *site, const struct init_order *order);
/* `script` by /bin/sh, and nothing else of an order. */
void init_site_shell(struct init_site *site, const char *script);
/* A frame with these bytes behind its head. */
void init_site_send(struct init_site *site, const struct control_frame *frame,
    const void *data, size_t len);
void
init_site_acknowledge(struct init_site *site, uint32_t stream, uint64_t offset);
void
init_site_signal(struct init_site *site, enum control_scope scope, int number);
void init_site_input(
    struct init_site *site, uint64_t offset, const void *data, size_t len);
void init_site_input_end(struct init_site *site, uint64_t length);
void init_site_collect(struct init_site *site, uint32_t index, uint64_t offset);
void init_site_resume(struct init_site *site, uint64_t first, uint64_t second);

/* Waits for one frame and takes note of it. */
enum control_type init_site_next(struct init_site *site);
void init_site_until(struct init_site *site, enum control_type type);
/* True: a frame, or the end of the connection, comes within this time. */
bool init_site_hears(struct init_site *site, int within_ms);
/* Reads to the connection's end, which is task-init's doing. */
void init_site_expect_end_of_link(struct init_site *site);

/* The runner goes: the connection alone, or the socket with it. */
void init_site_hang_up(struct init_site *site);
void init_site_leave(struct init_site *site);
/* A new runner listens, under another name first. */
void init_site_return(struct init_site *site);
/* task-init connects and says hello. */
void init_site_accept(struct init_site *site);

/* It ends by itself; its exit status as wait(2) gives it. */
int init_site_wait(struct init_site *site);
/* Somebody but task-init lives in there: whoever has no parent there is its
 * child. */
bool init_site_has_processes(const struct init_site *site);
/* A number of /proc/PID/status in KiB; 0: not there. */
unsigned long init_site_memory(const struct init_site *site, const char *what);

#endif
