/*
 * The pool against a real engine: what is ready, who gets it, and what makes
 * it go.
 */
#include "runner/pool.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/alloc.h"
#include "tests/e2e/fault_proxy.h"
#include "tests/e2e/sandbox_site.h"

#define MEMORY (INT64_C(64) << 20)

/* The pool of a test, and the image of all of them: a name of our own for the
 * site's image, which a test gives to another. */
static struct pool *pool;
static char *name; /* without its tag */
static char *reference;

static const struct pool_bounds bounds = {
    .sandboxes_max = 8,
    .memory_max_bytes = INT64_C(1) << 40,
    .creating_max = 2,
};

/* Asks the engine. */
static char *
engine_say(const char *method, const char *path)
{
	return site_command_output("curl -sSf --unix-socket '%s' -X %s "
				   "'http://engine%s'",
	    site.engine + strlen("unix://"), method, path);
}

static void
name_image(const char *image)
{
	auto_free char *path =
	    alloc_printf("/images/%s/tag?repo=%s&tag=latest", image, name);

	free(engine_say("POST", path));
}

static void
set_policy_text(const char *rules)
{
	auto_free char *text =
	    alloc_printf("{\"version\":1,\"rules\":[%s]}", rules);
	struct err err;
	struct policy *policy = policy_parse("test", text, strlen(text), &err);

	if (policy == NULL)
		fail_msg("%s", err.detail);
	pool_set_policy(pool, policy);
	policy_free(policy);
}

static char *
make_rule(const char *id, const char *image, const char *more)
{
	return alloc_printf("{\"id\":\"%s\",\"subjects\":[\"a\"],"
			    "\"image\":\"%s\",%s}",
	    id, image, more);
}

static void
set_rule(const char *more)
{
	auto_free char *rule = make_rule("r", reference, more);

	set_policy_text(rule);
}

static void
open_pool(const struct pool_bounds *with)
{
	pool = pool_new(&site.loop, site.factory, with);
}

/* What the rule's tasks ask for. */
static void
make_spec(struct sandbox_spec *ret)
{
	*ret = (struct sandbox_spec){.image = reference, .uid = -1, .gid = -1};
	for (int k = 0; k < LIMIT_COUNT; k++)
		ret->limits[k] = limit_usual((enum limit)k);
}

static struct sandbox *
claim(void)
{
	struct sandbox_spec spec;
	struct sandbox *sandbox;
	bool update = true;

	make_spec(&spec);
	sandbox = pool_claim(pool, &spec, &update);
	assert_true(sandbox == NULL || !update);
	assert_true(sandbox == NULL || sandbox_is_ready(sandbox));
	return sandbox;
}

/* Other tests' images make the pool look again in between. */
static struct sandbox *
claim_soon(void)
{
	struct sandbox *sandbox = NULL;

	UNTIL((sandbox = claim()) != NULL);
	return sandbox;
}

/* There is some, but none for us. */
static bool
is_refused(void)
{
	struct sandbox *sandbox;

	if (pool_ready(pool) == 0)
		return false;
	sandbox = claim();
	if (sandbox != NULL)
		sandbox_destroy(sandbox);
	return sandbox == NULL;
}

/* One of this image is given out. */
static bool
gives_out(const char *image_id)
{
	struct sandbox *sandbox = claim();
	bool is_it;

	if (sandbox == NULL)
		return false;
	is_it = strcmp(sandbox_ready(sandbox)->image_id, image_id) == 0;
	sandbox_destroy(sandbox);
	return is_it;
}

static void
run_in(struct sandbox *sandbox, struct record *record, const char *script)
{
	const char *args[] = {"sh", "-c", script};
	struct site_order order;

	site_default_order(&order);
	order.command.args = args;
	order.command.nargs = 3;
	site_take(record, sandbox, &order);
	UNTIL(record->ended);
}

static uint64_t
dropped(enum pool_drop why)
{
	return pool_counters(pool)->dropped[why];
}

static bool
is_settled(size_t ready)
{
	return pool_ready(pool) == ready && pool_creating(pool) == 0;
}

static void
close_pool(void)
{
	pool_free(pool);
	pool = NULL;
	UNTIL(sandbox_factory_pending(site.factory) == 0);
	assert_int_equal(site_count_containers(), 0);
}

static void
test_as_many_as_the_rule_says_are_ready_and_no_more(void **state)
{
	(void)state;
	open_pool(&bounds);
	set_rule("\"warm\":{\"min\":2,\"max\":4}");
	assert_null(claim());
	UNTIL(is_settled(2));
	assert_int_equal(site_count_containers(), 2);
	assert_int_equal(pool_memory(pool), 2 * MEMORY);
	/* Nobody's: of a rule without warm, of another user, of another tmp. */
	struct sandbox_spec spec;
	bool update;

	make_spec(&spec);
	spec.uid = spec.gid = 1000;
	assert_null(pool_claim(pool, &spec, &update));
	make_spec(&spec);
	spec.limits[LIMIT_TMP]++;
	assert_null(pool_claim(pool, &spec, &update));
	make_spec(&spec);
	spec.image = IMAGE ":latest";
	assert_null(pool_claim(pool, &spec, &update));
	assert_int_equal(pool_ready(pool), 2);
	close_pool();
}

static void
test_one_that_was_given_out_is_given_to_nobody_again(void **state)
{
	char containers[6][65];

	(void)state;
	open_pool(&bounds);
	set_rule("\"warm\":{\"min\":2}");
	for (size_t k = 0; k < COUNT(containers); k++) {
		RECORD r = {0};

		/* Nothing of the one before is there. */
		run_in(claim_soon(), &r, "cat /tmp/trace; echo x >/tmp/trace");
		assert_int_equal(r.end.how, SANDBOX_EXITED);
		assert_string_equal(site_text(&r, STREAM_STDOUT), "");
		memcpy(containers[k], r.container, sizeof(containers[k]));
		for (size_t i = 0; i < k; i++)
			assert_string_not_equal(containers[i], containers[k]);
	}
	close_pool();
}

static void
test_the_oldest_is_given_out_first(void **state)
{
	int64_t made_ms = 0;

	(void)state;
	open_pool(&bounds);
	set_rule("\"warm\":{\"min\":4}");
	UNTIL(is_settled(4));
	for (int k = 0; k < 4; k++) {
		struct sandbox *sandbox = claim_soon();

		assert_true(sandbox_ready(sandbox)->made_ms >= made_ms);
		made_ms = sandbox_ready(sandbox)->made_ms;
		sandbox_destroy(sandbox);
	}
	close_pool();
}

static void
test_a_pool_that_was_emptied_grows_to_its_most_and_shrinks_with_age(
    void **state)
{
	(void)state;
	open_pool(&bounds);
	set_rule("\"warm\":{\"min\":1,\"max\":3}");
	UNTIL(is_settled(1));
	for (size_t size = 2; size <= 4; size++) {
		while (pool_ready(pool) > 0)
			sandbox_destroy(claim_soon());
		UNTIL(is_settled(size < 4 ? size : 3));
	}
	/* Not before: a slow engine makes three in more than an age. */
	set_rule("\"warm\":{\"min\":1,\"max\":3,\"max_age\":10}");
	/* None is taken: each goes at its age, the last is replaced. */
	UNTIL(is_settled(1));
	assert_true(dropped(POOL_DROP_AGE) >= 2);
	close_pool();
}

static void
test_one_that_is_too_old_is_replaced_before_it_goes(void **state)
{
	(void)state;
	open_pool(&bounds);
	/* With the longest time there is to make the other: 5 s. */
	set_rule("\"warm\":{\"min\":1,\"max_age\":20}");
	UNTIL(is_settled(1));
	UNTIL(pool_ready(pool) == 2);
	UNTIL(pool_ready(pool) == 1);
	assert_int_equal(pool_creating(pool), 0);
	close_pool();
}

/* The id that the name has now. */
static char *
find_image_id(const char *image)
{
	auto_free char *path = alloc_printf("/images/%s/json", image);
	auto_free char *answer = engine_say("GET", path);
	const char *at = strstr(answer, "\"Id\":\"");

	assert_non_null(at);
	return alloc_bytes(at + strlen("\"Id\":\""), strlen("sha256:") + 64);
}

/* Another image under a name of its own; whoever gets that name too runs it. */
static char *
make_other_image(const char *changes)
{
	static unsigned count;
	auto_free char *other = alloc_printf("%s-%u", name, ++count);
	struct record record = {0};
	auto_free char *path = NULL;

	site_launch_shell(&record, "sleep 60");
	UNTIL(record.started);
	path = alloc_printf("/commit?container=%s&repo=%s&tag=latest"
			    "&pause=false&changes=%s",
	    record.container, other, changes);
	free(engine_say("POST", path));
	sandbox_destroy(record.sandbox);
	site_finish(&record);
	return take(other);
}

static void
remove_image(const char *image)
{
	auto_free char *path = alloc_printf("/images/%s?force=1", image);

	free(engine_say("DELETE", path));
}

static void
test_a_name_that_means_another_image_gives_out_no_old_one(void **state)
{
	auto_free char *before = find_image_id(reference);
	auto_free char *other = make_other_image("LABEL%20other%3D1");
	auto_free char *after = find_image_id(other);

	(void)state;
	assert_string_not_equal(before, after);
	open_pool(&bounds);
	set_rule("\"warm\":{\"min\":4}");
	UNTIL(is_settled(4));
	name_image(other);
	/* From the moment on at which the engine's word is heard. */
	UNTIL(gives_out(after));
	for (int k = 0; k < 4; k++) {
		struct sandbox *sandbox = claim_soon();

		assert_string_equal(sandbox_ready(sandbox)->image_id, after);
		sandbox_destroy(sandbox);
	}
	UNTIL(is_settled(4));
	UNTIL(sandbox_factory_pending(site.factory) == 0);
	assert_int_equal(site_count_containers(), 4);

	/* A name that means nothing any more has nothing ready. */
	remove_image(reference);
	UNTIL(is_settled(0));
	assert_null(claim());
	/* And comes back by itself. */
	name_image(before);
	UNTIL(is_settled(4));
	struct sandbox *sandbox = claim_soon();

	assert_string_equal(sandbox_ready(sandbox)->image_id, before);
	sandbox_destroy(sandbox);
	close_pool();
	remove_image(other);
}

static void
test_a_policy_that_wants_others_lets_these_go(void **state)
{
	struct sandbox_spec spec;
	struct sandbox *sandbox = NULL;
	bool update;
	size_t before;

	(void)state;
	open_pool(&bounds);
	set_rule("\"warm\":{\"min\":2}");
	UNTIL(is_settled(2));
	/* The same is wanted: they stay. */
	before = pool_ready(pool);
	set_rule("\"description\":\"another\",\"warm\":{\"min\":1,\"max\":2}");
	assert_int_equal(pool_ready(pool), before);
	assert_int_equal(dropped(POOL_DROP_POLICY), 0);
	/* For another user. */
	set_rule("\"user\":{\"uid\":1234,\"gid\":1234},\"warm\":{\"min\":1}");
	assert_int_equal(pool_ready(pool), 0);
	assert_int_equal(dropped(POOL_DROP_POLICY), 2);
	assert_null(claim());
	UNTIL(is_settled(1));
	assert_null(claim());
	make_spec(&spec);
	spec.uid = spec.gid = 1234;
	UNTIL((sandbox = pool_claim(pool, &spec, &update)) != NULL);
	sandbox_destroy(sandbox);
	/* For nobody. */
	set_policy_text("");
	assert_true(is_settled(0));
	UNTIL(sandbox_factory_pending(site.factory) == 0);
	assert_int_equal(site_count_containers(), 0);
	close_pool();
}

static void
test_rules_that_agree_share_and_others_can_be_updated(void **state)
{
	auto_free char *one =
	    make_rule("one", reference, "\"warm\":{\"min\":1,\"max\":2}");
	auto_free char *two =
	    make_rule("two", reference, "\"warm\":{\"min\":2}");
	auto_free char *large = make_rule("large", reference,
	    "\"limits\":{\"memory\":{\"default\":\"128MiB\"}},"
	    "\"warm\":{\"min\":1}");
	auto_free char *rules = alloc_printf("%s,%s,%s", one, two, large);
	struct sandbox_spec spec;
	struct sandbox *sandbox = NULL;
	bool update = true;

	(void)state;
	open_pool(&bounds);
	set_policy_text(rules);
	UNTIL(is_settled(3));
	assert_int_equal(pool_memory(pool), 4 * MEMORY);
	/* What is taken has no successor, however late the claims come. */
	pool_set_load(pool, 0, 1);
	make_spec(&spec);
	spec.limits[LIMIT_MEMORY] = 2 * MEMORY;
	/* Its own kind first, then whatever there is. */
	UNTIL((sandbox = pool_claim(pool, &spec, &update)) != NULL);
	assert_false(update);
	sandbox_destroy(sandbox);
	UNTIL((sandbox = pool_claim(pool, &spec, &update)) != NULL);
	assert_true(update);
	sandbox_destroy(sandbox);
	close_pool();
}

/* The pool's only one. The engine may call it running a little later than
 * task-init does. */
static char *
find_container(void)
{
	for (int k = 0; k < DEADLINE_MS / 100; k++) {
		auto_free char *list = site_command_output(
		    "curl -sSf --unix-socket '%s' -G "
		    "http://engine/containers/json --data-urlencode "
		    "'filters={\"label\":[\"taskgate.runner=%s\"]}'",
		    site.engine + strlen("unix://"), site.runner_id);
		const char *id = strstr(list, "\"Id\":\"");

		if (id != NULL)
			return alloc_bytes(id + strlen("\"Id\":\""), 64);
		usleep(100000);
	}
	fail_msg("the engine knows of no container");
	return NULL;
}

static void
test_one_that_dies_while_it_waits_is_replaced(void **state)
{
	struct sandbox *sandbox;

	(void)state;
	open_pool(&bounds);
	set_rule("\"warm\":{\"min\":1}");
	UNTIL(is_settled(1));
	auto_free char *id = find_container();
	auto_free char *path = alloc_printf("/containers/%s/kill", id);

	free(engine_say("POST", path));
	UNTIL(pool_ready(pool) == 0);
	assert_int_equal(dropped(POOL_DROP_FAILURE), 1);
	assert_null(claim());
	UNTIL(is_settled(1));
	sandbox = claim_soon();
	assert_string_not_equal(sandbox_ready(sandbox)->container, id);
	sandbox_destroy(sandbox);
	close_pool();
}

static void
test_while_the_engine_is_not_heard_nothing_is_given_out(void **state)
{
	static const struct fault none = {
	    "never in any answer", "never in any answer"};
	auto_free char *path = site_path("pool.sock");
	auto_free char *engine = alloc_printf("unix://%s", path);
	const char *real = site.engine + strlen("unix://");
	pid_t proxy = fault_proxy_start(path, real, &none);

	(void)state;
	sandbox_factory_free(site.factory);
	site_make_factory(engine);
	open_pool(&bounds);
	set_rule("\"warm\":{\"min\":4}");
	UNTIL(is_settled(4));
	fault_proxy_stop(proxy);
	/* To ask by claiming would use them up. */
	UNTIL(!site.ready);
	assert_true(is_refused());
	/* They still wait, and are given out when the engine is back and says
	 * that their image is the one. */
	proxy = fault_proxy_start(path, real, &none);
	sandbox_destroy(claim_soon());
	UNTIL(is_settled(4));
	close_pool();
	sandbox_factory_free(site.factory);
	fault_proxy_stop(proxy);
	site_make_factory(site.engine);
	UNTIL(site.ready);
}

static void
test_bounds_hold_and_room_is_given_back(void **state)
{
	struct pool_bounds narrow = bounds;

	(void)state;
	narrow.sandboxes_max = 3;
	open_pool(&narrow);
	set_rule("\"warm\":{\"min\":5}");
	UNTIL(is_settled(3));
	close_pool();

	narrow.sandboxes_max = 8;
	narrow.memory_max_bytes = 4 * MEMORY;
	open_pool(&narrow);
	pool_set_load(pool, 2 * MEMORY - 1, 0);
	set_rule("\"warm\":{\"min\":5}");
	UNTIL(is_settled(2));
	pool_set_load(pool, 2 * MEMORY + 1, 0);
	UNTIL(is_settled(1));
	/* What runs may take more than there is. */
	pool_set_load(pool, 5 * MEMORY, 0);
	UNTIL(is_settled(0));
	assert_int_equal(dropped(POOL_DROP_ROOM), 2);
	pool_set_load(pool, 0, 0);
	UNTIL(is_settled(4));
	close_pool();

	narrow.sandboxes_max = 0;
	open_pool(&narrow);
	set_rule("\"warm\":{\"min\":5}");
	assert_int_equal(pool_creating(pool), 0);
	close_pool();
}

static void
test_nothing_is_made_while_a_task_waits_for_its_own(void **state)
{
	RECORD r = {0};

	(void)state;
	open_pool(&bounds);
	pool_set_load(pool, 0, 1);
	set_rule("\"warm\":{\"min\":2}");
	/* As long as a sandbox takes to be made and used. */
	site_launch_shell(&r, "true");
	UNTIL((assert_true(is_settled(0)), r.ended));
	pool_set_load(pool, 0, 0);
	UNTIL(is_settled(2));
	close_pool();
}

static void
test_never_more_are_made_at_once_than_allowed(void **state)
{
	size_t most = 0;

	(void)state;
	open_pool(&bounds);
	set_rule("\"warm\":{\"min\":5}");
	while (!is_settled(5)) {
		UNTIL(pool_creating(pool) > most || is_settled(5));
		if (pool_creating(pool) > most)
			most = pool_creating(pool);
	}
	assert_int_equal(most, bounds.creating_max);
	close_pool();
}

static void
see_tries(const char *failing)
{
	auto_free char *good =
	    make_rule("good", reference, "\"warm\":{\"min\":1}");
	auto_free char *rules = alloc_printf("%s,%s", failing, good);
	int64_t begin_ms = clock_boot_ms();

	UNTIL(sandbox_factory_pending(site.factory) == 0);
	open_pool(&bounds);
	set_policy_text(rules);
	/* It holds nobody else up. */
	UNTIL(pool_ready(pool) == 1);
	UNTIL(pool_counters(pool)->failed >= 4);
	/* 0.2, 0.4 and 0.8 seconds lie between them at least. */
	assert_true(clock_boot_ms() - begin_ms >= 1400);
	assert_int_equal(pool_ready(pool), 1);
	close_pool();
}

/* A volume where taskgate has something: nothing of it can be made. */
static void
test_an_image_that_cannot_be_used_is_tried_less_and_less_often(void **state)
{
	auto_free char *bad = make_other_image("VOLUME%20%2Fproc");
	auto_free char *one = make_rule("bad", bad, "\"warm\":{\"min\":1}");
	auto_free char *missing = make_rule(
	    "missing", "taskgate-test/nowhere", "\"warm\":{\"min\":1}");

	(void)state;
	see_tries(one);
	see_tries(missing);
	remove_image(bad);
}

static void
test_what_is_dropped_is_counted_and_made_again(void **state)
{
	auto_free char *id = find_image_id(reference);

	(void)state;
	open_pool(&bounds);
	set_rule("\"warm\":{\"min\":2}");
	UNTIL(is_settled(2));
	assert_int_equal(pool_drop_image(pool, "sha256:another"), 0);
	assert_int_equal(pool_drop_image(pool, id), 2);
	assert_int_equal(pool_ready(pool), 0);
	UNTIL(is_settled(2));
	assert_int_equal(pool_flush(pool), 2);
	UNTIL(is_settled(2));
	assert_int_equal(dropped(POOL_DROP_ORDER), 4);
	assert_int_equal(pool_counters(pool)->made, 6);
	assert_int_equal(pool_counters(pool)->claimed, 0);
	close_pool();
}

/* As long as a short task takes from its start to its answer. */
static void
test_a_successor_is_not_made_beside_a_task_that_has_just_started(void **state)
{
	int64_t claimed_ms;

	(void)state;
	open_pool(&bounds);
	set_rule("\"warm\":{\"min\":1,\"max\":1}");
	UNTIL(is_settled(1));
	for (int k = 0; k < 3; k++) {
		claimed_ms = clock_boot_ms();
		sandbox_destroy(claim_soon());
		assert_int_equal(pool_creating(pool), 0);
		UNTIL(pool_creating(pool) == 1);
		assert_true(clock_boot_ms() - claimed_ms >= 25);
		UNTIL(is_settled(1));
	}
	assert_int_equal(pool_counters(pool)->claimed, 3);
	close_pool();
}

static int
set_up(void **state)
{
	if (site_set_up(state) != 0)
		return -1;
	/* The last of the id is random. */
	name = alloc_printf("taskgate-test/pool-%s",
	    site.runner_id + strlen(site.runner_id) - 12);
	reference = alloc_printf("%s:latest", name);
	name_image(IMAGE);
	return 0;
}

static int
tear_down(void **state)
{
	if (reference != NULL)
		remove_image(reference);
	free(reference);
	free(name);
	return site_tear_down(state);
}

/* What a test that failed has left must not outlive its factory. */
static int
forget_pool(void **state)
{
	(void)state;
	pool_free(take(pool));
	return 0;
}
#define POOL_TEST(test) cmocka_unit_test_teardown(test, forget_pool)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    POOL_TEST(test_as_many_as_the_rule_says_are_ready_and_no_more),
	    POOL_TEST(test_one_that_was_given_out_is_given_to_nobody_again),
	    POOL_TEST(test_the_oldest_is_given_out_first),
	    POOL_TEST(
		test_a_pool_that_was_emptied_grows_to_its_most_and_shrinks_with_age),
	    POOL_TEST(test_one_that_is_too_old_is_replaced_before_it_goes),
	    POOL_TEST(
		test_a_name_that_means_another_image_gives_out_no_old_one),
	    POOL_TEST(test_a_policy_that_wants_others_lets_these_go),
	    POOL_TEST(test_rules_that_agree_share_and_others_can_be_updated),
	    POOL_TEST(test_one_that_dies_while_it_waits_is_replaced),
	    POOL_TEST(test_while_the_engine_is_not_heard_nothing_is_given_out),
	    POOL_TEST(test_bounds_hold_and_room_is_given_back),
	    POOL_TEST(test_nothing_is_made_while_a_task_waits_for_its_own),
	    POOL_TEST(test_never_more_are_made_at_once_than_allowed),
	    POOL_TEST(
		test_an_image_that_cannot_be_used_is_tried_less_and_less_often),
	    POOL_TEST(test_what_is_dropped_is_counted_and_made_again),
	    POOL_TEST(
		test_a_successor_is_not_made_beside_a_task_that_has_just_started),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
