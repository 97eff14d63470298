/*
 * Role: the public keys that tokens are verified with, by `kid`.
 * Trusts the directory it is given: it is configuration.
 * Must never hold an empty key (libjwt 1.10.2 then verifies any token), one
 * that is not P-256, or a private one.
 */
#include <dirent.h>
#include <openssl/core_names.h>
#include <string.h>

#include "certs/openssl.h"
#include "certs/token.h"
#include "lib/alloc.h"
#include "lib/file.h"

#define KEY_FILE_MAX 4096
#define KEYS_MAX 64
#define SUFFIX ".pem"

struct token_key {
	char id[TOKEN_ID_MAX + 1];
	char *pem; /* our own encoding of what was read */
};

struct token_keys {
	struct token_key keys[KEYS_MAX];
	size_t count;
};

static void
closedir_cleanup(DIR **directory)
{
	if (*directory != NULL)
		closedir(*directory);
}

static bool
is_p256(EVP_PKEY *key)
{
	char group[32];
	int explicit_parameters = 1;

	return EVP_PKEY_get_base_id(key) == EVP_PKEY_EC &&
	    EVP_PKEY_get_int_param(key,
		OSSL_PKEY_PARAM_EC_DECODED_FROM_EXPLICIT_PARAMS,
		&explicit_parameters) == 1 &&
	    explicit_parameters == 0 &&
	    EVP_PKEY_get_group_name(key, group, sizeof(group), NULL) == 1 &&
	    strcmp(group, SN_X9_62_prime256v1) == 0;
}

/* Writes the key anew, so that libjwt sees one PEM block and nothing else. */
static char *
encode_public(EVP_PKEY *key)
{
	AUTO(BIO_freep) BIO *out = BIO_new(BIO_s_mem());
	char *data;

	if (out == NULL || PEM_write_bio_PUBKEY(out, key) != 1)
		die("cannot encode a public key: %s", openssl_reason());
	long len = BIO_get_mem_data(out, &data);
	return alloc_bytes(data, (size_t)len);
}

static int
parse_key(const char *text, size_t len, char **ret_pem, struct err *err)
{
	AUTO(BIO_freep) BIO *in = BIO_new_mem_buf(text, (int)len);

	if (in == NULL)
		die("BIO_new_mem_buf: out of memory");
	if (strstr(text, "PRIVATE KEY") != NULL)
		return err_set(err, ERR_UNPROCESSABLE,
		    "it holds a private key: only public ones belong here");
	AUTO(EVP_PKEY_freep)
	EVP_PKEY *key =
	    PEM_read_bio_PUBKEY(in, NULL, openssl_no_password, NULL);
	if (key == NULL)
		return err_set(err, ERR_UNPROCESSABLE,
		    "it holds no public key in PEM: %s", openssl_reason());
	if (!is_p256(key))
		return err_set(
		    err, ERR_UNPROCESSABLE, "its key is not on P-256");
	AUTO(EVP_PKEY_freep)
	EVP_PKEY *second =
	    PEM_read_bio_PUBKEY(in, NULL, openssl_no_password, NULL);
	if (second != NULL)
		return err_set(
		    err, ERR_UNPROCESSABLE, "it holds more than one key");
	*ret_pem = encode_public(key);
	return 0;
}

/* "KID.pem" to KID; false: another kind of file, which is passed over. */
static bool
has_suffix(const char *name)
{
	size_t len = strlen(name);

	return len > strlen(SUFFIX) && name[0] != '.' &&
	    strcmp(name + len - strlen(SUFFIX), SUFFIX) == 0;
}

static int
add_key(struct token_keys *keys, const char *directory, const char *name,
    struct err *err)
{
	auto_free char *path = alloc_printf("%s/%s", directory, name);
	auto_free char *id = alloc_bytes(name, strlen(name) - strlen(SUFFIX));
	size_t len;

	if (!token_id_is_valid(id))
		return err_set(err, ERR_UNPROCESSABLE,
		    "%s: the name is not KID.pem with a KID of at most %d of "
		    "[A-Za-z0-9_-]",
		    path, TOKEN_ID_MAX);
	if (keys->count == KEYS_MAX)
		return err_set(err, ERR_UNPROCESSABLE,
		    "%s: there are more than %d keys", directory, KEYS_MAX);
	auto_free char *text = file_read(path, KEY_FILE_MAX, &len, err);
	if (text == NULL)
		return -1;

	ERR_clear_error();
	char *pem = NULL;
	int result = parse_key(text, len, &pem, err);
	ERR_clear_error();
	if (result != 0)
		return err_prefix(err, "%s", path);
	struct token_key *key = &keys->keys[keys->count++];
	snprintf(key->id, sizeof(key->id), "%s", id);
	key->pem = pem;
	return 0;
}

DEFINE_CLEANUP(struct token_keys, token_keys_free);

struct token_keys *
token_keys_load(const char *directory, struct err *err)
{
	AUTO(closedir_cleanup) DIR *stream = opendir(directory);
	AUTO(token_keys_freep)
	struct token_keys *keys = alloc_zero(1, sizeof(*keys));
	const struct dirent *entry;

	if (stream == NULL) {
		err_errno(err, "open %s", directory);
		return NULL;
	}
	while ((entry = readdir(stream)) != NULL) {
		if (has_suffix(entry->d_name) &&
		    add_key(keys, directory, entry->d_name, err) != 0)
			return NULL;
	}
	if (keys->count == 0) {
		err_set(err, ERR_UNPROCESSABLE,
		    "%s: there is no key of the name KID.pem", directory);
		return NULL;
	}
	return take(keys);
}

void
token_keys_free(struct token_keys *keys)
{
	if (keys == NULL)
		return;
	for (size_t k = 0; k < keys->count; k++)
		free(keys->keys[k].pem);
	free(keys);
}

const char *
token_keys_find(const struct token_keys *keys, const char *key_id)
{
	for (size_t k = 0; k < keys->count; k++) {
		if (strcmp(keys->keys[k].id, key_id) == 0)
			return keys->keys[k].pem;
	}
	return NULL;
}

const char *
token_keys_id(const struct token_keys *keys, size_t k)
{
	return k < keys->count ? keys->keys[k].id : NULL;
}
