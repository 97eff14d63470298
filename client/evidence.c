/*
 * Evidence. Files may come from anywhere; nothing of them is believed but what
 * the key has signed.
 */
#include "client/evidence.h"

#include <inttypes.h>
#include <string.h>

#include "client/context_store.h"
#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/json.h"
#include "lib/proof.h"

#define PROOF_FILE_MAX (64 * 1024)

/* -- keys */

static int
read_keys(const struct invocation *invocation, struct audit_keys *keys,
    struct failure *failure)
{
	const char *path;
	struct err err;

	for (size_t i = 0; (path = option_each(invocation, "key", i)) != NULL;
	     i++) {
		size_t len = 0;
		auto_free char *pem =
		    file_read(path, AUDIT_KEYS_FILE_MAX, &len, &err);

		if (pem == NULL)
			return failure_from_err(failure, "local", &err);
		if (audit_keys_add(keys, pem, len, &err) != 0) {
			err_prefix(&err, "%s", path);
			return failure_from_err(failure, "local", &err);
		}
	}
	return 0;
}

int
evidence_keys(const struct invocation *invocation,
    const struct context *context, struct audit_keys *ret,
    struct failure *failure)
{
	const char *pem = context->audit_key;
	struct err err;

	*ret = (struct audit_keys){0};
	if (read_keys(invocation, ret, failure) != 0)
		return -1;
	if (ret->count > 0)
		return 0;
	if (pem == NULL) {
		failure_set(failure, "context",
		    "the context has no audit public key, and one that came "
		    "from the server would prove nothing");
		failure_hint(
		    failure, "ask the operator for audit.pub; --key audit.pub");
		return -1;
	}
	if (audit_keys_add(ret, pem, strlen(pem), &err) != 0) {
		err_prefix(&err, "the context's audit.pub");
		return failure_from_err(failure, "context", &err);
	}
	return 0;
}

int
evidence_keys_offline(const struct invocation *invocation,
    struct audit_keys *ret, struct failure *failure)
{
	auto_context context = {0};
	auto_free char *folder = NULL;
	struct err err;

	*ret = (struct audit_keys){0};
	if (option_each(invocation, "key", 0) != NULL)
		return read_keys(invocation, ret, failure);
	folder = context_find(option_value(invocation, "context"), &err);
	if (folder == NULL || context_load(folder, &context, &err) != 0) {
		failure_from_err(failure, "context", &err);
		failure_hint(failure, "--key audit.pub needs no context");
		return -1;
	}
	return evidence_keys(invocation, &context, ret, failure);
}

/* -- checkpoints */

int
evidence_checkpoint(const char *path, const struct audit_keys *keys,
    const char *origin, struct checkpoint *ret, struct failure *failure)
{
	auto_free char *note = NULL;
	size_t len = 0;
	struct err err;

	note = file_read(path, CHECKPOINT_MAX, &len, &err);
	if (note == NULL)
		return failure_from_err(failure, "local", &err);
	if (audit_keys_open(keys, note, len, origin, ret, &err) == 0)
		return 0;
	err_prefix(&err, "%s", path);
	return failure_from_err(failure, "not-proved", &err);
}

/* -- from one to another */

int
evidence_read_extension(
    const json_t *document, struct extension *ret, struct err *err)
{
	const json_t *first = json_object_get(document, "first");
	const json_t *second = json_object_get(document, "second");

	if (!json_is_integer(first) || !json_is_integer(second))
		return err_set(err, ERR_UNPROCESSABLE,
		    "it is no proof of one checkpoint by another");
	ret->first = json_integer_value(first);
	ret->second = json_integer_value(second);
	return proof_read(
	    json_object_get(document, "consistency"), &ret->proof, err);
}

static int
read_extension(const char *path, struct extension *ret, struct failure *failure)
{
	struct err err;
	auto_json *document = json_parse_file(path, PROOF_FILE_MAX, &err);

	if (document == NULL)
		return failure_from_err(failure, "local", &err);
	if (evidence_read_extension(document, ret, &err) == 0)
		return 0;
	err_prefix(&err, "%s", path);
	return failure_from_err(failure, "local", &err);
}

/* 1: *ret is of these sizes; 0: there is none. */
static int
find_extension(const struct invocation *invocation, uint64_t first,
    uint64_t second, struct extension *ret, struct failure *failure)
{
	const char *path;

	for (size_t i = 0; (path = option_each(invocation, "proof", i)) != NULL;
	     i++) {
		if (read_extension(path, ret, failure) != 0)
			return -1;
		if ((uint64_t)ret->first == first &&
		    (uint64_t)ret->second == second)
			return 1;
	}
	*ret = (struct extension){0};
	return 0;
}

int
evidence_compare(const struct invocation *invocation,
    const struct checkpoint *head, const struct checkpoint *other,
    struct failure *failure)
{
	bool is_older = other->size < head->size;
	uint64_t first = is_older ? other->size : head->size;
	uint64_t second = is_older ? head->size : other->size;
	struct extension extension = {0};
	struct err err;
	int found =
	    find_extension(invocation, first, second, &extension, failure);

	if (found < 0)
		return -1;
	if (found == 0 && first != second) {
		failure_set(failure, "not-proved",
		    "there is no proof from %" PRIu64 " to %" PRIu64
		    " records; --proof names one",
		    first, second);
		return -1;
	}
	return checkpoint_compare(head, other, &extension.proof, &err) == 0
	    ? 0
	    : failure_from_err(failure, "not-proved", &err);
}
