/*
 * Requests and their answers. Every answer carries the request's id and the
 * security fields; none carries anything that was not composed here or by the
 * runner.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gateway/conn.h"
#include "gateway/exchange.h"
#include "gateway/headers.h"
#include "gateway/upload.h"
#include "gateway/worker.h"
#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/json.h"
#include "lib/log.h"

static void (*const handlers[ROUTE_COUNT])(struct exchange *exchange) = {
#define ROUTE(name, listener, method, path, access, scope, body, body_max) \
	[ROUTE_##name] = handle_##name,
#include "gateway/routes.def"
#undef ROUTE
};

struct exchange *
exchange_new(struct conn *conn, struct MHD_Connection *mhd, const char *method,
    const char *path)
{
	struct exchange *exchange = alloc_zero(1, sizeof(*exchange));

	exchange->worker = conn->worker;
	exchange->conn = conn;
	exchange->mhd = mhd;
	exchange->method = method;
	exchange->path = path;
	exchange->principal.certificate = conn->peer.certificate;
	exchange->started_us = (int64_t)(uv_hrtime() / 1000);
	exchange->auth_us = -1;
	exchange->policy_us = -1;
	exchange->timing = RUNNER_TIMING_NONE;
	memcpy(exchange->request_id, conn->request_id, UUID_TEXT);
	memcpy(exchange->address, conn->address_text, ADDRESS_TEXT);
	conn->exchange = exchange;
	return exchange;
}

/* Whoever is answered, or gone, hears nothing more of the runner: there is no
 * second answer. */
static void
forget_question(struct exchange *exchange)
{
	if (exchange->request != 0)
		link_forget(exchange->worker->link, exchange->request);
	exchange->request = 0;
}

static void
count(const struct exchange *exchange, int64_t took_us)
{
	struct counters *counters = &exchange->worker->counters;
	size_t route =
	    exchange->route == NULL ? ROUTE_COUNT : exchange->route->id;

	if (exchange->status < 600)
		counter_add(
		    &counters->answers[route][exchange->status / 100], 1);
	counters_observe(counters, took_us);
}

/* Its client has, before it was answered in whole. */
static bool
is_gone(const struct exchange *exchange)
{
	bool by_connection = exchange->in_body && exchange->status != 0;

	return exchange->conn == NULL && !by_connection;
}

static void
log_end(const struct exchange *exchange, int64_t took_us)
{
	char status[8], took_ms[24];

	snprintf(status, sizeof(status), "%u", exchange->status);
	snprintf(took_ms, sizeof(took_ms), "%lld.%03lld",
	    (long long)(took_us / 1000), (long long)(took_us % 1000));
	log_event(exchange->worker->listener == LISTENER_PUBLIC
		? LOG_LEVEL_INFO
		: LOG_LEVEL_DEBUG,
	    "request", "request_id", exchange->request_id, "method",
	    exchange->method, "path", exchange->path, "status",
	    is_gone(exchange) ? "gone" : status, "took_ms", took_ms, "subject",
	    exchange->principal.certificate.subject, "token_id",
	    exchange->principal.token.id, "address", exchange->address, NULL);
}

void
exchange_free(struct exchange *exchange)
{
	int64_t took_us = (int64_t)(uv_hrtime() / 1000) - exchange->started_us;

	count(exchange, took_us);
	log_end(exchange, took_us);
	forget_question(exchange);
	if (exchange->response != NULL)
		MHD_destroy_response(exchange->response);
	if (exchange->upload != NULL)
		upload_free(exchange->upload);
	json_decref(exchange->denied);
	buffer_done(&exchange->body);
	free(exchange);
}

void
exchange_handle(struct exchange *exchange)
{
	handlers[exchange->route->id](exchange);
}

const char *
exchange_field(const struct exchange *exchange, const char *name)
{
	return MHD_lookup_connection_value(
	    exchange->mhd, MHD_HEADER_KIND, name);
}

bool
exchange_is_json(const char *type)
{
	static const char json[] = "application/json";
	static const char utf8[] = "charset=utf-8";

	if (type == NULL || strncasecmp(type, json, strlen(json)) != 0)
		return false;
	type += strlen(json);
	if (*type == '\0')
		return true;
	if (*type++ != ';')
		return false;
	while (*type == ' ')
		type++;
	return strcasecmp(type, utf8) == 0;
}

void
exchange_header(struct exchange *exchange, const char *name, const char *value)
{
	if (MHD_add_response_header(exchange->response, name, value) != MHD_YES)
		die("the field %s cannot be added", name);
}

/* docs/api.md: where the time went. */
static void
add_timing(struct exchange *exchange)
{
	const struct {
		const char *name;
		int64_t us;
	} parts[] = {
	    {"auth", exchange->auth_us},
	    {"policy", exchange->policy_us},
	    {"queue", exchange->timing.queue_us},
	    {"start", exchange->timing.start_us},
	    {"run", exchange->timing.run_us},
	    {"audit", exchange->timing.audit_us},
	};
	auto_buffer value = BUFFER_INIT(512);

	for (size_t i = 0; i < COUNT(parts); i++)
		if (parts[i].us >= 0)
			buffer_printf(&value, "%s%s;dur=%lld.%03lld",
			    value.len == 0 ? "" : ", ", parts[i].name,
			    (long long)(parts[i].us / 1000),
			    (long long)(parts[i].us % 1000));
	if (value.len > 0)
		exchange_header(exchange, "Server-Timing", value.data);
}

void
exchange_answer_take(
    struct exchange *exchange, unsigned status, struct MHD_Response *response)
{
	if (response == NULL)
		die("an answer cannot be made");
	if (exchange->response != NULL || exchange->queued)
		die("%s was answered twice", exchange->path);
	forget_question(exchange);
	exchange->status = status;
	exchange->response = response;
	exchange_header(exchange, "X-Request-Id", exchange->request_id);
	for (size_t i = 0; i < HEADERS_COUNT; i++)
		exchange_header(exchange, headers_security[i].name,
		    headers_security[i].value);
	add_timing(exchange);
	if (exchange->worker->draining ||
	    (exchange->conn != NULL && exchange->conn->last))
		exchange_header(exchange, MHD_HTTP_HEADER_CONNECTION, "close");
}

static void
answer_text_take(
    struct exchange *exchange, unsigned status, char *text, const char *type)
{
	exchange_answer_take(exchange, status,
	    MHD_create_response_from_buffer(
		strlen(text), text, MHD_RESPMEM_MUST_FREE));
	exchange_header(exchange, MHD_HTTP_HEADER_CONTENT_TYPE, type);
}

void
exchange_answer_text(struct exchange *exchange, unsigned status,
    const char *text, const char *type)
{
	answer_text_take(exchange, status, alloc_string(text), type);
}

void
exchange_answer_json(
    struct exchange *exchange, unsigned status, const json_t *json)
{
	if (json == NULL || status == MHD_HTTP_NO_CONTENT) {
		exchange_answer_take(exchange, status,
		    MHD_create_response_from_buffer(
			0, NULL, MHD_RESPMEM_PERSISTENT));
		return;
	}
	answer_text_take(
	    exchange, status, json_encode(json, NULL), "application/json");
}

static void
queue_problem(struct exchange *exchange, const struct problem *problem)
{
	struct problem_field fields[PROBLEM_FIELDS_MAX];

	problem_fields(problem, fields);
	answer_text_take(exchange, (unsigned)err_status(problem->err.code),
	    problem_body(problem, exchange->request_id), PROBLEM_MEDIA_TYPE);
	for (size_t i = 0; i < COUNT(fields) && fields[i].name != NULL; i++)
		exchange_header(exchange, fields[i].name, fields[i].value);
}

/* In the middle of a body MHD takes no answer: the connection gives it, and
 * ends. */
static void
answer_problem(struct exchange *exchange, const struct problem *problem)
{
	if (exchange->in_body) {
		forget_question(exchange);
		exchange->status = (unsigned)err_status(problem->err.code);
		conn_answer(exchange->conn, problem);
	} else {
		queue_problem(exchange, problem);
	}
	counter_add(&exchange->worker->counters.refusals[problem->err.code], 1);
	log_failure(problem->err.code == ERR_INTERNAL ? LOG_LEVEL_ERROR
						      : LOG_LEVEL_INFO,
	    "request.refused", &problem->err, "request_id",
	    exchange->request_id, NULL);
}

/* Of an address, and of whoever has the certificate. */
static void
count_failure(struct conn *conn)
{
	struct worker *worker = conn->worker;
	struct limits_key subject =
	    limits_key_of_subject(conn->peer.certificate.subject);
	int64_t now_ms = clock_boot_ms();

	limits_take(worker->failures, &conn->address_key, now_ms, NULL);
	limits_take(worker->refused, &subject, now_ms, NULL);
}

/* Our own trouble is no refusal. */
static void
report(const struct exchange *exchange, const struct problem *problem)
{
	struct worker *worker = exchange->worker;
	const struct principal *principal = &exchange->principal;

	if (problem->err.code == ERR_INTERNAL ||
	    problem->err.code == ERR_UNAVAILABLE)
		return;
	if (err_status(problem->err.code) == MHD_HTTP_UNAUTHORIZED)
		count_failure(exchange->conn);
	refusals_report(&worker->refusals,
	    &(struct refusal){.code = problem->err.code,
		.address = exchange->address,
		.certificate = exchange->conn->peer.verified
		    ? &exchange->conn->peer.certificate
		    : NULL,
		.token_id = principal->token.id,
		.rule = problem->rule,
		.method = exchange->method,
		.path = exchange->path,
		.detail = problem->err.detail,
		.task = exchange->denied},
	    clock_boot_ms());
}

void
exchange_refuse(struct exchange *exchange, const struct problem *problem)
{
	report(exchange, problem);
	answer_problem(exchange, problem);
}

void
exchange_refuse_err(struct exchange *exchange, const struct err *err)
{
	exchange_refuse(exchange, &(struct problem){.err = *err});
}

void
exchange_pass_failure(
    struct exchange *exchange, const struct link_answer *answer)
{
	answer_problem(exchange,
	    &(struct problem){.err = *answer->failure,
		.rule = answer->rule,
		.condition = answer->condition,
		.retry_after_s = answer->retry_after_s,
		.received = answer->received < 0 ? NULL : &answer->received});
}

/* ---- asking the runner ---- */

static char *
encode_certificate(SSL *ssl)
{
	unsigned char *der = NULL;
	int len = i2d_X509(SSL_get0_peer_certificate(ssl), &der);
	char *text;

	if (len <= 0)
		die("a verified certificate cannot be encoded");
	text = base64url_encode(der, (size_t)len);
	OPENSSL_free(der);
	return text;
}

static void
add_envelope(const struct exchange *exchange, json_t *members)
{
	auto_free char *certificate = encode_certificate(exchange->conn->ssl);
	/* It was accepted: the scheme and one blank stand before it. */
	const char *token =
	    exchange_field(exchange, MHD_HTTP_HEADER_AUTHORIZATION) +
	    strlen("Bearer ");

	json_object_set_new(members, "certificate", json_string(certificate));
	json_object_set_new(members, "token", json_string(token));
	json_object_set_new(members, "address", json_string(exchange->address));
	json_object_set_new(
	    members, "request_id", json_string(exchange->request_id));
}

static void
on_answer(void *arg, const struct link_answer *answer)
{
	struct exchange *exchange = arg;

	exchange->request = 0;
	exchange->waits = false;
	exchange->timing = answer->timing;
	exchange->heard(exchange, answer);
	if (exchange->response != NULL && exchange->suspended)
		http_resume(exchange);
}

int
exchange_ask_again_take(struct exchange *exchange,
    const struct link_question *question, exchange_heard *heard,
    struct err *err)
{
	auto_json *members = question->members;

	add_envelope(exchange, members);
	exchange->heard = heard;
	return link_ask(exchange->worker->link, question, on_answer, exchange,
	    &exchange->request, err);
}

void
exchange_ask_take(struct exchange *exchange,
    const struct link_question *question, exchange_heard *heard)
{
	struct err err;

	if (exchange_ask_again_take(exchange, question, heard, &err) < 0) {
		exchange_refuse_err(exchange, &err);
		return;
	}
	/* It is waited for a task: has the client gone meanwhile? */
	if (exchange->waits)
		worker_make_ready(exchange->worker, exchange->conn);
}

void
exchange_abandon(struct exchange *exchange)
{
	exchange->conn = NULL;
	forget_question(exchange);
	if (exchange->suspended)
		http_resume(exchange);
}
