/*
 * Role: reads an installation's folder for the operator's tool.
 * Trusts the files of the folder, which are the operator's own.
 * Must never sign with a key file that others can read.
 */
#include "admin/site.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>

#include "admin/tool.h"
#include "certs/issue_key.h"
#include "certs/openssl.h"
#include "lib/alloc.h"
#include "lib/checkpoint.h"
#include "lib/file.h"
#include "lib/json.h"
#include "lib/quantity.h"

#define CONFIGURATION_MAX 65536
#define LIFETIME_MAX_S (INT64_C(24) * 3600)

char *
site_path(const struct site *site, const char *name)
{
	return alloc_printf("%s/%s", site->directory, name);
}

static json_t *
read_configuration(const char *directory, const char *name, struct err *err)
{
	auto_free char *path = alloc_printf("%s/%s", directory, name);
	json_t *json = json_parse_file(path, CONFIGURATION_MAX, err);

	if (json == NULL && err->code == ERR_NOT_FOUND)
		err_set(err, ERR_NOT_FOUND,
		    "%s is not there; to make an installation: taskgate-admin "
		    "init --dir %s (or name another with --dir)",
		    path, directory);
	return json;
}

static const char *
text_or(const json_t *json, const char *member, const char *fallback)
{
	const char *text = json_string_value(json_object_get(json, member));

	return text != NULL ? text : fallback;
}

static int
read_members(const json_t *json, struct site *site, struct err *err)
{
	const char *issuer = text_or(json, "issuer", "");
	const char *audience = text_or(json, "audience", "");
	const json_t *lifetime = json_object_get(json, "token_lifetime_max");

	if (*issuer == '\0' || *audience == '\0')
		return err_set(err, ERR_UNPROCESSABLE,
		    "gateway.json: issuer and audience must be there");
	if (lifetime != NULL &&
	    !quantity_read_duration(lifetime, &site->lifetime_max_s))
		return err_set(err, ERR_UNPROCESSABLE,
		    "gateway.json: token_lifetime_max is not a duration");
	site->issuer = alloc_string(issuer);
	site->audience = alloc_string(audience);
	site->listen = alloc_string(text_or(json, "listen", "127.0.0.1:8443"));
	site->runner_uid =
	    json_integer_value(json_object_get(json, "runner_uid"));
	return 0;
}

int
site_load(const char *directory, struct site *ret, struct err *err)
{
	auto_json *json = read_configuration(directory, "gateway.json", err);
	struct site site = {.lifetime_max_s = LIFETIME_MAX_S};

	if (json == NULL || read_members(json, &site, err) != 0)
		return -1;
	site.directory = realpath(directory, NULL);
	if (site.directory == NULL) {
		site_done(&site);
		return err_errno(err, "find %s", directory);
	}
	*ret = site;
	return 0;
}

void
site_done(struct site *site)
{
	free(site->directory);
	free(site->listen);
	free(site->issuer);
	free(site->audience);
	*site = (struct site){0};
}

char *
site_admin_socket(const char *directory, struct err *err)
{
	auto_json *json = read_configuration(directory, "runner.json", err);

	if (json == NULL)
		return NULL;
	const char *run = text_or(json, "run", NULL);
	if (run == NULL) {
		err_set(err, ERR_UNPROCESSABLE,
		    "%s/runner.json has no run; name the socket with --socket",
		    directory);
		return NULL;
	}
	return run[0] == '/' ? alloc_printf("%s/admin.sock", run)
			     : alloc_printf("%s/%s/admin.sock", directory, run);
}

int
site_find_log(const char *directory, struct site_log *ret, struct err *err)
{
	auto_json *json = read_configuration(directory, "runner.json", err);

	if (json == NULL)
		return -1;
	const char *state = text_or(json, "state", NULL);
	const char *id = text_or(json, "id", NULL);
	if (state == NULL || id == NULL)
		return err_set(err, ERR_UNPROCESSABLE,
		    "%s/runner.json has no state or no id", directory);
	ret->database = state[0] == '/'
	    ? alloc_printf("%s/store.db", state)
	    : alloc_printf("%s/%s/store.db", directory, state);
	ret->origin = checkpoint_origin(id);
	return 0;
}

void
site_log_done(struct site_log *log)
{
	free(log->database);
	free(log->origin);
	*log = (struct site_log){0};
}

/* A private key that only its owner can read. */
static EVP_PKEY *
read_key(const char *path, struct err *err)
{
	size_t len;
	auto_secret char *pem = file_read_secret(path, KEY_FILE_MAX, &len, err);

	if (pem == NULL) {
		if (err->code == ERR_NOT_FOUND)
			err_set(err, ERR_NOT_FOUND,
			    "%s is not there; bring the key back, or name the "
			    "operator's folder with --dir",
			    path);
		return NULL;
	}
	EVP_PKEY *key = issue_key_parse(pem, len, err);
	if (key == NULL)
		err_prefix(err, "%s", path);
	return key;
}

X509 *
site_read_certificate(const char *path, struct err *err)
{
	size_t len;
	auto_free char *pem = tool_read(path, CERTIFICATE_FILE_MAX, &len, err);

	if (pem == NULL)
		return NULL;
	X509 *certificate = issue_certificate_parse(pem, len, err);
	if (certificate == NULL)
		err_prefix(err, "%s", path);
	return certificate;
}

int
site_load_bundle(const struct site *site, struct bundle *ret, struct err *err)
{
	auto_free char *path = site_path(site, "ca.crt");
	size_t len;
	auto_free char *pem = file_read(path, CERTIFICATE_FILE_MAX, &len, err);

	if (pem == NULL)
		return -1;
	if (issue_bundle_parse(pem, len, ret, err) != 0)
		return err_prefix(err, "%s", path);
	return 0;
}

EVP_PKEY *
site_load_key(const struct site *site, const char *name, struct err *err)
{
	auto_free char *path = site_path(site, name);

	return read_key(path, err);
}

int
site_load_issuer(const struct site *site, struct issuer *ret, struct err *err)
{
	AUTO(issue_bundle_done) struct bundle bundle = {0};

	if (site_load_bundle(site, &bundle, err) != 0)
		return -1;
	AUTO(EVP_PKEY_freep)
	EVP_PKEY *key = site_load_key(site, "operator/ca.key", err);
	if (key == NULL)
		return -1;
	X509 *ca = issue_bundle_find(&bundle, key);
	if (ca == NULL)
		return err_set(err, ERR_UNPROCESSABLE,
		    "%s/ca.crt: the CA's key does not belong to the CA's "
		    "certificate",
		    site->directory);
	return issuer_init(ret, key, ca, err);
}

EVP_PKEY *
site_load_token_key(
    const struct site *site, const struct authority *authority, struct err *err)
{
	char id[KEY_ID];
	AUTO(EVP_PKEY_freep)
	EVP_PKEY *key = site_load_key(site, "operator/token.key", err);

	if (key == NULL)
		return NULL;
	key_id(key, id);
	if (token_keys_find(authority->keys, id) == NULL) {
		err_set(err, ERR_CONFLICT,
		    "%s/operator/token.key: its public part, "
		    "token-keys/%s.pem, is not there, so no token would be "
		    "accepted; taskgate-admin init --dir %s writes it",
		    site->directory, id, site->directory);
		return NULL;
	}
	return take(key);
}

int
site_load_authority(
    const struct site *site, struct authority *ret, struct err *err)
{
	auto_free char *ca = site_path(site, "ca.crt");
	auto_free char *keys = site_path(site, "token-keys");

	return authority_load(ca, keys, site->issuer, site->audience,
	    site->lifetime_max_s, ret, err);
}

char *
site_serial(const X509 *certificate)
{
	AUTO(BN_freep)
	BIGNUM *number =
	    ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), NULL);
	uint8_t bytes[32];

	if (number == NULL || BN_num_bytes(number) > (int)sizeof(bytes))
		return alloc_string("");
	int len = BN_bn2bin(number, bytes);
	char *text = alloc_zero(2 * sizeof(bytes) + 1, 1);
	hex_encode(bytes, (size_t)len, text);
	return text;
}

int
site_keep_certificate(
    const struct site *site, X509 *certificate, struct err *err)
{
	auto_free char *serial = site_serial(certificate);
	auto_free char *path =
	    alloc_printf("%s/operator/issued/%s.pem", site->directory, serial);
	auto_free char *pem = issue_certificate_encode(certificate);

	return file_write(path, pem, strlen(pem), 0644, err);
}

int
site_lock(const char *directory, int *ret_fd, struct err *err)
{
	auto_fd int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return err_errno(err, "open %s", directory);
	if (flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
		return err_set(err, ERR_CONFLICT,
		    "%s: another taskgate-admin is changing it", directory);
	*ret_fd = take_fd(fd);
	return 0;
}

static int
is_certificate_file(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name);

	return entry->d_name[0] != '.' && len > 4 &&
	    strcmp(entry->d_name + len - 4, ".pem") == 0;
}

int
site_each_issued(
    const struct site *site, site_issued *each, void *arg, struct err *err)
{
	auto_free char *directory = site_path(site, "operator/issued");
	struct dirent **entries = NULL;
	int count =
	    scandir(directory, &entries, is_certificate_file, alphasort);
	int result = 0;

	if (count < 0)
		return err_errno(err, "list %s", directory);
	for (int k = 0; k < count; k++) {
		auto_free char *path =
		    alloc_printf("%s/%s", directory, entries[k]->d_name);
		AUTO(X509_freep) X509 *certificate = NULL;
		if (result == 0)
			certificate = site_read_certificate(path, err);
		free(entries[k]);
		result = certificate != NULL ? each(arg, certificate, err) : -1;
	}
	free(entries);
	return result;
}

static bool
is_serial(const char *text)
{
	size_t len = strspn(text, "0123456789abcdef");

	return len >= 2 && len <= 40 && text[len] == '\0';
}

X509 *
site_find_certificate(
    const char *directory, const char *operand, struct err *err)
{
	if (!is_serial(operand))
		return site_read_certificate(operand, err);
	auto_free char *path =
	    alloc_printf("%s/operator/issued/%s.pem", directory, operand);
	X509 *certificate = site_read_certificate(path, err);
	if (certificate == NULL && err->code == ERR_NOT_FOUND)
		err_set(err, ERR_NOT_FOUND,
		    "no certificate with serial %s was signed here; to see "
		    "those that were: taskgate-admin cert list",
		    operand);
	return certificate;
}

int64_t
site_time(const ASN1_TIME *time)
{
	struct tm tm;

	return ASN1_TIME_to_tm(time, &tm) == 1 ? (int64_t)timegm(&tm) : 0;
}

char *
site_thumbprint(const X509 *certificate)
{
	uint8_t digest[EVP_MAX_MD_SIZE];
	unsigned len = 0;

	if (X509_digest(certificate, EVP_sha256(), digest, &len) != 1)
		die("SHA-256 is not available");
	return base64url_encode(digest, len);
}
