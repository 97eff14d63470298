/*
 * Role: `init`: makes an installation, or completes one.
 * Trusts the operator.
 * Must never change what is there.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/setup.h"
#include "admin/site.h"
#include "admin/tool.h"
#include "admin/verbs.h"
#include "certs/openssl.h"
#include "lib/alloc.h"
#include "lib/json.h"
#include "lib/terminal.h"

#define CONFIGURATION_MAX 65536

static const struct {
	const char *name;
	mode_t mode;
} folders[] = {
    /* The folders of the two processes stay root's: a process that could
     * rename its key could make the next run write where it likes. */
    {"token-keys", 0755},
    {"gateway", 0755},
    {"runner", 0755},
    {"operator", 0700},
    {"operator/issued", 0700},
};

static void
setup_done(struct setup *setup)
{
	free(setup->directory);
	json_decref(setup->gateway);
	json_decref(setup->runner);
	json_decref(setup->made);
	json_decref(setup->kept);
	EVP_PKEY_free(setup->ca_key);
	X509_free(setup->ca);
}

static int
make_folders(struct setup *setup, struct err *err)
{
	for (size_t k = 0; k < COUNT(folders); k++) {
		if (setup_directory(
			setup, folders[k].name, folders[k].mode, err) != 0)
			return -1;
	}
	return 0;
}

static int
read_existing(
    const struct setup *setup, const char *name, json_t **ret, struct err *err)
{
	auto_free char *path = setup_path(setup, name);

	if (!setup_exists(setup, name))
		return 0;
	*ret = json_parse_file(path, CONFIGURATION_MAX, err);
	return *ret != NULL ? 0 : -1;
}

static int
run_setup(struct setup *setup, struct err *err)
{
	/* Two at once would each think that they make the CA. */
	auto_fd int lock = -1;

	if (read_existing(setup, "gateway.json", &setup->gateway, err) != 0 ||
	    read_existing(setup, "runner.json", &setup->runner, err) != 0 ||
	    setup_find_users(setup, err) != 0 ||
	    setup_directory(setup, "", 0755, err) != 0 ||
	    site_lock(setup->directory, &lock, err) != 0 ||
	    make_folders(setup, err) != 0 ||
	    setup_credentials(setup, err) != 0 || setup_policy(setup, err) != 0)
		return -1;
	return setup_configuration(setup, err);
}

/* SHA-256 of the DER, as other tools show it. The caller frees. */
static char *
show_fingerprint(X509 *certificate)
{
	uint8_t digest[EVP_MAX_MD_SIZE];
	unsigned len = 0;

	if (X509_digest(certificate, EVP_sha256(), digest, &len) != 1)
		die("SHA-256 is not available");
	char *text = alloc_zero(3 * (size_t)len + 1, 1);
	for (size_t k = 0; k < len; k++)
		snprintf(text + 3 * k, 4, "%02X%s", (unsigned)digest[k],
		    k + 1 < len ? ":" : "");
	return text;
}

static void
print_paths(const char *verb, const json_t *paths)
{
	size_t k;
	const json_t *path;

	json_array_foreach(paths, k, path)
	{
		auto_free char *safe =
		    terminal_neutralise(json_string_value(path));

		printf("%s  %s\n", verb, safe);
	}
}

static void
print_people(const struct setup *setup, const char *fingerprint)
{
	print_paths("made", setup->made);
	print_paths("kept", setup->kept);
	if (json_array_size(setup->made) == 0)
		printf("Nothing had to be made: everything was there.\n");
	auto_free char *directory = terminal_neutralise(setup->directory);
	printf("\nCA fingerprint (SHA-256):\n  %s\n\n", fingerprint);
	printf("Next: write rules into %s/policy.json, then\n"
	       "  taskgate-admin enroll alice --dir %s\n",
	    directory, directory);
}

static int
print_result(struct setup *setup, struct err *err)
{
	enum tool_format format;
	auto_free char *fingerprint = show_fingerprint(setup->ca);

	if (tool_format(setup->invocation, &format, err) != 0)
		return -1;
	if (format == FORMAT_TABLE) {
		print_people(setup, fingerprint);
		return 0;
	}
	static const struct view view = {.id = "ca_sha256"};
	auto_json *result = json_pack("{s:s, s:s, s:O, s:O}", "directory",
	    setup->directory, "ca_sha256", fingerprint, "made", setup->made,
	    "kept", setup->kept);
	return tool_print_one(setup->invocation, &view, result, err);
}

/* The folder need not be there yet, so realpath() does not do. */
static char *
absolute_directory(const char *directory)
{
	auto_free char *here = getcwd(NULL, 0);
	size_t len = strlen(directory);

	while (len > 1 && directory[len - 1] == '/')
		len--;
	if (directory[0] == '/')
		return alloc_bytes(directory, len);
	if (here == NULL)
		die("getcwd failed");
	return alloc_printf("%s/%.*s", here, (int)len, directory);
}

int
verb_init(struct invocation *invocation)
{
	AUTO(setup_done)
	struct setup setup = {
	    .invocation = invocation,
	    .directory = absolute_directory(tool_directory(invocation)),
	    .now_s = tool_now_s(),
	    .made = json_array(),
	    .kept = json_array(),
	};
	struct err err;

	if (run_setup(&setup, &err) != 0 || print_result(&setup, &err) != 0)
		return tool_fail(&err);
	return 0;
}
