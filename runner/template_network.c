/*
 * Which network a container is to be in, and which it is in.
 */
#include <string.h>

#include "lib/cleanup.h"
#include "runner/template.h"
#include "runner/template_network.h"

static bool
has_text(const json_t *json, const char *member, const char *text)
{
	const char *found = json_string_value(json_object_get(json, member));

	return found != NULL && strcmp(found, text) == 0;
}

int
template_network_check(
    const json_t *inspection, const char *name, struct err *err)
{
	if (!has_text(inspection, "Name", name))
		return err_set(err, ERR_NOT_FOUND,
		    "there is no network of this name (only one whose id "
		    "begins so)");
	if (json_string_value(json_object_get(inspection, "Driver")) == NULL ||
	    has_text(inspection, "Driver", "host") ||
	    has_text(inspection, "Driver", "null"))
		return err_set(
		    err, ERR_UNPROCESSABLE, "it is the host's own, or none");
	if (json_is_true(json_object_get(inspection, "Ingress")) ||
	    json_is_true(json_object_get(inspection, "ConfigOnly")))
		return err_set(
		    err, ERR_UNPROCESSABLE, "no container can be in it");
	return 0;
}

int
template_check_network(
    const json_t *asked_host, const json_t *inspection, struct err *err)
{
	const json_t *networks = json_object_get(
	    json_object_get(inspection, "NetworkSettings"), "Networks");
	const char *mode =
	    json_string_value(json_object_get(asked_host, "NetworkMode"));
	bool is_in_it = json_object_get(networks, mode) != NULL;
	/* Some engines call none one, too. */
	size_t most = is_in_it ? 1 : 0;

	if (json_object_size(networks) <= most &&
	    (is_in_it || strcmp(mode, "none") == 0))
		return 0;
	return err_set(err, ERR_CONFLICT,
	    "the engine made another container than it was asked for: it is "
	    "in %zu networks, and not in %s alone",
	    json_object_size(networks), mode);
}
