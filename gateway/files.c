/*
 * Files in and out: blobs on their way to the runner, and the files that a
 * task has left. What is in them is never looked at here; that a blob is what
 * its digest says is the runner's to find out.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/exchange.h"
#include "gateway/query.h"
#include "gateway/upload.h"
#include "lib/cleanup.h"
#include "lib/digest.h"

#define REPLY_S 30

/* RFC 9530 2, one digest of one kind: an RFC 8941 byte sequence. */
#define DIGEST_HEAD "sha-256=:"
#define DIGEST_TAIL ":"

static int
read_content_digest(
    const char *value, char ret_hex[SHA256_HEX], struct err *err)
{
	size_t len = value == NULL ? 0 : strlen(value);
	size_t head = strlen(DIGEST_HEAD), tail = strlen(DIGEST_TAIL);
	auto_free uint8_t *digest = NULL;
	size_t size = 0;

	if (len <= head + tail || strncmp(value, DIGEST_HEAD, head) != 0 ||
	    strcmp(value + len - tail, DIGEST_TAIL) != 0 ||
	    !base64_decode(value + head, len - head - tail, &digest, &size) ||
	    size != SHA256_BYTES)
		return err_set(err, ERR_MALFORMED,
		    "the Content-Digest is not sha-256=:BASE64:");
	hex_encode(digest, size, ret_hex);
	return 0;
}

static void
heard_blob(struct exchange *x, const struct link_answer *answer)
{
	exchange_answer_json(x, (unsigned)answer->status, answer->body);
}

void
handle_blob_create(struct exchange *x)
{
	const char *value = exchange_field(x, "Content-Digest");
	char sha256[SHA256_HEX];
	struct err err;

	if (query_read(x, &(struct query_table){0}, &err) < 0 ||
	    read_content_digest(value, sha256, &err) < 0) {
		exchange_refuse_err(x, &err);
		return;
	}
	upload_ask_take(
	    x, MESSAGE_blob, json_pack("{s:s}", "sha256", sha256), heard_blob);
}

/* ---- a file that a task has left ---- */

static void
add_content_digest(struct exchange *x, const uint8_t digest[SHA256_BYTES])
{
	auto_free char *text = base64_encode(digest, SHA256_BYTES);
	char value[128];

	snprintf(value, sizeof(value), DIGEST_HEAD "%s" DIGEST_TAIL, text);
	exchange_header(x, "Content-Digest", value);
	exchange_header(
	    x, MHD_HTTP_HEADER_CONTENT_TYPE, "application/octet-stream");
}

/* What the runner handed over must be what it says. */
static int
answer_file(
    struct exchange *x, const struct link_answer *answer, struct err *err)
{
	const json_t *length = json_object_get(answer->body, "length");
	const char *hex =
	    json_string_value(json_object_get(answer->body, "sha256"));
	uint8_t digest[SHA256_BYTES];
	struct stat st;

	if (*answer->fd < 0 || fstat(*answer->fd, &st) < 0 ||
	    !S_ISREG(st.st_mode) || !json_is_integer(length) ||
	    json_integer_value(length) != st.st_size || hex == NULL ||
	    !hex_decode(hex, strlen(hex), digest, sizeof(digest)))
		return err_set(err, ERR_INTERNAL,
		    "the runner gave no file, or another one");
	exchange_answer_take(x, MHD_HTTP_OK,
	    MHD_create_response_from_fd64(
		(uint64_t)st.st_size, take_fd(*answer->fd)));
	add_content_digest(x, digest);
	return 0;
}

static void
heard_file(struct exchange *x, const struct link_answer *answer)
{
	struct err err;

	if (answer->failure != NULL)
		exchange_pass_failure(x, answer);
	else if (answer_file(x, answer, &err) < 0)
		exchange_refuse_err(x, &err);
}

void
handle_task_file(struct exchange *x)
{
	struct err err;

	if (query_read(x, &(struct query_table){0}, &err) < 0) {
		exchange_refuse_err(x, &err);
		return;
	}
	exchange_ask_take(x,
	    &(struct link_question){.type = MESSAGE_file,
		.members = json_pack("{s:s, s:s}", "task", x->in_path.task,
		    "name", x->in_path.file),
		.fd = -1,
		.timeout_s = REPLY_S},
	    heard_file);
}
