/*
 * Texts behind one another, hashes as bytes, the request as JSON: it was read
 * strictly once, and is read so again.
 */
#include "runner/task_pack.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/buffer.h"
#include "lib/cleanup.h"
#include "lib/json.h"

/* Nothing has become of it yet. */
static bool
is_fresh(const struct task_data *data)
{
	const struct task_facts *facts = &data->facts;

	return data->approval == NULL && facts->state == TASK_QUEUED &&
	    !facts->cancelled && facts->detail[0] == '\0' &&
	    facts->sandbox[0] == '\0' && facts->started_ms == TASK_UNKNOWN &&
	    !facts->input.ended && facts->input.received <= 0 &&
	    facts->files == NULL;
}

static void
append_text(struct buffer *buffer, const char *text)
{
	buffer_append(buffer, text, strlen(text) + 1);
}

static void
append_json(struct buffer *buffer, const json_t *json)
{
	auto_free char *text =
	    json != NULL ? json_encode_canonical(json, NULL) : NULL;

	append_text(buffer, text != NULL ? text : "");
}

static void
append_texts(struct buffer *buffer, const struct task_data *data)
{
	const struct task_owner *owner = &data->owner;

	append_text(buffer, owner->subject);
	append_text(buffer, owner->thumbprint);
	append_text(buffer, owner->token_id);
	append_text(buffer, owner->address != NULL ? owner->address : "");
	append_text(buffer, data->rule);
	append_text(buffer, data->network != NULL ? data->network : "");
	append_text(buffer, data->mounts != NULL ? data->mounts : "");
	append_text(buffer, data->secrets != NULL ? data->secrets : "");
	append_json(buffer, data->launch);
	for (size_t i = 0; i < owner->nroles; i++)
		append_text(buffer, owner->roles[i]);
}

static void
fill(const struct task_data *data, struct task_pack *ret)
{
	ret->created_ms = data->created_ms;
	memcpy(ret->limits, data->limits, sizeof(ret->limits));
	ret->uid = data->uid;
	ret->gid = data->gid;
	ret->nroles = data->owner.nroles;
}

struct task_pack *
task_pack_take(struct task_data *data)
{
	struct task_pack head = {0};
	auto_buffer bytes = BUFFER_INIT(SIZE_MAX);
	auto_free char *request = NULL;
	struct task_pack *pack;

	if (!is_fresh(data) ||
	    !hex_decode(data->request_sha256, strlen(data->request_sha256),
		head.request_sha256, SHA256_BYTES) ||
	    !hex_decode(data->policy_sha256, strlen(data->policy_sha256),
		head.policy_sha256, SHA256_BYTES))
		return NULL;
	request = json_dumps(data->request.body, JSON_COMPACT);
	if (request == NULL)
		return NULL;
	fill(data, &head);
	head.request_bytes = strlen(request);
	append_texts(&bytes, data);
	append_text(&bytes, request);
	pack = alloc_zero(1, sizeof(*pack) + bytes.len);
	*pack = head;
	memcpy(pack->text, bytes.data, bytes.len);
	task_data_done(data);
	return pack;
}

static const char *
next_text(const char **at)
{
	const char *text = *at;

	*at += strlen(text) + 1;
	return text;
}

void
task_pack_texts(const struct task_pack *pack, struct task_pack_texts *ret)
{
	const char *at = pack->text;

	ret->subject = next_text(&at);
	ret->thumbprint = next_text(&at);
	ret->token_id = next_text(&at);
	ret->address = next_text(&at);
	ret->rule = next_text(&at);
	ret->network = next_text(&at);
	ret->mounts = next_text(&at);
	ret->secrets = next_text(&at);
	ret->launch = next_text(&at);
	ret->nroles = pack->nroles;
	for (size_t i = 0; i < ret->nroles; i++)
		ret->roles[i] = next_text(&at);
	ret->request = next_text(&at);
}

static void
unpack_owner(const struct task_pack_texts *texts, struct task_owner *ret)
{
	snprintf(ret->subject, sizeof(ret->subject), "%s", texts->subject);
	snprintf(
	    ret->thumbprint, sizeof(ret->thumbprint), "%s", texts->thumbprint);
	snprintf(ret->token_id, sizeof(ret->token_id), "%s", texts->token_id);
	ret->address = alloc_string(texts->address);
	ret->nroles = texts->nroles;
	for (size_t i = 0; i < texts->nroles; i++)
		snprintf(ret->roles[i], sizeof(ret->roles[i]), "%s",
		    texts->roles[i]);
}

void
task_unpack(const struct task_pack *pack, const char id[UUID_TEXT],
    struct task_data *ret)
{
	struct task_pack_texts texts;
	struct err err;

	task_pack_texts(pack, &texts);
	task_data_init(ret);
	memcpy(ret->id, id, UUID_TEXT);
	unpack_owner(&texts, &ret->owner);
	if (request_parse(
		texts.request, pack->request_bytes, &ret->request, &err) != 0)
		die("task %s: its request was accepted and is none: %s", id,
		    err.detail);
	hex_encode(pack->request_sha256, SHA256_BYTES, ret->request_sha256);
	hex_encode(pack->policy_sha256, SHA256_BYTES, ret->policy_sha256);
	ret->rule = alloc_string(texts.rule);
	if (*texts.network != '\0')
		ret->network = alloc_string(texts.network);
	if (*texts.mounts != '\0')
		ret->mounts = alloc_string(texts.mounts);
	if (*texts.secrets != '\0')
		ret->secrets = alloc_string(texts.secrets);
	if (*texts.launch != '\0')
		ret->launch =
		    json_parse_strict(texts.launch, strlen(texts.launch), &err);
	memcpy(ret->limits, pack->limits, sizeof(ret->limits));
	ret->uid = pack->uid;
	ret->gid = pack->gid;
	ret->created_ms = pack->created_ms;
}
