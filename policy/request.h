/*
 * What a client asks for: the body of POST /v1/tasks, read strictly. Gateway,
 * runner and operator's tools read it with this one reader.
 */
#ifndef POLICY_REQUEST_H
#define POLICY_REQUEST_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"
#include "lib/quantity.h"
#include "policy/image.h"

#define REQUEST_BODY_MAX (1024 * 1024)
#define REQUEST_IMAGE_MAX IMAGE_MAX
#define REQUEST_ARGS_MAX 1024
#define REQUEST_ARG_MAX (128 * 1024) /* Linux: MAX_ARG_STRLEN */
#define REQUEST_TASK_MAX 64
#define REQUEST_PARAMS_MAX 64
#define REQUEST_PARAM_MAX 4096 /* bytes of a value */
#define REQUEST_ENV_MAX 256
#define REQUEST_NAME_MAX 64
#define REQUEST_FILES_MAX 32 /* inputs, and outputs */
#define REQUEST_FILE_NAME_MAX 128

enum limit {
#define LIMIT(name, text, kind, least, most, usual) LIMIT_##name,
#include "policy/limits.def"
#undef LIMIT
	LIMIT_COUNT
};

#define LIMIT_UNSET (-1)

const char *limit_name(enum limit limit);
/* What a task gets whose rule says nothing, and all it may ask for. */
int64_t limit_usual(enum limit limit);
/* A JSON integer or string with a unit; false: not one, or out of the range
 * that any limit of this kind can have. */
bool limit_read(enum limit limit, const json_t *json, int64_t *ret);
/* As JSON that limit_read() reads back. */
json_t *limit_write(enum limit limit, int64_t value);
/* As people write it: "64MiB". */
void limit_format(enum limit limit, int64_t value, char ret[QUANTITY_TEXT]);
/* As limit_read(); ERR_UNPROCESSABLE says at which path what was wanted. */
int limit_check(enum limit limit, const json_t *json, const char *path,
    int64_t *ret, struct err *err);

struct request_env {
	const char *name; /* [A-Za-z_][A-Za-z0-9_]* */
	const char *value;
};

/* What the record of a request (policy/recorded.h) keeps of a value that may
 * be a secret; hexadecimal. */
struct request_hash {
	const char *salt, *sha256; /* NULL: the value is there */
};

enum request_stdin {
	REQUEST_STDIN_NONE, /* the task reads /dev/null */
	REQUEST_STDIN_INLINE,
	REQUEST_STDIN_STREAM, /* comes after the request */
};

/* A file that the task finds at /tmp/NAME. */
struct request_input {
	const char *name;
	const char *sha256; /* of its content: 64 lower-case digits */
};

struct request_param {
	const char *name; /* [a-z][a-z0-9_-]* */
	char *value; /* owned: a number as it is written in decimal */
};

/* Strings are borrowed from `body`, which the request owns. */
struct request {
	json_t *body;
	/* A named task, whose image and arguments are the policy's to say; or
	 * NULL, and an image. */
	const char *task;
	struct request_param *params; /* sorted by name */
	size_t nparams;
	const char *image; /* as the client wrote it; NULL: a task */
	/* The same, always with tag or digest: what policy compares and the
	 * engine is asked for; "" for a task. */
	char reference[IMAGE_REFERENCE];
	enum image_kind image_kind;
	const char **args;
	size_t nargs;
	struct request_env *env; /* sorted by name */
	size_t nenv;
	int64_t limits[LIMIT_COUNT]; /* LIMIT_UNSET where not asked for */
	enum request_stdin stdin_mode;
	char *stdin_data; /* of INLINE alone: decoded, owned */
	size_t stdin_len;
	struct request_input *inputs; /* sorted by name */
	size_t ninputs;
	const char **outputs; /* names in /tmp, as the client ordered them */
	size_t noutputs;
	/* Of a recorded request alone, for each variable; owned. */
	struct request_hash *hashes;
	bool hidden_match; /* what a hash cannot tell of is said to match */
};

/* Whether the name of an input or output is [A-Za-z0-9._-]{1,128} and does not
 * begin with a dot or a dash. */
bool request_file_name_is_valid(const char *name);
/* Whether the name is [A-Za-z_][A-Za-z0-9_]* and short enough. */
bool request_env_name_is_valid(const char *name);
/* ERR_MALFORMED: not JSON. ERR_UNPROCESSABLE: with the member's path.
 * ERR_TOO_LARGE: more than REQUEST_BODY_MAX. */
int request_parse(
    const char *text, size_t len, struct request *ret, struct err *err);
void request_done(struct request *request);

#endif
