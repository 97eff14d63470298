/*
 * `list`: what has ended comes from the store, what has not from memory.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "policy/launch.h"
#include "runner/gate.h"

/* Of one page, roughly; what does not fit comes with the next. */
#define PAGE_BYTES_MAX (4 * 1024 * 1024)

struct list {
	struct envelope envelope;
	const char *state, *subject, *before;
	int64_t limit;
};

struct page {
	struct store_op op;
	struct question *question;
	struct task_query query;
	struct task_data *rows;
	size_t nrows;
	size_t bytes;
	bool more;
};

static size_t
weigh(const struct task_data *data)
{
	size_t bytes = 1024;

	size_t nargs;
	auto_free const char **args =
	    launch_args(data->launch, &data->request, &nargs);

	for (size_t i = 0; i < nargs; i++)
		bytes += strlen(args[i]) + 4;
	for (size_t i = 0; i < data->request.nparams; i++)
		bytes += strlen(data->request.params[i].value) + 4;
	for (size_t i = 0; i < data->request.nenv; i++)
		bytes += strlen(data->request.env[i].name) + 4;
	return bytes;
}

/* -- from the store */

static bool
add_row(void *arg, struct task_data *data)
{
	struct page *page = arg;

	if ((int64_t)page->nrows == page->query.limit - 1 ||
	    page->bytes > PAGE_BYTES_MAX) {
		page->more = true;
		return false;
	}
	page->bytes += weigh(data);
	page->rows[page->nrows++] = *data;
	*data = (struct task_data){0};
	return true;
}

static int
run_page(struct store_op *op, struct database *database, struct err *err)
{
	struct page *page = (struct page *)op;

	return task_store_list(database, &page->query, add_row, page, err);
}

static void
reply_list(struct question *question, json_t *tasks, const char *last)
{
	json_t *body = json_pack("{s:o}", "tasks", tasks);

	if (last != NULL)
		json_object_set_new(body, "next", json_string(last));
	question_reply_take(question, 200, body, -1);
}

static void
reply_page(struct page *page)
{
	struct runner *runner = page->question->runner;
	json_t *list = json_array();

	for (size_t i = 0; i < page->nrows; i++) {
		struct task *live =
		    tasks_find(&runner->tasks, page->rows[i].id);
		struct task_standing standing;

		json_array_append_new(list,
		    live != NULL ? task_render(live->data,
				       tasks_standing(live, &standing))
				 : task_render(&page->rows[i], NULL));
	}
	reply_list(page->question, list,
	    page->more ? page->rows[page->nrows - 1].id : NULL);
}

static void
page_done(struct store_op *op, const struct err *err)
{
	struct page *page = (struct page *)op;

	if (err != NULL)
		gate_refuse(page->question, err);
	else
		reply_page(page);
	for (size_t i = 0; i < page->nrows; i++)
		task_data_done(&page->rows[i]);
	free(page->rows);
	free(page);
}

static void
list_stored(struct question *question, const struct task_query *query)
{
	struct page *page = alloc_zero(1, sizeof(*page));

	page->op = (struct store_op){
	    .reads = true, .run = run_page, .done = page_done};
	page->question = question;
	page->query = *query;
	/* One more shows whether there are more. */
	page->query.limit++;
	page->rows = alloc_zero((size_t)query->limit, sizeof(*page->rows));
	store_submit(question->runner->store, &page->op);
}

/* -- from memory */

static bool
may_list(const struct question *question, const struct task *task)
{
	return strcmp(question->principal.certificate.subject,
		   task->data->owner.subject) == 0 ||
	    gate_may_approve(question, task->data->rule);
}

static void
list_live(struct question *question, const struct task_query *query,
    enum task_state state, bool as_approver)
{
	struct task *task = question->runner->tasks.newest;
	const struct task *last = NULL;
	json_t *list = json_array();
	size_t bytes = 0;
	bool more = false;

	for (; task != NULL && !more; task = task->older) {
		struct task_standing standing;

		if (task_state(task) != state ||
		    (query->before[0] != '\0' &&
			strcmp(task->id, query->before) >= 0) ||
		    (query->subject[0] != '\0' &&
			strcmp(task_subject(task), query->subject) != 0) ||
		    (as_approver && !may_list(question, task)))
			continue;
		more = (int64_t)json_array_size(list) == query->limit ||
		    bytes > PAGE_BYTES_MAX;
		if (more)
			break;
		task_wake(task);
		bytes += weigh(task->data);
		json_array_append_new(list,
		    task_render(task->data, tasks_standing(task, &standing)));
		last = task;
	}
	reply_list(question, list, more ? last->id : NULL);
}

/* -- the message */

static void
record_list(const struct question *question, const struct task_query *query)
{
	struct tasks *tasks = &question->runner->tasks;
	struct audit_entry *entry;

	if (strcmp(query->subject, question->principal.certificate.subject) ==
	    0)
		return;
	entry = tasks_entry(tasks, EVENT_TASK_READ_BY_OTHER);
	entry->principal = gate_principal(question);
	entry->object = json_pack("{s:s}", "subject",
	    query->subject[0] != '\0' ? query->subject : "*");
	audit_set_message(entry, "Someone listed other subjects' tasks");
	tasks_record_take(tasks, entry);
}

/* Without a subject: all that the asker may see. */
static int
choose_subject(const struct question *question, const struct list *list,
    struct task_query *query, struct err *err)
{
	const struct principal *principal = &question->principal;
	bool sees_all = (principal->token.scopes & SCOPE_TASKS_READ_ALL) != 0;
	const char *subject = list->subject != NULL ? list->subject
	    : sees_all                              ? ""
		       : principal->certificate.subject;

	if (strcmp(subject, principal->certificate.subject) != 0 &&
	    principal_require(principal, SCOPE_TASKS_READ_ALL, err) != 0)
		return -1;
	memcpy(query->subject, subject, strlen(subject) + 1);
	return 0;
}

/* What waits for approval is also for those to see who may give it. */
static bool
sees_as_approver(
    const struct question *question, const struct list *list, bool awaiting)
{
	const struct token_claims *token = &question->principal.token;

	return awaiting && (token->scopes & SCOPE_TASKS_APPROVE) != 0 &&
	    (token->scopes & SCOPE_TASKS_READ_ALL) == 0 &&
	    (list->subject == NULL ||
		strcmp(list->subject,
		    question->principal.certificate.subject) != 0);
}

static void
serve_list(struct question *question, const struct list *list)
{
	struct task_query query = {.limit = list->limit};
	enum task_state state = TASK_FINISHED;
	bool as_approver;
	struct err err;

	if (list->state != NULL && !task_state_parse(list->state, &state)) {
		err_set(&err, ERR_UNPROCESSABLE, "state: no state of a task's");
		gate_refuse(question, &err);
		return;
	}
	as_approver =
	    sees_as_approver(question, list, state == TASK_WAITING_APPROVAL);
	if (as_approver && list->subject != NULL)
		memcpy(query.subject, list->subject, strlen(list->subject) + 1);
	if (!as_approver && choose_subject(question, list, &query, &err) != 0) {
		gate_refuse(question, &err);
		return;
	}
	if (list->before != NULL)
		memcpy(query.before, list->before, UUID_TEXT);
	query.finished = list->state != NULL;
	record_list(question, &query);
	if (state == TASK_FINISHED)
		list_stored(question, &query);
	else
		list_live(question, &query, state, as_approver);
}

int
peer_handle_list(struct peer *peer, struct message *message, struct err *err)
{
	static const struct json_field fields[] = {
	    ENVELOPE_FIELDS(struct list),
	    JSON_FIELD(
		struct list, state, "state", JSON_KIND_STRING, false, 1, 16),
	    JSON_FIELD(struct list, subject, "subject", JSON_KIND_STRING, false,
		1, SUBJECT_MAX),
	    JSON_FIELD(
		struct list, before, "before", JSON_KIND_STRING, false, 36, 36),
	    JSON_FIELD(
		struct list, limit, "limit", JSON_KIND_INTEGER, true, 1, 200),
	};
	struct list list = {0};
	struct question *question = NULL;
	int result;

	if (json_read_fields(message->members, "", fields, COUNT(fields), false,
		&list, err) != 0)
		return -1;
	if (list.before != NULL && !uuid_is_valid(list.before))
		return err_set(err, ERR_MALFORMED, "before: not an id");
	result =
	    gate_open(peer, &list.envelope, SCOPE_TASKS_READ, &question, err);
	if (result > 0)
		serve_list(question, &list);
	return result < 0 ? -1 : 0;
}
