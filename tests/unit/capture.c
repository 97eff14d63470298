/* Standard output and error, caught in files; only tests link this. */
#include "tests/unit/capture.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"

struct stream {
	int number;
	int kept;
	int file;
};

static struct stream
divert(int number)
{
	struct stream stream = {number, fcntl(number, F_DUPFD_CLOEXEC, 3),
	    memfd_create("capture", MFD_CLOEXEC)};

	if (stream.kept < 0 || stream.file < 0 ||
	    dup2(stream.file, number) != number)
		die("cannot divert descriptor %d", number);
	return stream;
}

static char *
restore(struct stream *stream)
{
	struct stat st;
	char *text = NULL;

	if (dup2(stream->kept, stream->number) != stream->number ||
	    fstat(stream->file, &st) != 0)
		die("cannot restore descriptor %d", stream->number);
	text = alloc_zero((size_t)st.st_size + 1, 1);
	if (pread(stream->file, text, (size_t)st.st_size, 0) != st.st_size)
		die("cannot read what was written");
	close(stream->kept);
	close(stream->file);
	return text;
}

struct capture
capture_run(int (*run)(void *arg), void *arg)
{
	struct capture capture = {0};
	struct stream out, err;

	fflush(stdout);
	fflush(stderr);
	out = divert(STDOUT_FILENO);
	err = divert(STDERR_FILENO);
	capture.result = run(arg);
	fflush(stdout);
	fflush(stderr);
	capture.out = restore(&out);
	capture.err = restore(&err);
	return capture;
}

void
capture_done(struct capture *capture)
{
	free(capture->out);
	free(capture->err);
	*capture = (struct capture){0};
}
