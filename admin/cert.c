/*
 * Role: `cert`: signs requests and shows what was signed.
 * Trusts the operator for every name.
 * Must never take a name from a request.
 */
#include <stdio.h>
#include <string.h>

#include "admin/site.h"
#include "admin/tool.h"
#include "admin/verbs.h"
#include "certs/openssl.h"
#include "lib/alloc.h"
#include "lib/file.h"
#include "lib/json.h"

#define REQUEST_MAX ((size_t)64 * 1024)
#define CLIENT_DAYS 90
#define DAYS_MAX 3650
#define NAMES_MAX 32

static const struct column columns[] = {
    {"SERIAL", "serial"},
    {"PROFILE", "profile"},
    {"NAMES", "names"},
    {"EXPIRES", "expires_at"},
    {"STATE", "state"},
};

static const struct column details[] = {
    {"Serial", "serial"},
    {"Profile", "profile"},
    {"Names", "names"},
    {"Issuer", "issuer"},
    {"Valid from", "not_before"},
    {"Expires", "expires_at"},
    {"State", "state"},
    {"Thumbprint", "thumbprint"},
    {"Fingerprint", "sha256"},
    {"Problem", "problem"},
};

static const struct view list_view = {columns, COUNT(columns), "serial"};
static const struct view detail_view = {details, COUNT(details), "serial"};

/* An IP address or a name, whatever its kind. The caller frees. */
static char *
show_name(const GENERAL_NAME *name)
{
	AUTO(BIO_freep) BIO *out = BIO_new(BIO_s_mem());
	char *data;

	if (out == NULL || GENERAL_NAME_print(out, (GENERAL_NAME *)name) != 1)
		return alloc_string("?");
	long len = BIO_get_mem_data(out, &data);
	return alloc_bytes(data, (size_t)len);
}

static json_t *
list_names(X509 *certificate)
{
	AUTO(GENERAL_NAMES_freep)
	GENERAL_NAMES *names =
	    X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
	json_t *list = json_array();

	for (int k = 0; names != NULL && k < sk_GENERAL_NAME_num(names); k++) {
		auto_free char *text =
		    show_name(sk_GENERAL_NAME_value(names, k));
		json_array_append_new(list, json_string(text));
	}
	return list;
}

static const char *
find_profile(X509 *certificate)
{
	uint32_t usage = X509_get_extended_key_usage(certificate);

	if (X509_check_ca(certificate) == 1)
		return "ca";
	if ((X509_get_extension_flags(certificate) & EXFLAG_XKUSAGE) == 0)
		return "unknown";
	return (usage & XKU_SSL_CLIENT) != 0 ? "client"
	    : (usage & XKU_SSL_SERVER) != 0  ? "server"
					     : "unknown";
}

static const char *
find_state(X509 *certificate, int64_t now_s)
{
	if (now_s < site_time(X509_get0_notBefore(certificate)))
		return "not yet valid";
	if (now_s >= site_time(X509_get0_notAfter(certificate)))
		return "expired";
	return "valid";
}

static void
set_text(json_t *object, const char *member, const char *text)
{
	json_object_set_new(object, member, json_string(text));
}

static void
set_time(json_t *object, const char *member, const ASN1_TIME *time)
{
	auto_free char *text = tool_time(site_time(time));

	set_text(object, member, text);
}

static json_t *
describe(X509 *certificate, int64_t now_s)
{
	json_t *object = json_object();
	auto_free char *serial = site_serial(certificate);

	set_text(object, "serial", serial);
	set_text(object, "profile", find_profile(certificate));
	json_object_set_new(object, "names", list_names(certificate));
	set_time(object, "not_before", X509_get0_notBefore(certificate));
	set_time(object, "expires_at", X509_get0_notAfter(certificate));
	set_text(object, "state", find_state(certificate, now_s));
	return object;
}

static void
describe_digest(json_t *object, X509 *certificate)
{
	uint8_t digest[EVP_MAX_MD_SIZE];
	unsigned len = 0;
	char hex[2 * EVP_MAX_MD_SIZE + 1];

	if (X509_digest(certificate, EVP_sha256(), digest, &len) != 1)
		die("SHA-256 is not available");
	auto_free char *thumbprint = base64url_encode(digest, len);
	hex_encode(digest, len, hex);
	set_text(object, "thumbprint", thumbprint);
	set_text(object, "sha256", hex);
}

struct listing {
	json_t *list;
	int64_t now_s;
};

static int
add_issued(void *arg, X509 *certificate, struct err *err)
{
	const struct listing *listing = arg;

	(void)err;
	json_array_append_new(
	    listing->list, describe(certificate, listing->now_s));
	return 0;
}

int
verb_cert_list(struct invocation *invocation)
{
	AUTO(site_done) struct site site = {0};
	auto_json *list = json_array();
	struct listing listing = {list, tool_now_s()};
	struct err err;

	if (site_load(tool_directory(invocation), &site, &err) != 0 ||
	    site_each_issued(&site, add_issued, &listing, &err) != 0 ||
	    tool_print_list(invocation, &list_view, list, &err) != 0)
		return tool_fail(&err);
	return 0;
}

/* What the gateway would say of a client's certificate. */
static void
describe_problem(
    const struct invocation *invocation, X509 *certificate, json_t *object)
{
	AUTO(site_done) struct site site = {0};
	struct certificate found;
	struct err err;

	if (strcmp(find_profile(certificate), "client") != 0 ||
	    site_load(tool_directory(invocation), &site, &err) != 0)
		return;
	auto_free char *path = site_path(&site, "ca.crt");
	struct trust *trust = trust_load(path, &err);
	if (trust == NULL ||
	    certificate_verify(
		trust, certificate, tool_now_s(), &found, &err) != 0)
		set_text(object, "problem", err.detail);
	trust_free(trust);
}

int
verb_cert_show(struct invocation *invocation)
{
	struct err err;
	AUTO(X509_freep)
	X509 *certificate = site_find_certificate(
	    tool_directory(invocation), invocation->operands[0], &err);

	if (certificate == NULL)
		return tool_fail(&err);
	auto_json *object = describe(certificate, tool_now_s());
	char issuer[256];
	X509_NAME_oneline(
	    X509_get_issuer_name(certificate), issuer, sizeof(issuer));
	set_text(object, "issuer", issuer);
	describe_digest(object, certificate);
	describe_problem(invocation, certificate, object);
	if (tool_print_one(invocation, &detail_view, object, &err) != 0)
		return tool_fail(&err);
	return 0;
}

static int
read_profile(const struct invocation *invocation, enum certificate_profile *ret,
    struct err *err)
{
	const char *text = option_value(invocation, "profile");

	*ret = PROFILE_CLIENT;
	if (text == NULL || strcmp(text, "client") == 0)
		return 0;
	if (strcmp(text, "server") != 0)
		return err_set(err, ERR_UNPROCESSABLE,
		    "--profile: \"%s\" is not one of client, server", text);
	*ret = PROFILE_SERVER;
	return 0;
}

static int
read_order(const struct invocation *invocation, const char **names,
    struct certificate_order *ret, struct err *err)
{
	long long days;
	const char *name;

	if (read_profile(invocation, &ret->profile, err) != 0 ||
	    option_integer(
		invocation, "days", CLIENT_DAYS, 1, DAYS_MAX, &days, err) != 0)
		return -1;
	while (ret->nnames < NAMES_MAX &&
	    (name = option_each(invocation, "name", ret->nnames)) != NULL)
		names[ret->nnames++] = name;
	if (ret->nnames == 0)
		return err_set(err, ERR_UNPROCESSABLE,
		    "--name is missing: what the certificate is to say; names "
		    "in the request are not believed");
	ret->names = names;
	ret->validity = (struct validity){tool_now_s(), (int)days};
	return 0;
}

static EVP_PKEY *
read_request(const char *path, struct err *err)
{
	size_t len;
	auto_free char *pem = tool_read(path, REQUEST_MAX, &len, err);

	if (pem == NULL)
		return NULL;
	EVP_PKEY *key = issue_request_key(pem, len, err);
	if (key == NULL)
		err_prefix(err, "%s", path);
	return key;
}

static int
write_certificate(
    const struct invocation *invocation, X509 *certificate, struct err *err)
{
	const char *path = option_value(invocation, "out");
	auto_free char *pem = issue_certificate_encode(certificate);

	if (path != NULL)
		return file_write(path, pem, strlen(pem), 0644, err);
	fputs(pem, stdout);
	return 0;
}

static int
sign(const struct invocation *invocation, struct err *err)
{
	AUTO(site_done) struct site site = {0};
	AUTO(issuer_done) struct issuer issuer = {0};
	const char *names[NAMES_MAX];
	struct certificate_order order = {0};

	if (read_order(invocation, names, &order, err) != 0 ||
	    site_load(tool_directory(invocation), &site, err) != 0)
		return -1;
	AUTO(EVP_PKEY_freep)
	EVP_PKEY *key = read_request(invocation->operands[0], err);
	if (key == NULL || site_load_issuer(&site, &issuer, err) != 0)
		return -1;
	order.key = key;
	AUTO(X509_freep)
	X509 *certificate = issue_certificate(&issuer, &order, err);
	if (certificate == NULL ||
	    site_keep_certificate(&site, certificate, err) != 0)
		return -1;
	return write_certificate(invocation, certificate, err);
}

int
verb_cert_sign(struct invocation *invocation)
{
	struct err err;

	return sign(invocation, &err) == 0 ? 0 : tool_fail(&err);
}
