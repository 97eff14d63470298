/*
 * taskgate-gateway: the process that faces the network. It holds the server's
 * TLS key and public keys, reads policy, and reaches nothing but its listening
 * ports and the runner's socket. It trusts nobody.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "gateway/confine.h"
#include "gateway/expiry.h"
#include "gateway/gateway.h"
#include "gateway/tls.h"
#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/confine.h"
#include "lib/log.h"
#include "lib/process.h"

#define PROGRAM "taskgate-gateway"
#define EXIT_USAGE 2

struct options {
	const char *config;
	bool check;
};

static const char usage[] =
    "usage: " PROGRAM " --config FILE [--check]\n"
    "\n"
    "The network-facing process of taskgate: TLS, HTTP, authentication and "
    "the\n"
    "first policy check; forwards to the runner.\n"
    "\n"
    "  --config FILE  gateway.json (TASKGATE_GATEWAY_CONFIG)\n"
    "  --check        read everything it names, say what is wrong, and exit\n"
    "  --version      print the version\n"
    "  --help         print this\n"
    "\n"
    "SIGTERM finishes what is under way and exits, SIGHUP reads certificate,\n"
    "keys and policy again. See " PROGRAM "(8).\n";

/* -1: go on; otherwise the exit code. */
static int
parse_options(int argc, char **argv, struct options *ret)
{
	static const struct option table[] = {
	    {"config", required_argument, NULL, 'c'},
	    {"check", no_argument, NULL, 'n'},
	    {"version", no_argument, NULL, 'v'},
	    {"help", no_argument, NULL, 'h'},
	    {NULL, 0, NULL, 0},
	};
	int c;

	ret->config = getenv("TASKGATE_GATEWAY_CONFIG");
	while ((c = getopt_long(argc, argv, "", table, NULL)) != -1) {
		if (c == 'v')
			puts(PROGRAM " " TASKGATE_VERSION);
		if (c == 'h')
			fputs(usage, stdout);
		if (c == 'v' || c == 'h')
			return EXIT_SUCCESS;
		if (c == '?')
			return EXIT_USAGE;
		if (c == 'c')
			ret->config = optarg;
		ret->check = ret->check || c == 'n';
	}
	if (ret->config != NULL && optind == argc)
		return -1;
	fputs(usage, stderr);
	return EXIT_USAGE;
}

static int
fail(const struct err *err)
{
	fprintf(stderr, PROGRAM ": %s\n", err->detail);
	return EXIT_FAILURE;
}

static int
check(const struct config *config)
{
	struct err err;
	struct snapshot *snapshot = snapshot_load(config, &err);

	if (snapshot == NULL)
		return fail(&err);
	snapshot_release(snapshot);
	puts("ok");
	return EXIT_SUCCESS;
}

/* Each connection needs three descriptors; the hard limit is the operator's.
 */
static void
raise_descriptors(const struct config *config)
{
	rlim_t wanted = (rlim_t)config->connections_max * 3 + 256;

	if (process_raise_descriptors(wanted) < wanted)
		log_warning("gateway.descriptors", "reason",
		    "the limit of open files is too low for connections_max",
		    NULL);
}

/* ---- signals, and the end of workers ---- */

static void
on_terminate(uv_signal_t *handle, int number)
{
	struct gateway *gateway = handle->data;

	(void)number;
	if (gateway->operations->stopping)
		return;
	log_info("gateway.stopping", NULL);
	process_notify("STOPPING=1");
	gateway->operations->stopping = true;
	for (size_t i = 0; i < gateway->nworkers; i++)
		worker_drain(gateway->workers[i]);
}

static void
on_hangup(uv_signal_t *handle, int number)
{
	struct gateway *gateway = handle->data;

	(void)number;
	reload_begin(gateway);
}

/* On the worker's thread. */
static void
worker_ended(struct worker *worker)
{
	uv_async_send(&worker->gateway->ended);
}

/* Without a handler the next signal would end us by its number, a moment
 * before we end in order. */
static void
close_signals(struct gateway *gateway)
{
	sigset_t ours;

	sigemptyset(&ours);
	sigaddset(&ours, SIGTERM);
	sigaddset(&ours, SIGINT);
	sigaddset(&ours, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &ours, NULL);
	uv_close((uv_handle_t *)&gateway->terminate, NULL);
	uv_close((uv_handle_t *)&gateway->interrupt, NULL);
	uv_close((uv_handle_t *)&gateway->hangup, NULL);
	uv_close((uv_handle_t *)&gateway->ended, NULL);
	reload_close(gateway);
	expiry_close(gateway);
}

static void
on_ended(uv_async_t *async)
{
	struct gateway *gateway = async->data;

	/* Several ends may have come as one event. */
	for (size_t i = 0; i < gateway->nworkers; i++)
		if (!atomic_load(&gateway->workers[i]->has_ended))
			return;
	for (size_t i = 0; i < gateway->nworkers; i++)
		uv_thread_join(&gateway->workers[i]->thread);
	worker_drain(gateway->operations);
	close_signals(gateway);
}

static void
watch_signals(struct gateway *gateway, uv_loop_t *loop)
{
	uv_signal_init(loop, &gateway->terminate);
	uv_signal_init(loop, &gateway->interrupt);
	uv_signal_init(loop, &gateway->hangup);
	uv_async_init(loop, &gateway->ended, on_ended);
	gateway->terminate.data = gateway;
	gateway->interrupt.data = gateway;
	gateway->hangup.data = gateway;
	gateway->ended.data = gateway;
	uv_signal_start(&gateway->terminate, on_terminate, SIGTERM);
	uv_signal_start(&gateway->interrupt, on_terminate, SIGINT);
	uv_signal_start(&gateway->hangup, on_hangup, SIGHUP);
}

/* ---- start ---- */

/* Where the kernel chose the port, the others take the same. */
static int
learn_port(int fd, struct address *address, struct err *err)
{
	address->len = sizeof(address->name);
	if (getsockname(fd, (struct sockaddr *)&address->name, &address->len) <
	    0)
		return err_errno(err, "getsockname");
	return 0;
}

static struct worker *
make_worker(struct gateway *gateway, struct snapshot *snapshot, uv_loop_t *loop,
    struct err *err)
{
	bool is_public = loop == NULL;
	struct address *address =
	    is_public ? &gateway->config.listen : &gateway->config.operations;
	int fd;

	if (worker_listen(address, is_public, &fd, err) < 0 ||
	    learn_port(fd, address, err) < 0)
		return NULL;
	return worker_new_take(
	    &(struct worker_spec){.gateway = gateway,
		.config = &gateway->config,
		.listener = is_public ? LISTENER_PUBLIC : LISTENER_OPERATIONS,
		.snapshot = snapshot,
		.listen_fd = fd,
		.loop = loop},
	    err);
}

static int
make_workers(struct gateway *gateway, uv_loop_t *loop, struct err *err)
{
	struct snapshot *snapshot = snapshot_load(&gateway->config, err);

	if (snapshot == NULL)
		return -1;
	gateway->operations = make_worker(gateway, snapshot, loop, err);
	for (int64_t i = 0;
	     gateway->operations != NULL && i < gateway->config.workers; i++) {
		struct worker *worker =
		    make_worker(gateway, snapshot, NULL, err);

		if (worker == NULL)
			break;
		worker->ended = worker_ended;
		gateway->workers[gateway->nworkers++] = worker;
	}
	snapshot_release(snapshot);
	return (int64_t)gateway->nworkers == gateway->config.workers ? 0 : -1;
}

static void
start_threads(struct gateway *gateway)
{
	struct err err;

	for (size_t i = 0; i < gateway->nworkers; i++)
		if (worker_start(gateway->workers[i], &err) < 0)
			die("%s", err.detail);
}

static void
announce(const struct gateway *gateway)
{
	char listen[ADDRESS_TEXT], operations[ADDRESS_TEXT], workers[8];

	address_format(&gateway->config.listen, listen);
	address_format(&gateway->config.operations, operations);
	snprintf(workers, sizeof(workers), "%zu", gateway->nworkers);
	log_info("gateway.started", "version", TASKGATE_VERSION, "listen",
	    listen, "operations", operations, "workers", workers, NULL);
	process_notify("READY=1");
}

static int
serve(struct gateway *gateway)
{
	uv_loop_t *loop = uv_default_loop();
	struct err err;
	int landlock = 0;

	raise_descriptors(&gateway->config);
	gateway->started_ms = clock_boot_ms();
	if (make_workers(gateway, loop, &err) < 0)
		return fail(&err);
	reload_open(gateway, loop);
	expiry_open(gateway);
	watch_signals(gateway, loop);
	if (gateway_confine(&gateway->config, &landlock, &err) != 0)
		return fail(&err);
	confine_announce(landlock);
	start_threads(gateway);
	announce(gateway);
	uv_run(loop, UV_RUN_DEFAULT);
	for (size_t i = 0; i < gateway->nworkers; i++)
		worker_free(gateway->workers[i]);
	worker_free(gateway->operations);
	uv_loop_close(loop);
	log_info("gateway.stopped", NULL);
	return EXIT_SUCCESS;
}

int
main(int argc, char **argv)
{
	struct gateway gateway = {0};
	struct options options = {0};
	struct err err;
	int code = parse_options(argc, argv, &options);

	if (code >= 0)
		return code;
	tls_init();
	if (!options.check && process_harden(&err) < 0)
		return fail(&err);
	process_notify_open();
	if (config_load(options.config, &gateway.config, &err) < 0)
		return fail(&err);
	log_init(PROGRAM, gateway.config.log_format, gateway.config.log_level);
	code = options.check ? check(&gateway.config) : serve(&gateway);
	config_done(&gateway.config);
	return code;
}
