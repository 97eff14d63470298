/*
 * The operations listener: health, readiness and metrics, plainly over HTTP on
 * loopback. Says nothing of any subject or task.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/exchange.h"
#include "gateway/gateway.h"
#include "gateway/metrics.h"
#include "gateway/readiness.h"
#include "lib/cleanup.h"
#include "lib/json.h"

#define TEXT "text/plain; charset=utf-8"
#define METRICS_MAX (1024 * 1024)
#define READYZ_MAX 65536

void
handle_healthz(struct exchange *x)
{
	exchange_answer_text(x, MHD_HTTP_OK, "ok\n", TEXT);
}

void
handle_readyz(struct exchange *x)
{
	auto_json *reasons = readiness_reasons(x->worker);
	auto_buffer text = BUFFER_INIT(READYZ_MAX);
	const json_t *reason;
	size_t i;

	if (json_array_size(reasons) == 0) {
		exchange_answer_text(x, MHD_HTTP_OK, "ready\n", TEXT);
		return;
	}
	json_array_foreach(reasons, i, reason)
	    buffer_printf(&text, "%s\n", json_string_value(reason));
	exchange_answer_text(x, MHD_HTTP_SERVICE_UNAVAILABLE, text.data, TEXT);
	exchange_header(x, "Retry-After", "1");
}

/* ---- metrics ---- */

static const struct metrics_family accepted = {
    "taskgate_gateway_connections_accepted_total", METRICS_COUNTER,
    "Connections accepted"};
static const struct metrics_family refused = {
    "taskgate_gateway_connections_refused_total", METRICS_COUNTER,
    "Connections refused by a limit"};
static const struct metrics_family open_now = {
    "taskgate_gateway_connections_open", METRICS_GAUGE,
    "Connections that are open"};
static const struct metrics_family handshakes = {
    "taskgate_gateway_handshakes_failed_total", METRICS_COUNTER,
    "TLS handshakes that failed"};
static const struct metrics_family handshakes_open = {
    "taskgate_gateway_handshakes_open", METRICS_GAUGE,
    "TLS handshakes that are under way"};
static const struct metrics_family handshakes_dropped = {
    "taskgate_gateway_handshakes_dropped_total", METRICS_COUNTER,
    "TLS handshakes that were ended for others to have their place"};
static const struct metrics_family answers = {"taskgate_gateway_answers_total",
    METRICS_COUNTER, "Answers by route and class of status"};
static const struct metrics_family refusals = {
    "taskgate_gateway_refusals_total", METRICS_COUNTER,
    "Requests refused by the gateway or passed on as refused, by error"};
static const struct metrics_family latency = {
    "taskgate_gateway_request_duration_seconds", METRICS_HISTOGRAM,
    "From a request's head to the end of its answer"};
static const struct metrics_family linked = {
    "taskgate_gateway_runner_connected", METRICS_GAUGE,
    "Workers whose connection to the runner stands"};
static const struct metrics_family workers = {
    "taskgate_gateway_workers", METRICS_GAUGE, "Worker threads"};

/* The sum over all workers of one counter, named by its place. */
static int64_t
sum(const struct gateway *gateway, size_t offset)
{
	uint64_t total = 0;

	for (size_t i = 0; i < gateway->nworkers; i++) {
		char *counters = (char *)&gateway->workers[i]->counters;

		total += counter_read((counter *)(void *)(counters + offset));
	}
	return (int64_t)total;
}

#define SUM(gateway, member) sum(gateway, offsetof(struct counters, member))

static void
write_connections(struct buffer *out, const struct gateway *gateway)
{
	const struct {
		const struct metrics_family *family;
		int64_t value;
	} values[] = {
	    {&accepted, SUM(gateway, connections_accepted)},
	    {&refused, SUM(gateway, connections_refused)},
	    {&open_now, SUM(gateway, connections_open)},
	    {&handshakes, SUM(gateway, handshakes_failed)},
	    {&handshakes_open, SUM(gateway, handshakes_open)},
	    {&handshakes_dropped, SUM(gateway, handshakes_dropped)},
	    {&linked, SUM(gateway, runner_connected)},
	    {&workers, (int64_t)gateway->nworkers},
	};

	for (size_t i = 0; i < COUNT(values); i++) {
		metrics_family(out, values[i].family);
		metrics_value(out, values[i].family, NULL, 0, values[i].value);
	}
}

static void
write_answers(struct buffer *out, const struct gateway *gateway)
{
	static const char *const classes[] = {
	    "", "1xx", "2xx", "3xx", "4xx", "5xx"};

	metrics_family(out, &answers);
	for (size_t r = 0; r <= ROUTE_COUNT; r++) {
		if (r < ROUTE_COUNT && routes[r].listener != LISTENER_PUBLIC)
			continue;
		for (size_t c = 2; c < COUNT(classes); c++) {
			const struct metrics_label labels[] = {
			    {"route",
				r < ROUTE_COUNT ? routes[r].name : "none"},
			    {"status", classes[c]},
			};
			int64_t value = sum(gateway,
			    offsetof(struct counters, answers) +
				(r * COUNT(classes) + c) * sizeof(counter));

			if (value > 0 || (r < ROUTE_COUNT && c == 2))
				metrics_value(out, &answers, labels,
				    COUNT(labels), value);
		}
	}
}

static void
write_refusals(struct buffer *out, const struct gateway *gateway)
{
	metrics_family(out, &refusals);
	for (int code = ERR_NONE + 1; code < ERR_COUNT_; code++) {
		const struct metrics_label label = {
		    "error", err_slug((enum err_code)code)};

		metrics_value(out, &refusals, &label, 1,
		    sum(gateway,
			offsetof(struct counters, refusals) +
			    (size_t)code * sizeof(counter)));
	}
}

static void
write_latency(struct buffer *out, const struct gateway *gateway)
{
	struct metrics_histogram histogram;

	for (size_t i = 0; i <= METRICS_BOUNDS; i++)
		histogram.counts[i] = (uint64_t)sum(gateway,
		    offsetof(struct counters, latency) + i * sizeof(counter));
	histogram.sum_us = (uint64_t)SUM(gateway, latency_sum_us);
	metrics_family(out, &latency);
	metrics_histogram(out, &latency, NULL, 0, &histogram);
}

static void
write_gauge(
    struct buffer *out, const char *name, const char *help, int64_t value)
{
	const struct metrics_family family = {name, METRICS_GAUGE, help};

	metrics_family(out, &family);
	metrics_value(out, &family, NULL, 0, value);
}

/* The runner's counters come under the names it gives them, if those can be
 * names here. */
static void
write_counter(struct buffer *out, const char *name, const json_t *value)
{
	char full[96], help[96];
	const struct metrics_family family = {full, METRICS_COUNTER, help};
	size_t len = strlen(name);

	if (len == 0 || len > 48 || !json_is_integer(value) ||
	    strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") != len)
		return;
	snprintf(full, sizeof(full), "taskgate_runner_%s_total", name);
	snprintf(help, sizeof(help), "Counted by the runner: %s", name);
	metrics_family(out, &family);
	metrics_value(out, &family, NULL, 0, json_integer_value(value));
}

static void
write_runner(struct buffer *out, const struct worker *worker)
{
	const struct link_state *state = link_state(worker->link);
	const char *name;
	json_t *value;

	write_gauge(out, "taskgate_tasks_queued", "Tasks that wait",
	    state->said.queued);
	write_gauge(out, "taskgate_tasks_running", "Tasks that run",
	    state->said.running);
	write_gauge(out, "taskgate_tasks_capacity",
	    "Tasks that may run at a time", state->said.capacity);
	write_gauge(out, "taskgate_warm_sandboxes",
	    "Fresh containers that are ready for a task", state->said.warm);
	write_gauge(out, "taskgate_warming_sandboxes",
	    "Fresh containers that are being made ready", state->said.warming);
	json_object_foreach(state->said.counters, name, value)
	    write_counter(out, name, value);
}

/* A reason begins with the part that it is of; the rest is in /readyz. */
static void
write_unready(struct buffer *out, const json_t *reasons)
{
	static const struct metrics_family unready = {"taskgate_unready",
	    METRICS_GAUGE, "Reasons in /readyz, by what they are of"};
	static const char *const parts[] = {
	    "gateway", "runner", "engine", "store and audit log", "policy"};

	metrics_family(out, &unready);
	for (size_t i = 0; i < COUNT(parts); i++) {
		const struct metrics_label part = {"part", parts[i]};
		size_t len = strlen(parts[i]), k;
		int64_t count = 0;
		const json_t *reason;

		json_array_foreach(reasons, k, reason)
		{
			const char *text = json_string_value(reason);

			if (strncmp(text, parts[i], len) == 0 &&
			    text[len] == ':')
				count++;
		}
		metrics_value(out, &unready, &part, 1, count);
	}
}

static void
write_process(struct buffer *out, const struct worker *worker)
{
	static const struct metrics_family build = {"taskgate_build_info",
	    METRICS_GAUGE, "Which build this is; always 1"};
	const struct metrics_label version = {"version", TASKGATE_VERSION};
	auto_json *reasons = readiness_reasons(worker);
	int64_t up_ms = clock_boot_ms() - worker->gateway->started_ms;

	metrics_family(out, &build);
	metrics_value(out, &build, &version, 1, 1);
	write_gauge(out, "taskgate_gateway_uptime_seconds",
	    "Since the gateway started", up_ms / 1000);
	write_gauge(out, "taskgate_ready", "1 where /readyz says 200",
	    json_array_size(reasons) == 0);
	write_unready(out, reasons);
	write_gauge(out, "taskgate_gateway_certificate_expiry_seconds",
	    "When the server's certificate ends, since the epoch",
	    worker->snapshot->not_after_s);
	write_gauge(out, "taskgate_gateway_ca_expiry_seconds",
	    "When the first certificate of the CA bundle ends, since the epoch",
	    trust_first_end(worker->snapshot->authority.trust));
}

void
handle_metrics(struct exchange *x)
{
	auto_buffer out = BUFFER_INIT(METRICS_MAX);
	const struct gateway *gateway = x->worker->gateway;

	write_process(&out, x->worker);
	write_connections(&out, gateway);
	write_answers(&out, gateway);
	write_refusals(&out, gateway);
	write_latency(&out, gateway);
	write_runner(&out, x->worker);
	exchange_answer_text(x, MHD_HTTP_OK, out.data, METRICS_CONTENT_TYPE);
}
