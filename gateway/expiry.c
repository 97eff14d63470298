/*
 * Ends that somebody has to do something about, told while there is time.
 */
#include "gateway/expiry.h"

#include <stdio.h>

#include "gateway/gateway.h"
#include "lib/clock.h"
#include "lib/log.h"

#define DAY_MS (UINT64_C(24) * 3600 * 1000)

static void
add(json_t *reasons, const char *what, int64_t end_s, int64_t margin_s,
    int64_t now_s)
{
	char time[CLOCK_TEXT], text[160];

	if (end_s - now_s >= margin_s && end_s > now_s)
		return;
	clock_format(end_s * 1000, time);
	snprintf(text, sizeof(text), "gateway: %s %s %s", what,
	    end_s <= now_s ? "has expired at" : "expires at", time);
	json_array_append_new(reasons, json_string(text));
}

void
expiry_add_reasons(json_t *reasons, const struct snapshot *snapshot,
    int64_t margin_s, int64_t now_s)
{
	add(reasons, "its certificate", snapshot->not_after_s, margin_s, now_s);
	add(reasons, "the last certificate of the CA bundle",
	    trust_last_end(snapshot->authority.trust), margin_s, now_s);
}

static void
warn(const char *event, int64_t end_s)
{
	char time[CLOCK_TEXT];

	if (end_s - clock_wall_ms() / 1000 >= EXPIRY_WARN_S)
		return;
	clock_format(end_s * 1000, time);
	log_warning(event, "expires_at", time, NULL);
}

void
expiry_look(struct gateway *gateway)
{
	const struct snapshot *snapshot = gateway->operations->snapshot;

	warn("gateway.certificate_expires", snapshot->not_after_s);
	warn("gateway.ca_expires", trust_first_end(snapshot->authority.trust));
}

static void
on_day(uv_timer_t *timer)
{
	expiry_look(timer->data);
}

void
expiry_open(struct gateway *gateway)
{
	uv_timer_init(gateway->operations->loop, &gateway->day);
	gateway->day.data = gateway;
	uv_timer_start(&gateway->day, on_day, 0, DAY_MS);
}

void
expiry_close(struct gateway *gateway)
{
	uv_close((uv_handle_t *)&gateway->day, NULL);
}
