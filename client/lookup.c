/*
 * Looking up by the C library: getaddrinfo_a() has a thread of its own for
 * what a name server is asked.
 */
#include "client/lookup.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "lib/alloc.h"

struct lookup {
	struct gaicb request;
	struct addrinfo hints;
	char host[256], port[6];
	bool waits; /* the thread's */
	int error;
	const struct addrinfo *next;
};

struct lookup *
lookup_start(const char *host, const char *port)
{
	struct lookup *lookup = alloc_zero(1, sizeof(*lookup));
	struct gaicb *list[] = {&lookup->request};
	struct sigevent event = {.sigev_notify = SIGEV_NONE};

	strncpy(lookup->host, host, sizeof(lookup->host) - 1);
	strncpy(lookup->port, port, sizeof(lookup->port) - 1);
	lookup->hints.ai_socktype = SOCK_STREAM;
	lookup->hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
	lookup->request.ar_name = lookup->host;
	lookup->request.ar_service = lookup->port;
	lookup->request.ar_request = &lookup->hints;
	/* No name service is loaded for what is an address already. */
	if (getaddrinfo(lookup->host, lookup->port, &lookup->hints,
		&lookup->request.ar_result) == 0) {
		lookup->next = lookup->request.ar_result;
		return lookup;
	}
	lookup->hints.ai_flags = AI_ADDRCONFIG | AI_NUMERICSERV;
	lookup->error = getaddrinfo_a(GAI_NOWAIT, list, 1, &event);
	lookup->waits = lookup->error == 0;
	return lookup;
}

void
lookup_free(struct lookup *lookup)
{
	/* What the thread still works on stays its own: we are about to end,
	 * or have an answer from elsewhere. */
	if (lookup->waits && gai_cancel(&lookup->request) == EAI_NOTCANCELED)
		return;
	if (lookup->request.ar_result != NULL)
		freeaddrinfo(lookup->request.ar_result);
	free(lookup);
}

enum lookup_state
lookup_take(struct lookup *lookup, const char **ret_error)
{
	if (lookup->waits) {
		lookup->error = gai_error(&lookup->request);
		if (lookup->error == EAI_INPROGRESS)
			return LOOKUP_WAITING;
		lookup->waits = false;
		lookup->next = lookup->request.ar_result;
	}
	*ret_error = gai_strerror(lookup->error);
	return lookup->error == 0 ? LOOKUP_FOUND : LOOKUP_FAILED;
}

const struct addrinfo *
lookup_next(struct lookup *lookup)
{
	const struct addrinfo *address = lookup->next;

	if (address != NULL)
		lookup->next = address->ai_next;
	return address;
}

bool
lookup_has_more(const struct lookup *lookup)
{
	return lookup->next != NULL;
}
