/*
 * What the gateway says of itself and of who is asking.
 */
#include <string.h>

#include "gateway/exchange.h"
#include "gateway/gateway.h"
#include "gateway/openapi.h"
#include "gateway/readiness.h"
#include "lib/cleanup.h"
#include "lib/json.h"

void
handle_status(struct exchange *x)
{
	const struct worker *worker = x->worker;
	const struct link_state *state = link_state(worker->link);
	auto_json *reasons = readiness_reasons(worker);
	auto_json *body = NULL;
	int64_t up_ms = clock_boot_ms() - worker->gateway->started_ms;

	body = json_pack("{s:s, s:I, s:b, s:O, s:I, s:I, s:I, s:I, s:I}",
	    "version", TASKGATE_VERSION, "uptime_s", (json_int_t)(up_ms / 1000),
	    "ready", json_array_size(reasons) == 0, "reasons", reasons,
	    "queued", (json_int_t)state->said.queued, "running",
	    (json_int_t)state->said.running, "capacity",
	    (json_int_t)state->said.capacity, "warm",
	    (json_int_t)state->said.warm, "warming",
	    (json_int_t)state->said.warming);
	json_set_time(
	    body, "certificate_expires_at", worker->snapshot->not_after_s);
	json_set_time(body, "ca_expires_at",
	    trust_first_end(worker->snapshot->authority.trust));
	exchange_answer_json(x, MHD_HTTP_OK, body);
}

static void
add(struct buffer *text, const char *before, const char *value)
{
	buffer_append_string(text, before);
	buffer_append_string(text, value);
}

/* Into an array that was begun. */
static void
add_item(struct buffer *text, const char *item)
{
	bool is_first = text->data[text->len - 1] == '[';

	add(text, is_first ? "\"" : ",\"", item);
	buffer_append(text, "\"", 1);
}

static void
add_roles(struct buffer *text, const struct token_claims *token)
{
	for (size_t i = 0; i < token->nroles; i++)
		add_item(text, token->roles[i]);
}

static void
add_scopes(struct buffer *text, const struct token_claims *token)
{
	static const enum scope all[] = {
#define SCOPE(name, bit, text) SCOPE_##name,
#include "certs/scopes.def"
#undef SCOPE
	};

	for (size_t i = 0; i < COUNT(all); i++)
		if ((token->scopes & all[i]) != 0)
			add_item(text, scope_name(all[i]));
}

/* As text, since a tree of jansson's takes a tenth of the whole request
 * (measured). Nothing has to be escaped: a certificate or a token with a byte
 * that JSON does not take as it is would not have been accepted. */
void
handle_whoami(struct exchange *x)
{
	const struct token_claims *token = &x->principal.token;
	const struct certificate *certificate = &x->principal.certificate;
	char token_end[CLOCK_TEXT], certificate_end[CLOCK_TEXT];
	auto_buffer body = BUFFER_INIT(SIZE_MAX);

	clock_format(token->expires_s * 1000, token_end);
	clock_format(certificate->not_after_s * 1000, certificate_end);
	add(&body, "{\"subject\":\"", token->subject);
	buffer_append_string(&body, "\",\"roles\":[");
	add_roles(&body, token);
	buffer_append_string(&body, "],\"scopes\":[");
	add_scopes(&body, token);
	add(&body, "],\"token\":{\"id\":\"", token->id);
	add(&body, "\",\"expires_at\":\"", token_end);
	add(&body, "\"},\"certificate\":{\"thumbprint\":\"",
	    certificate->thumbprint);
	add(&body, "\",\"serial\":\"", certificate->serial);
	add(&body, "\",\"expires_at\":\"", certificate_end);
	buffer_append_string(&body, "\"}}");
	exchange_answer_text(x, MHD_HTTP_OK, body.data, "application/json");
}

void
handle_openapi(struct exchange *x)
{
	exchange_answer_take(x, MHD_HTTP_OK,
	    MHD_create_response_from_buffer(openapi_json_len,
		(void *)(uintptr_t)openapi_json, MHD_RESPMEM_PERSISTENT));
	exchange_header(x, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
}
