/*
 * A server's address as a context gives it: "https://HOST[:PORT]", nothing
 * else. Pure.
 */
#ifndef CLIENT_URL_H
#define CLIENT_URL_H

#include <stdbool.h>

struct url {
	char host[256]; /* a name or an address, without brackets */
	char port[6];
	bool has_brackets; /* an IPv6 address */
};

bool url_parse(const char *text, struct url *ret);
/* "HOST:PORT", with brackets where there were. The caller frees. */
char *url_authority(const struct url *url);

#endif
