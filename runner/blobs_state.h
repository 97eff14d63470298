/*
 * What blobs.c and blob_writer.c share.
 */
#ifndef RUNNER_BLOBS_STATE_H
#define RUNNER_BLOBS_STATE_H

#include "runner/blob_file.h"
#include "runner/blob_store.h"
#include "runner/blobs.h"
#include "runner/table.h"

/* A subject that has blobs, or is sending one. */
struct blob_account {
	char subject[SUBJECT_MAX + 1];
	int64_t bytes; /* as counted: stored, and held for uploads */
	size_t uploads;
};

struct blobs {
	uv_loop_t *loop;
	struct store *store;
	struct output_store *outputs;
	struct blobs_bounds bounds;
	int directory, tmp; /* descriptors */
	struct table accounts;
	int64_t bytes; /* of all accounts */
	size_t uploads;
	bool ready; /* the accounts are known */
	bool closed;
	uv_timer_t timer;
	bool timer_closed;
	unsigned users; /* of *blobs: operations and work under way */
	char (*leftovers)[SHA256_HEX]; /* of an earlier life */
	size_t nleftovers;
};

/* How many bytes a blob counts. */
int64_t blob_counted(int64_t size);
/* The subject's, made where there is none; it goes with the last of it. */
struct blob_account *blobs_account(struct blobs *blobs, const char *subject);
void blobs_account_add(
    struct blobs *blobs, struct blob_account *account, int64_t bytes);
void blobs_account_leave(struct blobs *blobs, struct blob_account *account);

/* On the store's thread: 0, and where no row refers to the file any more it is
 * out of the way, under the name "SHA256.gone" in tmp. */
int blobs_set_aside(struct blobs *blobs, struct database *database,
    const char *sha256, struct err *err);
/* Removes what was set aside, off the loop. */
void blobs_remove_set_aside(struct blobs *blobs, const char *sha256);

/* The next look for what has had its time. */
void blobs_sweep(struct blobs *blobs);
void blobs_sweep_in(struct blobs *blobs, uint64_t ms);

void blobs_let_go(struct blobs *blobs);

#endif
