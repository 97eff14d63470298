/*
 * One reload at a time, each told of when every worker serves with it: who
 * has read "done" may count on it.
 */
#include "gateway/reload.h"

#include "gateway/expiry.h"
#include "gateway/gateway.h"
#include "lib/cleanup.h"
#include "lib/json.h"
#include "lib/log.h"

static void start(struct gateway *gateway, int64_t order);

static int64_t
certificate_not_after(void *arg)
{
	const struct gateway *gateway = arg;

	return gateway->operations->snapshot->not_after_s;
}

/* An order's result is nobody's once its connection has ended; that there was
 * a reload still goes on record. */
static void
say_unsaid(void *arg)
{
	struct gateway *gateway = arg;
	auto_json *result = take(gateway->reload.unsaid);
	struct err err;

	if (result != NULL &&
	    link_tell(gateway->operations->link, MESSAGE_reload_result, result,
		&err) < 0) {
		json_object_del(result, "order");
		gateway->reload.unsaid = take(result);
	}
}

static void
tell(struct gateway *gateway, int64_t order, const struct err *failure)
{
	json_t *result = json_pack("{s:b, s:I}", "done", failure == NULL,
	    "certificate_not_after",
	    (json_int_t)certificate_not_after(gateway));

	if (order > 0)
		json_object_set_new(result, "order", json_integer(order));
	if (failure != NULL)
		json_object_set_new(
		    result, "reason", json_string(failure->detail));
	json_decref(gateway->reload.unsaid);
	gateway->reload.unsaid = result;
	say_unsaid(gateway);
}

static bool
have_all_taken_up(const struct gateway *gateway, uint64_t serial)
{
	for (size_t i = 0; i < gateway->nworkers; i++)
		if (atomic_load(&gateway->workers[i]->serving) != serial)
			return false;
	return atomic_load(&gateway->operations->serving) == serial;
}

static void
on_taken(uv_async_t *async)
{
	struct gateway *gateway = async->data;
	struct reload *reload = &gateway->reload;

	if (reload->serial == 0 || !have_all_taken_up(gateway, reload->serial))
		return;
	reload->serial = 0;
	log_info("gateway.reloaded", "policy",
	    policy_sha256(gateway->operations->snapshot->policy), NULL);
	expiry_look(gateway);
	tell(gateway, reload->order, NULL);
	if (reload->again) {
		int64_t order = reload->order_again;

		reload->again = false;
		/* Whoever asks next, and gave no order, is not told of it. */
		reload->order_again = 0;
		start(gateway, order);
	}
}

static void
hand_out(struct gateway *gateway, struct snapshot *snapshot)
{
	gateway->reload.serial = snapshot->serial;
	for (size_t i = 0; i < gateway->nworkers; i++)
		worker_reload(gateway->workers[i], snapshot);
	worker_reload(gateway->operations, snapshot);
	snapshot_release(snapshot);
}

static void
start(struct gateway *gateway, int64_t order)
{
	struct snapshot *snapshot;
	struct err err;

	/* A worker that has ended takes no orders. */
	if (gateway->operations->stopping)
		return;
	snapshot = snapshot_load(&gateway->config, &err);
	if (snapshot == NULL) {
		log_failure(
		    LOG_LEVEL_ERROR, "gateway.reload_failed", &err, NULL);
		tell(gateway, order, &err);
		return;
	}
	gateway->reload.order = order;
	hand_out(gateway, snapshot);
}

static void
begin(struct gateway *gateway, int64_t order)
{
	struct reload *reload = &gateway->reload;

	if (reload->serial == 0) {
		start(gateway, order);
		return;
	}
	reload->again = true;
	reload->order_again = order > 0 ? order : reload->order_again;
}

static void
on_order(void *arg, int64_t order)
{
	begin(arg, order);
}

void
reload_begin(struct gateway *gateway)
{
	begin(gateway, 0);
}

void
reload_worker_took_up(struct gateway *gateway)
{
	uv_async_send(&gateway->reload.taken);
}

void
reload_open(struct gateway *gateway, uv_loop_t *loop)
{
	static const struct link_orders orders = {
	    .certificate_not_after = certificate_not_after,
	    .connected = say_unsaid,
	    .reload = on_order,
	};

	uv_async_init(loop, &gateway->reload.taken, on_taken);
	gateway->reload.taken.data = gateway;
	link_take_orders(gateway->operations->link, &orders, gateway);
}

void
reload_close(struct gateway *gateway)
{
	json_decref(take(gateway->reload.unsaid));
	uv_close((uv_handle_t *)&gateway->reload.taken, NULL);
}
