/*
 * What the gateway may open and call, besides what all programs call.
 */
#include "gateway/confine.h"

#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "lib/cleanup.h"
#include "lib/confine.h"

#define TYPE_OF_SOCKET 0xf /* the rest is flags */

#define OPTION(level, name) \
	CONFINE_CALL_IF(setsockopt, CONFINE_INT(1, level), CONFINE_INT(2, name))

static const struct confine_call calls[] = {
    /* No file to write, whatever its name. */
    CONFINE_CALL_IF(
	openat, CONFINE_MASK(2, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY)),
    /* To the runner. */
    CONFINE_CALL_IF(socket, CONFINE_INT(0, AF_UNIX),
	CONFINE_MASK(1, TYPE_OF_SOCKET, SOCK_SEQPACKET)),
    /* Of connections that were accepted; libmicrohttpd asks for some. */
    OPTION(SOL_SOCKET, SO_KEEPALIVE),
    OPTION(SOL_SOCKET, SO_LINGER),
    OPTION(IPPROTO_TCP, TCP_NODELAY),
    OPTION(IPPROTO_TCP, TCP_CORK),
    OPTION(IPPROTO_TCP, TCP_KEEPIDLE),
    OPTION(IPPROTO_TCP, TCP_KEEPINTVL),
};

int
gateway_confine(const struct config *config, int *ret_landlock, struct err *err)
{
	const struct confine_place places[] = {
	    {config->certificate, CONFINE_READ_BESIDE},
	    {config->key, CONFINE_READ_BESIDE},
	    {config->ca, CONFINE_READ_BESIDE},
	    {config->token_keys, CONFINE_READ_BESIDE},
	    {config->policy, CONFINE_READ_BESIDE},
	    {config->runner_socket, CONFINE_CONNECT_BESIDE},
	};
	const struct confine_list list = {
	    .places = places,
	    .nplaces = COUNT(places),
	    .calls = calls,
	    .ncalls = COUNT(calls),
	};

	return confine(&list, ret_landlock, err);
}
