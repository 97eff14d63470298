/* What is kept of a task that waits: all of it comes back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/json.h"
#include "runner/task_pack.h"

#define ID "01932f0e-6f0a-7c3e-8a55-3f1f0c1b2a11"
#define BODY                                                               \
	"{\"image\":\"demo/busybox\",\"args\":[\"sh\",\"-c\",\"exit 7\"]," \
	"\"env\":{\"SECRET\":\"sword\\u00e4fish\"},"                       \
	"\"limits\":{\"timeout\":\"5s\"},"                                 \
	"\"stdin\":{\"base64\":\"AAEC\"},\"outputs\":[\"out.txt\"]}"

static void
make_data(struct task_data *data)
{
	struct err err;

	task_data_init(data);
	memcpy(data->id, ID, sizeof(ID));
	strcpy(data->owner.subject, "alice");
	strcpy(data->owner.thumbprint, "thumb");
	strcpy(data->owner.token_id, "jti");
	data->owner.address = alloc_string("2001:db8::1");
	strcpy(data->owner.roles[0], "builder");
	strcpy(data->owner.roles[1], "tester");
	data->owner.nroles = 2;
	if (request_parse(BODY, strlen(BODY), &data->request, &err) != 0)
		fail_msg("%s", err.detail);
	digest_sha256_hex("a", 1, data->request_sha256);
	digest_sha256_hex("b", 1, data->policy_sha256);
	data->rule = alloc_string("demo");
	for (int i = 0; i < LIMIT_COUNT; i++)
		data->limits[i] = 1000 + i;
	data->uid = 64000;
	data->gid = 64001;
	data->created_ms = INT64_C(1767323045678);
	data->launch = json_pack(
	    "{s:s, s:[s, s]}", "image", "x/other:1", "args", "a", "b \xc3\xa4");
}

static void
assert_same_data(const struct task_data *a, const struct task_data *b)
{
	auto_json *one = task_render(a, NULL);
	auto_json *other = task_render(b, NULL);
	auto_json *owner = task_owner_write(&a->owner);
	auto_json *same_owner = task_owner_write(&b->owner);

	assert_true(json_equal(one, other));
	assert_true(json_equal(owner, same_owner));
	assert_true(json_equal(a->request.body, b->request.body));
	assert_string_equal(a->request_sha256, b->request_sha256);
	assert_string_equal(a->policy_sha256, b->policy_sha256);
	assert_memory_equal(a->limits, b->limits, sizeof(a->limits));
	assert_int_equal(a->uid, b->uid);
	assert_int_equal(a->gid, b->gid);
	assert_int_equal(a->created_ms, b->created_ms);
	assert_true(json_equal(a->launch, b->launch));
}

#define MOUNTS "[{\"source\":\"/srv\",\"target\":\"/x\"}]"

static void
assert_comes_back(const char *network, const char *secrets)
{
	AUTO(task_data_done) struct task_data before, packed, after;
	auto_free struct task_pack *pack = NULL;

	make_data(&before);
	make_data(&packed);
	if (network != NULL) {
		before.network = alloc_string(network);
		packed.network = alloc_string(network);
	}
	if (secrets != NULL) {
		before.mounts = alloc_string(MOUNTS);
		packed.mounts = alloc_string(MOUNTS);
		before.secrets = alloc_string(secrets);
		packed.secrets = alloc_string(secrets);
	}
	pack = task_pack_take(&packed);
	assert_non_null(pack);
	assert_null(packed.request.body);
	task_unpack(pack, ID, &after);
	assert_same_data(&before, &after);
	if (network != NULL)
		assert_string_equal(after.network, network);
	else
		assert_null(after.network);
	if (secrets != NULL)
		assert_string_equal(after.mounts, MOUNTS);
	else
		assert_null(after.mounts);
	if (secrets != NULL)
		assert_string_equal(after.secrets, secrets);
	else
		assert_null(after.secrets);
	assert_string_equal(after.request.env[0].value, "sword\u00e4fish");
	assert_int_equal(after.request.stdin_len, 3);
	assert_string_equal(after.request.outputs[0], "out.txt");
	assert_int_equal(after.facts.state, TASK_QUEUED);
	assert_int_equal(after.facts.exit_code, TASK_UNKNOWN);
}

static void
test_all_of_a_task_that_waits_comes_back(void **state)
{
	(void)state;
	assert_comes_back(NULL, NULL);
	assert_comes_back("backend", "{\"token\":\"api-token\"}");
	assert_comes_back(NULL, "{\"token\":\"api-token\"}");
}

static void
test_names_are_read_without_unpacking(void **state)
{
	AUTO(task_data_done) struct task_data data;
	auto_free struct task_pack *pack = NULL;
	struct task_pack_texts texts;

	(void)state;
	make_data(&data);
	pack = task_pack_take(&data);
	task_pack_texts(pack, &texts);
	assert_string_equal(texts.subject, "alice");
	assert_string_equal(texts.thumbprint, "thumb");
	assert_string_equal(texts.token_id, "jti");
	assert_string_equal(texts.address, "2001:db8::1");
	assert_string_equal(texts.rule, "demo");
	assert_string_equal(texts.network, "");
	assert_string_equal(texts.secrets, "");
	assert_string_equal(texts.roles[0], "builder");
	assert_string_equal(texts.roles[1], "tester");
	assert_int_equal(pack->request_bytes, strlen(texts.request));
}

static void
test_what_something_became_of_is_not_packed(void **state)
{
	(void)state;
	for (int i = 0; i < 5; i++) {
		AUTO(task_data_done) struct task_data data;

		make_data(&data);
		switch (i) {
		case 0:
			data.facts.state = TASK_STARTING;
			break;
		case 1:
			data.facts.cancelled = true;
			break;
		case 2:
			strcpy(data.facts.sandbox, ID);
			break;
		case 3:
			data.facts.input.received = 1;
			break;
		default:
			strcpy(data.facts.detail, "why");
		}
		assert_null(task_pack_take(&data));
		/* Nothing was taken. */
		assert_non_null(data.request.body);
		assert_string_equal(data.rule, "demo");
	}
}

/* A hundred thousand may wait: of each a text that is not much longer than the
 * request is kept, however long its parts could be. */
static void
test_a_pack_is_hardly_longer_than_its_texts(void **state)
{
	AUTO(task_data_done) struct task_data data;
	auto_free struct task_pack *pack = NULL;
	struct task_pack_texts texts;
	size_t texts_len;

	(void)state;
	make_data(&data);
	pack = task_pack_take(&data);
	task_pack_texts(pack, &texts);
	texts_len = (size_t)(texts.request - pack->text);
	assert_true(texts_len < 100);
	assert_true(sizeof(*pack) <= 256);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_all_of_a_task_that_waits_comes_back),
	    cmocka_unit_test(test_names_are_read_without_unpacking),
	    cmocka_unit_test(test_what_something_became_of_is_not_packed),
	    cmocka_unit_test(test_a_pack_is_hardly_longer_than_its_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
