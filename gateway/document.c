#include "gateway/document.h"

#include <sys/stat.h>

#include "lib/cleanup.h"

/* What the runner handed over must be what it says. */
static int
answer_document(struct exchange *x, const struct link_answer *answer,
    const char *type, struct err *err)
{
	const json_t *length = json_object_get(answer->body, "length");
	struct stat st;

	if (*answer->fd < 0 || fstat(*answer->fd, &st) < 0 ||
	    !S_ISREG(st.st_mode) || !json_is_integer(length) ||
	    json_integer_value(length) != st.st_size)
		return err_set(err, ERR_INTERNAL,
		    "the runner gave no document, or another one");
	exchange_answer_take(x, MHD_HTTP_OK,
	    MHD_create_response_from_fd64(
		(uint64_t)st.st_size, take_fd(*answer->fd)));
	exchange_header(x, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	return 0;
}

static void
heard(struct exchange *x, const struct link_answer *answer, const char *type)
{
	struct err err;

	if (answer->failure != NULL)
		exchange_pass_failure(x, answer);
	else if (answer_document(x, answer, type, &err) < 0)
		exchange_refuse_err(x, &err);
}

void
document_heard(struct exchange *x, const struct link_answer *answer)
{
	heard(x, answer, "application/json");
}

void
document_heard_text(struct exchange *x, const struct link_answer *answer)
{
	heard(x, answer, "text/plain; charset=utf-8");
}
