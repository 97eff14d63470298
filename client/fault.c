/*
 * Faults, in one table.
 */
#include "client/fault.h"

#include <stdio.h>

#include "lib/cleanup.h"

static const struct {
	enum retry_cause cause;
	const char *slug;
	const char *sentence;
} faults[] = {
    [FAULT_NONE] = {RETRY_NEVER, "unreachable", "the transfer failed"},
    [FAULT_NO_HOST] = {RETRY_NOT_CONNECTED, "unreachable",
	"there is no host of this name"},
    [FAULT_NOT_CONNECTED] = {RETRY_NOT_CONNECTED, "unreachable",
	"nobody answers at this address"},
    [FAULT_CONNECT_TIMEOUT] = {RETRY_NOT_CONNECTED, "unreachable",
	"no connection within the time"},
    [FAULT_STRANGER] = {RETRY_NEVER, "unreachable",
	"what answers there is not the server of this context: its "
	"certificate is not accepted"},
    [FAULT_REFUSED] = {RETRY_NEVER, "unauthenticated",
	"the server did not accept our certificate"},
    [FAULT_OWN_CERTIFICATE] = {RETRY_NEVER, "context",
	"our own certificate or key cannot be used"},
    [FAULT_OWN_CA] = {RETRY_NEVER, "context",
	"the context's CA certificate cannot be used"},
    [FAULT_NO_TLS] = {RETRY_NOT_CONNECTED, "unreachable",
	"no TLS 1.3 connection came about"},
    [FAULT_LOST] = {RETRY_LOST, "unreachable", "the connection was lost"},
    [FAULT_TIMEOUT] = {RETRY_LOST, "unreachable", "no reply within the time"},
    [FAULT_NO_HTTP] = {RETRY_NEVER, "unreachable",
	"what answers there does not speak HTTP/1.1"},
    [FAULT_TOO_LARGE] = {RETRY_NEVER, "unreachable",
	"the reply is larger than we are ready to keep"},
    [FAULT_SOURCE] = {RETRY_NEVER, "local", "what was to be sent is gone"},
};

enum retry_cause
fault_cause(enum fault_kind kind)
{
	return faults[kind].cause;
}

const char *
fault_slug(enum fault_kind kind)
{
	return faults[kind].slug;
}

void
fault_describe(const struct fault *fault, char *ret, size_t size)
{
	bool has_detail = fault->detail[0] != '\0';

	snprintf(ret, size, "%s%s%s%s", faults[fault->kind].sentence,
	    has_detail ? " (" : "", fault->detail, has_detail ? ")" : "");
}

void
fault_set(struct fault *fault, enum fault_kind kind, const char *detail)
{
	if (fault->kind != FAULT_NONE)
		return;
	fault->kind = kind;
	snprintf(fault->detail, sizeof(fault->detail), "%s",
	    detail != NULL ? detail : "");
}
