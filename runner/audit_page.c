/*
 * Pages. The log is looked through in steps, each of which is short, so that
 * a search that finds little ends all the same.
 */
#include "runner/audit_page.h"

#include <stdlib.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/json.h"
#include "lib/proof.h"
#include "runner/audit_proof.h"

/* Of what is looked at for one page. */
#define STEPS 16
/* Of the newest, which come oldest first and are turned around. */
#define CHUNK 50

DEFINE_CLEANUP(struct audit_rows, audit_rows_close);

struct paging {
	struct database *database;
	const struct audit_page_query *query;
	struct audit_filter asked; /* within the span of its times */
	struct audit_signed head;
	json_t *records; /* array */
	size_t bytes; /* of them, roughly */
	int64_t next;
};

static void
paging_done(struct paging *paging)
{
	audit_signed_done(&paging->head);
	json_decref(paging->records);
}

static int64_t
left(const struct paging *paging)
{
	return paging->query->filter.limit -
	    (int64_t)json_array_size(paging->records);
}

static bool
is_full(const struct paging *paging)
{
	return left(paging) == 0 || paging->bytes >= AUDIT_PAGE_BYTES;
}

static int
add_inclusion(
    const struct paging *paging, int64_t seq, json_t *record, struct err *err)
{
	struct merkle_proof proof;

	if (!paging->query->proofs)
		return 0;
	if (audit_prove_inclusion(
		paging->database, paging->head.size, seq, &proof, err) != 0)
		return -1;
	json_object_set_new(record, "inclusion", proof_write(&proof));
	return 0;
}

static int64_t
find_step(const struct paging *paging)
{
	return 1 + (paging->query->scan - 1) / STEPS;
}

/* What `filter` finds, into `records`; *ret_last is the last one's number.
 * Where `whole` is false it ends when the page is full. */
static int
take_rows(struct paging *paging, const struct audit_filter *filter, bool whole,
    json_t *records, int64_t *ret_last, struct err *err)
{
	AUTO(audit_rows_closep) struct audit_rows *rows = NULL;
	struct audit_row row;
	int result;

	if (audit_rows_open(paging->database->handle, filter, &rows, err) != 0)
		return -1;
	while ((whole || !is_full(paging)) &&
	    (result = audit_rows_next(rows, &row, err)) != 0) {
		json_t *record = result > 0 ? audit_row_json(&row) : NULL;

		if (record == NULL)
			return -1;
		json_array_append_new(records, record);
		if (add_inclusion(paging, row.seq, record, err) != 0)
			return -1;
		paging->bytes += row.record_len + row.untrusted_len;
		*ret_last = row.seq;
	}
	return 0;
}

/* -- from the oldest on */

static int
go_up(struct paging *paging, struct err *err)
{
	const struct audit_filter *asked = &paging->asked;
	int64_t end = asked->before != 0 && asked->before <= paging->head.size
	    ? asked->before - 1
	    : paging->head.size;
	int64_t scan = paging->query->scan, step = find_step(paging);
	int64_t stop = asked->after <= end - scan ? asked->after + scan : end;

	for (int64_t at = asked->after; at < stop; at += step) {
		struct audit_filter filter = *asked;
		int64_t last = 0;

		filter.after = at;
		filter.before = (at < stop - step ? at + step : stop) + 1;
		filter.limit = left(paging);
		if (take_rows(paging, &filter, false, paging->records, &last,
			err) != 0)
			return -1;
		if (is_full(paging)) {
			paging->next = last;
			return 0;
		}
	}
	paging->next = stop < end ? stop : 0;
	return 0;
}

/* -- from the newest on */

static void
append_turned(json_t *records, const json_t *chunk)
{
	for (size_t i = json_array_size(chunk); i-- > 0;)
		json_array_append(records, json_array_get(chunk, i));
}

/* The last of those before `before`; fewer than CHUNK: there are no more down
 * to `after`. */
static int
take_chunk(struct paging *paging, int64_t after, int64_t before,
    int64_t *ret_first, bool *ret_more, struct err *err)
{
	auto_json *chunk = json_array();
	struct audit_filter filter = paging->asked;
	int64_t last;

	filter.after = after;
	filter.before = before;
	filter.limit = left(paging) < CHUNK ? left(paging) : CHUNK;
	if (take_rows(paging, &filter, true, chunk, &last, err) != 0)
		return -1;
	append_turned(paging->records, chunk);
	*ret_more = (int64_t)json_array_size(chunk) == filter.limit;
	if (json_array_size(chunk) > 0)
		*ret_first = json_integer_value(
		    json_object_get(json_array_get(chunk, 0), "seq"));
	return 0;
}

static int
go_down(struct paging *paging, struct err *err)
{
	const struct audit_filter *asked = &paging->asked;
	int64_t before =
	    asked->before != 0 && asked->before <= paging->head.size
	    ? asked->before
	    : paging->head.size + 1;
	int64_t scan = paging->query->scan, step = find_step(paging);
	/* Not a sum: either of the two may be as great as a number can be. */
	int64_t stop =
	    before - 1 - scan > asked->after ? before - 1 - scan : asked->after;

	while (before - 1 > stop) {
		int64_t after =
		    before - 1 > stop + step ? before - 1 - step : stop;
		bool more = false;

		if (take_chunk(paging, after, before, &before, &more, err) != 0)
			return -1;
		if (is_full(paging)) {
			paging->next = before;
			return 0;
		}
		if (!more)
			before = after + 1;
	}
	paging->next = stop > asked->after ? stop + 1 : 0;
	return 0;
}

/* -- the whole */

/* Once for all steps: each time it is found anew, the whole index of times is
 * read. */
static int
bound(struct paging *paging, struct err *err)
{
	struct audit_filter *asked = &paging->asked;
	int64_t first, last;

	*asked = paging->query->filter;
	asked->spanned = true;
	if (asked->since_ms == 0 && asked->until_ms == 0)
		return 0;
	if (audit_rows_span(paging->database->handle, asked->since_ms,
		asked->until_ms, &first, &last, err) != 0)
		return -1;
	if (asked->after < first - 1)
		asked->after = first - 1;
	if (asked->before == 0 || asked->before > last)
		asked->before = last + 1;
	return 0;
}

static char *
write_page(const struct paging *paging, size_t *ret_len)
{
	auto_json *document = json_pack("{s:s, s:O}", "checkpoint",
	    paging->head.note != NULL ? paging->head.note : "", "records",
	    paging->records);

	if (paging->next != 0)
		json_object_set_new(
		    document, "next", json_integer(paging->next));
	return json_encode(document, ret_len);
}

int
audit_page_read(struct database *database, const struct audit_page_query *query,
    struct audit_page *ret, struct err *err)
{
	AUTO(paging_done)
	struct paging paging = {
	    .database = database, .query = query, .records = json_array()};

	if (audit_signed_read(database, &paging.head, err) != 0 ||
	    bound(&paging, err) != 0 ||
	    (query->filter.newest ? go_down(&paging, err)
				  : go_up(&paging, err)) != 0)
		return -1;
	ret->text = write_page(&paging, &ret->len);
	ret->next = paging.next;
	return 0;
}
