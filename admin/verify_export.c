#include "admin/verify_export.h"

#include <inttypes.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/json.h"
#include "lib/merkle.h"
#include "lib/proof.h"
#include "lib/record.h"

struct reading {
	FILE *file;
	char *line; /* of VERIFY_LINE_MAX bytes and two */
	const struct verify_question *question;
	struct verify_report *report;
	struct merkle_edge edge; /* of all records before the next */
	struct merkle_proof extension; /* from there to the head, at the end */
	int64_t first, last;
	bool from_met;
};

/* False: it was longer than a line may be, and is passed over. */
static bool
fits(struct reading *reading, size_t *len)
{
	if (*len > 0 && reading->line[*len - 1] == '\n') {
		--*len;
		return true;
	}
	if (*len <= VERIFY_LINE_MAX)
		return true;
	for (int c = getc(reading->file); c != '\n' && c != EOF;)
		c = getc(reading->file);
	return false;
}

/* NULL at the end; a line that is too long or no JSON is told as one. */
static json_t *
read_line(struct reading *reading, bool *ret_is_bad)
{
	auto_json *json = NULL;
	struct err ignored;
	size_t len;

	*ret_is_bad = false;
	/* What a NUL hides is no JSON either. */
	if (fgets(reading->line, VERIFY_LINE_MAX + 2, reading->file) == NULL)
		return NULL;
	len = strlen(reading->line);
	if (fits(reading, &len))
		json = json_parse_strict(reading->line, len, &ignored);
	*ret_is_bad = !json_is_object(json);
	return *ret_is_bad ? NULL : take(json);
}

/* -- the first line */

static int
read_edge(struct reading *reading, const json_t *nodes, struct err *err)
{
	struct merkle_edge *edge = &reading->edge;
	struct merkle_proof list;
	size_t used = 0;

	if (proof_read(nodes, &list, err) != 0)
		return -1;
	edge->size = (uint64_t)reading->first - 1;
	for (unsigned level = 0; level < MERKLE_LEVELS; level++) {
		if ((edge->size >> level & 1) == 0)
			continue;
		if (used == list.count)
			break;
		memcpy(edge->nodes[level], list.hashes[used++], SHA256_BYTES);
	}
	if (used != list.count ||
	    (size_t)__builtin_popcountll(edge->size) != used)
		return err_set(err, ERR_UNPROCESSABLE,
		    "before: another number of nodes than its size has");
	return 0;
}

struct header {
	int64_t version;
	const char *checkpoint;
	json_t *before, *extension;
};

static int
read_header(struct reading *reading, const json_t *json, struct err *err)
{
	static const struct json_field fields[] = {
	    JSON_FIELD(struct header, version, "export", JSON_KIND_INTEGER,
		true, 1, 1),
	    JSON_FIELD(struct header, checkpoint, "checkpoint",
		JSON_KIND_STRING, true, 1, CHECKPOINT_MAX),
	    JSON_FIELD(
		struct header, before, "before", JSON_KIND_ARRAY, false, 0, 0),
	    JSON_FIELD(struct header, extension, "extension", JSON_KIND_ARRAY,
		false, 0, 0),
	};
	static const struct json_field numbers[] = {
	    JSON_FIELD(struct reading, first, "first", JSON_KIND_INTEGER, true,
		0, INT64_MAX),
	    JSON_FIELD(struct reading, last, "last", JSON_KIND_INTEGER, true, 0,
		INT64_MAX),
	};
	const struct verify_question *question = reading->question;
	auto_json *rest = json_copy((json_t *)(uintptr_t)json);
	auto_json *range = json_object();
	struct header header = {0};

	for (size_t i = 0; i < COUNT(numbers); i++) {
		json_object_set(range, numbers[i].name,
		    json_object_get(rest, numbers[i].name));
		json_object_del(rest, numbers[i].name);
	}
	if (json_read_fields(
		rest, "", fields, COUNT(fields), false, &header, err) != 0 ||
	    json_read_fields(
		range, "", numbers, COUNT(numbers), false, reading, err) != 0 ||
	    audit_keys_open(&question->keys, header.checkpoint,
		strlen(header.checkpoint), question->origin,
		&reading->report->head, err) != 0)
		return -1;
	if (reading->first > reading->last ||
	    (reading->first == 0) != (reading->last == 0))
		return err_set(
		    err, ERR_UNPROCESSABLE, "last: it is not behind first");
	if ((uint64_t)reading->last > reading->report->head.size)
		return err_set(err, ERR_UNPROCESSABLE,
		    "last: there are no more than %" PRIu64
		    " records in the log that was signed",
		    reading->report->head.size);
	if (reading->first == 0)
		return 0;
	if (proof_read(header.extension, &reading->extension, err) != 0)
		return err_prefix(err, "extension");
	return read_edge(reading, header.before, err);
}

/* -- records */

/* What is missing is counted by what is there: a mark is the writer's word. */
static int
hash_line(struct verify_report *report, const json_t *shown, int64_t *ret_seq,
    uint8_t ret_leaf[SHA256_BYTES], struct err *err)
{
	AUTO(record_parts_done) struct record_parts parts = {0};

	record_split(shown, &parts);
	if (record_read_leaf(&parts, ret_seq, ret_leaf, err) != 0)
		return -1;
	report->dropped += parts.dropped != NULL ? 1 : 0;
	report->redacted += record_is_redacted(&parts) ? 1 : 0;
	return 0;
}

static void
meet_from(struct reading *reading)
{
	const struct checkpoint *from = reading->question->from;
	uint8_t root[SHA256_BYTES];

	if (from == NULL || from->size != reading->edge.size)
		return;
	reading->from_met = true;
	merkle_root(&reading->edge, root);
	if (memcmp(root, from->root, SHA256_BYTES) != 0)
		verify_find(reading->report, (int64_t)from->size,
		    "the records up to here are not those of the checkpoint");
}

static void
take_record(struct reading *reading, const json_t *shown)
{
	int64_t expected = (int64_t)reading->edge.size + 1, seq = 0;
	uint8_t leaf[SHA256_BYTES] = {0};
	struct err err;

	reading->report->records++;
	if (shown == NULL)
		verify_find(reading->report, expected, "it is no record");
	else if (hash_line(reading->report, shown, &seq, leaf, &err) != 0)
		verify_find(reading->report, expected, "%.150s", err.detail);
	else if (seq != expected)
		verify_find(reading->report, seq,
		    "%" PRId64 " was to come: records are missing, or in "
		    "another order",
		    expected);
	if (merkle_append(&reading->edge, leaf, NULL, NULL, &err) != 0)
		verify_find(reading->report, expected, "%.150s", err.detail);
	meet_from(reading);
}

static void
compare_head(struct reading *reading)
{
	struct verify_report *report = reading->report;
	const struct checkpoint *head = &report->head;
	const struct checkpoint *from = reading->question->from;

	merkle_root(&reading->edge, report->root);
	if (from != NULL && !reading->from_met)
		verify_find(reading->report, 0,
		    "the checkpoint has %" PRIu64 " records: it is of none "
		    "of the moments that are in the export",
		    from->size);
	if (reading->first == 0) {
		if (report->records > 0)
			verify_find(reading->report, 0,
			    "there were to be no records: nothing says that "
			    "these were signed");
		return;
	}
	if ((int64_t)reading->edge.size != reading->last)
		verify_find(reading->report, 0,
		    "record %" PRId64 " was to be the last, and %" PRIu64 " is",
		    reading->last, reading->edge.size);
	if (!merkle_extends(reading->edge.size, report->root, head->size,
		head->root, &reading->extension))
		verify_find(reading->report, 0,
		    "the records are not those that were signed");
}

int
verify_export(FILE *file, const struct verify_question *question,
    struct verify_report *ret, struct err *err)
{
	struct reading reading = {
	    .file = file, .question = question, .report = ret};
	auto_json *header = NULL;
	bool is_bad;
	int result;

	*ret = (struct verify_report){0};
	reading.line = alloc_zero(VERIFY_LINE_MAX + 2, 1);
	header = read_line(&reading, &is_bad);
	result = header != NULL
	    ? read_header(&reading, header, err)
	    : err_set(err, ERR_UNPROCESSABLE,
		  "its first line is not that of an export");
	if (result == 0) {
		meet_from(&reading);
		for (;;) {
			auto_json *shown = read_line(&reading, &is_bad);

			if (shown == NULL && !is_bad)
				break;
			take_record(&reading, shown);
		}
		compare_head(&reading);
	}
	free(reading.line);
	if (result == 0 && ferror(file))
		return err_errno(err, "read the export");
	return result;
}
