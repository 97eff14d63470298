/*
 * records FOLDER ROUNDS: how many durable audit records a second the store
 * takes, handed in one, 64 and 256 at a time, turn about, in a store in FOLDER.
 * One JSON object: records a second of each, the median of the rounds, and how
 * many a transaction had in the mean; and of single ones the 99th percentile,
 * beside that of an fsync of the same disk, each after a single record, in
 * nanoseconds.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "runner/audit.h"
#include "runner/store.h"
#include "tests/bench/timing.h"

#define ROUNDS_MAX 1000
#define SINGLES 100 /* of a round */
#define BATCHED 4096
#define SLICE 4096 /* what an fsync has to write, over what is there */

struct measure {
	uv_loop_t loop;
	struct store *store;
	int file; /* to be synced */
	int64_t single[ROUNDS_MAX * SINGLES], sync[ROUNDS_MAX * SINGLES];
	size_t singles;
};

struct append {
	struct store_op op;
	struct audit_entry *entry;
};

/* -- records, as of a task that was accepted */

static int
run_append(struct store_op *op, struct database *database, struct err *err)
{
	return audit_append(database, ((struct append *)op)->entry, err);
}

static void
append_done(struct store_op *op, const struct err *err)
{
	struct append *append = (struct append *)op;

	if (err != NULL)
		die("records: %s", err->detail);
	audit_entry_free(append->entry);
	free(append);
}

static struct audit_entry *
make_entry(void)
{
	struct audit_entry *entry =
	    audit_entry_new(EVENT_TASK_ACCEPTED, clock_wall_ms(),
		"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f0"
		"0a08");
	char task[UUID_TEXT];

	uuid_make(entry->wall_ms, task);
	entry->principal = json_pack("{s:s, s:s, s:s}", "address", "192.0.2.10",
	    "subject", "alice", "thumbprint",
	    "hV7BzZTSN6qPcLmJ0aQd3hYkWm1xEo9rUu2tGfKsXyA");
	entry->object = json_pack("{s:s}", "task", task);
	entry->rule = alloc_string("demo");
	entry->untrusted = json_pack("{s:s, s:[s, s]}", "image",
	    "registry.example.org/tools/lint:2026.1", "args", "convert",
	    "in.png");
	return entry;
}

/* One transaction. */
static void
submit(struct measure *measure, size_t records)
{
	for (size_t i = 0; i < records; i++) {
		struct append *append = alloc_zero(1, sizeof(*append));

		append->op =
		    (struct store_op){.run = run_append, .done = append_done};
		append->entry = make_entry();
		store_submit(measure->store, &append->op);
	}
}

static void
settle(struct measure *measure, size_t pending)
{
	while (store_pending(measure->store) > pending)
		uv_run(&measure->loop, UV_RUN_ONCE);
}

/* -- rounds */

static void
sync_once(struct measure *measure)
{
	uint8_t slice[SLICE];

	random_bytes(slice, sizeof(slice));
	if (pwrite(measure->file, slice, sizeof(slice), 0) != SLICE ||
	    fdatasync(measure->file) != 0)
		die("records: fsync: %s", strerror(errno));
}

static double
run_singles(struct measure *measure)
{
	int64_t whole = 0;

	/* What those of before left to do behind their answers is not its. */
	submit(measure, 1);
	settle(measure, 0);
	for (size_t i = 0; i < SINGLES; i++) {
		int64_t begin = now_ns(), end;

		submit(measure, 1);
		settle(measure, 0);
		end = now_ns();
		whole += end - begin;
		measure->single[measure->singles] = end - begin;
		begin = now_ns();
		sync_once(measure);
		measure->sync[measure->singles++] = now_ns() - begin;
	}
	return SINGLES * 1e9 / (double)whole;
}

/* One is being written while the next one gathers. *commits: how many there
 * were; where the store's thread is late it takes two for one. */
static double
run_batches(struct measure *measure, size_t size, uint64_t *commits)
{
	uint64_t before = store_commits(measure->store);
	int64_t begin = now_ns();

	for (size_t i = 0; i < BATCHED / size; i++) {
		submit(measure, size);
		uv_run(&measure->loop, UV_RUN_NOWAIT);
		settle(measure, size);
	}
	settle(measure, 0);
	*commits += store_commits(measure->store) - before;
	return BATCHED * 1e9 / (double)(now_ns() - begin);
}

/* -- results */

static int
compare_rates(const void *a, const void *b)
{
	double one = *(const double *)a, other = *(const double *)b;

	return (one > other) - (one < other);
}

static double
median(double *rates, size_t count)
{
	qsort(rates, count, sizeof(*rates), compare_rates);
	return rates[count / 2];
}

static void
run(struct measure *measure, size_t rounds)
{
	double one[ROUNDS_MAX], few[ROUNDS_MAX], many[ROUNDS_MAX];
	double records = (double)(BATCHED * (rounds + 1));
	uint64_t few_commits = 0, many_commits = 0;

	/* The first does not count. */
	for (size_t i = 0; i <= rounds; i++) {
		size_t at = i == 0 ? 0 : i - 1;

		if (i == 1)
			measure->singles = 0;
		one[at] = run_singles(measure);
		few[at] = run_batches(measure, 64, &few_commits);
		many[at] = run_batches(measure, 256, &many_commits);
	}
	printf("{\"single\": %.1f, \"batch_64\": %.1f, \"batch_256\": %.1f, "
	       "\"mean_64\": %.1f, \"mean_256\": %.1f, "
	       "\"single_late\": %" PRId64 ", \"sync_late\": %" PRId64 "}\n",
	    median(one, rounds), median(few, rounds), median(many, rounds),
	    records / (double)few_commits, records / (double)many_commits,
	    percentile(measure->single, measure->singles, 99),
	    percentile(measure->sync, measure->singles, 99));
}

static void
on_changed(void *arg)
{
	(void)arg;
}

int
main(int argc, char **argv)
{
	static struct measure measure;
	struct store_signer signer = {
	    EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), "example.com/log"};
	int rounds = argc == 3 ? atoi(argv[2]) : 0;
	struct err err;

	if (rounds < 1 || rounds > ROUNDS_MAX || signer.key == NULL)
		die("usage: records FOLDER ROUNDS");
	auto_free char *path = alloc_printf("%s/store.db", argv[1]);
	auto_free char *beside = alloc_printf("%s/beside", argv[1]);
	measure.file = open(beside, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (measure.file < 0 || uv_loop_init(&measure.loop) != 0)
		die("records: %s: %s", beside, strerror(errno));
	measure.store =
	    store_open(&measure.loop, path, &signer, on_changed, NULL, &err);
	if (measure.store == NULL)
		die("records: %s", err.detail);
	run(&measure, (size_t)rounds);
	store_close(measure.store);
	uv_run(&measure.loop, UV_RUN_DEFAULT);
	close(measure.file);
	EVP_PKEY_free(signer.key);
	return uv_loop_close(&measure.loop) == 0 ? 0 : 1;
}
