/* Contexts: read from a folder or a bundle, kept, listed and removed; and what
 * the credentials in them say. */
#include <openssl/pem.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "client/advice.h"
#include "client/context_store.h"
#include "client/credential.h"
#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/json.h"
#include "tests/unit/credentials.h"
#include "tests/unit/folder.h"

/* What an operator hands out, made once. */
static char *certificate_pem;
static char *key_pem;
static char *other_key_pem;
static char *token;
static char *expired_token;
static char *foreign_token;

static char *
read_bio(BIO *bio)
{
	char *data = NULL;
	long len = BIO_get_mem_data(bio, &data);
	char *text = alloc_bytes(data, (size_t)len);

	BIO_free(bio);
	return text;
}

static char *
encode_key(EVP_PKEY *key)
{
	BIO *bio = BIO_new(BIO_s_mem());

	assert_int_equal(
	    PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL), 1);
	return read_bio(bio);
}

static char *
make_token(const struct credentials *credentials, const char *thumbprint,
    int64_t expires_s)
{
	json_t *header = token_header(credentials);
	json_t *payload = token_payload("alice", thumbprint);
	char *text = NULL;

	json_object_set_new(payload, "exp", json_integer(expires_s));
	text = token_sign(header, payload, credentials->token_key);
	json_decref(header);
	json_decref(payload);
	return text;
}

static int
make_credentials(void **state)
{
	struct credentials credentials;
	struct recipe recipe;
	struct certificate_facts facts;
	struct err err;
	X509 *certificate = NULL;
	EVP_PKEY *key = EVP_EC_gen("P-256");
	EVP_PKEY *other = EVP_EC_gen("P-256");
	BIO *bio = BIO_new(BIO_s_mem());

	(void)state;
	credentials_init(&credentials);
	recipe = recipe_good(&credentials);
	recipe.key = key;
	certificate = recipe_cook(&recipe);
	assert_int_equal(PEM_write_bio_X509(bio, certificate), 1);
	certificate_pem = read_bio(bio);
	key_pem = encode_key(key);
	other_key_pem = encode_key(other);
	assert_int_equal(
	    credential_read_certificate(certificate_pem, &facts, &err), 0);
	token =
	    make_token(&credentials, facts.thumbprint, CREDENTIALS_NOW + 600);
	expired_token =
	    make_token(&credentials, facts.thumbprint, CREDENTIALS_NOW - 1);
	foreign_token = make_token(&credentials,
	    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
	    CREDENTIALS_NOW + 600);
	X509_free(certificate);
	EVP_PKEY_free(key);
	EVP_PKEY_free(other);
	credentials_done(&credentials);
	return 0;
}

static int
free_credentials(void **state)
{
	(void)state;
	free(certificate_pem);
	free(key_pem);
	free(other_key_pem);
	free(token);
	free(expired_token);
	free(foreign_token);
	return 0;
}

static void
write_text(const char *folder, const char *name, const char *text, mode_t mode)
{
	auto_free char *path = folder_path(folder, name);
	struct err err;

	if (file_write(path, text, strlen(text), mode, &err) != 0)
		fail_msg("%s", err.detail);
}

#define DOCUMENT                                                              \
	"{\"//\": \"a remark\", \"server\": \"https://127.0.0.1:8443\","      \
	" \"subject\": \"alice\", \"certificate\": \"client.crt\","           \
	" \"key\": \"client.key\", \"ca\": \"ca.crt\", \"token\": \"token\"," \
	" \"audit_key\": \"audit.pub\"}"

static char *
write_context(const char *folder)
{
	char *path = folder_path(folder, "handed-out");
	auto_free char *line = alloc_printf("%s\n", token);
	struct err err;

	assert_int_equal(file_make_directory(path, 0700, &err), 0);
	write_text(path, "context.json", DOCUMENT, 0644);
	write_text(path, "client.crt", certificate_pem, 0644);
	write_text(path, "client.key", key_pem, 0600);
	write_text(path, "ca.crt", "the CA", 0644);
	write_text(path, "token", line, 0600);
	write_text(path, "audit.pub", "the audit key", 0644);
	return path;
}

static void
expect_load_error(const char *path, const char *words)
{
	struct context context;
	struct err err;

	if (context_load(path, &context, &err) == 0)
		fail_msg("accepted, where \"%s\" was expected", words);
	if (strstr(err.detail, words) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", err.detail, words);
}

static void
test_a_folder_is_read(void **state)
{
	auto_free char *path = write_context(*state);
	auto_context context = {0};
	struct err err;

	if (context_load(path, &context, &err) != 0)
		fail_msg("%s", err.detail);
	assert_string_equal(context.server, "https://127.0.0.1:8443");
	assert_string_equal(context.subject, "alice");
	assert_string_equal(context.token, token);
	assert_string_equal(context.key, key_pem);
	assert_string_equal(context.ca, "the CA");
	assert_string_equal(context.audit_key, "the audit key");
	assert_string_equal(context.folder, path);
}

static void
test_secrets_that_others_can_read_are_refused_with_the_remedy(void **state)
{
	static const char *const names[] = {"client.key", "token"};
	auto_free char *path = write_context(*state);

	for (size_t i = 0; i < COUNT(names); i++) {
		static const mode_t modes[] = {0640, 0604, 0660, 0644};
		auto_free char *file = folder_path(path, names[i]);
		auto_free char *remedy = alloc_printf("chmod 600 %s", file);

		for (size_t k = 0; k < COUNT(modes); k++) {
			assert_int_equal(chmod(file, modes[k]), 0);
			expect_load_error(path, remedy);
		}
		assert_int_equal(chmod(file, 0600), 0);
	}
}

static void
test_what_is_missing_or_not_as_it_should_be_is_named(void **state)
{
	auto_free char *path = write_context(*state);
	auto_free char *key = folder_path(path, "client.key");

	write_text(path, "token", "a\nb\n", 0600);
	expect_load_error(path, "more than one line");
	write_text(path, "token", "\n", 0600);
	expect_load_error(path, "empty");
	write_text(path, "token", "a b", 0600);
	expect_load_error(path, "no token has");
	write_text(path, "token", "a\r\nX-Evil: 1", 0600);
	expect_load_error(path, "more than one line");
	write_text(path, "token", "t", 0600);
	assert_int_equal(remove(key), 0);
	expect_load_error(path, "client.key");
	write_text(path, "context.json", "{", 0644);
	expect_load_error(path, "context.json");
	write_text(path, "context.json", "{\"server\": 1}", 0644);
	expect_load_error(path, "server");
	write_text(path, "context.json", "{\"serve\": \"x\"}", 0644);
	expect_load_error(path, "serve");
	expect_load_error("/nowhere/at/all", "/nowhere/at/all");
}

static void
test_servers_are_https_and_nothing_else(void **state)
{
	static const struct {
		const char *text, *normal;
	} good[] = {
	    {"https://127.0.0.1:8443", "https://127.0.0.1:8443"},
	    {"https://gate.example", "https://gate.example:443"},
	    {"https://gate.example/", "https://gate.example:443"},
	    {"https://[::1]:8443", "https://[::1]:8443"},
	};
	static const char *const bad[] = {"", "gate.example",
	    "http://gate.example", "ftp://gate.example",
	    "https://user@gate.example", "https://u:p@gate.example",
	    "https://gate.example/path", "https://gate.example?x=1",
	    "https://gate.example/#x", "https://", "https://gate.example:x",
	    "https://gate.example:99999", "file:///etc/passwd",
	    "https://gate.example\r\nHost: other"};

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		struct err err;
		auto_free char *normal =
		    context_normalise_server(good[i].text, &err);

		assert_non_null(normal);
		assert_string_equal(normal, good[i].normal);
	}
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct err err;
		auto_free char *normal = context_normalise_server(bad[i], &err);

		if (normal != NULL)
			fail_msg("\"%s\" was accepted", bad[i]);
		assert_int_equal(err.code, ERR_UNPROCESSABLE);
	}
}

static void
test_names_never_lead_out_of_the_folder(void **state)
{
	static const char *const bad[] = {
	    "", ".", "..", ".hidden", "a/b", "../a", "a b", "a\n", "a\x1b[31m"};
	char longest[66];

	(void)state;
	memset(longest, 'n', sizeof(longest));
	longest[64] = '\0';
	assert_true(context_name_is_valid("alice"));
	assert_true(context_name_is_valid("Prod-2_x.y"));
	assert_true(context_name_is_valid(longest));
	longest[64] = 'n';
	longest[65] = '\0';
	assert_false(context_name_is_valid(longest));
	for (size_t i = 0; i < COUNT(bad); i++) {
		if (context_name_is_valid(bad[i]))
			fail_msg("\"%s\" was accepted", bad[i]);
	}
}

static int
make_home(void **state)
{
	return folder_make(state) != 0 ||
		setenv("XDG_CONFIG_HOME", *state, 1) != 0
	    ? -1
	    : 0;
}

static void
load(const char *folder, struct context *ret)
{
	struct err err;

	if (context_load(folder, ret, &err) != 0)
		fail_msg("%s", err.detail);
}

static void
test_a_context_is_kept_under_a_name_and_found_again(void **state)
{
	auto_free char *path = write_context(*state);
	auto_free char *found = NULL;
	auto_free char *current = NULL;
	auto_free char *key = NULL;
	auto_context context = {0};
	auto_context kept = {0};
	struct stat st;
	struct err err;

	load(path, &context);
	assert_int_equal(context_save("prod", &context, false, &err), 0);
	assert_int_equal(context_use("prod", &err), 0);
	current = context_current();
	assert_string_equal(current, "prod");
	found = context_find(NULL, &err);
	assert_non_null(found);
	load(found, &kept);
	assert_string_equal(kept.token, token);
	assert_string_equal(kept.audit_key, "the audit key");
	assert_int_equal(stat(found, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	key = folder_path(found, "client.key");
	assert_int_equal(stat(key, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

static void
test_a_name_that_is_taken_is_replaced_only_when_asked(void **state)
{
	auto_free char *path = write_context(*state);
	auto_free char *folder = folder_path(*state, "taskgate/contexts");
	auto_free char *found = NULL;
	auto_context context = {0};
	auto_context kept = {0};
	struct err err;

	load(path, &context);
	assert_int_equal(context_save("prod", &context, false, &err), 0);
	free(context.subject);
	context.subject = alloc_string("bob");
	assert_int_equal(context_save("prod", &context, false, &err), -1);
	assert_int_equal(err.code, ERR_CONFLICT);
	assert_int_equal(folder_count(folder), 1);
	assert_int_equal(context_save("prod", &context, true, &err), 0);
	assert_int_equal(folder_count(folder), 1);
	found = context_find("prod", &err);
	load(found, &kept);
	assert_string_equal(kept.subject, "bob");
}

static void
test_contexts_are_listed_and_removed(void **state)
{
	auto_free char *path = write_context(*state);
	auto_context context = {0};
	__attribute__((cleanup(context_list_free))) char **none = NULL;
	__attribute__((cleanup(context_list_free))) char **names = NULL;
	struct err err;

	none = context_list(&err);
	assert_null(none[0]);
	load(path, &context);
	assert_int_equal(context_save("b", &context, false, &err), 0);
	assert_int_equal(context_save("a", &context, false, &err), 0);
	assert_int_equal(context_use("a", &err), 0);
	names = context_list(&err);
	assert_string_equal(names[0], "a");
	assert_string_equal(names[1], "b");
	assert_null(names[2]);
	assert_int_equal(context_remove("a", &err), 0);
	assert_null(context_current());
	assert_int_equal(context_remove("a", &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_int_equal(context_remove("../b", &err), -1);
	assert_int_equal(context_use("a", &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
}

static void
test_a_wish_is_a_name_or_a_path(void **state)
{
	auto_free char *path = NULL;
	auto_free char *name = NULL;
	auto_free char *none = NULL;
	struct err err;

	(void)state;
	path = context_find("./here", &err);
	assert_string_equal(path, "./here");
	name = context_find("nobody", &err);
	assert_null(name);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	none = context_find(NULL, &err);
	assert_null(none);
	assert_int_equal(err.code, ERR_NOT_FOUND);
}

static char *
make_bundle(const char *folder, const char *name, mode_t mode)
{
	auto_json *bundle = json_pack("{s:{s:s, s:s, s:s, s:s, s:s, s:s}, "
				      "s:{s:s, s:s, s:s, s:s}}",
	    "context", "server", "https://h", "subject", "alice", "certificate",
	    "client.crt", "key", "client.key", "ca", "ca.crt", "token", "token",
	    "files", "client.crt", certificate_pem, "client.key", key_pem,
	    "ca.crt", "the CA", "token", token);
	auto_free char *text = json_dumps(bundle, 0);

	assert_non_null(bundle);
	write_text(folder, name, text, mode);
	return folder_path(folder, name);
}

static void
test_a_bundle_is_read_and_is_as_secret_as_a_key(void **state)
{
	auto_free char *good = make_bundle(*state, "good", 0600);
	auto_free char *open = make_bundle(*state, "open", 0644);
	auto_free char *bad = folder_path(*state, "bad");
	auto_context context = {0};
	struct context none;
	struct err err;

	if (context_load_bundle(good, &context, &err) != 0)
		fail_msg("%s", err.detail);
	assert_string_equal(context.key, key_pem);
	assert_null(context.folder);
	assert_null(context.audit_key);
	assert_int_equal(context_load_bundle(open, &none, &err), -1);
	assert_non_null(strstr(err.detail, "chmod 600"));
	write_text(*state, "bad",
	    "{\"context\": {\"server\": \"https://h\", \"subject\": \"a\", "
	    "\"certificate\": \"/etc/passwd\", \"key\": \"k\", \"ca\": \"c\", "
	    "\"token\": \"t\"}, \"files\": {}}",
	    0600);
	assert_int_equal(context_load_bundle(bad, &none, &err), -1);
	assert_non_null(strstr(err.detail, "/etc/passwd"));
}

static void
test_credentials_say_what_they_are(void **state)
{
	struct certificate_facts certificate;
	struct token_facts facts;
	struct err err;

	(void)state;
	assert_int_equal(
	    credential_read_certificate(certificate_pem, &certificate, &err),
	    0);
	assert_true(certificate.not_before_s < certificate.not_after_s);
	assert_int_equal(credential_read_token(token, &facts, &err), 0);
	assert_int_equal(facts.expires_s, CREDENTIALS_NOW + 600);
	assert_string_equal(facts.thumbprint, certificate.thumbprint);
	assert_int_equal(
	    credential_read_certificate("no certificate", &certificate, &err),
	    -1);
}

static void
test_what_is_no_token_is_no_secret_in_the_message(void **state)
{
	static const char *const bad[] = {"", "secret", "secret.secret",
	    "a.secret.c", "a.e30.c", "a.W10.c", "a.eyJleHAiOiIxIn0.c"};
	struct token_facts facts;
	struct err err;

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		assert_int_equal(
		    credential_read_token(bad[i], &facts, &err), -1);
		assert_null(strstr(err.detail, "secret"));
	}
}

static void
expect_explanation(const char *with_token, int64_t now_s, const char *words)
{
	struct context context = {
	    .certificate = certificate_pem,
	    .token = (char *)with_token,
	};
	auto_free char *text = credential_explain(&context, now_s);

	if (words == NULL && text != NULL)
		fail_msg("\"%s\"", text);
	if (words != NULL && (text == NULL || strstr(text, words) == NULL))
		fail_msg("\"%s\" does not say \"%s\"", text != NULL ? text : "",
		    words);
}

static void
test_a_refusal_is_explained_by_what_can_be_seen_from_here(void **state)
{
	struct certificate_facts facts;
	struct err err;

	(void)state;
	assert_int_equal(
	    credential_read_certificate(certificate_pem, &facts, &err), 0);
	expect_explanation(token, CREDENTIALS_NOW, NULL);
	expect_explanation(
	    expired_token, CREDENTIALS_NOW, "token expired at 2027-01-15T");
	expect_explanation(
	    foreign_token, CREDENTIALS_NOW, "issued for another certificate");
	expect_explanation(
	    token, facts.not_after_s + 1, "certificate expired at");
	expect_explanation(
	    token, facts.not_before_s - 1, "is this machine's clock right?");
	expect_explanation("x", CREDENTIALS_NOW, "not a token");
}

static void
test_an_expired_token_leads_to_the_operators_command(void **state)
{
	struct context context = {
	    .certificate = certificate_pem,
	    .token = expired_token,
	    .subject = (char *)"alice",
	    .folder = (char *)"/home/alice/ctx",
	};
	auto_failure failure = FAILURE_INIT;

	(void)state;
	failure_set(&failure, "unauthenticated", "not accepted");
	advice_for_reply(&context, CREDENTIALS_NOW, &failure);
	assert_non_null(strstr(failure.detail, "your token expired at"));
	assert_non_null(strstr(failure.detail, "not accepted"));
	assert_non_null(
	    strstr(failure.hint, "taskgate-admin token issue alice"));
	assert_non_null(strstr(failure.hint, "/home/alice/ctx/token"));
}

#define WITH_FOLDER(test) \
	cmocka_unit_test_setup_teardown(test, make_home, folder_remove)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    WITH_FOLDER(test_a_folder_is_read),
	    WITH_FOLDER(
		test_secrets_that_others_can_read_are_refused_with_the_remedy),
	    WITH_FOLDER(test_what_is_missing_or_not_as_it_should_be_is_named),
	    cmocka_unit_test(test_servers_are_https_and_nothing_else),
	    cmocka_unit_test(test_names_never_lead_out_of_the_folder),
	    WITH_FOLDER(test_a_context_is_kept_under_a_name_and_found_again),
	    WITH_FOLDER(test_a_name_that_is_taken_is_replaced_only_when_asked),
	    WITH_FOLDER(test_contexts_are_listed_and_removed),
	    WITH_FOLDER(test_a_wish_is_a_name_or_a_path),
	    WITH_FOLDER(test_a_bundle_is_read_and_is_as_secret_as_a_key),
	    cmocka_unit_test(test_credentials_say_what_they_are),
	    cmocka_unit_test(test_what_is_no_token_is_no_secret_in_the_message),
	    cmocka_unit_test(
		test_a_refusal_is_explained_by_what_can_be_seen_from_here),
	    cmocka_unit_test(
		test_an_expired_token_leads_to_the_operators_command),
	};

	return cmocka_run_group_tests(
	    tests, make_credentials, free_credentials);
}
