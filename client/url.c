/*
 * Addresses of servers. Users write them, and whoever can write a context's
 * file: nothing that could end a line or a name passes.
 */
#include "client/url.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "lib/alloc.h"

#define SCHEME "https://"

static bool
read_port(const char *text, size_t len, char ret[6])
{
	if (len < 1 || len > 5 || strspn(text, "0123456789") < len ||
	    atoi(text) < 1 || atoi(text) > 65535)
		return false;
	memcpy(ret, text, len);
	ret[len] = '\0';
	return true;
}

/* What stands behind the host: nothing or a port, and perhaps a "/", which
 * says nothing and is what people paste. */
static bool
read_rest(const char *text, struct url *url)
{
	size_t len = strlen(text);

	if (len > 0 && text[len - 1] == '/')
		len--;
	return len == 0 ||
	    (*text == ':' && read_port(text + 1, len - 1, url->port));
}

static bool
is_name(const char *text)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "abcdefghijklmnopqrstuvwxyz"
				      "0123456789.-_";

	return *text != '\0' && *text != '.' && *text != '-' &&
	    text[strspn(text, allowed)] == '\0';
}

bool
url_parse(const char *text, struct url *ret)
{
	struct url url = {.port = "443"};
	struct in6_addr address;
	const char *host = text + sizeof(SCHEME) - 1;
	const char *end = NULL;

	if (strncmp(text, SCHEME, sizeof(SCHEME) - 1) != 0)
		return false;
	url.has_brackets = *host == '[';
	host += url.has_brackets ? 1 : 0;
	end = strpbrk(host, url.has_brackets ? "]" : ":/");
	if (end == NULL)
		end = url.has_brackets ? host : host + strlen(host);
	if (end == host || (size_t)(end - host) >= sizeof(url.host))
		return false;
	memcpy(url.host, host, (size_t)(end - host));
	end += url.has_brackets ? 1 : 0;
	if (url.has_brackets ? inet_pton(AF_INET6, url.host, &address) != 1
			     : !is_name(url.host))
		return false;
	if (!read_rest(end, &url))
		return false;
	*ret = url;
	return true;
}

char *
url_authority(const struct url *url)
{
	return alloc_printf("%s%s%s:%s", url->has_brackets ? "[" : "",
	    url->host, url->has_brackets ? "]" : "", url->port);
}
