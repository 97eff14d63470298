/*
 * Ends what was revoked. Must never let a request through on a list that may
 * be old: without the runner's word nobody is served.
 */
#include "gateway/revocation.h"

#include "gateway/conn.h"
#include "gateway/exchange.h"
#include "gateway/worker.h"

static int
check(const struct conn *conn, const char *token_id, struct err *err)
{
	const struct certificate *certificate = &conn->peer.certificate;
	const struct revocable shown = {
	    .subject = certificate->subject,
	    .thumbprint = certificate->thumbprint,
	    .token_id = token_id,
	};

	return revocations_check(&link_state(conn->worker->link)->revoked,
	    &shown, clock_wall_ms(), err);
}

static void
mark(struct conn *conn)
{
	conn->revoked = true;
	conn->last = true;
}

/* How the service is, and that something is not there, is nobody's secret. */
static bool
serves_someone(const struct exchange *exchange)
{
	return exchange->route != NULL &&
	    exchange->route->access == ACCESS_TOKEN;
}

int
revocation_check(
    const struct exchange *exchange, const char *token_id, struct err *err)
{
	const struct link_state *state = link_state(exchange->worker->link);

	/* The list comes and goes with the runner. */
	if (!state->listed && serves_someone(exchange))
		return err_set(err, ERR_UNAVAILABLE, "%s",
		    state->connected
			? "it is not known at the moment who was revoked"
			: LINK_UNREACHABLE);
	if (check(exchange->conn, token_id, err) != 0) {
		mark(exchange->conn);
		return -1;
	}
	/* What was given back meanwhile can be revoked once more. */
	exchange->conn->revoked = false;
	return 0;
}

void
revocation_greet(struct conn *conn)
{
	struct err ignored;

	if (conn->worker->listener == LISTENER_OPERATIONS ||
	    check(conn, NULL, &ignored) == 0)
		return;
	mark(conn);
	conn_set_deadline(conn, REVOCATION_IDLE_MS);
}

/* What has come of a request is judged when all of its head has. */
static void
end(struct conn *conn, const struct err *why)
{
	mark(conn);
	if (conn->state != CONN_BUSY)
		conn_set_deadline(conn, REVOCATION_IDLE_MS);
	else if (conn->exchange != NULL || conn->answered)
		conn_refuse(conn, why);
}

static bool
is_open(const struct conn *conn)
{
	return conn->state == CONN_IDLE || conn->state == CONN_HEAD ||
	    conn->state == CONN_BUSY;
}

size_t
revocation_enforce(struct worker *worker)
{
	struct conn *next;
	size_t count = 0;
	struct err why;

	token_cache_clear(worker->tokens);
	if (worker->listener == LISTENER_OPERATIONS)
		return 0;
	for (struct conn *conn = worker->conns; conn != NULL; conn = next) {
		const struct exchange *exchange = conn->exchange;

		next = conn->next;
		if (!is_open(conn) || conn->revoked ||
		    check(conn,
			exchange != NULL ? exchange->principal.token.id : NULL,
			&why) == 0)
			continue;
		end(conn, &why);
		count++;
	}
	return count;
}
