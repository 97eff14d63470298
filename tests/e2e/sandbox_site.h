/*
 * What tests of sandboxes share: an engine, an image, a factory, and a record
 * of what one sandbox did.
 */
#ifndef TESTS_E2E_SANDBOX_SITE_H
#define TESTS_E2E_SANDBOX_SITE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/buffer.h"
#include "lib/cleanup.h"
#include "runner/sandbox.h"

#define IMAGE "taskgate-test/sandbox"
#define TASK_UID 61234
#define DEADLINE_MS 60000

extern struct site {
	uv_loop_t loop;
	uv_timer_t alarm;
	char *folder;
	char *runner_id;
	char *engine; /* "unix:///..." */
	struct sandbox_factory *factory;
	bool ready;
	char reason[ERR_DETAIL_MAX];
} site;

/* What one is made of, and what runs in it. */
struct site_order {
	struct sandbox_spec spec;
	struct sandbox_command command;
};

#define RECORD_FILES 8

/* What one sandbox did. */
struct record {
	struct sandbox *sandbox;
	struct sandbox_command command; /* its args and env are copies */
	bool ready, started, ended;
	char container[65];
	char image_id[80];
	char id[UUID_TEXT];
	pid_t init_pid;
	struct buffer output[STREAM_COUNT];
	uint64_t before[STREAM_COUNT]; /* in lives before */
	struct sandbox_end end;
	/* Standard input: given as there is room for it, then ended. */
	const char *input;
	size_t input_len, input_at;
	bool input_open; /* not to be ended yet */
	bool input_closed; /* by the task */
	uint64_t taken;
	/* The outputs' files. */
	bool exited;
	struct {
		struct buffer bytes;
		enum sandbox_file status;
		uint64_t size;
	} files[RECORD_FILES];
	uint32_t nfiles; /* that have ended */
	/* Called on the event, for tests that act then; without on_ready the
	 * order is given at once. */
	void (*on_ready)(struct record *record);
	void (*on_started)(struct record *record);
	void (*on_output)(struct record *record);
	void (*on_exited)(struct record *record);
};
extern const struct sandbox_events record_events;

void site_finish(struct record *record);
#define RECORD            \
	AUTO(site_finish) \
	struct record

void site_alarm(uv_timer_t *timer);
/* Turns the loop until the condition holds. */
#define UNTIL(condition)                                                 \
	do {                                                             \
		uv_timer_start(&site.alarm, site_alarm, DEADLINE_MS, 0); \
		while (!(condition))                                     \
			uv_run(&site.loop, UV_RUN_ONCE);                 \
		uv_timer_stop(&site.alarm);                              \
	} while (0)

/* Group set-up and tear-down: the engine that TASKGATE_TEST_ENGINE names. */
int site_set_up(void **state);
int site_tear_down(void **state);
/* A factory with the site's runner id in the site's folder; `ready` is noted
 * and not waited for. */
void site_make_factory(const char *engine);
void site_make_factory_keeping(
    const char *engine, const struct sandbox_saved *keep, size_t nkeep);
char *site_path(const char *name);
/* Runs a shell command that must succeed. */
void
site_command(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* What one prints; the caller frees. */
char *site_command_output(const char *format, ...)
    __attribute__((format(printf, 1, 2)));
/* Containers with our runner's label, by the engine's own word. */
size_t site_count_containers(void);
size_t site_count_folders(void);

void site_default_order(struct site_order *ret);
/* Gives the order that the record holds. */
void site_start(struct record *record);
void site_launch(struct record *record, const struct site_order *order);
void site_launch_shell(struct record *record, const char *script);
/* One that is ready already, and whose events went elsewhere. */
void site_take(struct record *record, struct sandbox *sandbox,
    const struct site_order *order);
/* What a later life has to know, and that life. */
void site_save(const struct record *record, struct sandbox_saved *ret);
void site_adopt(struct record *record, const struct sandbox_saved *saved);
/* As site_launch(), and waits for the end. */
void site_run(struct record *record, const struct site_order *order);
void site_run_shell(struct record *record, const char *script);
/* Never NULL. */
const char *site_text(const struct record *record, enum stream stream);

#endif
