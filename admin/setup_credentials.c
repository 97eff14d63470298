/*
 * Role: the keys and certificates of an installation.
 * Trusts the operator's folder.
 * Must never make a second CA or token key where the first one is only kept
 * elsewhere: what it signed would be worth nothing any more.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <string.h>

#include "admin/setup.h"
#include "admin/site.h"
#include "certs/openssl.h"
#include "lib/alloc.h"
#include "lib/file.h"

#define NAMES_MAX 32

/* Whether the private key was taken away on purpose. */
static bool
is_kept_elsewhere(
    const struct setup *setup, const char *key, const char *public)
{
	return !setup_exists(setup, key) && setup_exists(setup, public);
}

/* Of several the one that signs now; without its key the first. */
static int
read_authority(struct setup *setup, struct err *err)
{
	const struct site site = {.directory = setup->directory};
	AUTO(issue_bundle_done) struct bundle bundle = {0};

	if (site_load_bundle(&site, &bundle, err) != 0)
		return -1;
	X509 *ca = setup->ca_key == NULL
	    ? bundle.certificates[0]
	    : issue_bundle_find(&bundle, setup->ca_key);
	if (ca == NULL || X509_check_ca(ca) != 1)
		return err_set(err, ERR_UNPROCESSABLE,
		    "%s/ca.crt: the CA's key does not belong to the CA's "
		    "certificate",
		    setup->directory);
	if (X509_up_ref(ca) != 1)
		die("X509_up_ref failed");
	setup->ca = ca;
	setup_kept(setup, "ca.crt");
	return 0;
}

static int
make_authority(struct setup *setup, struct err *err)
{
	const struct validity validity = {setup->now_s, AUTHORITY_DAYS};

	if (is_kept_elsewhere(setup, "operator/ca.key", "ca.crt"))
		return read_authority(setup, err);
	if (setup_key(setup, "operator/ca.key", ISSUE_KEY_P256, geteuid(),
		&setup->ca_key, err) != 0)
		return -1;
	if (setup_exists(setup, "ca.crt"))
		return read_authority(setup, err);
	setup->ca = issue_authority(setup->ca_key, &validity);
	auto_free char *pem = issue_certificate_encode(setup->ca);
	return setup_text(setup, "ca.crt", pem, err);
}

static bool
has_token_keys(const struct setup *setup)
{
	auto_free char *path = setup_path(setup, "token-keys");
	DIR *stream = opendir(path);
	const struct dirent *entry;
	bool found = false;

	if (stream == NULL)
		return false;
	while ((entry = readdir(stream)) != NULL)
		found |= strstr(entry->d_name, ".pem") != NULL;
	closedir(stream);
	return found;
}

static int
make_token_key(struct setup *setup, struct err *err)
{
	AUTO(EVP_PKEY_freep) EVP_PKEY *key = NULL;
	char id[KEY_ID];

	if (!setup_exists(setup, "operator/token.key") && has_token_keys(setup))
		return 0;
	if (setup_key(setup, "operator/token.key", ISSUE_KEY_P256, geteuid(),
		&key, err) != 0)
		return -1;
	key_id(key, id);
	auto_free char *name = alloc_printf("token-keys/%s.pem", id);
	auto_free char *pem = issue_key_encode_public(key);
	return setup_text(setup, name, pem, err);
}

static int
refuse_lost_key(const char *key, const char *public, struct err *err)
{
	return err_set(err, ERR_CONFLICT,
	    "%s is there, but its key %s is not; bring the key back, or remove "
	    "%s to get a new pair",
	    public, key, public);
}

static int
make_audit_key(struct setup *setup, struct err *err)
{
	AUTO(EVP_PKEY_freep) EVP_PKEY *key = NULL;

	if (is_kept_elsewhere(setup, "runner/audit.key", "audit.pub"))
		return refuse_lost_key("runner/audit.key", "audit.pub", err);
	if (setup_key(setup, "runner/audit.key", ISSUE_KEY_ED25519,
		setup->runner_uid, &key, err) != 0)
		return -1;
	auto_free char *pem = issue_key_encode_public(key);
	return setup_text(setup, "audit.pub", pem, err);
}

/* The host of --listen, where it is an address of its own. The caller frees;
 * NULL: a wildcard or a name. */
static char *
listen_address(const struct setup *setup)
{
	const char *listen = option_value(setup->invocation, "listen");
	const char *colon = listen != NULL ? strrchr(listen, ':') : NULL;
	uint8_t binary[16];

	if (colon == NULL)
		return NULL;
	bool bracketed = listen[0] == '[' && colon[-1] == ']';
	auto_free char *host = bracketed
	    ? alloc_bytes(listen + 1, (size_t)(colon - listen) - 2)
	    : alloc_bytes(listen, (size_t)(colon - listen));
	int family = bracketed ? AF_INET6 : AF_INET;
	if (inet_pton(family, host, binary) != 1 ||
	    strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0)
		return NULL;
	return take(host);
}

static X509 *
sign_server(struct setup *setup, EVP_PKEY *key, struct err *err)
{
	static const char *const usual[] = {"localhost", "127.0.0.1", "::1"};
	const char *names[NAMES_MAX];
	auto_free char *address = listen_address(setup);
	size_t count = 0;
	const char *given;

	while (count < NAMES_MAX - COUNT(usual) - 1 &&
	    (given = option_each(setup->invocation, "server-name", count)) !=
		NULL)
		names[count++] = given;
	for (size_t k = 0; k < COUNT(usual); k++)
		names[count++] = usual[k];
	if (address != NULL && strcmp(address, "127.0.0.1") != 0 &&
	    strcmp(address, "::1") != 0)
		names[count++] = address;

	const struct issuer issuer = {setup->ca_key, setup->ca};
	const struct certificate_order order = {
	    .profile = PROFILE_SERVER,
	    .key = key,
	    .names = names,
	    .nnames = count,
	    .validity = {setup->now_s, SERVER_DAYS},
	};
	return issue_certificate(&issuer, &order, err);
}

static int
keep_issued(
    struct setup *setup, X509 *certificate, const char *pem, struct err *err)
{
	auto_free char *serial = site_serial(certificate);
	auto_free char *name = alloc_printf("operator/issued/%s.pem", serial);

	return setup_text(setup, name, pem, err);
}

static int
make_server(struct setup *setup, struct err *err)
{
	AUTO(EVP_PKEY_freep) EVP_PKEY *key = NULL;

	if (is_kept_elsewhere(
		setup, "gateway/server.key", "gateway/server.crt"))
		return refuse_lost_key(
		    "gateway/server.key", "gateway/server.crt", err);
	if (setup_key(setup, "gateway/server.key", ISSUE_KEY_P256,
		setup->gateway_uid, &key, err) != 0)
		return -1;
	if (setup_exists(setup, "gateway/server.crt")) {
		setup_kept(setup, "gateway/server.crt");
		return 0;
	}
	if (setup->ca_key == NULL)
		return err_set(err, ERR_CONFLICT,
		    "the server needs a certificate and operator/ca.key is "
		    "not there; bring it back for this");
	AUTO(X509_freep) X509 *certificate = sign_server(setup, key, err);
	if (certificate == NULL)
		return -1;
	auto_free char *pem = issue_certificate_encode(certificate);
	if (keep_issued(setup, certificate, pem, err) != 0)
		return -1;
	return setup_text(setup, "gateway/server.crt", pem, err);
}

int
setup_credentials(struct setup *setup, struct err *err)
{
	if (make_authority(setup, err) != 0 ||
	    make_token_key(setup, err) != 0 || make_audit_key(setup, err) != 0)
		return -1;
	return make_server(setup, err);
}
