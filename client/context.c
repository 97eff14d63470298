/*
 * Reading a context. Trusts whoever owns the files; refuses secrets that
 * others can read. Keys and tokens leave here only in memory.
 */
#include "client/context.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "client/url.h"
#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/json.h"

#define DOCUMENT_MAX (64 * 1024)
#define BUNDLE_MAX (512 * 1024)
#define MEMBER_MAX (64 * 1024)

/* Members of context.json; borrowed from the document. */
struct members {
	const char *server, *subject;
	const char *certificate, *key, *ca, *token, *audit_key;
};

#define MEMBER(name, required) \
	JSON_FIELD(            \
	    struct members, name, #name, JSON_KIND_STRING, required, 1, 4096)

static const struct json_field fields[] = {
    MEMBER(server, true),
    MEMBER(subject, true),
    MEMBER(certificate, true),
    MEMBER(key, true),
    MEMBER(ca, true),
    MEMBER(token, true),
    MEMBER(audit_key, false),
};

/* Where the files are that the document names: in a folder, or beside it in a
 * bundle. */
struct source {
	const char *folder;
	const json_t *files;
};

static void
wipe(char **secret)
{
	if (*secret != NULL)
		OPENSSL_cleanse(*secret, strlen(*secret));
	free(*secret);
	*secret = NULL;
}

void
context_done(struct context *context)
{
	wipe(&context->key);
	wipe(&context->token);
	free(context->folder);
	free(context->server);
	free(context->subject);
	free(context->certificate);
	free(context->ca);
	free(context->audit_key);
	*context = (struct context){0};
}

char *
context_normalise_server(const char *text, struct err *err)
{
	struct url url;
	auto_free char *authority = NULL;

	if (!url_parse(text, &url)) {
		err_set(err, ERR_UNPROCESSABLE,
		    "server: must be https://HOST or https://HOST:PORT");
		return NULL;
	}
	authority = url_authority(&url);
	return alloc_printf("https://%s", authority);
}

static char *
read_from_bundle(const struct source *source, const char *name, struct err *err)
{
	const json_t *file = json_object_get(source->files, name);

	if (!json_is_string(file)) {
		err_set(err, ERR_UNPROCESSABLE,
		    "files: has no \"%s\", which the context names", name);
		return NULL;
	}
	return alloc_string(json_string_value(file));
}

/* Who can change it has us talk to a server of his own, and trust it. */
static int
check_writable(const char *path, struct err *err)
{
	struct stat st;

	if (stat(path, &st) != 0) {
		err_errno(err, "%s", path);
		return err->errnum == ENOENT
		    ? err_set(err, ERR_NOT_FOUND, "%s: not there", path)
		    : -1;
	}
	if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return err_set(err, ERR_UNPROCESSABLE,
		    "%s: others can change it; chmod go-w %s", path, path);
	return 0;
}

static char *
read_member(
    const struct source *source, const char *name, bool secret, struct err *err)
{
	auto_free char *path = NULL;

	if (source->files != NULL)
		return read_from_bundle(source, name, err);
	path = *name == '/' ? alloc_string(name)
			    : alloc_printf("%s/%s", source->folder, name);
	if (!secret && check_writable(path, err) != 0)
		return NULL;
	return secret ? file_read_secret(path, MEMBER_MAX, NULL, err)
		      : file_read(path, MEMBER_MAX, NULL, err);
}

/* One line of printable ASCII: it becomes a header field. */
static int
trim_token(char *token, struct err *err)
{
	size_t len = strcspn(token, "\r\n");

	if (token[len + strspn(token + len, "\r\n")] != '\0')
		return err_set(
		    err, ERR_UNPROCESSABLE, "token: more than one line");
	if (len == 0)
		return err_set(err, ERR_UNPROCESSABLE, "token: empty");
	token[len] = '\0';
	for (const char *at = token; *at != '\0'; at++) {
		if (*at <= ' ' || *at > '~')
			return err_set(err, ERR_UNPROCESSABLE,
			    "token: holds a byte that no token has");
	}
	return 0;
}

static int
read_files(const struct source *source, const struct members *members,
    struct context *context, struct err *err)
{
	const struct {
		const char *name;
		char **to;
		bool secret;
	} files[] = {
	    {members->certificate, &context->certificate, false},
	    {members->key, &context->key, true},
	    {members->ca, &context->ca, false},
	    {members->token, &context->token, true},
	    {members->audit_key, &context->audit_key, false},
	};

	for (size_t i = 0; i < COUNT(files); i++) {
		if (files[i].name == NULL)
			continue;
		*files[i].to =
		    read_member(source, files[i].name, files[i].secret, err);
		if (*files[i].to == NULL)
			return -1;
	}
	return trim_token(context->token, err);
}

static int
read_document(const json_t *document, const struct source *source,
    struct context *ret, struct err *err)
{
	struct members members = {0};
	auto_context context = {0};

	if (json_read_fields(
		document, "", fields, COUNT(fields), true, &members, err) != 0)
		return -1;
	context.server = context_normalise_server(members.server, err);
	if (context.server == NULL ||
	    read_files(source, &members, &context, err) != 0)
		return -1;
	context.subject = alloc_string(members.subject);
	context.folder =
	    source->folder != NULL ? alloc_string(source->folder) : NULL;
	*ret = context;
	context = (struct context){0};
	return 0;
}

int
context_load(const char *folder, struct context *ret, struct err *err)
{
	auto_free char *path = alloc_printf("%s/context.json", folder);
	struct source source = {folder, NULL};
	auto_json *document = NULL;

	if (check_writable(folder, err) != 0 || check_writable(path, err) != 0)
		return -1;
	document = json_parse_file(path, DOCUMENT_MAX, err);
	if (document == NULL)
		return -1;
	if (read_document(document, &source, ret, err) == 0)
		return 0;
	/* Errors of files name their path already. */
	return strncmp(err->detail, folder, strlen(folder)) == 0
	    ? -1
	    : err_prefix(err, "%s", path);
}

int
context_load_bundle(const char *path, struct context *ret, struct err *err)
{
	static const struct json_field parts[] = {
	    {"context", JSON_KIND_OBJECT, true, 0, 0, 0},
	    {"files", JSON_KIND_OBJECT, true, sizeof(json_t *), 0, 0},
	};
	json_t *bundle[2] = {NULL, NULL};
	struct source source = {NULL, NULL};
	size_t len = 0;
	char *text = file_read_secret(path, BUNDLE_MAX, &len, err);
	auto_json *document = NULL;

	if (text == NULL)
		return -1;
	document = json_parse_strict(text, len, err);
	wipe(&text);
	if (document == NULL ||
	    json_read_fields(
		document, "", parts, COUNT(parts), true, bundle, err) != 0)
		return err_prefix(err, "%s", path);
	source.files = bundle[1];
	return read_document(bundle[0], &source, ret, err) == 0
	    ? 0
	    : err_prefix(err, "%s", path);
}
