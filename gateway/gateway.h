/*
 * The process: all workers and what they share. Set up once by main().
 */
#ifndef GATEWAY_GATEWAY_H
#define GATEWAY_GATEWAY_H

#include <stdint.h>

#include "gateway/config.h"
#include "gateway/reload.h"
#include "gateway/worker.h"

struct gateway {
	struct config config;
	struct worker *operations; /* on the main thread */
	struct worker *workers[CONFIG_WORKERS_MAX];
	size_t nworkers;
	int64_t started_ms; /* clock_boot_ms() */
	uv_async_t ended; /* a worker's thread has */
	struct reload reload;
	uv_timer_t day; /* gateway/expiry.c */
	uv_signal_t terminate, interrupt, hangup;
};

#endif
