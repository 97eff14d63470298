/* A reply's head and body, as libcurl hands them over. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "client/http_transfer.h"
#include "lib/cleanup.h"

static int
make_transfer(void **state)
{
	static struct transfer transfer;

	transfer = (struct transfer){
	    .easy = curl_easy_init(),
	    .body = BUFFER_INIT(100),
	};
	http_transfer_reset(&transfer);
	*state = &transfer;
	return transfer.easy != NULL ? 0 : -1;
}

static int
free_transfer(void **state)
{
	struct transfer *transfer = *state;

	curl_easy_cleanup(transfer->easy);
	buffer_done(&transfer->body);
	return 0;
}

static void
give_field(struct transfer *transfer, const char *line)
{
	char copy[4096];

	strcpy(copy, line);
	assert_int_equal(
	    http_transfer_take_field(copy, 1, strlen(line), transfer),
	    strlen(line));
}

static void
test_fields_are_read_whatever_their_case(void **state)
{
	struct transfer *transfer = *state;

	give_field(transfer, "HTTP/1.1 503 Service Unavailable\r\n");
	give_field(transfer, "retry-AFTER:  7\r\n");
	give_field(transfer, "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n");
	give_field(transfer, "Link: </v1/tasks?before=x>; rel=\"next\"\r\n");
	give_field(transfer,
	    "WWW-Authenticate: Bearer error=\"insufficient_scope\", "
	    "scope=\"tasks:run\"\r\n");
	give_field(transfer, "\r\n");
	assert_int_equal(transfer->retry_after_s, 7);
	assert_int_equal(transfer->date_s, 784111777);
	assert_true(transfer->has_next);
	assert_string_equal(transfer->scope, "tasks:run");
}

static void
test_fields_that_say_nothing_usable_are_passed_over(void **state)
{
	static const char *const lines[] = {"Retry-After: -1\r\n",
	    "Retry-After: soon\r\n", "Retry-After: 99999999999999999999\r\n",
	    "Retry-After: 86400\r\n", "Retry-After:\r\n", "Retry-After\r\n",
	    "Date: never\r\n", "Link: <x>; rel=\"prev\"\r\n",
	    "WWW-Authenticate: Bearer\r\n", ":\r\n", "X", "\r\n"};
	struct transfer *transfer = *state;

	for (size_t i = 0; i < COUNT(lines); i++)
		give_field(transfer, lines[i]);
	assert_int_equal(transfer->retry_after_s, -1);
	assert_int_equal(transfer->date_s, 0);
	assert_false(transfer->has_next);
	assert_string_equal(transfer->scope, "");
}

static void
test_a_long_field_is_passed_over(void **state)
{
	struct transfer *transfer = *state;
	char line[3000];

	memset(line, ' ', sizeof(line));
	memcpy(line, "Retry-After: 5", 14);
	line[sizeof(line) - 1] = '\0';
	give_field(transfer, line);
	assert_int_equal(transfer->retry_after_s, -1);
	memset(line, 's', sizeof(line));
	memcpy(line, "WWW-Authenticate: scope=\"", 25);
	line[900] = '"';
	line[901] = '\0';
	give_field(transfer, line);
	assert_string_equal(transfer->scope, "");
}

static void
test_an_interim_heads_fields_are_forgotten(void **state)
{
	struct transfer *transfer = *state;

	give_field(transfer, "HTTP/1.1 100 Continue\r\n");
	give_field(transfer, "Retry-After: 9\r\n");
	give_field(transfer, "HTTP/1.1 200 OK\r\n");
	assert_int_equal(transfer->retry_after_s, -1);
}

static void
test_a_body_beyond_its_bound_ends_the_transfer(void **state)
{
	struct transfer *transfer = *state;
	char data[101] = {0};

	assert_int_equal(http_transfer_take_body(data, 1, 99, transfer), 99);
	assert_int_equal(http_transfer_take_body(data, 1, 1, transfer), 1);
	assert_int_equal(http_transfer_take_body(data, 1, 1, transfer), 0);
	assert_int_equal(transfer->body.len, 100);
}

static const struct {
	CURLcode code;
	const char *error;
	enum retry_cause cause;
	const char *slug;
	const char *words;
} faults[] = {
    {CURLE_COULDNT_CONNECT, "Connection refused", RETRY_NOT_CONNECTED,
	"unreachable", "nobody answers"},
    {CURLE_COULDNT_RESOLVE_HOST, "", RETRY_NOT_CONNECTED, "unreachable",
	"no host"},
    {CURLE_PEER_FAILED_VERIFICATION, "self-signed", RETRY_NEVER, "unreachable",
	"not the server of this context"},
    {CURLE_SSL_CERTPROBLEM, "", RETRY_NEVER, "context", "our own certificate"},
    {CURLE_RECV_ERROR, "Connection reset by peer", RETRY_LOST, "unreachable",
	"connection was lost"},
    {CURLE_RECV_ERROR,
	"OpenSSL SSL_read: SSL routines::tlsv13 alert certificate required",
	RETRY_NEVER, "unauthenticated", "did not accept our certificate"},
    {CURLE_SEND_ERROR, "sslv3 alert certificate expired", RETRY_NEVER,
	"unauthenticated", "did not accept our certificate"},
    {CURLE_SSL_CONNECT_ERROR, "tlsv1 alert unknown ca", RETRY_NEVER,
	"unauthenticated", "did not accept our certificate"},
    {CURLE_SSL_CONNECT_ERROR, "tlsv1 alert protocol version",
	RETRY_NOT_CONNECTED, "unreachable", "no TLS 1.3"},
    {CURLE_SSL_CONNECT_ERROR,
	"OpenSSL SSL_connect: Connection reset by peer in connection to h:1",
	RETRY_LOST, "unreachable", "connection was lost"},
    {CURLE_SSL_CONNECT_ERROR, "SSL routines::unexpected eof while reading",
	RETRY_LOST, "unreachable", "connection was lost"},
    {CURLE_SSL_CONNECT_ERROR, "SSL routines::wrong version number",
	RETRY_NOT_CONNECTED, "unreachable", "no TLS 1.3"},
    {CURLE_GOT_NOTHING, "Empty reply", RETRY_LOST, "unreachable",
	"without a reply"},
    {CURLE_PARTIAL_FILE, "", RETRY_LOST, "unreachable", "in the middle"},
    {CURLE_WEIRD_SERVER_REPLY, "", RETRY_NEVER, "unreachable",
	"not speak HTTP"},
    {CURLE_WRITE_ERROR, "", RETRY_NEVER, "unreachable", "larger than"},
    {CURLE_OPERATION_TIMEDOUT, "", RETRY_NOT_CONNECTED, "unreachable",
	"no connection within the time"},
};

static void
test_each_fault_has_a_sentence_and_a_cause(void **state)
{
	struct transfer *transfer = *state;

	for (size_t i = 0; i < COUNT(faults); i++) {
		struct http_reply reply;

		transfer->code = faults[i].code;
		strcpy(transfer->error, faults[i].error);
		reply = http_reply(transfer);
		assert_int_equal(reply.status, 0);
		assert_int_equal(reply.cause, faults[i].cause);
		assert_string_equal(reply.slug, faults[i].slug);
		if (strstr(reply.error, faults[i].words) == NULL)
			fail_msg(
			    "%d: \"%s\"", (int)faults[i].code, reply.error);
	}
}

#define WITH_TRANSFER(test) \
	cmocka_unit_test_setup_teardown(test, make_transfer, free_transfer)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    WITH_TRANSFER(test_fields_are_read_whatever_their_case),
	    WITH_TRANSFER(test_fields_that_say_nothing_usable_are_passed_over),
	    WITH_TRANSFER(test_a_long_field_is_passed_over),
	    WITH_TRANSFER(test_an_interim_heads_fields_are_forgotten),
	    WITH_TRANSFER(test_a_body_beyond_its_bound_ends_the_transfer),
	    WITH_TRANSFER(test_each_fault_has_a_sentence_and_a_cause),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
