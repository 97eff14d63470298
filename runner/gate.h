/*
 * Requests of clients, as the gateway passes them on: what the files of
 * handlers share. Nothing in them is believed but what is verified here.
 */
#ifndef RUNNER_GATE_H
#define RUNNER_GATE_H

#include "certs/signature.h"
#include "runner/peers.h"

/* What every request of a client carries. */
struct envelope {
	int64_t request;
	const char *certificate, *token, *address, *request_id;
	const struct gate_claim *claim; /* NULL: it claims no signature */
};

/* That the asker has signed this, of which the body's digest was taken here
 * and method and path are those of what is about to be done. */
struct gate_claim {
	struct signed_request request;
	struct signature signature;
};

/* Fields of a struct that has an `envelope`. */
#define ENVELOPE_FIELDS(type)                                                  \
	JSON_FIELD(type, envelope.request, "request", JSON_KIND_INTEGER, true, \
	    1, INT64_MAX),                                                     \
	    JSON_FIELD(type, envelope.certificate, "certificate",              \
		JSON_KIND_STRING, true, 0, 0),                                 \
	    JSON_FIELD(                                                        \
		type, envelope.token, "token", JSON_KIND_STRING, true, 0, 0),  \
	    JSON_FIELD(type, envelope.address, "address", JSON_KIND_STRING,    \
		true, 1, 63),                                                  \
	    JSON_FIELD(type, envelope.request_id, "request_id",                \
		JSON_KIND_STRING, true, 1, 63)

/* Who has made this request, by certificate, token and, where there is one,
 * signature, all verified here; ERR_UNAUTHENTICATED. What was seen before is
 * known (`runner->certificates`, `tokens`); a signature never is. */
int gate_authenticate(const struct runner *runner,
    const struct envelope *envelope, struct principal *ret, struct err *err);

/*
 * Opens the question and verifies who asks, by certificate, token and, where
 * there is one, signature. 1: the principal stands in it;
 * 0: it was refused and answered; -1: a bad message.
 */
int gate_open(struct peer *peer, const struct envelope *envelope,
    enum scope scope, struct question **ret, struct err *err);
/* Whether nothing of the asker was revoked, nor the image (NULL: none is asked
 * for) that a reference names by its digest. gate_open() has asked; what waits
 * for something asks again. */
int gate_check_revocations(
    const struct question *question, const char *image, struct err *err);
/* Answers, and has it on record. */
void gate_refuse(struct question *question, const struct err *err);
/* The same for what was to be decided about a task. */
void gate_refuse_about(
    struct question *question, const char *task, const struct err *err);

/* The same for what a rule that names the asker does not let it do now. */
void gate_refuse_by(struct question *question, const char *rule,
    const char *condition, const struct err *err);

/* The asker as records show it. */
json_t *gate_principal(const struct question *question);
/* The asker as whom a task belongs to, or who decides about one; its address is
 * the caller's to free. */
void gate_owner(const struct question *question, struct task_owner *ret);
/* Whether the asker may approve what this rule lets others run. */
bool gate_may_approve(const struct question *question, const char *rule);
/* Whether the asker may see a task of this subject. */
bool gate_may_see(const struct question *question, const char *subject);

/*
 * Finds a task for the asker: alive, or in the store. `found` is called once,
 * now or later, and owns `arg` (heap memory, or NULL) then; or the question is
 * answered: no such task of the asker's. `live` is NULL where it has ended.
 * What another's task is asked for goes on record.
 */
typedef void gate_found(struct question *question, void *arg, struct task *live,
    struct task_data *data);
void gate_find_take(
    struct question *question, const char *task, gate_found *found, void *arg);

/* The same, but another's task is none, whatever the asker may see. */
void gate_find_own_take(
    struct question *question, const char *task, gate_found *found, void *arg);
/* The same, also what somebody else may approve, or was to. Who `decides` has
 * it on record as that, and also that there is no such task. */
void gate_find_shown_take(struct question *question, const char *task,
    bool decides, gate_found *found, void *arg);
/* ERR_MALFORMED: not an id. */
int gate_check_task(const char *task, struct err *err);
/* A copy for gate_find_take(); its strings are not valid for longer than the
 * message. */
void *gate_keep(const void *request, size_t size);

/* Answers with a text, which goes as it is: what is verified at its end is
 * its bytes. `body` (NULL: none) is taken and gets its `length`. */
void gate_reply_text(
    struct question *question, const char *text, size_t len, json_t *body);

/* Answers with a task; a finished one with its output where it is small and
 * `inline_output` says so. */
void gate_reply_task(struct question *question, int status,
    const struct task_data *data, bool inline_output);
/* The same when it has ended or the time is up. */
void gate_wait_task(struct question *question, struct task *task,
    int64_t wait_ms, int status, bool inline_output);

#endif
