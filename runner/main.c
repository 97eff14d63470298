/*
 * taskgate-runner: the only process that speaks to Docker. Options, rights,
 * parts, service.
 */
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/confine.h"
#include "lib/log.h"
#include "lib/process.h"
#include "runner/confine.h"
#include "runner/runner.h"

static const char usage[] =
    "Usage: taskgate-runner [--check] --config FILE\n"
    "Runs container tasks for the gateway: checks every request by itself,\n"
    "queues it, runs it in a sandbox and keeps the record.\n"
    "\n"
    "  --config FILE  the configuration, runner.json\n"
    "  --check        read configuration, keys and policy, and say whether\n"
    "                 they are in order; start nothing\n"
    "  --version      the version\n"
    "  --help         this text\n"
    "\n"
    "SIGTERM stops it and leaves tasks running, for the next start to take "
    "up;\n"
    "SIGINT ends them first; SIGHUP reads keys, CA bundle and policy anew. "
    "See\n"
    "taskgate-runner(8).\n";

struct options {
	const char *config;
	bool check;
};

/* -1: go on; else the exit code. */
static int
parse_options(int argc, char **argv, struct options *ret)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0) {
			fputs(usage, stdout);
			return 0;
		}
		if (strcmp(argv[i], "--version") == 0) {
			puts("taskgate-runner " TASKGATE_VERSION);
			return 0;
		}
		if (strcmp(argv[i], "--check") == 0) {
			ret->check = true;
		} else if (strcmp(argv[i], "--config") == 0 && i + 1 < argc) {
			ret->config = argv[++i];
		} else if (strncmp(argv[i], "--config=", 9) == 0) {
			ret->config = argv[i] + 9;
		} else {
			fprintf(stderr,
			    "taskgate-runner: %s: not an option\n%s", argv[i],
			    usage);
			return 2;
		}
	}
	if (ret->config != NULL)
		return -1;
	fprintf(stderr, "taskgate-runner: --config is missing\n%s", usage);
	return 2;
}

static int
check(const struct config *config, struct err *err)
{
	AUTO(in_force_done) struct in_force in_force = {0};

	if (in_force_load(config, &in_force, err) != 0)
		return -1;
	printf("in order: %zu rules, policy %s\n",
	    policy_rule_count(in_force.policy), policy_sha256(in_force.policy));
	return 0;
}

static int
fail(const struct err *err)
{
	log_failure(LOG_LEVEL_ERROR, "runner.not_started", err, NULL);
	return 1;
}

int
main(int argc, char **argv)
{
	AUTO(config_done) struct config config = {0};
	struct options options = {0};
	static struct runner runner;
	struct err err = {0};
	int landlock = 0;
	int result = parse_options(argc, argv, &options);

	if (result >= 0)
		return result;
	log_init("taskgate-runner", LOG_FORMAT_LOGFMT, LOG_LEVEL_INFO);
	/* No file of the system's loosens what OpenSSL accepts. */
	if (OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) != 1)
		die("OPENSSL_init_crypto");
	if (!options.check && process_harden(&err) != 0)
		return fail(&err);
	process_notify_open();
	if (config_load(options.config, &config, &err) != 0)
		return fail(&err);
	log_init("taskgate-runner", config.log_format, config.log_level);
	if (options.check)
		return check(&config, &err) != 0 ? fail(&err) : 0;
	/* Each client that follows output is a descriptor. */
	process_raise_descriptors(RLIM_INFINITY);
	if (runner_confine(&config, &landlock, &err) != 0)
		return fail(&err);
	confine_announce(landlock);
	if (runner_open_take(&runner, &config, &err) != 0)
		return fail(&err);
	runner_start(&runner);
	return runner_finish(&runner);
}
