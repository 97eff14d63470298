/*
 * Role: `enroll`: key, certificate, token and context of one client, to hand
 * over as a folder or a file.
 * Trusts the operator.
 * Must never write over what is there, or leave a key that others can read.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "admin/grant.h"
#include "admin/tool.h"
#include "admin/verbs.h"
#include "certs/issue_key.h"
#include "certs/openssl.h"
#include "lib/alloc.h"
#include "lib/file.h"
#include "lib/json.h"

#define CLIENT_DAYS 90
#define DAYS_MAX 3650

enum { PART_CERTIFICATE, PART_KEY, PART_CA, PART_TOKEN, PART_AUDIT, NPARTS };

/* Names as docs/configuration.md has them, and the members of context.json
 * that lead to them. */
static const struct {
	const char *name;
	const char *member;
	mode_t mode;
} part_specs[NPARTS] = {
    [PART_CERTIFICATE] = {"client.crt", "certificate", 0644},
    [PART_KEY] = {"client.key", "key", 0600},
    [PART_CA] = {"ca.crt", "ca", 0644},
    [PART_TOKEN] = {"token", "token", 0600},
    [PART_AUDIT] = {"audit.pub", "audit_key", 0644},
};

struct member {
	const char *subject;
	char *server;
	char *parts[NPARTS]; /* wiped */
};

static void
member_done(struct member *member)
{
	free(member->server);
	for (size_t k = 0; k < NPARTS; k++)
		issue_secret_free(&member->parts[k]);
}

/* A wildcard is no address that a client could call. */
static char *
guess_server(const struct site *site)
{
	const char *colon = strrchr(site->listen, ':');
	const char *port = colon != NULL ? colon + 1 : "8443";

	if (colon == NULL || strncmp(site->listen, "0.0.0.0:", 8) == 0 ||
	    strncmp(site->listen, "[::]:", 5) == 0)
		return alloc_printf("https://localhost:%s", port);
	return alloc_printf("https://%s", site->listen);
}

static int
read_server(const struct invocation *invocation, const struct site *site,
    char **ret, struct err *err)
{
	const char *given = option_value(invocation, "server");

	if (given == NULL) {
		*ret = guess_server(site);
		return 0;
	}
	if (strncmp(given, "https://", 8) != 0 || given[8] == '\0' ||
	    strpbrk(given, " \t\r\n\"\\") != NULL)
		return err_set(err, ERR_UNPROCESSABLE,
		    "--server: \"%s\" is not a URL such as "
		    "https://gate.example.org:8443",
		    given);
	*ret = alloc_string(given);
	return 0;
}

static X509 *
sign(const struct invocation *invocation, const struct site *site,
    const char *subject, EVP_PKEY *key, struct err *err)
{
	AUTO(issuer_done) struct issuer issuer = {0};
	long long days;

	if (option_integer(invocation, "days", CLIENT_DAYS, 1, DAYS_MAX, &days,
		err) != 0 ||
	    site_load_issuer(site, &issuer, err) != 0)
		return NULL;
	const struct certificate_order order = {
	    .profile = PROFILE_CLIENT,
	    .key = key,
	    .names = &subject,
	    .nnames = 1,
	    .validity = {tool_now_s(), (int)days},
	};
	return issue_certificate(&issuer, &order, err);
}

static char *
read_public(const struct site *site, const char *name, struct err *err)
{
	auto_free char *path = site_path(site, name);

	return file_read(path, CERTIFICATE_FILE_MAX, NULL, err);
}

static int
make_member(const struct invocation *invocation, const struct site *site,
    struct member *member, struct err *err)
{
	struct grant grant = {0};
	char *token = NULL;

	if (grant_read(invocation, site, &grant, err) != 0 ||
	    read_server(invocation, site, &member->server, err) != 0)
		return -1;
	member->parts[PART_CA] = read_public(site, "ca.crt", err);
	if (member->parts[PART_CA] == NULL)
		return -1;
	member->parts[PART_AUDIT] = read_public(site, "audit.pub", err);
	if (member->parts[PART_AUDIT] == NULL)
		return -1;

	AUTO(EVP_PKEY_freep) EVP_PKEY *key = issue_key_new(ISSUE_KEY_P256);
	AUTO(X509_freep)
	X509 *certificate = sign(invocation, site, member->subject, key, err);
	if (certificate == NULL ||
	    grant_issue(
		site, &grant, member->subject, certificate, &token, err) != 0 ||
	    site_keep_certificate(site, certificate, err) != 0) {
		issue_secret_free(&token);
		return -1;
	}
	member->parts[PART_KEY] = issue_key_encode(key);
	member->parts[PART_CERTIFICATE] = issue_certificate_encode(certificate);
	member->parts[PART_TOKEN] = alloc_printf("%s\n", token);
	issue_secret_free(&token);
	return 0;
}

static json_t *
compose_context(const struct member *member)
{
	json_t *context = json_pack(
	    "{s:s, s:s}", "server", member->server, "subject", member->subject);

	for (size_t k = 0; k < NPARTS; k++)
		json_object_set_new(context, part_specs[k].member,
		    json_string(part_specs[k].name));
	return context;
}

static int
write_json(const char *path, const json_t *json, struct err *err)
{
	auto_secret char *text = json_dumps(json, JSON_INDENT(2));
	auto_secret char *line = alloc_printf("%s\n", text);

	return file_write(path, line, strlen(line), 0600, err);
}

static int
write_folder(const struct member *member, const char *folder, struct err *err)
{
	auto_json *context = compose_context(member);
	auto_free char *last = alloc_printf("%s/context.json", folder);

	if (file_make_directory(folder, 0700, err) != 0)
		return -1;
	for (size_t k = 0; k < NPARTS; k++) {
		auto_free char *path =
		    alloc_printf("%s/%s", folder, part_specs[k].name);
		if (file_write(path, member->parts[k], strlen(member->parts[k]),
			part_specs[k].mode, err) != 0)
			return -1;
	}
	/* The last one: with it the folder is a context. */
	return write_json(last, context, err);
}

static int
write_bundle(const struct member *member, const char *path, struct err *err)
{
	auto_json *bundle = json_object();
	json_t *files = json_object();

	json_object_set_new(bundle, "context", compose_context(member));
	json_object_set_new(bundle, "files", files);
	for (size_t k = 0; k < NPARTS; k++)
		json_object_set_new(
		    files, part_specs[k].name, json_string(member->parts[k]));
	return write_json(path, bundle, err);
}

/* Before anything is signed. */
static int
check_target(const char *path, struct err *err)
{
	struct stat st;

	if (lstat(path, &st) != 0 && errno == ENOENT)
		return 0;
	return err_set(err, ERR_CONFLICT,
	    "%s is there already and may hold somebody's key; remove it, or "
	    "choose another with --out or --bundle",
	    path);
}

static int
enroll(const struct invocation *invocation, char **ret_path, struct err *err)
{
	AUTO(site_done) struct site site = {0};
	AUTO(member_done)
	struct member member = {.subject = invocation->operands[0]};
	const char *folder = option_value(invocation, "out");
	const char *bundle = option_value(invocation, "bundle");

	if (!subject_is_valid(member.subject))
		return err_set(err, ERR_UNPROCESSABLE,
		    "\"%.64s\" is not a valid name: 1 to %d of a-z, 0-9, '.', "
		    "'_', '-', beginning with a letter or a digit",
		    member.subject, SUBJECT_MAX);
	if (folder != NULL && bundle != NULL)
		return err_set(err, ERR_UNPROCESSABLE,
		    "--out and --bundle: one of them, not both");
	auto_free char *path = alloc_string(bundle != NULL ? bundle
		: folder != NULL                           ? folder
							   : member.subject);
	if (site_load(tool_directory(invocation), &site, err) != 0 ||
	    check_target(path, err) != 0 ||
	    make_member(invocation, &site, &member, err) != 0)
		return -1;
	int result = bundle != NULL ? write_bundle(&member, path, err)
				    : write_folder(&member, path, err);
	if (result == 0)
		*ret_path = take(path);
	return result;
}

int
verb_enroll(struct invocation *invocation)
{
	static const struct column columns[] = {
	    {"Enrolled", "subject"},
	    {"Context", "path"},
	    {"Next", "next"},
	};
	static const struct view view = {columns, COUNT(columns), "path"};
	auto_free char *path = NULL;
	struct err err;

	if (enroll(invocation, &path, &err) != 0)
		return tool_fail(&err);
	auto_free char *next = alloc_printf(
	    "as %s: taskgate context import %s", invocation->operands[0], path);
	auto_json *result = json_pack("{s:s, s:s, s:s}", "subject",
	    invocation->operands[0], "path", path, "next", next);
	return tool_print_one(invocation, &view, result, &err) == 0
	    ? 0
	    : tool_fail(&err);
}
