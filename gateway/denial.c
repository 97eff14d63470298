#include "gateway/denial.h"

#include <stdlib.h>

#include "gateway/refusals.h"
#include "lib/cleanup.h"
#include "lib/json.h"

static json_t *
list_roles(const struct policy_principal *principal)
{
	json_t *roles = json_array();

	for (size_t i = 0; i < principal->nroles; i++)
		json_array_append_new(roles, json_string(principal->roles[i]));
	return roles;
}

static bool
is_short(const json_t *request)
{
	size_t len = 0;
	auto_free char *text = json_encode(request, &len);

	return len <= REFUSALS_REQUEST_MAX;
}

json_t *
denial_describe(const struct denial *denial)
{
	char sha256[SHA256_HEX];
	json_t *task;
	auto_json *request = denial->len > REFUSALS_REQUEST_MAX
	    ? NULL
	    : recorded_write(denial->request, &denial->decision);

	digest_sha256_hex(denial->body, denial->len, sha256);
	task = json_pack("{s:o, s:s, s:b}", "roles",
	    list_roles(denial->decision.principal), "request_sha256", sha256,
	    "signed", denial->is_signed);
	if (denial->condition != NULL)
		json_object_set_new(
		    task, "condition", json_string(denial->condition));
	if (request != NULL && is_short(request))
		json_object_set(task, "request", request);
	return task;
}
