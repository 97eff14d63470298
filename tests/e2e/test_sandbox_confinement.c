/*
 * What a task finds around it and what it must not get away with, tried from
 * inside of real containers.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/alloc.h"
#include "tests/e2e/sandbox_site.h"

static void
assert_prints(const char *script, const char *expected)
{
	RECORD r = {0};

	site_run_shell(&r, script);
	if (strcmp(site_text(&r, STREAM_STDOUT), expected) != 0)
		fail_msg("%s\nprinted:\n%s%s\nand not:\n%s", script,
		    site_text(&r, STREAM_STDOUT), site_text(&r, STREAM_STDERR),
		    expected);
}

static void
test_a_task_has_its_own_uid_no_capability_and_no_way_to_more(void **state)
{
	(void)state;
	assert_prints("id -u; id -g; id -G; "
		      "grep -E 'Cap|NoNew|Seccomp:' /proc/self/status",
	    "61234\n61234\n61234\n"
	    "CapInh:\t0000000000000000\nCapPrm:\t0000000000000000\n"
	    "CapEff:\t0000000000000000\nCapBnd:\t0000000000000000\n"
	    "CapAmb:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2\n");
}

static void
test_the_root_file_system_is_read_only(void **state)
{
	(void)state;
	assert_prints("for d in / /bin /etc /root /usr /.taskgate; do "
		      "touch $d/x 2>/dev/null && echo $d; done; "
		      "echo x >/etc/passwd || echo no",
	    "no\n");
}

static void
test_tmp_is_writable_has_a_size_and_runs_nothing(void **state)
{
	(void)state;
	assert_prints("cp /bin/busybox /tmp/b 2>/dev/null || echo full; "
		      "wc -c </tmp/b; "
		      "printf '#!/bin/sh\\n' >/dev/shm/x; chmod 755 /dev/shm/x;"
		      "/dev/shm/x 2>/dev/null || echo noexec; "
		      "grep -c ' /tmp tmpfs rw,nosuid,nodev,noexec' "
		      "/proc/mounts",
	    "full\n1048576\nnoexec\n1\n");
}

static void
test_there_is_no_network_but_its_own_loopback(void **state)
{
	(void)state;
	assert_prints("ls /sys/class/net; hostname; cat /etc/hosts; "
		      "grep -c . /proc/net/route",
	    "lo\ntask\n127.0.0.1\tlocalhost task\n"
	    "::1\tlocalhost ip6-localhost ip6-loopback\n1\n");
}

static void
test_a_task_inherits_its_three_streams_and_nothing_else(void **state)
{
	(void)state;
	/* Descriptor 3 is that of ls itself. */
	assert_prints("ls /proc/self/fd; readlink /proc/self/fd/0",
	    "0\n1\n2\n3\n/dev/null\n");
}

static void
assert_args_print(const char *const *args, size_t nargs, const char *expected)
{
	struct site_order order;
	RECORD r = {0};

	site_default_order(&order);
	order.command.args = args;
	order.command.nargs = nargs;
	site_run(&r, &order);
	assert_string_equal(site_text(&r, STREAM_STDOUT), expected);
}

static void
test_a_task_leads_a_session_and_gets_signals_as_they_come(void **state)
{
	const char *grep[] = {
	    "grep", "-E", "Sig(Blk|Ign)", "/proc/self/status"};

	(void)state;
	assert_prints("cut -d' ' -f1,5,6 /proc/$$/stat | "
		      "{ read pid group session; "
		      "[ $pid = $group ] && [ $pid = $session ] && echo own; }",
	    "own\n");
	/* Without a shell, which ignores some itself. */
	assert_args_print(grep, COUNT(grep),
	    "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
}

static void
test_processes_and_files_are_counted(void **state)
{
	(void)state;
	/* 32 and not one more: this shell is among them. */
	assert_prints("n=0; while [ $n -lt 64 ]; do sleep 100 & "
		      "n=$((n + 1)); done 2>/dev/null; "
		      "echo unreachable",
	    "");
	assert_prints("ulimit -n; ulimit -Hn; ulimit -l", "1024\n4096\n64\n");
}

static void
test_devices_are_the_harmless_ones(void **state)
{
	(void)state;
	assert_prints(
	    "cd /dev; for d in *; do [ -b $d ] && echo $d; done; "
	    "for d in *; do [ -c $d ] && [ ! -L $d ] && echo $d; done; "
	    "mknod /tmp/sda b 8 0 2>/dev/null || echo none",
	    "full\nnull\nrandom\ntty\nurandom\nzero\nnone\n");
}

static void
test_the_kernel_s_own_files_are_out_of_reach(void **state)
{
	(void)state;
	assert_prints("for f in /proc/sys/kernel/core_pattern "
		      "/proc/sysrq-trigger /sys/kernel/uevent_helper "
		      "/sys/fs/cgroup/memory.max "
		      "/sys/fs/cgroup/memory/memory.limit_in_bytes; do "
		      "echo 1 2>/dev/null >$f && echo $f; done; "
		      "wc -c </proc/keys; wc -c </proc/timer_list",
	    "0\n0\n");
}

static void
attempt(const char *name, const char *expected)
{
	const char *args[] = {"intruder", name};
	struct site_order order;
	RECORD r = {0};

	site_default_order(&order);
	order.command.args = args;
	order.command.nargs = 2;
	site_run(&r, &order);
	assert_int_equal(r.end.how, SANDBOX_EXITED);
	assert_int_equal(r.end.exit_code, 9);
	assert_string_equal(site_text(&r, STREAM_STDOUT), expected);
}

static void
test_nobody_else_is_let_into_the_control_socket(void **state)
{
	(void)state;
	attempt("speak", "connect: Connection refused\n");
	attempt("flood", "flooded: 0\n");
}

static void
test_task_init_cannot_be_traced_read_or_robbed(void **state)
{
	(void)state;
	attempt("trace",
	    "attach: Operation not permitted\n"
	    "seize: Operation not permitted\n");
	attempt("memory",
	    "/proc/1/mem: Permission denied\n"
	    "/proc/1/mem: Permission denied\n"
	    "/proc/1/maps: Permission denied\n"
	    "/proc/1/environ: Permission denied\n"
	    "process_vm_readv: Operation not permitted\n"
	    "process_vm_writev: Operation not permitted\n");
	attempt("descriptors",
	    "/proc/1/fd: Permission denied\n"
	    "/proc/1/root: Permission denied\n"
	    "pidfd_getfd: Operation not permitted\n");
	attempt("end-init", "init: alive\n");
}

static void
test_the_profile_refuses_what_it_must(void **state)
{
	const char *args[] = {"probe", "refused"};
	struct site_order order;
	RECORD r = {0};

	(void)state;
	site_default_order(&order);
	order.command.args = args;
	order.command.nargs = 2;
	site_run(&r, &order);
	assert_string_equal(site_text(&r, STREAM_STDOUT), "38 tried\n");
	assert_int_equal(r.end.exit_code, 0);
}

/* The same probe under the engine's own profile, with everything else as in
 * a task's container. */
static char *
list_refused_by_default(void)
{
	const char *curl = "curl -sSf -X POST --unix-socket";
	const char *path = site.engine + strlen("unix://");
	auto_free char *id = site_command_output(
	    "%s '%s' -H 'Content-Type: application/json' -d '"
	    "{\"Image\":\"" IMAGE "\",\"Cmd\":[\"probe\",\"syscalls\"],"
	    "\"Tty\":true,\"User\":\"%d:%d\",\"NetworkDisabled\":true,"
	    "\"Labels\":{\"taskgate.runner\":\"%s\"},"
	    "\"HostConfig\":{\"CapDrop\":[\"ALL\"],\"NetworkMode\":\"none\","
	    "\"SecurityOpt\":[\"no-new-privileges\"]}}' "
	    "http://engine/containers/create | sed 's/.*\"Id\":\"//; s/\".*//'",
	    curl, path, TASK_UID, TASK_UID, site.runner_id);
	char *list;

	id[strcspn(id, "\n")] = '\0';
	site_command(
	    "%s '%s' http://engine/containers/%s/start", curl, path, id);
	site_command(
	    "%s '%s' http://engine/containers/%s/wait", curl, path, id);
	list =
	    site_command_output("curl -sSf --unix-socket '%s' "
				"'http://engine/containers/%s/logs?stdout=1'",
		path, id);
	site_command("curl -sSf -X DELETE --unix-socket '%s' "
		     "'http://engine/containers/%s?v=1&force=1'",
	    path, id);
	return list;
}

#define CALLS 512

static size_t
read_numbers(const char *text, bool ret[CALLS])
{
	size_t count = 0;

	for (char *end; *text != '\0'; text = end) {
		unsigned long number = strtoul(text, &end, 10);

		if (end == text)
			break;
		assert_true(number < CALLS);
		ret[number] = true;
		count++;
		end += strspn(end, "\r\n");
	}
	return count;
}

static void
test_the_profile_is_no_wider_than_the_engine_s_default(void **state)
{
	const char *args[] = {"probe", "syscalls"};
	auto_free char *list = list_refused_by_default();
	bool by_default[CALLS] = {false}, by_ours[CALLS] = {false};
	int wider = 0;
	struct site_order order;
	RECORD r = {0};

	(void)state;
	site_default_order(&order);
	order.command.args = args;
	order.command.nargs = 2;
	site_run(&r, &order);
	assert_int_equal(r.end.exit_code, 0);
	/* What no version of the default lets an unprivileged task do. */
	assert_true(read_numbers(list, by_default) > 40);
	assert_true(read_numbers(site_text(&r, STREAM_STDOUT), by_ours) > 40);
	for (int number = 0; number < CALLS; number++) {
		if (!by_default[number] || by_ours[number])
			continue;
		print_error("system call %d is refused by the engine's "
			    "profile and not by ours\n",
		    number);
		wider++;
	}
	assert_int_equal(wider, 0);
}

/* An image with everything that one can bring along. */
static void
import_full_image(void)
{
	site_command("mkdir -p '%s/tree/bin' '%s/tree/etc' && "
		     "cp /bin/busybox '%s/tree/bin/sh'",
	    site.folder, site.folder, site.folder);
	site_command(
	    "tar -C '%s/tree' -c . | curl -sSf -T - -X POST --unix-socket '%s' "
	    "-o /dev/null --url-query fromSrc=- "
	    "--url-query repo=taskgate-test/full "
	    "--url-query 'changes=VOLUME /data' "
	    "--url-query 'changes=ENTRYPOINT [\"/bin/sh\", \"-c\"]' "
	    "--url-query 'changes=CMD [\"echo of the image\"]' "
	    "--url-query 'changes=ENV IMAGE=full' "
	    "--url-query 'changes=WORKDIR /work/here' "
	    "--url-query 'changes=USER 0' "
	    "--url-query 'changes=EXPOSE 80' "
	    "--url-query 'changes=ONBUILD RUN false' "
	    "--url-query 'changes=HEALTHCHECK CMD true' "
	    "http://engine/images/create",
	    site.folder, site.engine + strlen("unix://"));
}

static void
test_what_an_image_brings_along_is_overridden(void **state)
{
	static const char script[] =
	    "echo $IMAGE; pwd; touch /data/x && echo writable; "
	    "while read d m t o; do [ $m = /data ] && echo $t $o; done "
	    "</proc/mounts; while read k v w; do [ $k = Uid: ] && echo $v; "
	    "done </proc/self/status";
	const char *args[] = {script};
	struct site_order order;
	RECORD r = {0};

	(void)state;
	import_full_image();
	site_default_order(&order);
	order.spec.image = "taskgate-test/full";
	order.command.args = args;
	order.command.nargs = 1;
	site_run(&r, &order);
	assert_string_equal(site_text(&r, STREAM_STDOUT),
	    "full\n/work/here\nwritable\n"
	    "tmpfs rw,nosuid,nodev,noexec,relatime,size=1024k,mode=755,"
	    "uid=61234,gid=61234 0 0\n61234\n");
}

static void
test_an_image_s_entrypoint_and_command_run_where_nothing_is_asked(void **state)
{
	struct site_order order;
	RECORD r = {0};

	(void)state;
	site_default_order(&order);
	order.spec.image = "taskgate-test/full";
	site_run(&r, &order);
	assert_string_equal(site_text(&r, STREAM_STDOUT), "of the image\n");
}

static void
test_a_rule_s_uid_and_gid_hold_also_for_root(void **state)
{
	static const char script[] =
	    "id -u; id -g; grep CapEff /proc/self/status; "
	    "cat /proc/1/environ 2>/dev/null || echo kept";
	const char *args[] = {"sh", "-c", script};
	struct site_order order;
	RECORD r = {0};

	(void)state;
	site_default_order(&order);
	order.command.args = args;
	order.command.nargs = 3;
	order.spec.uid = 0;
	order.spec.gid = 7;
	site_run(&r, &order);
	assert_string_equal(site_text(&r, STREAM_STDOUT),
	    "0\n7\nCapEff:\t0000000000000000\nkept\n");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(
		test_a_task_has_its_own_uid_no_capability_and_no_way_to_more),
	    cmocka_unit_test(test_the_root_file_system_is_read_only),
	    cmocka_unit_test(test_tmp_is_writable_has_a_size_and_runs_nothing),
	    cmocka_unit_test(test_there_is_no_network_but_its_own_loopback),
	    cmocka_unit_test(
		test_a_task_inherits_its_three_streams_and_nothing_else),
	    cmocka_unit_test(
		test_a_task_leads_a_session_and_gets_signals_as_they_come),
	    cmocka_unit_test(test_processes_and_files_are_counted),
	    cmocka_unit_test(test_devices_are_the_harmless_ones),
	    cmocka_unit_test(test_the_kernel_s_own_files_are_out_of_reach),
	    cmocka_unit_test(test_nobody_else_is_let_into_the_control_socket),
	    cmocka_unit_test(test_task_init_cannot_be_traced_read_or_robbed),
	    cmocka_unit_test(test_the_profile_refuses_what_it_must),
	    cmocka_unit_test(
		test_the_profile_is_no_wider_than_the_engine_s_default),
	    cmocka_unit_test(test_what_an_image_brings_along_is_overridden),
	    cmocka_unit_test(
		test_an_image_s_entrypoint_and_command_run_where_nothing_is_asked),
	    cmocka_unit_test(test_a_rule_s_uid_and_gid_hold_also_for_root),
	};

	return cmocka_run_group_tests(tests, site_set_up, site_tear_down);
}
