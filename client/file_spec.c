/*
 * Names of files. What is refused here the server would refuse too, later and
 * after something was uploaded.
 */
#include "client/file_spec.h"

#include <stdlib.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"

#define NAME_MAX_BYTES 128

void
file_spec_done(struct file_spec *spec)
{
	free(spec->name);
	free(spec->path);
	*spec = (struct file_spec){0};
}

bool
file_spec_name_is_valid(const char *name)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "abcdefghijklmnopqrstuvwxyz"
				      "0123456789._-";
	size_t len = strlen(name);

	return len >= 1 && len <= NAME_MAX_BYTES && *name != '.' &&
	    *name != '-' && name[strspn(name, allowed)] == '\0';
}

static int
refuse_name(
    const char *option, const char *name, const char *help, struct err *err)
{
	return err_set(err, ERR_UNPROCESSABLE,
	    "%s: \"%.140s\" cannot be a file's name there: letters, digits, "
	    "\".\", \"_\" and \"-\", at most 128, no \".\" or \"-\" first%s",
	    option, name, help);
}

int
file_spec_read_input(const char *text, struct file_spec *ret, struct err *err)
{
	const char *equals = strrchr(text, '=');
	size_t len = equals != NULL ? (size_t)(equals - text) : strlen(text);
	auto_free char *path = alloc_bytes(text, len);
	const char *slash = strrchr(path, '/');
	const char *name = equals != NULL ? equals + 1
	    : slash != NULL               ? slash + 1
					  : path;

	if (len == 0)
		return err_set(err, ERR_UNPROCESSABLE,
		    "--input: write it like FILE or FILE=NAME");
	if (!file_spec_name_is_valid(name))
		return refuse_name("--input", name,
		    equals == NULL ? "; write FILE=NAME to give another" : "",
		    err);
	ret->name = alloc_string(name);
	ret->path = take(path);
	return 0;
}

int
file_spec_read_output(const char *text, struct file_spec *ret,
    bool *ret_has_path, struct err *err)
{
	const char *equals = strchr(text, '=');
	auto_free char *name = alloc_bytes(
	    text, equals != NULL ? (size_t)(equals - text) : strlen(text));

	if (!file_spec_name_is_valid(name))
		return refuse_name("--output", name, "", err);
	if (equals != NULL && equals[1] == '\0')
		return err_set(err, ERR_UNPROCESSABLE,
		    "--output: write it like NAME or NAME=FILE");
	*ret_has_path = equals != NULL;
	ret->path = alloc_string(equals != NULL ? equals + 1 : name);
	ret->name = take(name);
	return 0;
}
