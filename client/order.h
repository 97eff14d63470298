/*
 * What is asked for: the body of POST /v1/tasks out of the command line. Pure
 * but for environment variables named by `--env NAME`.
 */
#ifndef CLIENT_ORDER_H
#define CLIENT_ORDER_H

#include <jansson.h>

#include "lib/command.h"

/* Options that `run` and `submit` share. */
#define ORDER_OPTIONS                                                         \
	{"param", 'p', "NAME=VALUE", "TASKGATE_TASK_PARAM",                   \
	    "A param of a named task, which the operand then is", true},      \
	    {"task", 0, NULL, "TASKGATE_NAMED_TASK",                          \
		"The operand is a named task and no image, also without "     \
		"--param",                                                    \
		false},                                                       \
	    {"env", 'e', "NAME[=VALUE]", "TASKGATE_TASK_ENV",                 \
		"Set an environment variable of the task; without a value, "  \
		"as "                                                         \
		"it is in this one",                                          \
		true},                                                        \
	    {"memory", 'm', "SIZE", "TASKGATE_MEMORY",                        \
		"Limit of memory, such as 64MiB", false},                     \
	    {"cpus", 0, "NUMBER", "TASKGATE_CPUS",                            \
		"Limit of processors, such as 0.5", false},                   \
	    {"pids", 0, "NUMBER", "TASKGATE_PIDS",                            \
		"Limit of processes and threads", false},                     \
	    {"timeout", 't', "DURATION", "TASKGATE_TIMEOUT",                  \
		"How long it may run, such as 90s or 5m", false},             \
	    {"output-limit", 0, "SIZE", "TASKGATE_OUTPUT_LIMIT",              \
		"How much output is kept, both streams together", false},     \
	    {"stdin-limit", 0, "SIZE", "TASKGATE_STDIN_LIMIT",                \
		"How much standard input it may be given", false},            \
	    {"tmp", 0, "SIZE", "TASKGATE_TMP", "Size of its /tmp, in memory", \
		false},                                                       \
	    {"stdin", 0, "FILE|-", "TASKGATE_TASK_STDIN",                     \
		"What the task reads as its standard input, sent along with " \
		"the order: a file, or all of ours",                          \
		false},                                                       \
	    {"input", 0, "FILE[=NAME]", "TASKGATE_TASK_INPUT",                \
		"Upload a file; the task finds it as /tmp/NAME", true},       \
	    {"output", 0, "NAME[=FILE]", "TASKGATE_TASK_OUTPUT",              \
		"Keep /tmp/NAME of the task; run fetches it to FILE", true},  \
	{                                                                     \
		"idempotency-key", 0, "KEY", "TASKGATE_IDEMPOTENCY_KEY",      \
		    "The same key and order within a day is the same task; "  \
		    "by default a new one each time",                         \
		    false                                                     \
	}

/* The first operand is the image and the rest are the arguments, or it is a
 * named task and takes params. NULL: ERR_UNPROCESSABLE, a sentence for the
 * user. */
json_t *order_build(const struct invocation *invocation, struct err *err);

/* `--env`'s value into `env`. "NAME" alone takes the value that `lookup`
 * gives; one that is not set is an error. */
int order_add_env(json_t *env, const char *text,
    char *(*lookup)(const char *name), struct err *err);

/* `--param`'s value into `params`. */
int order_add_param(json_t *params, const char *text, struct err *err);

/* A limit's text as JSON into `limits`. `member`: as in the API. */
int order_add_limit(
    json_t *limits, const char *member, const char *text, struct err *err);

#endif
