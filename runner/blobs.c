/*
 * The folder of blobs, what each subject has in it, and how they go again.
 */
#include "runner/blobs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/log.h"
#include "runner/blobs_state.h"
#include "runner/garbage.h"

#define AGAIN_MS 1000

static void on_timer(uv_timer_t *timer);

/* -- accounts */

int64_t
blob_counted(int64_t size)
{
	return size > BLOB_COUNTED_BYTES ? size : BLOB_COUNTED_BYTES;
}

struct blob_account *
blobs_account(struct blobs *blobs, const char *subject)
{
	struct blob_account *account = table_find(&blobs->accounts, subject);

	if (account != NULL)
		return account;
	account = alloc_zero(1, sizeof(*account));
	snprintf(account->subject, sizeof(account->subject), "%s", subject);
	table_add(&blobs->accounts, account->subject, account);
	return account;
}

void
blobs_account_add(
    struct blobs *blobs, struct blob_account *account, int64_t bytes)
{
	account->bytes += bytes;
	blobs->bytes += bytes;
}

void
blobs_account_leave(struct blobs *blobs, struct blob_account *account)
{
	if (account->bytes > 0 || account->uploads > 0)
		return;
	table_remove(&blobs->accounts, account->subject);
	free(account);
}

int64_t
blobs_bytes(const struct blobs *blobs)
{
	return blobs->bytes;
}

/* -- opening */

static int
make_folders(int directory, struct err *err)
{
	bool made = false;

	for (int i = 0; i <= 0x100; i++) {
		char name[8];

		snprintf(name, sizeof(name), i < 0x100 ? "%02x" : "tmp", i);
		if (mkdirat(directory, name, 0700) == 0)
			made = true;
		else if (errno != EEXIST)
			return err_errno(err, "make blobs/%s", name);
	}
	if (made && fsync(directory) != 0)
		return err_errno(err, "sync blobs");
	return 0;
}

static void
note_leftover(struct blobs *blobs, const char *name)
{
	uint8_t bytes[SHA256_BYTES];

	if (strlen(name) < SHA256_HEX - 1 ||
	    !hex_decode(name, SHA256_HEX - 1, bytes, sizeof(bytes)))
		return;
	blobs->leftovers = alloc_resize(
	    blobs->leftovers, blobs->nleftovers + 1, sizeof(*blobs->leftovers));
	snprintf(
	    blobs->leftovers[blobs->nleftovers++], SHA256_HEX, "%.64s", name);
}

/* What was being written, placed or removed when an earlier life ended. Their
 * names go only when the store knows what became of them: load_done(). */
static int
list_leftovers(struct blobs *blobs, struct err *err)
{
	int fd = fcntl(blobs->tmp, F_DUPFD_CLOEXEC, 0);
	DIR *directory = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;

	if (directory == NULL) {
		err_errno(err, "read blobs/tmp");
		if (fd >= 0)
			close(fd);
		return -1;
	}
	rewinddir(directory);
	while ((entry = readdir(directory)) != NULL) {
		if (entry->d_name[0] != '.')
			note_leftover(blobs, entry->d_name);
	}
	closedir(directory);
	return 0;
}

static void
remove_leftovers(struct blobs *blobs)
{
	int fd = fcntl(blobs->tmp, F_DUPFD_CLOEXEC, 0);
	DIR *directory = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;

	if (directory == NULL) {
		if (fd >= 0)
			close(fd);
		return;
	}
	rewinddir(directory);
	while ((entry = readdir(directory)) != NULL) {
		if (entry->d_name[0] != '.')
			(void)unlinkat(blobs->tmp, entry->d_name, 0);
	}
	closedir(directory);
}

static int
open_folders(struct blobs *blobs, const char *path, struct err *err)
{
	if (file_make_directory(path, 0700, err) != 0)
		return -1;
	blobs->directory =
	    open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (blobs->directory < 0)
		return err_errno(err, "open %s", path);
	if (make_folders(blobs->directory, err) != 0)
		return -1;
	blobs->tmp = openat(blobs->directory, "tmp",
	    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (blobs->tmp < 0)
		return err_errno(err, "open %s/tmp", path);
	return list_leftovers(blobs, err);
}

static void
free_blobs(struct blobs *blobs)
{
	for (size_t i = 0; i < blobs->accounts.size; i++) {
		if (table_slot_is_used(&blobs->accounts.slots[i]))
			free(blobs->accounts.slots[i].thing);
	}
	table_done(&blobs->accounts);
	if (blobs->directory >= 0)
		close(blobs->directory);
	if (blobs->tmp >= 0)
		close(blobs->tmp);
	free(blobs->leftovers);
	free(blobs);
}

struct blobs *
blobs_open(uv_loop_t *loop, struct store *store, struct output_store *outputs,
    const char *directory, const struct blobs_bounds *bounds, struct err *err)
{
	struct blobs *blobs = alloc_zero(1, sizeof(*blobs));

	blobs->loop = loop;
	blobs->store = store;
	blobs->outputs = outputs;
	blobs->bounds = *bounds;
	blobs->directory = blobs->tmp = -1;
	table_init(&blobs->accounts);
	if (open_folders(blobs, directory, err) != 0) {
		free_blobs(blobs);
		return NULL;
	}
	if (uv_timer_init(loop, &blobs->timer) != 0 ||
	    uv_timer_start(&blobs->timer, on_timer, 0, 0) != 0)
		die("blobs: libuv gives no timer");
	blobs->timer.data = blobs;
	return blobs;
}

/* -- closing */

void
blobs_let_go(struct blobs *blobs)
{
	blobs->users--;
	if (blobs->timer_closed && blobs->users == 0)
		free_blobs(blobs);
}

static void
on_timer_closed(uv_handle_t *handle)
{
	struct blobs *blobs = handle->data;

	blobs->timer_closed = true;
	if (blobs->users == 0)
		free_blobs(blobs);
}

void
blobs_close(struct blobs *blobs)
{
	blobs->closed = true;
	uv_close((uv_handle_t *)&blobs->timer, on_timer_closed);
}

/* -- what is there at the start */

struct sum {
	char subject[SUBJECT_MAX + 1];
	int64_t bytes;
};

struct load {
	struct store_op op;
	struct blobs *blobs;
	struct sum *sums;
	size_t n, size;
};

static void
keep_sum(void *arg, const char *subject, int64_t bytes)
{
	struct load *load = arg;
	struct sum *sum;

	if (load->n == load->size) {
		load->size = 2 * load->size + 16;
		load->sums =
		    alloc_resize(load->sums, load->size, sizeof(*load->sums));
	}
	sum = &load->sums[load->n++];
	snprintf(sum->subject, sizeof(sum->subject), "%s", subject);
	sum->bytes = bytes;
}

/* A file that was placed, but whose row was never written, is garbage. */
static int
run_load(struct store_op *op, struct database *database, struct err *err)
{
	struct load *load = (struct load *)op;
	const struct blobs *blobs = load->blobs;

	for (size_t i = 0; i < blobs->nleftovers; i++) {
		int referred =
		    blob_store_is_referred(database, blobs->leftovers[i], err);

		if (referred < 0 ||
		    (referred == 0 &&
			garbage_add(database, GARBAGE_BLOB, blobs->leftovers[i],
			    err) != 0))
			return -1;
	}
	load->n = 0;
	return blob_store_sums(database, keep_sum, load, err);
}

void
blobs_sweep_in(struct blobs *blobs, uint64_t ms)
{
	if (!blobs->closed)
		uv_timer_start(&blobs->timer, on_timer, ms, 0);
}

static void
load_done(struct store_op *op, const struct err *err)
{
	struct load *load = (struct load *)op;
	struct blobs *blobs = load->blobs;

	if (err != NULL) {
		log_failure(LOG_LEVEL_ERROR, "blobs.not_loaded", err, NULL);
	} else {
		for (size_t i = 0; i < load->n; i++)
			blobs_account_add(blobs,
			    blobs_account(blobs, load->sums[i].subject),
			    load->sums[i].bytes);
		remove_leftovers(blobs);
		blobs->ready = true;
	}
	free(load->sums);
	free(load);
	blobs_sweep_in(blobs, err != NULL ? AGAIN_MS : 0);
	blobs_let_go(blobs);
}

static void
load_accounts(struct blobs *blobs)
{
	struct load *load = alloc_zero(1, sizeof(*load));

	load->op = (struct store_op){.run = run_load, .done = load_done};
	load->blobs = blobs;
	blobs->users++;
	store_submit(blobs->store, &load->op);
}

static void
on_timer(uv_timer_t *timer)
{
	struct blobs *blobs = timer->data;

	if (blobs->ready)
		blobs_sweep(blobs);
	else
		load_accounts(blobs);
}

/* -- finding them for a task */

struct find {
	struct store_op op;
	struct blobs *blobs;
	char subject[SUBJECT_MAX + 1];
	const struct request_input *inputs;
	size_t n;
	int fds[REQUEST_FILES_MAX];
	void (*done)(void *arg, const struct err *err, const int *fds);
	void *arg;
};

static int
open_input(
    struct find *find, struct database *database, size_t index, struct err *err)
{
	const struct request_input *input = &find->inputs[index];
	char name[BLOB_NAME_SIZE];
	struct stat st;
	int64_t size;
	int found =
	    blob_store_get(database, find->subject, input->sha256, &size, err);

	if (found < 0)
		return -1;
	if (found == 0)
		return err_set(err, ERR_NOT_FOUND,
		    "inputs.%s: was never uploaded, or is gone", input->name);
	blob_name(input->sha256, name);
	find->fds[index] = openat(find->blobs->directory, name,
	    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (find->fds[index] < 0 && errno == ENOENT)
		return err_set(err, ERR_NOT_FOUND,
		    "inputs.%s: its file is gone", input->name);
	if (find->fds[index] < 0 || fstat(find->fds[index], &st) != 0)
		return err_errno(err, "open blobs/%s", name);
	if (st.st_size != size)
		return err_set(err, ERR_NOT_FOUND,
		    "inputs.%s: its file is damaged", input->name);
	return 0;
}

static int
run_find(struct store_op *op, struct database *database, struct err *err)
{
	struct find *find = (struct find *)op;

	for (size_t i = 0; i < find->n; i++) {
		if (open_input(find, database, i, err) != 0)
			return -1;
	}
	return 0;
}

static void
find_done(struct store_op *op, const struct err *err)
{
	struct find *find = (struct find *)op;
	struct blobs *blobs = find->blobs;

	for (size_t i = 0; i < find->n && err != NULL; i++) {
		if (find->fds[i] >= 0)
			close(find->fds[i]);
	}
	find->done(find->arg, err, err == NULL ? find->fds : NULL);
	free(find);
	blobs_let_go(blobs);
}

void
blobs_find(struct blobs *blobs, const char *subject,
    const struct request_input *inputs, size_t n,
    void (*done)(void *arg, const struct err *err, const int *fds), void *arg)
{
	struct find *find = alloc_zero(1, sizeof(*find));

	find->op = (struct store_op){
	    .reads = true, .run = run_find, .done = find_done};
	find->blobs = blobs;
	snprintf(find->subject, sizeof(find->subject), "%s", subject);
	find->inputs = inputs;
	find->n = n;
	for (size_t i = 0; i < COUNT(find->fds); i++)
		find->fds[i] = -1;
	find->done = done;
	find->arg = arg;
	blobs->users++;
	store_submit(blobs->store, &find->op);
}
