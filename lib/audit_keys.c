#include "lib/audit_keys.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"

DEFINE_CLEANUP(BIO, BIO_free);

#define PEM_START "-----BEGIN"

/* An encrypted text is none of ours: nobody is asked for a password. */
static int
no_password(char *text, int size, int writing, void *arg)
{
	(void)text;
	(void)size;
	(void)writing;
	(void)arg;
	return -1;
}

static int
add_one(struct audit_keys *keys, BIO *in, struct err *err)
{
	EVP_PKEY *key = PEM_read_bio_PUBKEY(in, NULL, no_password, NULL);

	ERR_clear_error();
	if (key == NULL || EVP_PKEY_get_id(key) != EVP_PKEY_ED25519) {
		EVP_PKEY_free(key);
		return err_set(err, ERR_UNPROCESSABLE,
		    "key %zu: no Ed25519 public key in PEM", keys->count + 1);
	}
	if (keys->count == AUDIT_KEYS_MAX) {
		EVP_PKEY_free(key);
		return err_set(err, ERR_UNPROCESSABLE,
		    "more than %d keys in all", AUDIT_KEYS_MAX);
	}
	keys->list[keys->count++] = key;
	return 0;
}

int
audit_keys_add(
    struct audit_keys *keys, const char *pem, size_t len, struct err *err)
{
	AUTO(BIO_freep) BIO *in = NULL;

	if (len > AUDIT_KEYS_FILE_MAX)
		return err_set(err, ERR_UNPROCESSABLE,
		    "more than %zu bytes of keys", AUDIT_KEYS_FILE_MAX);
	in = BIO_new_mem_buf(pem, (int)len);
	if (in == NULL)
		die("BIO_new_mem_buf: out of memory");
	do {
		if (add_one(keys, in, err) != 0)
			return -1;
	} while (memmem(pem + len - BIO_ctrl_pending(in), BIO_ctrl_pending(in),
		     PEM_START, sizeof(PEM_START) - 1) != NULL);
	return 0;
}

void
audit_keys_done(struct audit_keys *keys)
{
	for (size_t i = 0; i < keys->count; i++)
		EVP_PKEY_free(keys->list[i]);
	*keys = (struct audit_keys){0};
}

int
audit_keys_open(const struct audit_keys *keys, const char *note, size_t len,
    const char *origin, struct checkpoint *ret, struct err *err)
{
	char named[CHECKPOINT_ORIGIN_MAX + 1];

	if (origin == NULL) {
		if (checkpoint_read_origin(note, len, named, err) != 0)
			return -1;
		origin = named;
	}
	err_set(err, ERR_CONFLICT, "there is no key to verify it with");
	for (size_t i = 0; i < keys->count; i++) {
		if (checkpoint_open(
			note, len, origin, keys->list[i], ret, err) == 0)
			return 0;
	}
	return -1;
}
