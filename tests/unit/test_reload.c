/*
 * The runner reads its files again, and asks gateways to: by real packets,
 * with the test as gateway and as operator.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "certs/issue_key.h"
#include "certs/openssl.h"
#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/json.h"
#include "runner/peers.h"
#include "tests/unit/folder.h"
#include "tests/unit/runner_site.h"

#define END INT64_C(2000000000)

static int
greet_take(struct runner_site *site, const char *name, json_t *hello)
{
	int sock = runner_site_connect(site, name);

	json_object_set_new(hello, "version", json_integer(PROTOCOL_VERSION));
	json_object_set_new(hello, "role", json_string(name));
	runner_site_send_take(sock, MESSAGE_hello, hello, -1);
	struct message welcome =
	    runner_site_receive(site, sock, MESSAGE_welcome);

	message_done(&welcome);
	return sock;
}

/* A gateway's connection that takes orders. */
static int
connect_main(struct runner_site *site)
{
	return greet_take(site, "gateway",
	    json_pack("{s:I}", "certificate_not_after", (json_int_t)END));
}

static int
connect_admin(struct runner_site *site)
{
	return greet_take(site, "admin", json_object());
}

static void
ask_reload(struct runner_site *site)
{
	runner_site_send_take(site->admin, MESSAGE_reload,
	    json_pack("{s:I}", "request", (json_int_t)++site->last_request),
	    -1);
}

static int64_t
hear_order(struct runner_site *site, int sock)
{
	struct message order =
	    runner_site_receive(site, sock, MESSAGE_reload_order);
	int64_t number =
	    json_integer_value(json_object_get(order.members, "order"));

	message_done(&order);
	return number;
}

static void
say_result(int sock, int64_t order, bool done)
{
	json_t *members = json_pack("{s:b, s:I}", "done", done,
	    "certificate_not_after", (json_int_t)END);

	if (order > 0)
		json_object_set_new(members, "order", json_integer(order));
	if (!done)
		json_object_set_new(
		    members, "reason", json_string("x.crt: no\x1b[2Jgood"));
	runner_site_send_take(sock, MESSAGE_reload_result, members, -1);
}

/* "runner=done gateway=refused", in the order that they came. */
static char *
hear_answer(struct runner_site *site)
{
	struct message reply =
	    runner_site_receive(site, site->admin, MESSAGE_reply);
	const json_t *body = json_object_get(reply.members, "body");
	auto_buffer text = BUFFER_INIT(4096);
	size_t k;
	const json_t *one;

	json_array_foreach(json_object_get(body, "processes"), k, one)
	{
		buffer_printf(&text, "%s%s=%s", k > 0 ? " " : "",
		    json_string_value(json_object_get(one, "process")),
		    json_string_value(json_object_get(one, "result")));
	}
	message_done(&reply);
	return buffer_take(&text);
}

static void
assert_answer(struct runner_site *site, const char *expected)
{
	auto_free char *answer = hear_answer(site);

	assert_string_equal(answer, expected);
}

static void
write_file(
    struct runner_site *site, const char *name, const char *text, mode_t mode)
{
	auto_free char *path = folder_path(site->folder, name);
	struct err err;

	if (file_write(path, text, strlen(text), mode, &err) != 0)
		fail_msg("%s", err.detail);
}

static void
test_without_gateways_the_runner_answers_alone(void **state)
{
	struct runner_site site;

	runner_site_open(&site, *state);
	/* The site's own gateway connection takes no orders. */
	ask_reload(&site);
	assert_answer(&site, "runner=done");
	runner_site_close(&site);
}

static void
test_each_gateway_is_asked_once_and_heard(void **state)
{
	struct runner_site site;

	runner_site_open(&site, *state);
	auto_fd int first = connect_main(&site);
	auto_fd int second = connect_main(&site);

	ask_reload(&site);
	int64_t order = hear_order(&site, first);
	assert_int_equal(hear_order(&site, second), order);
	say_result(second, order, false);
	say_result(first, order, true);
	assert_answer(&site, "runner=done gateway=refused gateway=done");
	assert_int_equal(runner_site_count_events(&site, "reload.done"), 2);
	assert_int_equal(runner_site_count_events(&site, "reload.refused"), 1);
	runner_site_close(&site);
}

static void
test_a_gateway_that_goes_is_not_waited_for(void **state)
{
	struct runner_site site;

	runner_site_open(&site, *state);
	int sock = connect_main(&site);

	ask_reload(&site);
	hear_order(&site, sock);
	close(sock);
	assert_answer(&site, "runner=done gateway=gone");
	runner_site_close(&site);
}

static void
test_another_orders_result_is_no_answer(void **state)
{
	struct runner_site site;

	runner_site_open(&site, *state);
	auto_fd int sock = connect_main(&site);

	ask_reload(&site);
	int64_t order = hear_order(&site, sock);
	say_result(sock, order + 1, false);
	say_result(sock, 0, false);
	say_result(sock, order, true);
	assert_answer(&site, "runner=done gateway=done");
	/* A second time it is nobody's. */
	say_result(sock, order, true);
	ask_reload(&site);
	say_result(sock, hear_order(&site, sock), true);
	assert_answer(&site, "runner=done gateway=done");
	runner_site_close(&site);
}

static void
test_one_reload_at_a_time(void **state)
{
	struct runner_site site;

	runner_site_open(&site, *state);
	auto_fd int sock = connect_main(&site);

	ask_reload(&site);
	int64_t order = hear_order(&site, sock);
	ask_reload(&site);
	struct message busy =
	    runner_site_receive(&site, site.admin, MESSAGE_failure);
	assert_string_equal(
	    json_string_value(json_object_get(busy.members, "error")), "busy");
	message_done(&busy);
	say_result(sock, order, true);
	assert_answer(&site, "runner=done gateway=done");
	runner_site_close(&site);
}

static void
test_an_operator_who_goes_leaves_nothing_open(void **state)
{
	struct runner_site site;

	runner_site_open(&site, *state);
	auto_fd int sock = connect_main(&site);

	ask_reload(&site);
	int64_t order = hear_order(&site, sock);
	close(site.admin);
	runner_site_settle(&site);
	say_result(sock, order, true);
	runner_site_settle(&site);
	/* The next one's is. */
	site.admin = connect_admin(&site);
	ask_reload(&site);
	say_result(sock, hear_order(&site, sock), true);
	assert_answer(&site, "runner=done gateway=done");
	runner_site_close(&site);
}

static void
test_the_runner_stops_with_a_reload_open(void **state)
{
	struct runner_site site;

	runner_site_open(&site, *state);
	auto_fd int sock = connect_main(&site);

	ask_reload(&site);
	hear_order(&site, sock);
	runner_site_close(&site);
}

static void
test_reports_without_end_do_not_fill_the_log(void **state)
{
	struct runner_site site;

	runner_site_open(&site, *state);
	auto_fd int sock = connect_main(&site);

	for (int i = 0; i < 100; i++)
		say_result(sock, 0, false);
	runner_site_settle(&site);
	assert_int_equal(runner_site_count_events(&site, "reload.refused"), 10);
	/* Those that were asked for are on record all the same. */
	ask_reload(&site);
	say_result(sock, hear_order(&site, sock), false);
	assert_answer(&site, "runner=done gateway=refused");
	assert_int_equal(runner_site_count_events(&site, "reload.refused"), 11);
	runner_site_close(&site);
}

static void
test_a_connection_that_takes_no_orders_has_no_say(void **state)
{
	struct runner_site site;

	runner_site_open(&site, *state);
	say_result(site.gateway, 0, true);
	runner_site_wait_dropped(&site, site.gateway);
	assert_int_equal(runner_site_count_events(&site, "reload.done"), 0);
	runner_site_close(&site);
}

static void
assert_refused(struct runner_site *site, const char *file)
{
	const struct authority before = site->runner.authority;
	const EVP_PKEY *key = site->runner.audit_key;
	const struct policy *policy = site->runner.policy;

	ask_reload(site);
	struct message reply =
	    runner_site_receive(site, site->admin, MESSAGE_reply);
	const json_t *one = json_array_get(
	    json_object_get(
		json_object_get(reply.members, "body"), "processes"),
	    0);
	assert_string_equal(
	    json_string_value(json_object_get(one, "result")), "refused");
	assert_non_null(
	    strstr(json_string_value(json_object_get(one, "reason")), file));
	message_done(&reply);
	assert_ptr_equal(site->runner.authority.trust, before.trust);
	assert_ptr_equal(site->runner.authority.keys, before.keys);
	assert_ptr_equal(site->runner.audit_key, key);
	assert_ptr_equal(site->runner.policy, policy);
}

static void
test_what_is_in_force_stays_as_it_is_whichever_file_is_bad(void **state)
{
	static const struct {
		const char *name;
		mode_t mode;
	} files[] = {
	    {"ca.crt", 0644},
	    {"token-keys/bad.pem", 0644},
	    {"policy.json", 0644},
	    {"audit.key", 0600},
	};
	struct runner_site site;

	runner_site_open(&site, *state);
	for (size_t i = 0; i < COUNT(files); i++) {
		auto_free char *path = folder_path(*state, files[i].name);
		auto_free char *kept = NULL;
		struct err err;

		kept = file_read(path, 1 << 20, NULL, &err);
		write_file(&site, files[i].name, "nothing", files[i].mode);
		assert_refused(&site, files[i].name);
		if (kept == NULL)
			assert_int_equal(unlink(path), 0);
		else
			write_file(&site, files[i].name, kept, files[i].mode);
	}
	ask_reload(&site);
	assert_answer(&site, "runner=done");
	runner_site_close(&site);
}

/* Where the first record of this event stands among all. */
static size_t
find_event(const json_t *records, const char *event, size_t from)
{
	for (size_t i = from; i < json_array_size(records); i++) {
		const json_t *record = json_array_get(records, i);

		if (strcmp(json_string_value(json_object_get(record, "event")),
			event) == 0)
			return i;
	}
	fail_msg("no %s", event);
	return 0;
}

static void
test_what_a_policy_does_comes_behind_its_record(void **state)
{
	struct runner_site site;
	auto_free char *id = NULL;
	auto_json *records = NULL;
	size_t reloaded;

	runner_site_open(&site, *state);
	id = runner_site_submit(
	    &site, "alice", "{\"image\":\"" SITE_IMAGE "\"}");
	/* No rule lets it any more: it ends as it has its turn, which it has
	 * by the reload alone, and not by the look of each second before. */
	write_file(&site, "policy.json", "{\"version\":1,\"rules\":[]}", 0644);
	uv_timer_stop(&site.runner.tasks.again);
	site.runner.tasks.engine_reason = NULL;
	ask_reload(&site);
	assert_answer(&site, "runner=done");
	runner_site_settle(&site);
	assert_null(tasks_find(&site.runner.tasks, id));
	records = runner_site_audit(&site);
	reloaded = find_event(records, "reload.done", 0);
	assert_true(find_event(records, "task.finished", 0) >
	    find_event(records, "policy.loaded", reloaded));
	runner_site_close(&site);
}

static void
test_a_token_seen_before_ends_with_its_key(void **state)
{
	struct runner_site site;
	char id[KEY_ID];

	runner_site_open(&site, *state);
	json_t *members =
	    runner_site_envelope(&site, "alice", SCOPE_TASKS_READ);
	json_t *again;

	json_object_set_new(members, "limit", json_integer(1));
	again = json_copy(members);
	json_object_set_new(
	    again, "request", json_integer(++site.last_request));
	json_decref(
	    runner_site_ask_take(&site, MESSAGE_list, members, -1, NULL));
	key_id(site.token_key, id);
	auto_free char *old = alloc_printf("token-keys/%s.pem", id);
	auto_free char *path = folder_path(*state, old);
	assert_int_equal(unlink(path), 0);

	AUTO(EVP_PKEY_freep) EVP_PKEY *key = issue_key_new(ISSUE_KEY_P256);
	auto_free char *pem = issue_key_encode_public(key);
	write_file(&site, "token-keys/new.pem", pem, 0644);
	ask_reload(&site);
	assert_answer(&site, "runner=done");
	runner_site_expect_failure_take(
	    &site, MESSAGE_list, again, -1, ERR_UNAUTHENTICATED);
	runner_site_close(&site);
}

int
main(void)
{
#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, folder_make, folder_remove)
	const struct CMUnitTest tests[] = {
	    TEST(test_without_gateways_the_runner_answers_alone),
	    TEST(test_each_gateway_is_asked_once_and_heard),
	    TEST(test_a_gateway_that_goes_is_not_waited_for),
	    TEST(test_another_orders_result_is_no_answer),
	    TEST(test_one_reload_at_a_time),
	    TEST(test_an_operator_who_goes_leaves_nothing_open),
	    TEST(test_the_runner_stops_with_a_reload_open),
	    TEST(test_reports_without_end_do_not_fill_the_log),
	    TEST(test_a_connection_that_takes_no_orders_has_no_say),
	    TEST(test_what_is_in_force_stays_as_it_is_whichever_file_is_bad),
	    TEST(test_what_a_policy_does_comes_behind_its_record),
	    TEST(test_a_token_seen_before_ends_with_its_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
