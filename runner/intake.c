/*
 * From a pipe to where its bytes go. Trusts the gateway no further than its
 * own requests: what it does not finish is not whole.
 */
#include "runner/intake.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/log.h"
#include "runner/gate.h"

struct intake {
	struct runner *runner;
	struct intake *next, *previous;
	struct question *question; /* NULL: nobody waits for the answer */
	char subject[SUBJECT_MAX + 1];
	const struct intake_kind *kind;
	void *arg;
	struct upload *upload; /* NULL: the body has come */
};

static void
close_upload(struct intake *intake)
{
	if (intake->upload != NULL)
		upload_close(intake->upload);
	intake->upload = NULL;
}

static void
free_intake(struct intake *intake)
{
	struct runner *runner = intake->runner;

	close_upload(intake);
	if (intake->previous != NULL)
		intake->previous->next = intake->next;
	else
		runner->intakes = intake->next;
	if (intake->next != NULL)
		intake->next->previous = intake->previous;
	if (intake->question != NULL)
		intake->question->intake = NULL;
	free(intake);
}

static size_t
on_room(void *arg)
{
	const struct intake *intake = arg;

	return intake->kind->room(intake->arg);
}

static void
on_data(void *arg, const void *data, size_t len)
{
	struct intake *intake = arg;
	struct err err = {0};

	if (intake->kind->write(intake->arg, data, len, &err) != 0)
		intake_fail(intake, &err);
}

static void
on_ended(void *arg, bool whole)
{
	struct intake *intake = arg;
	struct err err;

	close_upload(intake);
	if (whole) {
		intake->kind->finish(intake, intake->arg);
		return;
	}
	intake->kind->abort(intake->arg);
	err_set(&err, ERR_MALFORMED, "the body is not as long as was said");
	intake_fail(intake, &err);
}

static const struct upload_events upload_events = {
    .room = on_room,
    .data = on_data,
    .ended = on_ended,
};

static int
check_bounds(const struct runner *runner, const char *subject, struct err *err)
{
	size_t all = 0, own = 0;

	for (const struct intake *at = runner->intakes; at != NULL;
	     at = at->next) {
		all++;
		own += strcmp(at->subject, subject) == 0 ? 1 : 0;
	}
	if (own >= INTAKES_PER_SUBJECT)
		return err_set(
		    err, ERR_BUSY, "you have too many bodies under way");
	if (all >= INTAKES_MAX)
		return err_set(
		    err, ERR_UNAVAILABLE, "too many bodies are under way");
	return 0;
}

int
intake_open(struct question *question, const struct intake_kind *kind,
    struct intake **ret, int *ret_fd, struct err *err)
{
	struct runner *runner = question->runner;
	const char *subject = question->principal.certificate.subject;
	struct intake *intake;
	struct upload *upload;

	intake = alloc_zero(1, sizeof(*intake));
	if (check_bounds(runner, subject, err) != 0 ||
	    upload_open(&runner->loop, &upload_events, intake, &upload, ret_fd,
		err) != 0) {
		free(intake);
		return -1;
	}
	intake->runner = runner;
	intake->question = question;
	question->intake = intake;
	snprintf(intake->subject, sizeof(intake->subject), "%s", subject);
	intake->kind = kind;
	intake->upload = upload;
	intake->next = runner->intakes;
	if (intake->next != NULL)
		intake->next->previous = intake;
	runner->intakes = intake;
	*ret = intake;
	return 0;
}

void
intake_begin_take(struct intake *intake, void *arg, int fd)
{
	struct peer *peer = intake->question->peer;
	auto_json *members =
	    json_pack("{s:I}", "request", (json_int_t)intake->question->number);
	auto_fd int own = fd;
	struct err err;

	intake->arg = arg;
	if (peer != NULL &&
	    channel_send(
		peer->channel, MESSAGE_begin, members, &own, 1, &err) == 0)
		return;
	if (peer != NULL)
		log_failure(LOG_LEVEL_WARNING, "peer.unheard", &err, NULL);
	intake->kind->abort(intake->arg);
	err_set(&err, ERR_UNAVAILABLE, "the body cannot be taken now");
	intake_fail(intake, &err);
}

void
intake_refuse_take(struct intake *intake, const struct err *err, int fd)
{
	close(fd);
	intake_fail(intake, err);
}

void
intake_resume(struct intake *intake)
{
	if (intake->upload != NULL)
		upload_resume(intake->upload);
}

void
intake_reply_take(struct intake *intake, int status, json_t *body)
{
	struct question *question = intake->question;

	free_intake(intake);
	if (question != NULL)
		question_reply_take(question, status, body, -1);
	else
		json_decref(body);
}

void
intake_fail(struct intake *intake, const struct err *err)
{
	struct question *question = intake->question;

	free_intake(intake);
	if (question != NULL)
		gate_refuse(question, err);
}

void
intake_set_received(struct intake *intake, int64_t received)
{
	if (intake->question != NULL)
		intake->question->received = received;
}

void
intake_forget(struct intake *intake)
{
	bool is_whole =
	    intake->upload == NULL || upload_is_finished(intake->upload);

	intake->question->intake = NULL;
	intake->question = NULL;
	if (is_whole)
		return;
	intake->kind->abort(intake->arg);
	free_intake(intake);
}

int
peer_handle_finish(struct peer *peer, struct message *message, struct err *err)
{
	struct finish {
		int64_t request, length;
	} finish;
	static const struct json_field fields[] = {
	    JSON_FIELD(struct finish, request, "request", JSON_KIND_INTEGER,
		true, 1, INT64_MAX),
	    JSON_FIELD(struct finish, length, "length", JSON_KIND_INTEGER, true,
		0, INT64_MAX),
	};
	const struct question *question;

	if (json_read_fields(message->members, "", fields, COUNT(fields), false,
		&finish, err) != 0)
		return -1;
	question = question_find(peer, finish.request);
	/* The failure may have crossed it. */
	if (question == NULL)
		return 0;
	if (question->intake == NULL || question->intake->upload == NULL ||
	    upload_is_finished(question->intake->upload))
		return err_set(err, ERR_MALFORMED,
		    "finish: no body of this request is under way");
	upload_finish(question->intake->upload, (uint64_t)finish.length);
	return 0;
}
