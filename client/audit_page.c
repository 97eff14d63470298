/*
 * Pages. What a record is, the server says; that it is one, the hashes do.
 */
#include "client/audit_page.h"

#include <inttypes.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/json.h"
#include "lib/proof.h"
#include "lib/record.h"

void
audit_page_done(struct audit_page *page)
{
	json_decref(page->document);
	*page = (struct audit_page){0};
}

static int
read_page(struct audit_page *page, const struct audit_keys *keys,
    struct failure *failure)
{
	const json_t *note = json_object_get(page->document, "checkpoint");
	struct err err;

	page->records = json_object_get(page->document, "records");
	page->next =
	    json_integer_value(json_object_get(page->document, "next"));
	if (!json_is_array(page->records) || !json_is_string(note))
		return failure_set(failure, "reply",
		    "the server's reply is not what the API promises: no "
		    "records");
	page->note = json_string_value(note);
	return audit_keys_open(keys, page->note, strlen(page->note), NULL,
		   &page->head, &err) == 0
	    ? 0
	    : failure_from_err(failure, "not-proved", &err);
}

int
audit_page_get(struct session *session, const char *path,
    const struct audit_keys *keys, struct audit_page *ret,
    struct failure *failure)
{
	const struct session_call call = {
	    .method = "GET", .path = path, .policy = &retry_call};
	int status;

	*ret = (struct audit_page){0};
	if (session_call(session, &call, &ret->document, &status, failure) !=
		0 ||
	    read_page(ret, keys, failure) != 0) {
		audit_page_done(ret);
		return -1;
	}
	return 0;
}

/* -- one record */

static int
check_record(
    const struct checkpoint *head, const json_t *record, struct err *err)
{
	AUTO(record_parts_done) struct record_parts parts = {0};
	uint8_t leaf[SHA256_BYTES];
	struct merkle_proof proof;
	int64_t seq = 0;

	record_split(record, &parts);
	if (record_read_leaf(&parts, &seq, leaf, err) != 0 ||
	    proof_read(parts.inclusion, &proof, err) != 0)
		return err_prefix(err, "a record of the server's");
	if (!merkle_includes(
		head->size, head->root, (uint64_t)seq - 1, leaf, &proof))
		return err_set(err, ERR_CONFLICT,
		    "record %" PRId64 " is not in the log that was signed",
		    seq);
	return 0;
}

int
audit_page_check(const struct audit_page *page, struct err *err)
{
	json_t *record = NULL;
	size_t i;

	json_array_foreach(page->records, i, record)
	{
		if (check_record(&page->head, record, err) != 0)
			return -1;
		json_object_del(record, "inclusion");
	}
	return 0;
}

/* -- all of them */

void
audit_whole_begin(struct audit_whole *whole, const struct checkpoint *head,
    const struct checkpoint *from)
{
	*whole = (struct audit_whole){.head = *head, .from = from};
}

static int
meet_from(struct audit_whole *whole, struct err *err)
{
	uint8_t root[SHA256_BYTES];

	if (whole->from == NULL || whole->edge.size != whole->from->size)
		return 0;
	merkle_root(&whole->edge, root);
	if (memcmp(root, whole->from->root, SHA256_BYTES) != 0)
		return err_set(err, ERR_CONFLICT,
		    "the first %" PRIu64 " records are not those of the "
		    "checkpoint that was kept",
		    whole->from->size);
	whole->from_met = true;
	return 0;
}

int
audit_whole_add(
    struct audit_whole *whole, const json_t *record, struct err *err)
{
	AUTO(record_parts_done) struct record_parts parts = {0};
	uint8_t leaf[SHA256_BYTES];
	int64_t seq = 0;

	record_split(record, &parts);
	if (record_read_leaf(&parts, &seq, leaf, err) != 0)
		return err_prefix(
		    err, "the record behind %" PRIu64, whole->edge.size);
	if ((uint64_t)seq != whole->edge.size + 1)
		return err_set(err, ERR_CONFLICT,
		    "record %" PRIu64 " is missing", whole->edge.size + 1);
	whole->dropped += parts.dropped != NULL ? 1 : 0;
	whole->redacted += record_is_redacted(&parts) ? 1 : 0;
	if (merkle_append(&whole->edge, leaf, NULL, NULL, err) != 0)
		return -1;
	return meet_from(whole, err);
}

int
audit_whole_end(struct audit_whole *whole, struct err *err)
{
	uint8_t root[SHA256_BYTES];

	if (whole->edge.size != whole->head.size)
		return err_set(err, ERR_CONFLICT,
		    "%" PRIu64 " records were signed, and %" PRIu64 " came",
		    whole->head.size, whole->edge.size);
	merkle_root(&whole->edge, root);
	if (memcmp(root, whole->head.root, SHA256_BYTES) != 0)
		return err_set(err, ERR_CONFLICT,
		    "the records are not those that were signed");
	if (whole->from != NULL && whole->from->size > 0 && !whole->from_met)
		return err_set(err, ERR_CONFLICT,
		    "the checkpoint that was kept has %" PRIu64
		    " records, and the log only %" PRIu64,
		    whole->from->size, whole->head.size);
	return 0;
}
