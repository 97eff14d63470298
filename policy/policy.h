/*
 * The policy: who may run what, within which bounds. A pure library: a
 * decision is a function of policy, principal, request and clock. No policy,
 * an empty one or a broken one means no task.
 */
#ifndef POLICY_POLICY_H
#define POLICY_POLICY_H

#include "lib/digest.h"
#include "lib/err.h"
#include "policy/request.h"

#define POLICY_FILE_MAX (64 * 1024 * 1024)
#define RULE_ID_MAX 64 /* bytes, [a-z0-9][a-z0-9._-]* */

struct policy;

/* A file, or a directory whose *.json are read in the order of their names.
 * ERR_UNPROCESSABLE: "FILE:LINE:COLUMN: reason". */
struct policy *policy_load(const char *path, struct err *err);
/* `name` stands for the file in errors. */
struct policy *
policy_parse(const char *name, const char *text, size_t len, struct err *err);
void policy_free(struct policy *policy);
/* Of the bytes of the file (of all of them in order, for a directory). */
const char *policy_sha256(const struct policy *policy);
size_t policy_rule_count(const struct policy *policy);
/* In the order of the rules; i < policy_rule_count(). Borrowed. */
const char *policy_rule_id(const struct policy *policy, size_t i);
/* The same as it stands in the file. */
const json_t *policy_rule_json(const struct policy *policy, size_t i);

/* What a rule takes of the machine, and the policy alone cannot know to be
 * there; borrowed from the policy. */
struct policy_claim {
	const char *rule; /* its id */
	const char *mounts, *secrets; /* NULL: none */
};
/* In the order of the rules, from *at = 0 on; false: no more. */
bool policy_next_claim(
    const struct policy *policy, size_t *at, struct policy_claim *ret);

/* What a rule wants kept ready; all borrowed from the policy. */
struct policy_warm {
	const char *rule; /* its id */
	const char *reference; /* as struct request has it */
	int64_t limits[LIMIT_COUNT]; /* the rule's defaults */
	int64_t uid, gid; /* -1: the runner's default pair */
	const char *network; /* NULL: none */
	const char *mounts; /* as policy/mount.h writes them; NULL: none */
	const char *secrets; /* as policy/secret.h writes them; NULL: none */
	int64_t min, max; /* 0 <= min <= max, 1 <= max */
	int64_t max_age_s;
};

size_t policy_warm_count(const struct policy *policy);
/* In the order of the rules; i < policy_warm_count(). */
void
policy_warm_get(const struct policy *policy, size_t i, struct policy_warm *ret);

/* All borrowed. */
struct policy_principal {
	const char *subject;
	const char *const *roles;
	size_t nroles;
};

/* What one candidate, a rule that names the image or the task, says of a
 * request. */
struct policy_candidate {
	const char *rule; /* its id; borrowed from the policy */
	bool names_caller; /* its subjects match: the caller may be told */
	bool allows; /* every condition holds */
	/* Which condition failed first ("subjects", "args", "args[1]",
	 * "params.width", "env.LANG", "stdin", "inputs", "outputs",
	 * "limits.memory"), and what would pass; owned, NULL where it allows.
	 */
	char *condition;
	char *detail;
};

struct policy_verdict {
	bool allowed;
	/* allowed: */
	const char *rule; /* its id; borrowed from the policy */
	int64_t limits[LIMIT_COUNT]; /* as granted */
	int64_t uid, gid; /* -1: the runner's default pair */
	const char *network; /* NULL: none */
	const char *mounts; /* as policy/mount.h writes them; NULL: none */
	const char *secrets; /* as policy/secret.h writes them; NULL: none */
	bool is_unsigned; /* whoever asks need not have signed the request */
	json_t *launch; /* what runs: policy/launch.h; owned */
	/* denied: every candidate, in the order of the file */
	struct policy_candidate *denials;
	size_t ndenials;
	/* Either way: what each shadow that names image or task would have
	 * said, in the order of the file. */
	struct policy_candidate *shadows;
	size_t nshadows;
};

/* Never fails: what cannot be decided is denied. */
void policy_decide(const struct policy *policy,
    const struct policy_principal *principal, const struct request *request,
    int64_t now_ms, struct policy_verdict *ret);
void policy_verdict_done(struct policy_verdict *verdict);

/* Every candidate in the order of the file, also behind the one that decides:
 * for those who explain a decision. */
struct policy_candidates {
	struct policy_candidate *list;
	size_t count;
};
void policy_explain(const struct policy *policy,
    const struct policy_principal *principal, const struct request *request,
    int64_t now_ms, struct policy_candidates *ret);
void policy_candidates_done(struct policy_candidates *candidates);

/*
 * What a denied caller may be told: ERR_DENIED with the first denial of a rule
 * that names it ("rule demo: args[0]: ..."), else that no rule lets it run
 * this image or task. *ret_rule (borrowed) is that rule or NULL.
 */
void policy_explain_to_caller(const struct policy_verdict *verdict,
    const struct request *request, const char **ret_rule,
    const char **ret_condition, struct err *err);

#endif
