/*
 * Streams. The offset moves with what the sink has taken and with nothing
 * else, so that no byte is lost or shown twice however often the connection
 * breaks.
 */
#include "client/stream.h"

#include <inttypes.h>
#include <openssl/evp.h>

#include "lib/alloc.h"

void
stream_hash(struct stream *stream)
{
	stream->digest = EVP_MD_CTX_new();
	if (stream->digest == NULL ||
	    EVP_DigestInit_ex(stream->digest, EVP_sha256(), NULL) != 1)
		die("SHA-256 is not available");
}

void
stream_digest(struct stream *stream, char ret[SHA256_HEX])
{
	uint8_t digest[SHA256_BYTES];

	*ret = '\0';
	if (stream->digest == NULL)
		return;
	if (EVP_DigestFinal_ex(stream->digest, digest, NULL) != 1)
		die("SHA-256 failed");
	hex_encode(digest, sizeof(digest), ret);
}

void
stream_done(struct stream *stream)
{
	EVP_MD_CTX_free(stream->digest);
	stream->digest = NULL;
}

bool
stream_take(void *arg, const char *data, size_t len)
{
	struct stream *stream = arg;

	if (!sink_write(stream->sink, data, len)) {
		stream->paused = true;
		return false;
	}
	stream->offset += (int64_t)len;
	if (stream->digest != NULL &&
	    EVP_DigestUpdate(stream->digest, data, len) != 1)
		die("SHA-256 failed");
	/* Something arrived: the server is there. */
	retry_reset(&stream->retry);
	return true;
}

char *
stream_path(const struct stream *stream, const char *task)
{
	return alloc_printf("/v1/tasks/%s/output?stream=%s&offset=%" PRId64
			    "&follow=%d",
	    task, stream->name, stream->offset, stream->follow ? 1 : 0);
}

static enum stream_verdict
end(struct stream *stream)
{
	stream->ended = true;
	return STREAM_ENDED;
}

enum stream_verdict
stream_judge(struct stream *stream, const struct retry_policy *policy,
    const struct http_reply *reply, int64_t now_ms, uint32_t random)
{
	int64_t delay_ms;

	stream->paused = false;
	if (reply->status == 200)
		return end(stream);
	/* An offset behind the end of a finished task's stream: no more of it
	 * is there to come. */
	if (reply->status == 422 && stream->offset > 0)
		return end(stream);
	if (!retry_decide(policy, &stream->retry, reply->cause,
		reply->retry_after_s, now_ms, random, &delay_ms))
		return STREAM_FAILED;
	stream->due_ms = now_ms + delay_ms;
	return STREAM_AGAIN;
}

enum stream_verdict
stream_check_length(struct stream *stream, int64_t kept, int64_t now_ms)
{
	int64_t delay_ms;

	if (stream->offset >= kept || sink_is_closed(stream->sink))
		return STREAM_ENDED;
	if (!retry_decide(&retry_stream, &stream->retry, RETRY_LOST, -1, now_ms,
		0, &delay_ms))
		return STREAM_FAILED;
	stream->ended = false;
	stream->due_ms = now_ms + delay_ms;
	return STREAM_AGAIN;
}
