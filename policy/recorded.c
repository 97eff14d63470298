/*
 * Requests for the record and back. Trusts nothing of what it reads; what it
 * writes holds neither standard input nor a value that could be a secret. The
 * salts are the one thing here that is not a function of the arguments.
 */
#include "policy/recorded.h"

#include <stdlib.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/json.h"
#include "policy/policy_data.h"

static void
set(json_t *object, const char *name, json_t *value)
{
	if (json_object_set_new(object, name, value) != 0)
		die("a request's member %s cannot be set", name);
}

/* -- writing */

static void
hash_salted(const uint8_t salt[RECORDED_SALT_BYTES], const void *value,
    size_t len, char ret[SHA256_HEX])
{
	auto_free uint8_t *salted = alloc_zero(RECORDED_SALT_BYTES + len, 1);

	memcpy(salted, salt, RECORDED_SALT_BYTES);
	if (len > 0)
		memcpy(salted + RECORDED_SALT_BYTES, value, len);
	digest_sha256_hex(salted, RECORDED_SALT_BYTES + len, ret);
}

static json_t *
hash_value(const void *value, size_t len)
{
	uint8_t salt[RECORDED_SALT_BYTES];
	char salt_hex[2 * RECORDED_SALT_BYTES + 1];
	char hex[SHA256_HEX];

	random_bytes(salt, sizeof(salt));
	hex_encode(salt, sizeof(salt), salt_hex);
	hash_salted(salt, value, len, hex);
	return json_pack("{s:s, s:s}", "salt", salt_hex, "sha256", hex);
}

/* What only fits a pattern may be a secret. */
static bool
lists_value(const struct rule *rule, const struct request_env *variable)
{
	for (size_t k = 0; k < rule->nenv; k++) {
		const struct template *template = &rule->env[k].value;

		if (strcmp(rule->env[k].name, variable->name) == 0)
			return template->kind != TEMPLATE_PATTERN &&
			    template_is_match(template, variable->value);
	}
	return false;
}

static bool
is_deciding(const struct recorded_decision *decision, const struct rule *rule)
{
	const struct policy_verdict *verdict = decision->verdict;

	return verdict->allowed ? strcmp(rule->id, verdict->rule) == 0
				: rule_names_caller(rule, decision->principal);
}

static bool
may_be_shown(const struct recorded_decision *decision,
    const struct request *request, const struct request_env *variable)
{
	struct index_walk walk;
	const struct rule *rule;

	if (decision == NULL)
		return false;
	index_walk_init(&walk, &decision->policy->index, request);
	while ((rule = index_walk_next(&walk)) != NULL) {
		if (is_deciding(decision, rule) && lists_value(rule, variable))
			return true;
	}
	return false;
}

static json_t *
write_env(
    const struct request *request, const struct recorded_decision *decision)
{
	json_t *env = json_object();

	for (size_t k = 0; k < request->nenv; k++) {
		const struct request_env *variable = &request->env[k];

		set(env, variable->name,
		    may_be_shown(decision, request, variable)
			? json_string(variable->value)
			: hash_value(variable->value, strlen(variable->value)));
	}
	return env;
}

static json_t *
write_stdin(const struct request *request)
{
	json_t *input;

	if (request->stdin_mode == REQUEST_STDIN_STREAM)
		return json_pack("{s:b}", "stream", 1);
	input = hash_value(request->stdin_data, request->stdin_len);
	set(input, "bytes", json_integer((json_int_t)request->stdin_len));
	return input;
}

json_t *
recorded_write(
    const struct request *request, const struct recorded_decision *decision)
{
	json_t *recorded = json_object();
	const char *name = NULL;
	json_t *value = NULL;

	/* What stands in it as the client wrote it, but for secrets. */
	json_object_foreach(request->body, name, value)
	{
		if (strcmp(name, "env") != 0 && strcmp(name, "stdin") != 0)
			set(recorded, name, json_deep_copy(value));
	}
	if (request->nenv > 0)
		set(recorded, "env", write_env(request, decision));
	if (request->stdin_mode != REQUEST_STDIN_NONE)
		set(recorded, "stdin", write_stdin(request));
	return recorded;
}

json_t *
recorded_shadows(const struct policy_verdict *verdict)
{
	json_t *list = verdict->nshadows > 0 ? json_array() : NULL;

	for (size_t k = 0; k < verdict->nshadows && k < RECORDED_SHADOWS_MAX;
	     k++) {
		const struct policy_candidate *shadow = &verdict->shadows[k];
		json_t *said = json_pack("{s:s, s:b}", "rule", shadow->rule,
		    "allows", shadow->allows);

		if (shadow->condition != NULL)
			set(said, "condition", json_string(shadow->condition));
		json_array_append_new(list, said);
	}
	return list;
}

/* -- reading */

struct hashed {
	const char *salt, *sha256;
	int64_t bytes; /* of standard input alone */
};

static int
read_hashed(const json_t *json, const char *path, bool has_bytes,
    struct hashed *ret, struct err *err)
{
	static const struct json_field fields[] = {
	    JSON_FIELD(struct hashed, salt, "salt", JSON_KIND_STRING, true,
		2 * RECORDED_SALT_BYTES, 2 * RECORDED_SALT_BYTES),
	    JSON_FIELD(struct hashed, sha256, "sha256", JSON_KIND_STRING, true,
		SHA256_HEX - 1, SHA256_HEX - 1),
	    JSON_FIELD(struct hashed, bytes, "bytes", JSON_KIND_INTEGER, true,
		0, REQUEST_BODY_MAX),
	};
	uint8_t digest[SHA256_BYTES], salt[RECORDED_SALT_BYTES];

	if (json_read_fields(json, path, fields,
		COUNT(fields) - (has_bytes ? 0 : 1), false, ret, err) != 0)
		return -1;
	if (!hex_decode(ret->salt, strlen(ret->salt), salt, sizeof(salt)) ||
	    !hex_decode(
		ret->sha256, strlen(ret->sha256), digest, sizeof(digest)))
		return err_set(err, ERR_UNPROCESSABLE,
		    "%s: salt and sha256 are digits, 0-9 and a-f", path);
	return 0;
}

/* The body's variables, with nothing in place of what is hidden. */
static int
open_env(json_t *body, struct err *err)
{
	json_t *recorded = json_object_get(body, "env");
	auto_json *env = json_object();
	const char *name = NULL;
	json_t *value = NULL;
	struct hashed hashed = {0};

	if (!json_is_object(recorded))
		return 0;
	json_object_foreach(recorded, name, value)
	{
		bool is_hidden = json_is_object(value);

		if (is_hidden &&
		    read_hashed(value, "env", false, &hashed, err) != 0)
			return -1;
		set(env, name,
		    is_hidden ? json_string("") : json_incref(value));
	}
	set(body, "env", json_incref(env));
	return 0;
}

static int
open_stdin(json_t *body, int64_t *ret_bytes, struct err *err)
{
	const json_t *input = json_object_get(body, "stdin");
	struct hashed hashed = {0};

	if (input == NULL || json_object_get(input, "stream") != NULL)
		return 0;
	if (read_hashed(input, "stdin", true, &hashed, err) != 0)
		return -1;
	set(body, "stdin", json_pack("{s:s}", "text", ""));
	*ret_bytes = hashed.bytes;
	return 0;
}

/* The hashes go into the request's own body, whose they are from then on. */
static void
hide(struct request *request, const json_t *recorded)
{
	json_t *kept = json_deep_copy(json_object_get(recorded, "env"));

	set(request->body, "//", kept != NULL ? kept : json_object());
	request->hashes =
	    alloc_zero(request->nenv + 1, sizeof(*request->hashes));
	for (size_t k = 0; k < request->nenv; k++) {
		const json_t *value =
		    json_object_get(kept, request->env[k].name);

		request->hashes[k] = (struct request_hash){
		    json_string_value(json_object_get(value, "salt")),
		    json_string_value(json_object_get(value, "sha256"))};
	}
}

/* 1.0 is written as 1, which a request may hold, but has no canonical form,
 * which a record must have. */
static bool
has_real(json_t *json)
{
	const char *name = NULL;
	json_t *value = NULL;
	size_t k;

	if (json_is_real(json))
		return true;
	json_object_foreach(json, name, value)
	{
		if (has_real(value))
			return true;
	}
	json_array_foreach(json, k, value)
	{
		if (has_real(value))
			return true;
	}
	return false;
}

int
recorded_read(const json_t *json, struct request *ret, struct err *err)
{
	auto_json *body = json_copy((json_t *)(uintptr_t)json);
	auto_free char *text = NULL;
	int64_t bytes = 0;
	size_t len = 0;

	if (!json_is_object(json))
		return err_set(err, ERR_UNPROCESSABLE, "must be an object");
	if (has_real(body))
		return err_set(err, ERR_UNPROCESSABLE,
		    "no number in it may be a real one");
	if (open_env(body, err) != 0 || open_stdin(body, &bytes, err) != 0)
		return -1;
	text = json_encode(body, &len);
	if (request_parse(text, len, ret, err) != 0)
		return -1;
	hide(ret, json);
	if (ret->stdin_mode == REQUEST_STDIN_INLINE)
		ret->stdin_len = (size_t)bytes;
	return 0;
}

bool
recorded_is_value(const struct request_hash *hash, const char *value)
{
	uint8_t salt[RECORDED_SALT_BYTES];
	char hex[SHA256_HEX];

	if (!hex_decode(hash->salt, strlen(hash->salt), salt, sizeof(salt)))
		return false;
	hash_salted(salt, value, strlen(value), hex);
	return strcmp(hex, hash->sha256) == 0;
}
