#include "lib/receipt.h"

#include <string.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/json.h"
#include "lib/proof.h"

#define VERSION 1
#define FINISHED "task.finished"

char *
receipt_write(const struct record_parts *parts, const char *note,
    const struct merkle_proof *inclusion, size_t *ret_len)
{
	auto_json *document = json_pack("{s:i, s:s, s:o, s:O}", "version",
	    VERSION, "checkpoint", note, "inclusion", proof_write(inclusion),
	    "record", parts->record);
	auto_free char *text = NULL;

	if (document == NULL)
		die("a receipt that cannot be put together");
	if (parts->untrusted != NULL) {
		json_object_set(document, "untrusted", parts->untrusted);
		json_object_set(document, "untrusted_salt", parts->salt);
	}
	text = json_encode_canonical(document, ret_len);
	*ret_len += 1;
	return alloc_printf("%s\n", text);
}

/* -- reading */

struct members {
	const char *checkpoint;
	json_t *inclusion, *record, *untrusted, *salt;
	int64_t version;
};

static const struct json_field fields[] = {
    JSON_FIELD(struct members, checkpoint, "checkpoint", JSON_KIND_STRING, true,
	1, CHECKPOINT_MAX),
    JSON_FIELD(struct members, inclusion, "inclusion", JSON_KIND_ARRAY, true, 0,
	MERKLE_PROOF_MAX),
    JSON_FIELD(struct members, record, "record", JSON_KIND_OBJECT, true, 0, 0),
    JSON_FIELD(
	struct members, untrusted, "untrusted", JSON_KIND_OBJECT, false, 0, 0),
    JSON_FIELD(
	struct members, salt, "untrusted_salt", JSON_KIND_ANY, false, 0, 0),
    JSON_FIELD(struct members, version, "version", JSON_KIND_INTEGER, true,
	VERSION, VERSION),
};

/* It has one spelling: else a byte of it could be another. */
static bool
is_canonical(const json_t *document, const char *text, size_t len)
{
	auto_free char *again = NULL;
	size_t again_len;

	if (!json_is_exact(document))
		return false;
	again = json_encode_canonical(document, &again_len);
	return len == again_len + 1 && text[len - 1] == '\n' &&
	    memcmp(text, again, again_len) == 0;
}

static int
read_document(const char *text, size_t len, json_t **ret,
    struct members *ret_members, struct err *err)
{
	auto_json *document = NULL;

	if (len > RECEIPT_MAX)
		return err_set(err, ERR_UNPROCESSABLE,
		    "a receipt of more than %d bytes", RECEIPT_MAX);
	document = json_parse_strict(text, len, err);
	if (document == NULL) {
		err->code = ERR_UNPROCESSABLE;
		return -1;
	}
	if (json_read_fields(document, "", fields, COUNT(fields), false,
		ret_members, err) != 0)
		return -1;
	if (!is_canonical(document, text, len))
		return err_set(
		    err, ERR_UNPROCESSABLE, "it is not spelt as receipts are");
	*ret = take(document);
	return 0;
}

/* Another record of the log is no receipt, however well it is proved. */
static int
read_record(struct receipt *receipt, const struct members *members,
    uint8_t ret_leaf[SHA256_BYTES], struct err *err)
{
	const struct record_parts parts = {.record = members->record,
	    .untrusted = members->untrusted,
	    .salt = members->salt};
	const char *event =
	    json_string_value(json_object_get(members->record, "event"));

	if (record_hash(&parts, &receipt->seq, ret_leaf, err) != 0)
		return -1;
	receipt->record = members->record;
	receipt->untrusted = members->untrusted;
	receipt->object = json_object_get(members->record, "object");
	receipt->task =
	    json_string_value(json_object_get(receipt->object, "task"));
	if (event == NULL || strcmp(event, FINISHED) != 0 ||
	    receipt->task == NULL || !uuid_is_valid(receipt->task))
		return err_set(err, ERR_UNPROCESSABLE,
		    "its record is not of a task that has finished");
	return 0;
}

static int
verify(struct receipt *receipt, const struct members *members,
    const struct audit_keys *keys, struct err *err)
{
	struct merkle_proof inclusion;
	uint8_t leaf[SHA256_BYTES];

	if (read_record(receipt, members, leaf, err) != 0 ||
	    proof_read(members->inclusion, &inclusion, err) != 0 ||
	    audit_keys_open(keys, members->checkpoint,
		strlen(members->checkpoint), NULL, &receipt->head, err) != 0)
		return -1;
	if (!merkle_includes(receipt->head.size, receipt->head.root,
		(uint64_t)receipt->seq - 1, leaf, &inclusion))
		return err_set(err, ERR_CONFLICT,
		    "its record is not in the log that was signed");
	return 0;
}

int
receipt_open(const char *text, size_t len, const struct audit_keys *keys,
    struct receipt *ret, struct err *err)
{
	struct members members = {0};
	struct receipt receipt = {0};

	if (read_document(text, len, &receipt.document, &members, err) != 0)
		return -1;
	if (verify(&receipt, &members, keys, err) != 0) {
		receipt_done(&receipt);
		return -1;
	}
	*ret = receipt;
	return 0;
}

void
receipt_done(struct receipt *receipt)
{
	json_decref(receipt->document);
	*receipt = (struct receipt){0};
}
