/*
 * Output inside JSON. The bytes are a task's and may be anything.
 */
#include "client/output.h"

#include <string.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/digest.h"
#include "lib/utf8.h"

static bool
is_text(const char *data, size_t len)
{
	return memchr(data, '\0', len) == NULL && utf8_is_valid(data, len);
}

void
output_add(json_t *document, const char *name, const struct sink *sink)
{
	auto_free char *encoded_name = alloc_printf("%s_base64", name);
	auto_free char *cut_name = alloc_printf("%s_cut", name);
	const char *data = sink->kept.len > 0 ? sink->kept.data : "";
	size_t len = sink->kept.len;

	json_object_del(document, name);
	json_object_del(document, encoded_name);
	if (is_text(data, len)) {
		json_object_set_new(document, name, json_stringn(data, len));
	} else {
		auto_free char *encoded = base64_encode(data, len);

		json_object_set_new(
		    document, encoded_name, json_string(encoded));
	}
	if (sink->kept.full)
		json_object_set_new(document, cut_name, json_true());
}
