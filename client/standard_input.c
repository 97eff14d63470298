/*
 * Standard input inside JSON. The bytes are the user's and may be anything.
 */
#include "client/standard_input.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "lib/alloc.h"
#include "lib/buffer.h"
#include "lib/cleanup.h"
#include "lib/digest.h"
#include "lib/utf8.h"

static int
fail(const char *path, const char *what, struct failure *failure)
{
	return failure_set(failure, "local", "--stdin %s: %s", path, what);
}

int
standard_input_read(
    const char *path, char **ret, size_t *ret_len, struct failure *failure)
{
	auto_buffer buffer = BUFFER_INIT(STANDARD_INPUT_MAX);
	auto_fd int file = strcmp(path, "-") == 0
	    ? -1
	    : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	int fd = strcmp(path, "-") == 0 ? STDIN_FILENO : file;
	char piece[16 * 1024];
	ssize_t n = fd;

	while (n >= 0 && (n = read(fd, piece, sizeof(piece))) > 0) {
		buffer_append(&buffer, piece, (size_t)n);
		if (buffer.full)
			return failure_set(failure, "usage",
			    "--stdin %s: more than %d KiB do not go along "
			    "with the order; -i streams them",
			    path, STANDARD_INPUT_MAX / 1024);
	}
	if (n < 0 && errno == EINTR)
		return failure_set(failure, "interrupted", "interrupted");
	if (n < 0)
		return fail(path, strerror(errno), failure);
	*ret_len = buffer.len;
	*ret = buffer_take(&buffer);
	return 0;
}

json_t *
standard_input_render(const char *data, size_t len)
{
	auto_free char *encoded = NULL;

	if (memchr(data, '\0', len) == NULL && utf8_is_valid(data, len))
		return json_pack(
		    "{s:o}", "text", json_stringn_nocheck(data, len));
	encoded = base64_encode(data, len);
	return json_pack("{s:s}", "base64", encoded);
}
