#include "policy/secret.h"

#include <stdlib.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/buffer.h"
#include "lib/cleanup.h"
#include "lib/json.h"
#include "lib/json_scan.h"
#include "policy/request.h"

static int
refuse_count(const char *path, struct err *err)
{
	return err_set(err, ERR_UNPROCESSABLE,
	    "%s: must name 1 to %d secrets: {\"NAME\": \"FILE\"}", path,
	    SECRETS_MAX);
}

static int
read_one(const char *name, const json_t *value, const char *path,
    struct secrets *ret, struct err *err)
{
	const char *file = json_string_value(value);

	if (!request_file_name_is_valid(name))
		return err_set(err, ERR_UNPROCESSABLE,
		    "%s: not the name of a secret, which is [A-Za-z0-9._-]*, "
		    "neither a dot nor a dash first, %d bytes at most",
		    path, REQUEST_FILE_NAME_MAX);
	if (file == NULL || !request_file_name_is_valid(file))
		return err_set(err, ERR_UNPROCESSABLE,
		    "%s: must be the name of a file in the secret folder, "
		    "which is [A-Za-z0-9._-]*, neither a dot nor a dash first, "
		    "%d bytes at most",
		    path, REQUEST_FILE_NAME_MAX);
	if (ret->count == SECRETS_MAX)
		return refuse_count(path, err);
	ret->list[ret->count++] = (struct secret){name, file};
	return 0;
}

static int
compare_names(const void *a, const void *b)
{
	const struct secret *one = a, *other = b;

	return strcmp(one->name, other->name);
}

int
secrets_read(
    const json_t *json, const char *path, struct secrets *ret, struct err *err)
{
	struct secrets secrets = {.json = (json_t *)(uintptr_t)json};
	const char *name;
	json_t *value;

	if (!json_is_object(json))
		return refuse_count(path, err);
	json_object_foreach(secrets.json, name, value)
	{
		auto_buffer inner = BUFFER_INIT(SIZE_MAX);

		if (strcmp(name, "//") == 0)
			continue;
		buffer_append_string(&inner, path);
		json_path_add_key(&inner, name, strlen(name));
		if (read_one(name, value, inner.data, &secrets, err) != 0)
			return -1;
	}
	if (secrets.count == 0)
		return refuse_count(path, err);
	qsort(secrets.list, secrets.count, sizeof(secrets.list[0]),
	    compare_names);
	json_incref(secrets.json);
	*ret = secrets;
	return 0;
}

char *
secrets_text(const struct secrets *secrets)
{
	auto_json *object = json_object();

	for (size_t k = 0; k < secrets->count; k++)
		json_object_set_new(object, secrets->list[k].name,
		    json_string(secrets->list[k].file));
	return json_encode_canonical(object, NULL);
}

int
secrets_parse(const char *text, struct secrets *ret, struct err *err)
{
	auto_json *json = NULL;

	*ret = (struct secrets){0};
	if (text == NULL)
		return 0;
	json = json_parse_strict(text, strlen(text), err);
	return json == NULL ? -1 : secrets_read(json, "secrets", ret, err);
}

json_t *
secrets_show(const char *text)
{
	json_t *list = json_array();
	struct secrets secrets;
	struct err ignored;

	if (secrets_parse(text, &secrets, &ignored) != 0)
		return list;
	for (size_t k = 0; k < secrets.count; k++)
		json_array_append_new(list, json_string(secrets.list[k].name));
	secrets_done(&secrets);
	return list;
}

void
secrets_done(struct secrets *secrets)
{
	json_decref(secrets->json);
	*secrets = (struct secrets){0};
}
