/*
 * Role: signs certificates.
 * Trusts the operator for every name in them.
 * Must never take a name or an extension out of a CSR, or build an extension
 * by pasting a name into OpenSSL's configuration language.
 */
#include "certs/issue_certificate.h"

#include <ctype.h>
#include <string.h>
#include <time.h>

#include "certs/certificate.h"
#include "certs/openssl.h"
#include "lib/alloc.h"
#include "lib/buffer.h"

#define DAY_S 86400
#define SERIAL_BYTES 16
#define DNS_NAME_MAX 253
/* A peer's clock may be behind ours. */
#define BACKDATE_S 300

struct extension {
	int nid;
	const char *value;
};

static const struct extension authority_extensions[] = {
    {NID_basic_constraints, "critical,CA:TRUE,pathlen:1"},
    {NID_key_usage, "critical,keyCertSign,cRLSign"},
    {NID_subject_key_identifier, "hash"},
    {0, NULL},
};

static const struct extension client_extensions[] = {
    {NID_basic_constraints, "critical,CA:FALSE"},
    {NID_key_usage, "critical,digitalSignature"},
    {NID_ext_key_usage, "clientAuth"},
    {NID_subject_key_identifier, "hash"},
    {NID_authority_key_identifier, "keyid:always"},
    {0, NULL},
};

static const struct extension server_extensions[] = {
    {NID_basic_constraints, "critical,CA:FALSE"},
    {NID_key_usage, "critical,digitalSignature"},
    {NID_ext_key_usage, "serverAuth"},
    {NID_subject_key_identifier, "hash"},
    {NID_authority_key_identifier, "keyid:always"},
    {0, NULL},
};

static const struct extension *const profiles[] = {
    [PROFILE_CLIENT] = client_extensions,
    [PROFILE_SERVER] = server_extensions,
};

/* What fails in here has nothing to do with anybody's input. */
static void
require(bool done)
{
	if (!done)
		die("cannot make a certificate: %s", openssl_reason());
}

static void
add_extensions(X509 *certificate, X509 *issuer, const struct extension *table)
{
	X509V3_CTX context;

	X509V3_set_ctx_nodb(&context);
	X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
	for (; table->value != NULL; table++) {
		AUTO(X509_EXTENSION_freep)
		X509_EXTENSION *extension = X509V3_EXT_conf_nid(
		    NULL, &context, table->nid, table->value);
		require(extension != NULL &&
		    X509_add_ext(certificate, extension, -1) == 1);
	}
}

static void
set_serial(X509 *certificate)
{
	uint8_t bytes[SERIAL_BYTES];

	random_bytes(bytes, sizeof(bytes));
	AUTO(BN_freep) BIGNUM *number = BN_bin2bn(bytes, sizeof(bytes), NULL);
	require(number != NULL &&
	    BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) !=
		NULL);
}

static void
set_validity(X509 *certificate, const struct validity *validity)
{
	time_t from = (time_t)(validity->now_s - BACKDATE_S);
	time_t to = (time_t)(validity->now_s + (int64_t)validity->days * DAY_S);

	require(ASN1_TIME_set(X509_getm_notBefore(certificate), from) != NULL &&
	    ASN1_TIME_set(X509_getm_notAfter(certificate), to) != NULL);
}

/* A certificate that ends after its CA would only seem to. */
static void
cut_validity(X509 *certificate, const X509 *authority)
{
	const ASN1_TIME *end = X509_get0_notAfter(authority);

	if (ASN1_TIME_compare(X509_get0_notAfter(certificate), end) > 0)
		require(X509_set1_notAfter(certificate, end) == 1);
}

static void
set_common_name(X509_NAME *name, const char *text)
{
	/* X.520: 64 characters at most. It is for people alone. */
	size_t len = strnlen(text, 64);

	require(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
		    (const unsigned char *)text, (int)len, -1, 0) == 1);
}

static X509 *
new_certificate(EVP_PKEY *key, const struct validity *validity)
{
	X509 *certificate = X509_new();

	require(certificate != NULL &&
	    X509_set_version(certificate, X509_VERSION_3) == 1 &&
	    X509_set_pubkey(certificate, key) == 1);
	set_serial(certificate);
	set_validity(certificate, validity);
	return certificate;
}

X509 *
issue_authority(EVP_PKEY *key, const struct validity *validity)
{
	X509 *certificate = new_certificate(key, validity);
	X509_NAME *name = X509_get_subject_name(certificate);
	char id[9];
	uint8_t bytes[4];

	/* Two CAs of one operator should not have one name. */
	random_bytes(bytes, sizeof(bytes));
	hex_encode(bytes, sizeof(bytes), id);
	auto_free char *text = alloc_printf("taskgate CA %s", id);
	set_common_name(name, text);
	require(X509_set_issuer_name(certificate, name) == 1);
	add_extensions(certificate, certificate, authority_extensions);
	require(X509_sign(certificate, key, EVP_sha256()) > 0);
	return certificate;
}

int
issuer_init(
    struct issuer *issuer, EVP_PKEY *key, X509 *certificate, struct err *err)
{
	ERR_clear_error();
	int same = X509_check_private_key(certificate, key);
	ERR_clear_error();
	if (same != 1)
		return err_set(err, ERR_UNPROCESSABLE,
		    "the CA's key does not belong to the CA's certificate");
	if (X509_check_ca(certificate) != 1)
		return err_set(
		    err, ERR_UNPROCESSABLE, "the certificate is not a CA's");
	require(EVP_PKEY_up_ref(key) == 1 && X509_up_ref(certificate) == 1);
	issuer->key = key;
	issuer->certificate = certificate;
	return 0;
}

void
issuer_done(struct issuer *issuer)
{
	EVP_PKEY_free(issuer->key);
	X509_free(issuer->certificate);
	*issuer = (struct issuer){0};
}

/* RFC 1123 2.1: letters, digits and hyphens between dots, in lower case. */
static bool
dns_name_is_valid(const char *name)
{
	size_t len = strlen(name);
	size_t label = 0;

	if (len < 1 || len > DNS_NAME_MAX)
		return false;
	for (size_t k = 0; k < len; k++) {
		char c = name[k];
		bool edge =
		    label == 0 || name[k + 1] == '.' || name[k + 1] == '\0';
		if (c == '.' && label > 0) {
			label = 0;
			continue;
		}
		bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
		if (!(plain || (c == '-' && !edge)) || ++label > 63)
			return false;
	}
	return label > 0;
}

static void
push_name(GENERAL_NAMES *names, int type, const char *text)
{
	GENERAL_NAME *name = GENERAL_NAME_new();
	ASN1_IA5STRING *value = ASN1_IA5STRING_new();

	require(name != NULL && value != NULL &&
	    ASN1_STRING_set(value, text, (int)strlen(text)) == 1);
	GENERAL_NAME_set0_value(name, type, value);
	require(sk_GENERAL_NAME_push(names, name) > 0);
}

static int
push_server_name(GENERAL_NAMES *names, const char *text, struct err *err)
{
	ASN1_OCTET_STRING *address = a2i_IPADDRESS(text);

	ERR_clear_error();
	if (address != NULL) {
		GENERAL_NAME *name = GENERAL_NAME_new();
		require(name != NULL);
		GENERAL_NAME_set0_value(name, GEN_IPADD, address);
		require(sk_GENERAL_NAME_push(names, name) > 0);
		return 0;
	}
	if (!dns_name_is_valid(text))
		return err_set(err, ERR_UNPROCESSABLE,
		    "\"%.64s\" is neither a DNS name in lower case nor an IP "
		    "address",
		    text);
	push_name(names, GEN_DNS, text);
	return 0;
}

static int
push_client_name(GENERAL_NAMES *names, const char *subject, struct err *err)
{
	if (!subject_is_valid(subject))
		return err_set(err, ERR_UNPROCESSABLE,
		    "\"%.64s\" is not a valid name: 1 to %d of a-z, 0-9, '.', "
		    "'_', '-', beginning with a letter or a digit",
		    subject, SUBJECT_MAX);
	auto_free char *uri = alloc_printf("taskgate:client:%s", subject);
	push_name(names, GEN_URI, uri);
	return 0;
}

static int
add_names(
    X509 *certificate, const struct certificate_order *order, struct err *err)
{
	AUTO(GENERAL_NAMES_freep) GENERAL_NAMES *names = GENERAL_NAMES_new();

	require(names != NULL);
	if (order->nnames == 0 ||
	    (order->profile == PROFILE_CLIENT && order->nnames != 1))
		return err_set(err, ERR_UNPROCESSABLE,
		    order->profile == PROFILE_CLIENT
			? "a client's certificate has exactly one name"
			: "a server's certificate needs a name");
	for (size_t k = 0; k < order->nnames; k++) {
		int result = order->profile == PROFILE_CLIENT
		    ? push_client_name(names, order->names[k], err)
		    : push_server_name(names, order->names[k], err);
		if (result != 0)
			return -1;
	}
	require(X509_add1_ext_i2d(certificate, NID_subject_alt_name, names, 0,
		    X509V3_ADD_APPEND) == 1);
	set_common_name(X509_get_subject_name(certificate), order->names[0]);
	return 0;
}

static int
check_authority_time(const X509 *authority, int64_t now_s, struct err *err)
{
	time_t now = (time_t)now_s;

	/* 0 is an error of X509_cmp_time(), -1 before, 1 after. */
	if (X509_cmp_time(X509_get0_notAfter(authority), &now) <= 0)
		return err_set(
		    err, ERR_UNPROCESSABLE, "the CA's certificate has expired");
	return 0;
}

X509 *
issue_certificate(const struct issuer *issuer,
    const struct certificate_order *order, struct err *err)
{
	X509 *authority = issuer->certificate;

	if (check_authority_time(authority, order->validity.now_s, err) != 0)
		return NULL;
	if (certificate_check_key(order->key, err) != 0) {
		err->code = ERR_UNPROCESSABLE;
		return NULL;
	}
	AUTO(X509_freep)
	X509 *certificate = new_certificate(order->key, &order->validity);
	cut_validity(certificate, authority);
	require(X509_set_issuer_name(
		    certificate, X509_get_subject_name(authority)) == 1);
	if (add_names(certificate, order, err) != 0)
		return NULL;
	add_extensions(certificate, authority, profiles[order->profile]);
	require(X509_sign(certificate, issuer->key, EVP_sha256()) > 0);
	return take(certificate);
}

EVP_PKEY *
issue_request_key(const char *pem, size_t len, struct err *err)
{
	AUTO(BIO_freep) BIO *in = BIO_new_mem_buf(pem, (int)len);

	require(in != NULL);
	ERR_clear_error();
	AUTO(X509_REQ_freep)
	X509_REQ *request =
	    PEM_read_bio_X509_REQ(in, NULL, openssl_no_password, NULL);
	EVP_PKEY *key = request != NULL ? X509_REQ_get0_pubkey(request) : NULL;
	if (key == NULL) {
		err_set(err, ERR_UNPROCESSABLE,
		    "there is no certificate request in PEM in it");
		ERR_clear_error();
		return NULL;
	}
	/* 1 is yes, 0 no, and less than 0 an error: only one is a yes. */
	int verified = X509_REQ_verify(request, key);
	ERR_clear_error();
	if (verified != 1) {
		err_set(err, ERR_UNPROCESSABLE,
		    "the request is not signed by its own key");
		return NULL;
	}
	if (certificate_check_key(key, err) != 0) {
		err->code = ERR_UNPROCESSABLE;
		return NULL;
	}
	require(EVP_PKEY_up_ref(key) == 1);
	return key;
}

X509 *
issue_certificate_parse(const char *pem, size_t len, struct err *err)
{
	AUTO(BIO_freep) BIO *in = BIO_new_mem_buf(pem, (int)len);

	require(in != NULL);
	ERR_clear_error();
	X509 *certificate =
	    PEM_read_bio_X509(in, NULL, openssl_no_password, NULL);
	if (certificate == NULL)
		err_set(err, ERR_UNPROCESSABLE,
		    "there is no certificate in PEM in it");
	ERR_clear_error();
	return certificate;
}

char *
issue_certificate_encode(X509 *certificate)
{
	AUTO(BIO_freep) BIO *out = BIO_new(BIO_s_mem());
	char *data;

	require(out != NULL && PEM_write_bio_X509(out, certificate) == 1);
	long len = BIO_get_mem_data(out, &data);
	return alloc_bytes(data, (size_t)len);
}

int
issue_bundle_parse(
    const char *pem, size_t len, struct bundle *ret, struct err *err)
{
	AUTO(issue_bundle_done) struct bundle found = {0};
	AUTO(BIO_freep) BIO *in = BIO_new_mem_buf(pem, (int)len);
	X509 *one;

	require(in != NULL);
	ERR_clear_error();
	while ((one = PEM_read_bio_X509(in, NULL, openssl_no_password, NULL)) !=
	    NULL) {
		if (found.count == BUNDLE_MAX) {
			X509_free(one);
			return err_set(err, ERR_UNPROCESSABLE,
			    "it holds more than %d certificates", BUNDLE_MAX);
		}
		found.certificates[found.count++] = one;
	}
	bool ended = openssl_pem_ended();
	ERR_clear_error();
	if (!ended || found.count == 0)
		return err_set(err, ERR_UNPROCESSABLE,
		    "certificate %zu in it cannot be read", found.count + 1);
	*ret = found;
	found.count = 0;
	return 0;
}

void
issue_bundle_done(struct bundle *bundle)
{
	for (size_t k = 0; k < bundle->count; k++)
		X509_free(bundle->certificates[k]);
	bundle->count = 0;
}

char *
issue_bundle_encode(const struct bundle *bundle)
{
	auto_buffer text = BUFFER_INIT(SIZE_MAX);

	for (size_t k = 0; k < bundle->count; k++) {
		auto_free char *pem =
		    issue_certificate_encode(bundle->certificates[k]);
		buffer_append_string(&text, pem);
	}
	return buffer_take(&text);
}

X509 *
issue_bundle_find(const struct bundle *bundle, EVP_PKEY *key)
{
	X509 *found = NULL;

	for (size_t k = 0; found == NULL && k < bundle->count; k++) {
		if (X509_check_private_key(bundle->certificates[k], key) == 1)
			found = bundle->certificates[k];
	}
	ERR_clear_error();
	return found;
}
