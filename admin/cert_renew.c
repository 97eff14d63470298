/*
 * Role: `cert renew`: another certificate and key for the server.
 * Trusts the operator, and the certificate that is there for its names.
 */
#include <arpa/inet.h>
#include <string.h>

#include "admin/site.h"
#include "admin/tool.h"
#include "admin/verbs.h"
#include "certs/certificate.h"
#include "certs/issue_key.h"
#include "certs/openssl.h"
#include "lib/alloc.h"
#include "lib/file.h"
#include "lib/json.h"

#define DAYS_MAX 3650
#define NAMES_MAX 32

static const struct column columns[] = {
    {"Serial", "serial"},
    {"Names", "names"},
    {"Expires", "expires_at"},
};
static const struct view view = {columns, COUNT(columns), "serial"};

/* As an order for a certificate has it. The caller frees; NULL: a kind of name
 * that none of ours has. */
static char *
read_name(const GENERAL_NAME *name)
{
	char text[INET6_ADDRSTRLEN];
	int kind;
	const ASN1_STRING *value = GENERAL_NAME_get0_value(name, &kind);
	const unsigned char *data = ASN1_STRING_get0_data(value);
	int len = ASN1_STRING_length(value);

	if (kind == GEN_DNS)
		return alloc_bytes(data, (size_t)len);
	if (kind != GEN_IPADD || (len != 4 && len != 16))
		return NULL;
	if (inet_ntop(len == 4 ? AF_INET : AF_INET6, data, text,
		sizeof(text)) == NULL)
		return NULL;
	return alloc_string(text);
}

static void
add_kept(json_t *list, X509 *certificate)
{
	AUTO(GENERAL_NAMES_freep)
	GENERAL_NAMES *names =
	    X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);

	for (int k = 0; names != NULL && k < sk_GENERAL_NAME_num(names); k++) {
		auto_free char *name =
		    read_name(sk_GENERAL_NAME_value(names, k));
		if (name != NULL)
			json_array_append_new(list, json_string(name));
	}
}

/* --name, or the names of the certificate that is there. */
static json_t *
find_names(const struct invocation *invocation, X509 *certificate)
{
	json_t *list = json_array();
	const char *given;

	for (size_t k = 0; (given = option_each(invocation, "name", k)) != NULL;
	     k++)
		json_array_append_new(list, json_string(given));
	if (json_array_size(list) == 0)
		add_kept(list, certificate);
	return list;
}

static X509 *
sign(const struct site *site, EVP_PKEY *key, const json_t *list, long long days,
    struct err *err)
{
	AUTO(issuer_done) struct issuer issuer = {0};
	const char *names[NAMES_MAX];
	struct certificate_order order = {
	    .profile = PROFILE_SERVER,
	    .key = key,
	    .names = names,
	    .nnames = json_array_size(list),
	    .validity = {tool_now_s(), (int)days},
	};

	if (order.nnames > NAMES_MAX) {
		err_set(
		    err, ERR_UNPROCESSABLE, "more than %d names", NAMES_MAX);
		return NULL;
	}
	for (size_t k = 0; k < order.nnames; k++)
		names[k] = json_string_value(json_array_get(list, k));
	if (site_load_issuer(site, &issuer, err) != 0)
		return NULL;
	return issue_certificate(&issuer, &order, err);
}

/* Between the two a reload is refused, and so is a start; run again, it makes
 * both anew. */
static int
write_pair(
    const struct site *site, EVP_PKEY *key, X509 *certificate, struct err *err)
{
	auto_free char *key_path = site_path(site, "gateway/server.key");
	auto_free char *path = site_path(site, "gateway/server.crt");
	auto_secret char *key_pem = issue_key_encode(key);
	auto_free char *pem = issue_certificate_encode(certificate);

	if (site_keep_certificate(site, certificate, err) != 0 ||
	    file_replace(key_path, key_pem, strlen(key_pem), err) != 0)
		return -1;
	return file_replace(path, pem, strlen(pem), err);
}

static int
renew(const struct invocation *invocation, json_t **ret, struct err *err)
{
	AUTO(site_done) struct site site = {0};
	auto_fd int lock = -1;
	long long days;

	if (option_integer(invocation, "days", SERVER_DAYS, 1, DAYS_MAX, &days,
		err) != 0 ||
	    site_load(tool_directory(invocation), &site, err) != 0 ||
	    site_lock(site.directory, &lock, err) != 0)
		return -1;
	auto_free char *path = site_path(&site, "gateway/server.crt");
	AUTO(X509_freep) X509 *old = site_read_certificate(path, err);
	if (old == NULL)
		return -1;
	auto_json *names = find_names(invocation, old);
	AUTO(EVP_PKEY_freep) EVP_PKEY *key = issue_key_new(ISSUE_KEY_P256);
	AUTO(X509_freep)
	X509 *certificate = sign(&site, key, names, days, err);
	if (certificate == NULL ||
	    write_pair(&site, key, certificate, err) != 0)
		return -1;
	auto_free char *serial = site_serial(certificate);
	*ret = json_pack("{s:s, s:O}", "serial", serial, "names", names);
	json_set_time(*ret, "expires_at", certificate_end(certificate));
	return 0;
}

int
verb_cert_renew(struct invocation *invocation)
{
	auto_json *result = NULL;
	struct err err;

	if (renew(invocation, &result, &err) != 0 ||
	    tool_print_one(invocation, &view, result, &err) != 0)
		return tool_fail(&err);
	tool_next(invocation, "taskgate-admin reload");
	return 0;
}
