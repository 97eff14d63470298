/*
 * Addresses: text to sockaddr and back. Trusts nothing in the text; never
 * asks a resolver, so that configuration means the same on every machine.
 */
#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "gateway/address.h"

static bool
parse_port(const char *text, in_port_t *ret)
{
	unsigned port = 0;
	size_t len = strlen(text);

	if (len == 0 || len > 5 || strspn(text, "0123456789") != len)
		return false;
	for (size_t i = 0; i < len; i++)
		port = port * 10 + (unsigned)(text[i] - '0');
	if (port > UINT16_MAX)
		return false;
	*ret = htons((in_port_t)port);
	return true;
}

/* The host part without its brackets, or false. */
static bool
copy_host(const char *text, size_t len, bool *ret_is_v6, char *ret, size_t size)
{
	bool bracketed = len >= 2 && text[0] == '[' && text[len - 1] == ']';

	if (bracketed) {
		text++;
		len -= 2;
	}
	if (len == 0 || len >= size)
		return false;
	memcpy(ret, text, len);
	ret[len] = '\0';
	*ret_is_v6 = bracketed;
	return true;
}

int
address_parse(const char *text, struct address *ret, struct err *err)
{
	struct address address = {0};
	struct sockaddr_in *v4 = (struct sockaddr_in *)&address.name;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&address.name;
	char host[INET6_ADDRSTRLEN];
	const char *colon = strrchr(text, ':');
	in_port_t port;
	bool is_v6;

	if (colon == NULL || !parse_port(colon + 1, &port) ||
	    !copy_host(
		text, (size_t)(colon - text), &is_v6, host, sizeof(host)))
		return err_set(err, ERR_UNPROCESSABLE,
		    "not an address and port such as 127.0.0.1:8443 or "
		    "[::1]:8443");
	if (is_v6 && inet_pton(AF_INET6, host, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = port;
		address.len = sizeof(*v6);
	} else if (!is_v6 && inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = port;
		address.len = sizeof(*v4);
	} else {
		return err_set(err, ERR_UNPROCESSABLE,
		    "not an IPv4 address, or an IPv6 address in brackets");
	}
	*ret = address;
	return 0;
}

void
address_format_host(const struct address *address, char ret[ADDRESS_TEXT])
{
	const struct sockaddr_in *v4 = (const void *)&address->name;
	const struct sockaddr_in6 *v6 = (const void *)&address->name;

	ret[0] = '\0';
	if (address->name.ss_family == AF_INET)
		inet_ntop(AF_INET, &v4->sin_addr, ret, ADDRESS_TEXT);
	else if (address->name.ss_family == AF_INET6 &&
	    IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
		inet_ntop(
		    AF_INET, &v6->sin6_addr.s6_addr[12], ret, ADDRESS_TEXT);
	else if (address->name.ss_family == AF_INET6)
		inet_ntop(AF_INET6, &v6->sin6_addr, ret, ADDRESS_TEXT);
}

void
address_format(const struct address *address, char ret[ADDRESS_TEXT])
{
	const struct sockaddr_in *v4 = (const void *)&address->name;
	const struct sockaddr_in6 *v6 = (const void *)&address->name;
	char host[INET6_ADDRSTRLEN] = "";

	ret[0] = '\0';
	if (address->name.ss_family == AF_INET &&
	    inet_ntop(AF_INET, &v4->sin_addr, host, sizeof(host)) != NULL)
		snprintf(ret, ADDRESS_TEXT, "%s:%u", host,
		    (unsigned)ntohs(v4->sin_port));
	else if (address->name.ss_family == AF_INET6 &&
	    inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof(host)) != NULL)
		snprintf(ret, ADDRESS_TEXT, "[%s]:%u", host,
		    (unsigned)ntohs(v6->sin6_port));
}
