/*
 * Role: decides whether a certificate is a client's of ours, and whose.
 * Trusts the bundle and the clock it is given.
 * Must never read the CN, ask the system's trust store, or take a name out of
 * a certificate whose chain has not been verified.
 */
#include "certs/certificate.h"

#include <openssl/core_names.h>
#include <string.h>
#include <time.h>

#include "certs/openssl.h"
#include "lib/alloc.h"
#include "lib/file.h"

#define BUNDLE_MAX ((size_t)256 * 1024)
#define IDENTITY_PREFIX "taskgate:client:"
#define RSA_BITS_LEAST 2048
#define RSA_BITS_MOST 8192 /* a verification costs time */
#define SERIAL_BYTES_MAX 20 /* RFC 5280 4.1.2.2 */
#define INTERMEDIATES_MAX 1
#define SECURITY_LEVEL 2 /* 112 bits, no SHA-1 */

struct trust {
	X509_STORE *store;
	int64_t first_end_s, last_end_s;
};

static int
refuse(struct err *err, const char *why)
{
	return err_set(err, ERR_UNAUTHENTICATED, "certificate: %s", why);
}

int64_t
certificate_end(const X509 *certificate)
{
	struct tm tm;

	if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &tm) != 1)
		return 0;
	return (int64_t)timegm(&tm);
}

static void
note_end(struct trust *trust, int64_t end_s)
{
	if (trust->first_end_s == 0 || end_s < trust->first_end_s)
		trust->first_end_s = end_s;
	if (end_s > trust->last_end_s)
		trust->last_end_s = end_s;
}

/* Every certificate of the bundle, each of which must be a CA's. */
static int
add_authorities(struct trust *trust, BIO *bundle, struct err *err)
{
	size_t count = 0;

	for (;; count++) {
		AUTO(X509_freep)
		X509 *ca =
		    PEM_read_bio_X509(bundle, NULL, openssl_no_password, NULL);
		if (ca == NULL)
			break;
		/* 1: version 3 with CA:TRUE; the other true values stand for
		 * old forms that are tolerated. */
		if (X509_check_ca(ca) != 1)
			return err_set(err, ERR_UNPROCESSABLE,
			    "certificate %zu is not a CA's", count + 1);
		if (X509_STORE_add_cert(trust->store, ca) != 1)
			return err_set(err, ERR_UNPROCESSABLE,
			    "certificate %zu: %s", count + 1, openssl_reason());
		note_end(trust, certificate_end(ca));
	}
	if (!openssl_pem_ended())
		return err_set(err, ERR_UNPROCESSABLE, "certificate %zu: %s",
		    count + 1, openssl_reason());
	if (count == 0)
		return err_set(
		    err, ERR_UNPROCESSABLE, "there is no certificate in it");
	return 0;
}

static X509_STORE *
new_store(void)
{
	X509_STORE *store = X509_STORE_new();

	if (store == NULL)
		die("X509_STORE_new: out of memory");
	X509_VERIFY_PARAM *param = X509_STORE_get0_param(store);
	if (X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_X509_STRICT) != 1)
		die("X509_VERIFY_PARAM_set_flags failed");
	X509_VERIFY_PARAM_set_depth(param, INTERMEDIATES_MAX);
	X509_VERIFY_PARAM_set_auth_level(param, SECURITY_LEVEL);
	return store;
}

DEFINE_CLEANUP(struct trust, trust_free);

struct trust *
trust_load(const char *bundle_path, struct err *err)
{
	size_t len;
	auto_free char *text = file_read(bundle_path, BUNDLE_MAX, &len, err);
	if (text == NULL)
		return NULL;

	ERR_clear_error();
	AUTO(BIO_freep) BIO *bundle = BIO_new_mem_buf(text, (int)len);
	AUTO(trust_freep) struct trust *trust = alloc_zero(1, sizeof(*trust));
	if (bundle == NULL)
		die("BIO_new_mem_buf: out of memory");
	trust->store = new_store();
	int result = add_authorities(trust, bundle, err);
	ERR_clear_error();
	if (result != 0) {
		err_prefix(err, "%s", bundle_path);
		return NULL;
	}
	return take(trust);
}

void
trust_free(struct trust *trust)
{
	if (trust == NULL)
		return;
	X509_STORE_free(trust->store);
	free(trust);
}

X509_STORE *
trust_store(const struct trust *trust)
{
	return trust->store;
}

int64_t
trust_first_end(const struct trust *trust)
{
	return trust->first_end_s;
}

int64_t
trust_last_end(const struct trust *trust)
{
	return trust->last_end_s;
}

static bool
subject_byte_is_valid(char c, bool first)
{
	if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))
		return true;
	return !first && (c == '.' || c == '_' || c == '-');
}

static bool
subject_bytes_are_valid(const char *subject, size_t len)
{
	if (len < 1 || len > SUBJECT_MAX)
		return false;
	for (size_t k = 0; k < len; k++) {
		if (!subject_byte_is_valid(subject[k], k == 0))
			return false;
	}
	return true;
}

bool
subject_is_valid(const char *subject)
{
	return subject_bytes_are_valid(
	    subject, strnlen(subject, SUBJECT_MAX + 1));
}

static int
check_chain(
    const struct trust *trust, X509 *leaf, int64_t now_s, struct err *err)
{
	AUTO(X509_STORE_CTX_freep) X509_STORE_CTX *ctx = X509_STORE_CTX_new();

	/* No untrusted certificates: what the peer sends along is not looked
	 * at; an intermediate stands in the bundle or nowhere. */
	if (ctx == NULL ||
	    X509_STORE_CTX_init(ctx, trust->store, leaf, NULL) != 1)
		return refuse(err, "it cannot be verified");
	X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(ctx);
	X509_VERIFY_PARAM_set_time(param, (time_t)now_s);
	if (X509_VERIFY_PARAM_set_purpose(param, X509_PURPOSE_SSL_CLIENT) != 1)
		return refuse(err, "it cannot be verified");
	if (X509_verify_cert(ctx) != 1)
		return refuse(err,
		    X509_verify_cert_error_string(
			X509_STORE_CTX_get_error(ctx)));
	return 0;
}

static int
check_form(X509 *leaf, struct err *err)
{
	uint32_t flags = X509_get_extension_flags(leaf);

	if (X509_get_version(leaf) != X509_VERSION_3)
		return refuse(err, "it is not of version 3");
	if ((flags & EXFLAG_INVALID) != 0)
		return refuse(err, "it has an invalid extension");
	if ((flags & EXFLAG_CA) != 0)
		return refuse(err, "it is a CA's");
	return 0;
}

static int
check_key_usage(X509 *leaf, struct err *err)
{
	/* Without the extension X509_get_key_usage() has every bit set. */
	if ((X509_get_extension_flags(leaf) & EXFLAG_KUSAGE) == 0)
		return refuse(err, "it has no key usage");
	uint32_t usage = X509_get_key_usage(leaf);
	if ((usage & KU_DIGITAL_SIGNATURE) == 0)
		return refuse(err, "its key usage lacks digitalSignature");
	if ((usage & (KU_KEY_CERT_SIGN | KU_CRL_SIGN)) != 0)
		return refuse(err, "its key usage is a CA's");
	return 0;
}

static int
check_extended_key_usage(X509 *leaf, struct err *err)
{
	AUTO(EXTENDED_KEY_USAGE_freep)
	EXTENDED_KEY_USAGE *usages =
	    X509_get_ext_d2i(leaf, NID_ext_key_usage, NULL, NULL);
	bool client = false;

	if (usages == NULL)
		return refuse(err, "it has no extended key usage");
	for (int k = 0; k < sk_ASN1_OBJECT_num(usages); k++) {
		int nid = OBJ_obj2nid(sk_ASN1_OBJECT_value(usages, k));
		if (nid == NID_anyExtendedKeyUsage)
			return refuse(err,
			    "its extended key usage is anyExtendedKeyUsage");
		client |= nid == NID_client_auth;
	}
	if (!client)
		return refuse(err, "its extended key usage lacks clientAuth");
	return 0;
}

static int
check_curve(EVP_PKEY *key, struct err *err)
{
	char group[32];
	int explicit_parameters = 1;

	if (EVP_PKEY_get_int_param(key,
		OSSL_PKEY_PARAM_EC_DECODED_FROM_EXPLICIT_PARAMS,
		&explicit_parameters) != 1 ||
	    explicit_parameters != 0 ||
	    EVP_PKEY_get_group_name(key, group, sizeof(group), NULL) != 1)
		return refuse(err, "its key is not on a named curve");
	if (strcmp(group, SN_X9_62_prime256v1) != 0 &&
	    strcmp(group, SN_secp384r1) != 0)
		return refuse(err, "its key is not on P-256 or P-384");
	return 0;
}

int
certificate_check_key(EVP_PKEY *key, struct err *err)
{
	if (key == NULL)
		return refuse(err, "its key cannot be read");
	switch (EVP_PKEY_get_base_id(key)) {
	case EVP_PKEY_ED25519:
		return 0;
	case EVP_PKEY_EC:
		return check_curve(key, err);
	case EVP_PKEY_RSA:
		if (EVP_PKEY_get_bits(key) < RSA_BITS_LEAST)
			return refuse(err, "its RSA key is too short");
		if (EVP_PKEY_get_bits(key) > RSA_BITS_MOST)
			return refuse(err, "its RSA key is too long");
		return 0;
	default:
		return refuse(err, "its key is of a kind that is not accepted");
	}
}

static int
read_subject(X509 *leaf, char ret[SUBJECT_MAX + 1], struct err *err)
{
	AUTO(GENERAL_NAMES_freep)
	GENERAL_NAMES *names =
	    X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
	const size_t prefix_len = strlen(IDENTITY_PREFIX);

	if (names == NULL)
		return refuse(err, "it has no subject alternative name");
	if (sk_GENERAL_NAME_num(names) != 1)
		return refuse(
		    err, "it has not exactly one subject alternative name");
	const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, 0);
	if (name->type != GEN_URI)
		return refuse(err, "its subject alternative name is no URI");

	/* By length, never as a C string: the name may hold a NUL. */
	const char *uri = (const char *)ASN1_STRING_get0_data(
	    name->d.uniformResourceIdentifier);
	int uri_len = ASN1_STRING_length(name->d.uniformResourceIdentifier);
	if (uri_len < (int)prefix_len ||
	    memcmp(uri, IDENTITY_PREFIX, prefix_len) != 0)
		return refuse(err,
		    "its subject alternative name is not a taskgate client's");
	size_t len = (size_t)uri_len - prefix_len;
	if (!subject_bytes_are_valid(uri + prefix_len, len))
		return refuse(err, "its subject is not a valid name");
	memcpy(ret, uri + prefix_len, len);
	ret[len] = '\0';
	return 0;
}

static int
read_serial(
    const X509 *leaf, char ret[2 * SERIAL_BYTES_MAX + 1], struct err *err)
{
	const ASN1_INTEGER *serial = X509_get0_serialNumber(leaf);
	uint8_t bytes[SERIAL_BYTES_MAX];
	AUTO(BN_freep) BIGNUM *number = ASN1_INTEGER_to_BN(serial, NULL);

	if (number == NULL || BN_is_negative(number) || BN_is_zero(number) ||
	    BN_num_bytes(number) > SERIAL_BYTES_MAX)
		return refuse(err, "its serial number is out of range");
	int len = BN_bn2bin(number, bytes);
	hex_encode(bytes, (size_t)len, ret);
	return 0;
}

static int
read_time(const ASN1_TIME *time, int64_t *ret_s, struct err *err)
{
	struct tm tm;

	if (ASN1_TIME_to_tm(time, &tm) != 1)
		return refuse(err, "its validity cannot be read");
	*ret_s = (int64_t)timegm(&tm);
	return 0;
}

/* RFC 8705 3.1: the SHA-256 of the DER. */
static int
read_thumbprint(X509 *leaf, char ret[SHA256_BASE64URL], struct err *err)
{
	uint8_t digest[SHA256_BYTES];
	unsigned char *der = NULL;
	int len = i2d_X509(leaf, &der);

	if (len <= 0)
		return refuse(err, "it cannot be encoded");
	if (len > CERTIFICATE_DER_MAX) {
		OPENSSL_free(der);
		return refuse(err, "it is too long");
	}
	digest_sha256(der, (size_t)len, digest);
	OPENSSL_free(der);
	auto_free char *text = base64url_encode(digest, sizeof(digest));
	memcpy(ret, text, SHA256_BASE64URL);
	return 0;
}

static int
verify_leaf(const struct trust *trust, X509 *leaf, int64_t now_s,
    struct certificate *ret, struct err *err)
{
	struct certificate found = {0};

	/* The length first, so that the rest costs a bounded time. */
	if (read_thumbprint(leaf, found.thumbprint, err) != 0 ||
	    check_chain(trust, leaf, now_s, err) != 0 ||
	    check_form(leaf, err) != 0 || check_key_usage(leaf, err) != 0 ||
	    check_extended_key_usage(leaf, err) != 0 ||
	    certificate_check_key(X509_get0_pubkey(leaf), err) != 0 ||
	    read_subject(leaf, found.subject, err) != 0 ||
	    read_serial(leaf, found.serial, err) != 0 ||
	    read_time(X509_get0_notBefore(leaf), &found.not_before_s, err) !=
		0 ||
	    read_time(X509_get0_notAfter(leaf), &found.not_after_s, err) != 0)
		return -1;
	*ret = found;
	return 0;
}

int
certificate_verify(const struct trust *trust, X509 *leaf, int64_t now_s,
    struct certificate *ret, struct err *err)
{
	/* A stale entry in this thread's queue must not speak for us, and ours
	 * must not speak for the next SSL call. */
	ERR_clear_error();
	int result = verify_leaf(trust, leaf, now_s, ret, err);
	ERR_clear_error();
	return result;
}

/* Whether the encoding is the only one: else two byte strings, and so two
 * thumbprints, would stand for one certificate. */
static bool
is_canonical(X509 *leaf, const uint8_t *der, size_t len)
{
	unsigned char *again = NULL;
	int again_len = i2d_X509(leaf, &again);
	bool same = again_len > 0 && (size_t)again_len == len &&
	    memcmp(again, der, len) == 0;

	OPENSSL_free(again);
	return same;
}

static X509 *
parse_der(const uint8_t *der, size_t len, struct err *err)
{
	if (len > CERTIFICATE_DER_MAX) {
		refuse(err, "it is too long");
		return NULL;
	}
	ERR_clear_error();
	const unsigned char *end = der;
	AUTO(X509_freep) X509 *leaf = d2i_X509(NULL, &end, (long)len);
	ERR_clear_error();
	if (leaf == NULL || end != der + len || !is_canonical(leaf, der, len)) {
		refuse(err, "it is not DER");
		return NULL;
	}
	return take(leaf);
}

int
certificate_verify_der(const struct trust *trust, const uint8_t *der,
    size_t len, int64_t now_s, struct certificate *ret, struct err *err)
{
	AUTO(X509_freep) X509 *leaf = parse_der(der, len, err);

	return leaf == NULL ? -1
			    : certificate_verify(trust, leaf, now_s, ret, err);
}

int
certificate_verify_with_key(const struct trust *trust, const uint8_t *der,
    size_t len, int64_t now_s, struct verified_certificate *ret,
    struct err *err)
{
	AUTO(X509_freep) X509 *leaf = parse_der(der, len, err);

	if (leaf == NULL ||
	    certificate_verify(trust, leaf, now_s, &ret->certificate, err) != 0)
		return -1;
	ret->key = X509_get_pubkey(leaf);
	return 0;
}

int
certificate_check_time(
    const struct certificate *certificate, int64_t now_s, struct err *err)
{
	if (now_s < certificate->not_before_s)
		return refuse(err, "it is not yet valid");
	/* As OpenSSL has it: the last second is outside. */
	if (now_s >= certificate->not_after_s)
		return refuse(err, "it has expired");
	return 0;
}
