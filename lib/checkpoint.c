#include "lib/checkpoint.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"

#define KEY_BYTES 32
#define KEY_ID_BYTES 4
#define SIGNATURE_BYTES 64
/* C2SP signed-note: of an Ed25519 signature. */
#define ALGORITHM_ED25519 1
#define DASH "\xe2\x80\x94"

bool
checkpoint_is_origin(const char *text)
{
	size_t len = strlen(text);

	if (len == 0 || len > CHECKPOINT_ORIGIN_MAX)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (text[i] <= ' ' || text[i] > '~' || text[i] == '+')
			return false;
	}
	return true;
}

char *
checkpoint_origin(const char *runner_id)
{
	return alloc_printf("taskgate/%s", runner_id);
}

static void
make_key_id(const char *name, EVP_PKEY *key, uint8_t ret[KEY_ID_BYTES])
{
	uint8_t text[CHECKPOINT_ORIGIN_MAX + 2 + KEY_BYTES];
	uint8_t digest[SHA256_BYTES];
	size_t len = strlen(name), size = KEY_BYTES;

	memcpy(text, name, len);
	text[len++] = '\n';
	text[len++] = ALGORITHM_ED25519;
	if (EVP_PKEY_get_raw_public_key(key, text + len, &size) != 1 ||
	    size != KEY_BYTES)
		die("a checkpoint's key is not of Ed25519");
	digest_sha256(text, len + size, digest);
	memcpy(ret, digest, KEY_ID_BYTES);
}

static char *
write_body(const struct checkpoint *checkpoint)
{
	auto_free char *root =
	    base64_encode(checkpoint->root, sizeof(checkpoint->root));

	return alloc_printf("%s\n%" PRIu64 "\n%s\n", checkpoint->origin,
	    checkpoint->size, root);
}

/* -- signing */

static void
sign(EVP_PKEY *key, const char *text, uint8_t ret[SIGNATURE_BYTES])
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	size_t len = SIGNATURE_BYTES;

	if (context == NULL ||
	    EVP_DigestSignInit(context, NULL, NULL, NULL, key) != 1 ||
	    EVP_DigestSign(context, ret, &len, (const unsigned char *)text,
		strlen(text)) != 1 ||
	    len != SIGNATURE_BYTES)
		die("a checkpoint cannot be signed");
	EVP_MD_CTX_free(context);
}

char *
checkpoint_sign(const struct checkpoint *checkpoint, EVP_PKEY *key)
{
	auto_free char *body = write_body(checkpoint);
	auto_free char *encoded = NULL;
	uint8_t signature[KEY_ID_BYTES + SIGNATURE_BYTES];

	make_key_id(checkpoint->origin, key, signature);
	sign(key, body, signature + KEY_ID_BYTES);
	encoded = base64_encode(signature, sizeof(signature));
	return alloc_printf(
	    "%s\n" DASH " %s %s\n", body, checkpoint->origin, encoded);
}

/* -- reading */

/* What is left of a note. */
struct reader {
	const char *at, *end;
};

struct line {
	const char *text;
	size_t len;
};

/* Each line has its newline, the last too. */
static bool
next_line(struct reader *reader, struct line *ret)
{
	const char *newline =
	    memchr(reader->at, '\n', (size_t)(reader->end - reader->at));

	if (newline == NULL)
		return false;
	*ret = (struct line){reader->at, (size_t)(newline - reader->at)};
	reader->at = newline + 1;
	return true;
}

static bool
is_text(const struct line *line, const char *text)
{
	return line->len == strlen(text) &&
	    memcmp(line->text, text, line->len) == 0;
}

static bool
read_size(const struct line *line, uint64_t *ret)
{
	uint64_t size = 0;

	/* 2^63 has 19 digits. */
	if (line->len == 0 || line->len > 19 ||
	    (line->text[0] == '0' && line->len > 1))
		return false;
	for (size_t i = 0; i < line->len; i++) {
		if (line->text[i] < '0' || line->text[i] > '9')
			return false;
		size = 10 * size + (uint64_t)(line->text[i] - '0');
	}
	*ret = size;
	return size <= INT64_MAX;
}

static bool
read_bytes(const char *text, size_t len, uint8_t *ret, size_t size)
{
	auto_free uint8_t *data = NULL;
	size_t found = 0;

	if (!base64_decode(text, len, &data, &found) || found != size)
		return false;
	memcpy(ret, data, size);
	return true;
}

/* The three lines and the empty one behind them. */
static int
read_body(struct reader *reader, const char *origin, struct checkpoint *ret,
    struct err *err)
{
	struct line lines[4];

	for (size_t i = 0; i < COUNT(lines); i++) {
		if (!next_line(reader, &lines[i]))
			return err_set(err, ERR_UNPROCESSABLE,
			    "a checkpoint that ends after %zu lines", i);
	}
	if (!is_text(&lines[0], origin))
		return err_set(err, ERR_CONFLICT,
		    "a checkpoint of another log than %s", origin);
	if (!read_size(&lines[1], &ret->size) ||
	    !read_bytes(lines[2].text, lines[2].len, ret->root, SHA256_BYTES) ||
	    lines[3].len != 0)
		return err_set(err, ERR_UNPROCESSABLE,
		    "a checkpoint whose size, root or empty line is none");
	snprintf(ret->origin, sizeof(ret->origin), "%s", origin);
	return 0;
}

/* A dash, a blank, a name, a blank, base64. */
static bool
read_signature(
    const struct line *line, struct line *ret_name, struct line *ret_value)
{
	static const char start[] = DASH " ";
	size_t before = sizeof(start) - 1;
	const char *blank;

	if (line->len <= before || memcmp(line->text, start, before) != 0)
		return false;
	blank = memchr(line->text + before, ' ', line->len - before);
	if (blank == NULL)
		return false;
	*ret_name = (struct line){
	    line->text + before, (size_t)(blank - line->text) - before};
	*ret_value = (struct line){
	    blank + 1, line->len - (size_t)(blank + 1 - line->text)};
	return ret_name->len > 0 && ret_value->len > 0;
}

static bool
is_signed_by(const struct line *value, const char *origin, EVP_PKEY *key,
    const char *body, size_t len)
{
	uint8_t signature[KEY_ID_BYTES + SIGNATURE_BYTES];
	uint8_t id[KEY_ID_BYTES];
	EVP_MD_CTX *context;
	bool good;

	make_key_id(origin, key, id);
	if (!read_bytes(
		value->text, value->len, signature, sizeof(signature)) ||
	    memcmp(signature, id, sizeof(id)) != 0)
		return false;
	context = EVP_MD_CTX_new();
	good = context != NULL &&
	    EVP_DigestVerifyInit(context, NULL, NULL, NULL, key) == 1 &&
	    EVP_DigestVerify(context, signature + KEY_ID_BYTES, SIGNATURE_BYTES,
		(const unsigned char *)body, len) == 1;
	EVP_MD_CTX_free(context);
	return good;
}

int
checkpoint_open(const char *note, size_t len, const char *origin, EVP_PKEY *key,
    struct checkpoint *ret, struct err *err)
{
	struct reader reader = {note, note + len};
	struct checkpoint found = {0};
	size_t body_len, signatures = 0;
	bool good = false;

	if (len > CHECKPOINT_MAX)
		return err_set(err, ERR_UNPROCESSABLE,
		    "a checkpoint of more than %d bytes", CHECKPOINT_MAX);
	if (read_body(&reader, origin, &found, err) != 0)
		return -1;
	/* What is signed ends with the newline of its last line. */
	body_len = (size_t)(reader.at - note) - 1;
	while (reader.at < reader.end) {
		struct line line, name, value;

		if (++signatures > CHECKPOINT_SIGNATURES_MAX ||
		    !next_line(&reader, &line) ||
		    !read_signature(&line, &name, &value))
			return err_set(err, ERR_UNPROCESSABLE,
			    "line %zu of a checkpoint is no signature",
			    signatures + 4);
		good = good ||
		    (is_text(&name, origin) &&
			is_signed_by(&value, origin, key, note, body_len));
	}
	if (!good)
		return err_set(err, ERR_CONFLICT,
		    "a checkpoint that this log's key has not signed");
	*ret = found;
	return 0;
}

int
checkpoint_read_origin(const char *note, size_t len,
    char ret[CHECKPOINT_ORIGIN_MAX + 1], struct err *err)
{
	struct reader reader = {note, note + len};
	char origin[CHECKPOINT_ORIGIN_MAX + 1];
	struct line line;

	if (!next_line(&reader, &line) || line.len > CHECKPOINT_ORIGIN_MAX ||
	    memchr(line.text, '\0', line.len) != NULL)
		return err_set(err, ERR_UNPROCESSABLE,
		    "a checkpoint that begins with no log's name");
	snprintf(origin, sizeof(origin), "%.*s", (int)line.len, line.text);
	if (!checkpoint_is_origin(origin))
		return err_set(err, ERR_UNPROCESSABLE,
		    "a checkpoint that begins with no log's name");
	memcpy(ret, origin, sizeof(origin));
	return 0;
}

int
checkpoint_compare(const struct checkpoint *a, const struct checkpoint *b,
    const struct merkle_proof *proof, struct err *err)
{
	const struct checkpoint *older = a->size <= b->size ? a : b;
	const struct checkpoint *newer = older == a ? b : a;

	if (strcmp(a->origin, b->origin) != 0)
		return err_set(err, ERR_CONFLICT,
		    "checkpoints of two logs, %s and %s", a->origin, b->origin);
	if (older->size == 0 && proof->count == 0)
		return 0;
	if (!merkle_extends(
		older->size, older->root, newer->size, newer->root, proof))
		return err_set(err, ERR_CONFLICT,
		    "the log of %" PRIu64 " records does not begin with the "
		    "%" PRIu64 " that were signed before",
		    newer->size, older->size);
	return 0;
}
