/*
 * Reads what may change while the runner runs. Trusts the files' owner, not
 * his hand: what is cut off or of the wrong kind is refused whole.
 */
#include "runner/in_force.h"

#include "certs/openssl.h"
#include "lib/alloc.h"
#include "lib/file.h"
#include "runner/claims.h"

#define AUDIT_KEY_MAX 16384

static EVP_PKEY *
parse_audit_key(const char *text, size_t len, struct err *err)
{
	AUTO(BIO_freep) BIO *in = BIO_new_mem_buf(text, (int)len);

	if (in == NULL)
		die("BIO_new_mem_buf: out of memory");
	ERR_clear_error();
	AUTO(EVP_PKEY_freep)
	EVP_PKEY *key =
	    PEM_read_bio_PrivateKey(in, NULL, openssl_no_password, NULL);
	if (key == NULL) {
		err_set(err, ERR_UNPROCESSABLE,
		    "it holds no private key in PEM: %s", openssl_reason());
		ERR_clear_error();
		return NULL;
	}
	if (EVP_PKEY_get_base_id(key) != EVP_PKEY_ED25519) {
		err_set(err, ERR_UNPROCESSABLE, "its key is not Ed25519");
		return NULL;
	}
	return take(key);
}

EVP_PKEY *
audit_key_load(const char *path, struct err *err)
{
	size_t len = 0;
	char *text = file_read_secret(path, AUDIT_KEY_MAX, &len, err);

	if (text == NULL) {
		err_prefix(err, "audit_key");
		return NULL;
	}
	EVP_PKEY *key = parse_audit_key(text, len, err);
	OPENSSL_cleanse(text, len);
	free(text);
	if (key == NULL)
		err_prefix(err, "audit_key: %s", path);
	return key;
}

DEFINE_CLEANUP(struct policy, policy_free);

int
in_force_load(
    const struct config *config, struct in_force *ret, struct err *err)
{
	AUTO(EVP_PKEY_freep) EVP_PKEY *key = NULL;
	AUTO(policy_freep) struct policy *policy = NULL;

	key = audit_key_load(config->audit_key, err);
	if (key == NULL)
		return -1;
	policy = policy_load(config->policy, err);
	if (policy == NULL || claims_check(policy, config, err) != 0)
		return -1;
	if (authority_load(config->ca, config->token_keys, config->issuer,
		config->audience, config->token_lifetime_max_s, &ret->authority,
		err) != 0)
		return -1;
	ret->audit_key = take(key);
	ret->policy = take(policy);
	return 0;
}

void
in_force_done(struct in_force *in_force)
{
	authority_done(&in_force->authority);
	EVP_PKEY_free(in_force->audit_key);
	policy_free(in_force->policy);
	*in_force = (struct in_force){0};
}
