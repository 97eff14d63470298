/*
 * Network addresses as people write them, and as limits and logs name them.
 * Pure: asks no resolver.
 */
#ifndef GATEWAY_ADDRESS_H
#define GATEWAY_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "lib/err.h"

struct address {
	struct sockaddr_storage name;
	socklen_t len;
};

#define ADDRESS_TEXT (INET6_ADDRSTRLEN + 8) /* "[::1]:65535" and NUL */

/* "127.0.0.1:8443", "[::1]:8443"; port 0 lets the kernel choose.
 * ERR_UNPROCESSABLE. */
int address_parse(const char *text, struct address *ret, struct err *err);
/* With the port, as address_parse() reads it. */
void address_format(const struct address *address, char ret[ADDRESS_TEXT]);
/* Without the port; an IPv4 address mapped into IPv6 (RFC 4291 2.5.5.2) as
 * what it is, so that limits and the audit know a peer by one name. */
void address_format_host(const struct address *address, char ret[ADDRESS_TEXT]);

#endif
