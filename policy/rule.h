/*
 * One rule: whom it is for, which image, and within which bounds. Private to
 * the policy library.
 */
#ifndef POLICY_RULE_H
#define POLICY_RULE_H

#include <jansson.h>

#include "policy/allowances.h"
#include "policy/hours.h"
#include "policy/image.h"
#include "policy/named_task.h"
#include "policy/policy.h"
#include "policy/template.h"

#define RULE_SUBJECTS_MAX 1024
#define RULE_DESCRIPTION_MAX 1024
#define RULE_ENTRYPOINT_MAX 32
#define RULE_UID_MAX INT32_MAX /* as container runtimes take it */

/* "alice", "ci-*", "role:dev" */
struct rule_subject {
	bool is_role;
	const char *name; /* exact; NULL where it is a pattern */
	struct pattern *pattern; /* owned */
};

struct rule_variable {
	const char *name;
	struct template value;
};

struct rule_limit {
	int64_t standard; /* what a request gets that does not ask */
	int64_t most;
};

#define RULE_WARM_MAX 64
#define RULE_WARM_AGE_LEAST_S 10
#define RULE_WARM_AGE_MOST_S 86400
#define RULE_WARM_AGE_USUAL_S 3600

/* Sandboxes that wait for the rule's tasks; max of 0: none. */
struct rule_warm {
	int64_t min, max;
	int64_t max_age_s;
};

/* Strings are borrowed from the JSON it was read from. */
struct rule {
	const char *id;
	enum image_kind image_kind;
	struct pattern *image_pattern; /* NULL: exactly `image` */
	char image[IMAGE_REFERENCE];
	const char *image_text; /* as it was written */
	char *pinned; /* owned; what runs whatever the tag means; NULL */
	/* `image` is a name without tag, and a request says a digest of it. */
	bool digest_required;
	const json_t *entrypoint; /* array of strings; NULL: the image's */
	struct rule_subject *subjects;
	size_t nsubjects;
	struct named_task task; /* of the rule, if it is for one */
	struct template *args; /* of an image alone */
	size_t nargs;
	bool has_rest; /* from..to more arguments behind `args` */
	struct template rest;
	int64_t rest_min, rest_max;
	struct rule_variable *env;
	size_t nenv;
	enum request_stdin input; /* the most that it allows */
	int64_t inputs, outputs; /* files, at most */
	struct rule_limit limits[LIMIT_COUNT];
	struct rule_warm warm;
	const char *network; /* NULL: none */
	char *mounts; /* owned; as policy/mount.h writes them; NULL: none */
	char *secrets; /* owned; as policy/secret.h writes them; NULL: none */
	struct allowances allowances;
	/* Who may approve; none: whoever has the scope. */
	struct rule_subject *approvers;
	size_t napprovers;
	int64_t uid, gid; /* -1: the runner's default pair */
	bool is_unsigned; /* requests need no signature */
	struct hours hours;
	int64_t expires_ms; /* INT64_MAX: never */
	bool is_shadow; /* takes no part in the verdict */
};

/* ERR_UNPROCESSABLE, "path: reason". */
int rule_read(
    const json_t *json, const char *path, struct rule *ret, struct err *err);
void rule_done(struct rule *rule);

/* One for each member that policy/rule_members.def lists: `json` is its value,
 * of the right kind and size already, `path` the rule's own. What was read
 * before one that fails is rule_done()'s. */
int rule_id_read(
    const json_t *json, const char *path, struct rule *rule, struct err *err);
int rule_for_read(
    const json_t *json, const char *path, struct rule *rule, struct err *err);
int rule_image_read(
    const json_t *json, const char *path, struct rule *rule, struct err *err);
int rule_digest_read(
    const json_t *json, const char *path, struct rule *rule, struct err *err);
int rule_digest_required_read(
    const json_t *json, const char *path, struct rule *rule, struct err *err);
int rule_entrypoint_read(
    const json_t *json, const char *path, struct rule *rule, struct err *err);
int rule_task_read(
    const json_t *json, const char *path, struct rule *rule, struct err *err);
int rule_params_read(
    const json_t *json, const char *path, struct rule *rule, struct err *err);
int rule_args_read(
    const json_t *json, const char *path, struct rule *rule, struct err *err);
int rule_env_read(
    const json_t *json, const char *path, struct rule *rule, struct err *err);
int rule_stdin_read(
    const json_t *json, const char *path, struct rule *rule, struct err *err);
int rule_inputs_read(
    const json_t *json, const char *path, struct rule *rule, struct err *err);
int rule_outputs_read(
    const json_t *json, const char *path, struct rule *rule, struct err *err);
int rule_limits_read(
    const json_t *json, const char *path, struct rule *rule, struct err *err);
int rule_warm_read(
    const json_t *json, const char *path, struct rule *rule, struct err *err);
int rule_mounts_read(
    const json_t *json, const char *path, struct rule *rule, struct err *err);
int rule_secrets_read(
    const json_t *json, const char *path, struct rule *rule, struct err *err);
int rule_approval_read(
    const json_t *json, const char *path, struct rule *rule, struct err *err);
int rule_rate_read(
    const json_t *json, const char *path, struct rule *rule, struct err *err);
int rule_concurrency_read(
    const json_t *json, const char *path, struct rule *rule, struct err *err);
int rule_network_read(
    const json_t *json, const char *path, struct rule *rule, struct err *err);
int rule_user_read(
    const json_t *json, const char *path, struct rule *rule, struct err *err);
int rule_unsigned_read(
    const json_t *json, const char *path, struct rule *rule, struct err *err);
int rule_hours_read(
    const json_t *json, const char *path, struct rule *rule, struct err *err);
int rule_expires_read(
    const json_t *json, const char *path, struct rule *rule, struct err *err);
int rule_mode_read(
    const json_t *json, const char *path, struct rule *rule, struct err *err);

/* What members say together, after all of them: `json` is the rule. */
int rule_task_check(const struct rule *rule, const json_t *json,
    const char *path, struct err *err);
int
rule_image_check(const struct rule *rule, const char *path, struct err *err);
int rule_entrypoint_check(
    const struct rule *rule, const char *path, struct err *err);

/* What they share. */
#define RULE_NAME_BYTES "abcdefghijklmnopqrstuvwxyz0123456789._-"
#define RULE_SPECIAL_BYTES "*?[]" /* of patterns */
/* ERR_UNPROCESSABLE, "path: why"; always -1. */
int rule_refuse(struct err *err, const char *path, const char *why);
/* "parent.name"; the caller frees. */
char *rule_member_path(const char *parent, const char *name);
/* Whether all of it can occur in what it is compared with. */
bool rule_text_has_only(const char *text, const char *bytes);
/* [a-z0-9][a-z0-9._-]* */
bool rule_text_is_name(const char *text);
/* Regular expressions too: pattern_new() says what is wrong with them. */
bool rule_text_is_pattern(const char *text);
/* A list of subjects at its own path; what was read so far is the rule's also
 * where it fails. */
int rule_subjects_read(const json_t *subjects, const char *path,
    struct rule_subject **ret, size_t *ret_count, struct err *err);

/* What it is found by: the task's name, which has no colon, or the image's
 * reference, which has one, or its name alone where the digest is the
 * caller's to say. Not of a pattern. */
const char *rule_key(const struct rule *rule);

/* Whether the rule is about this image or task. */
bool rule_is_candidate(const struct rule *rule, const struct request *request);
/* Whether one of them is the principal, or a role of it. */
bool rule_subjects_name(const struct rule_subject *subjects, size_t count,
    const struct policy_principal *principal);
bool rule_names_caller(
    const struct rule *rule, const struct policy_principal *principal);
/*
 * Whether arguments, environment, files and limits are within the rule's. If
 * not and ret is not NULL, ret->condition and ret->detail say what failed
 * first.
 */
bool rule_allows(const struct rule *rule, const struct request *request,
    int64_t now_ms, struct policy_candidate *ret);

#endif
