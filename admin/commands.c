/* The verbs and options of the operator's tool, declared once. */
#include "admin/commands.h"

#include "admin/tool.h"
#include "admin/verbs.h"
#include "lib/cleanup.h"

static const struct option_spec common_options[] = {
    {"dir", 'd', "DIR", "TASKGATE_DIR",
	"The installation's folder (" TOOL_DIRECTORY ")", false},
    {"format", 'o', "FORMAT", "TASKGATE_FORMAT",
	"table, json, jsonl or id (table)", false},
    {"socket", 0, "PATH", "TASKGATE_ADMIN_SOCKET",
	"The runner's admin socket (of runner.json)", false},
};

static const struct option_spec init_options[] = {
    {"gateway-uid", 0, "UID", "TASKGATE_GATEWAY_UID",
	"Who runs the gateway (the account taskgate-gateway)", false},
    {"runner-uid", 0, "UID", "TASKGATE_RUNNER_UID",
	"Who runs the runner (the account taskgate-runner)", false},
    {"task-uid", 0, "UID", "TASKGATE_TASK_UID",
	"Whom tasks run as: no account's uid of this host (64123)", false},
    {"task-gid", 0, "GID", "TASKGATE_TASK_GID", "Their group (the same number)",
	false},
    {"listen", 0, "ADDRESS:PORT", "TASKGATE_LISTEN",
	"Where the gateway listens (127.0.0.1:8443)", false},
    {"operations", 0, "ADDRESS:PORT", "TASKGATE_OPERATIONS",
	"Where health and metrics are served (127.0.0.1:8444)", false},
    {"server-name", 0, "NAME", "TASKGATE_SERVER_NAME",
	"A DNS name or IP address that clients call the server by, besides "
	"localhost and --listen",
	true},
    {"engine", 0, "URL", "TASKGATE_ENGINE",
	"Docker's socket (unix:///run/docker.sock)", false},
    {"state", 0, "DIR", "TASKGATE_STATE",
	"The runner's own folder (/var/lib/taskgate)", false},
    {"run", 0, "DIR", "TASKGATE_RUN",
	"The folder of the sockets (/run/taskgate)", false},
    {"task-init", 0, "PATH", "TASKGATE_TASK_INIT",
	"The program that is PID 1 in each container", false},
    {"seccomp", 0, "PATH", "TASKGATE_SECCOMP",
	"The seccomp profile of the containers", false},
    {"issuer", 0, "TEXT", "TASKGATE_ISSUER",
	"What tokens say of who issued them (taskgate-admin)", false},
    {"audience", 0, "TEXT", "TASKGATE_AUDIENCE",
	"What tokens say of whom they are for (a new urn:uuid:)", false},
    {"token-lifetime-max", 0, "DURATION", "TASKGATE_TOKEN_LIFETIME_MAX",
	"The longest lifetime of a token (24h)", false},
};

static const struct option_spec cert_sign_options[] = {
    {"name", 'n', "NAME", "TASKGATE_NAME",
	"Whose certificate it is: a client's name, or the server's DNS names "
	"and IP addresses",
	true},
    {"profile", 0, "PROFILE", "TASKGATE_PROFILE", "client or server (client)",
	false},
    {"days", 0, "N", "TASKGATE_DAYS", "Valid for N days (90)", false},
    {"out", 0, "FILE", "TASKGATE_OUT", "Write it to FILE", false},
};

static const struct option_spec cert_renew_options[] = {
    {"name", 'n', "NAME", "TASKGATE_NAME",
	"The server's DNS names and IP addresses (those that it has)", true},
    {"days", 0, "N", "TASKGATE_DAYS", "Valid for N days (397)", false},
};

static const struct option_spec drop_options[] = {
    {"now", 0, NULL, "TASKGATE_NOW", "Though something of it is still valid",
	false},
};

#define GRANT_OPTIONS                                                        \
	{"role", 0, "ROLE", "TASKGATE_ROLE", "A role that rules may name",   \
	    true},                                                           \
	    {"scope", 0, "SCOPE", "TASKGATE_SCOPE",                          \
		"What it is good for (tasks:run, tasks:read, tasks:cancel)", \
		true},                                                       \
	{                                                                    \
		"ttl", 0, "DURATION", "TASKGATE_TTL",                        \
		    "How long the token is valid (1h)", false                \
	}

static const struct option_spec token_issue_options[] = {
    {"cert", 'c', "FILE", "TASKGATE_CERT",
	"The client's certificate, to which the token is bound", false},
    GRANT_OPTIONS,
    {"out", 0, "FILE", "TASKGATE_OUT",
	"Write it to FILE, mode 0600, instead of standard output", false},
};

static const struct option_spec enroll_options[] = {
    GRANT_OPTIONS,
    {"days", 0, "N", "TASKGATE_DAYS",
	"The certificate is valid for N days (90)", false},
    {"out", 0, "FOLDER", "TASKGATE_OUT", "The folder to make (./NAME)", false},
    {"bundle", 0, "FILE", "TASKGATE_BUNDLE",
	"Write one file, mode 0600, instead of a folder", false},
    {"server", 0, "URL", "TASKGATE_SERVER",
	"Where the client finds the gateway (of gateway.json)", false},
};

#define REASON_OPTION                                                   \
	{                                                               \
		"reason", 0, "TEXT", NULL, "Why: for the record", false \
	}

static const struct option_spec revoke_options[] = {
    REASON_OPTION,
};

static const struct option_spec lock_options[] = {
    {"ttl", 0, "DURATION", "TASKGATE_LOCK_TTL", "For how long (required)",
	false},
    REASON_OPTION,
};

#define REVOKE_HELP                                                          \
	"In force when it returns, down to the running container: says how " \
	"many connections were closed, tasks dropped and stopped, and how "  \
	"long it took. Exits 1 where something has not ended, no record "    \
	"could be made, or a gateway has not confirmed within 10 seconds."

static const struct option_spec audit_tail_options[] = {
    {"limit", 'n', "N", "TASKGATE_LIMIT", "The last N records (20)", false},
    {"follow", 'f', NULL, "TASKGATE_FOLLOW",
	"Go on with new records as they come", false},
    {"task", 0, "ID", "TASKGATE_TASK", "Of one task alone", false},
};

#define DATABASE_OPTION                                            \
	{                                                          \
		"database", 0, "FILE", "TASKGATE_DATABASE",        \
		    "The log: a runner's store.db, or a copy (of " \
		    "runner.json)",                                \
		    false                                          \
	}

#define LOG_OPTIONS                                                         \
	DATABASE_OPTION,                                                    \
	{                                                                   \
		"key", 0, "FILE", "TASKGATE_AUDIT_PUBLIC_KEY",              \
		    "A file of audit public keys, of which one has signed " \
		    "(DIR/audit.pub)",                                      \
		    true                                                    \
	}

#define SINCE_OPTION(help)                                        \
	{                                                         \
		"since", 0, "TIME", "TASKGATE_SINCE", help, false \
	}
#define UNTIL_OPTION                                                           \
	{                                                                      \
		"until", 0, "TIME", "TASKGATE_UNTIL", "Only what came before", \
		    false                                                      \
	}
static const struct option_spec audit_search_options[] = {
    {"subject", 0, "NAME", "TASKGATE_SUBJECT", "Who asked", false},
    {"thumbprint", 0, "TEXT", "TASKGATE_THUMBPRINT",
	"With which certificate (x5t#S256)", false},
    {"image", 0, "IMAGE", "TASKGATE_IMAGE",
	"For which image, as it was asked for, or the id of what ran", false},
    {"rule", 0, "ID", "TASKGATE_RULE", "By which rule of the policy", false},
    {"outcome", 0, "OUTCOME", "TASKGATE_OUTCOME",
	"With what outcome: succeeded, failed, denied, unauthenticated ...",
	false},
    {"event", 'e', "CODE", "TASKGATE_EVENT",
	"What happened: task.denied; task stands for all that begin with task.",
	false},
    {"task", 0, "ID", "TASKGATE_TASK", "Of one task alone", false},
    SINCE_OPTION("Not what came before: 2026-01-02, 2026-01-02T03:04:05Z, or "
		 "how long ago, such as 7d"),
    UNTIL_OPTION,
    {"text", 't', "TEXT", "TASKGATE_TEXT",
	"Anywhere in the record or in what the client wrote", false},
    {"limit", 'n', "N", "TASKGATE_LIMIT", "The last N records (100; 0: all)",
	false},
    DATABASE_OPTION,
};

static const struct option_spec audit_show_options[] = {
    LOG_OPTIONS,
};

#define FROM_WHEN "Not what came before: a date, a time, or how long ago (7d)"
static const struct option_spec audit_summary_options[] = {
    SINCE_OPTION(FROM_WHEN),
    UNTIL_OPTION,
    {"limit", 'n', "N", "TASKGATE_LIMIT", "At most N lines of each (20)",
	false},
    DATABASE_OPTION,
};

static const struct option_spec audit_report_options[] = {
    SINCE_OPTION(FROM_WHEN),
    UNTIL_OPTION,
    LOG_OPTIONS,
};

static const struct option_spec audit_verify_options[] = {
    {"from", 0, "FILE", "TASKGATE_CHECKPOINT",
	"A checkpoint that was kept elsewhere, - for standard input: the log "
	"must begin with what it signed",
	false},
    {"export", 0, "FILE", "TASKGATE_EXPORT",
	"Verify an export in place of a log, - for standard input", false},
    LOG_OPTIONS,
};

static const struct option_spec audit_redact_options[] = {
    {"reason", 0, "TEXT", NULL, "Why: for the record; needed", false},
};

static const struct option_spec audit_checkpoint_options[] = {
    {"out", 0, "FILE", "TASKGATE_OUT", "Write it to FILE", false},
    LOG_OPTIONS,
};

#define POLICY_OPTION                                                         \
	{                                                                     \
		"policy", 0, "PATH", "TASKGATE_POLICY",                       \
		    "The policy: a file or a folder (DIR/policy.json)", false \
	}

static const struct option_spec policy_explain_options[] = {
    {"subject", 0, "NAME", "TASKGATE_SUBJECT", "Who asks (required)", false},
    {"role", 0, "ROLE", "TASKGATE_ROLE", "A role of who asks", true},
    {"image", 0, "IMAGE", "TASKGATE_IMAGE", "For a task of this image", false},
    {"task", 0, "NAME", NULL, "For the named task", false},
    {"param", 0, "NAME=VALUE", NULL, "A param of the named task", true},
    {"env", 0, "NAME=VALUE", NULL, "A variable of the task", true},
    {"limit", 0, "NAME=VALUE", NULL, "A limit that is asked for", true},
    {"request", 0, "FILE", NULL,
	"In place of all of that, a body of POST /v1/tasks; - for standard "
	"input",
	false},
    {"at", 0, "TIME", NULL, "When (now)", false},
    POLICY_OPTION,
};

static const struct option_spec policy_replay_options[] = {
    {"since", 0, "DURATION", "TASKGATE_SINCE",
	"What was asked for since then (30d)", false},
    {"each", 0, NULL, "TASKGATE_EACH",
	"A line for each record, not for what they have in common", false},
    {"database", 0, "FILE", "TASKGATE_DATABASE",
	"The log: a runner's store.db, or a copy (of runner.json)", false},
};

static const struct command_spec commands[] = {
    {"init", NULL, "Make an installation, or complete one",
	"Makes CA, server certificate, token key, audit key, a policy that "
	"lets nobody do anything, and the configuration of gateway and runner. "
	"What is there is kept: run again, it changes nothing.",
	init_options, COUNT(init_options), 0, 0, verb_init},
    {"enroll", "NAME", "Make all that a client needs",
	"Makes a key, a certificate and a token for NAME, in a folder or one "
	"file to hand over. A client that makes its own key is enrolled with "
	"cert sign and token issue instead.",
	enroll_options, COUNT(enroll_options), 1, 1, verb_enroll},
    {"ca list", NULL, "List the CAs that are trusted",
	"With how many certificates that each has signed are still valid.",
	NULL, 0, 0, 0, verb_ca_list},
    {"ca rotate", NULL, "Make a new CA beside the old one",
	"From now on the new one signs. Both are trusted, from the next reload "
	"on, until the old one is dropped; its key is gone at once.",
	NULL, 0, 0, 0, verb_ca_rotate},
    {"ca drop", "SERIAL", "Trust a CA no more",
	"Refused for the one that signs, or that has signed the server's "
	"certificate; and without --now while a certificate that it has "
	"signed is valid.",
	drop_options, COUNT(drop_options), 1, 1, verb_ca_drop},
    {"cert renew", NULL, "Make a new key and certificate for the server",
	"With the names of the one that is there, or those of --name.",
	cert_renew_options, COUNT(cert_renew_options), 0, 0, verb_cert_renew},
    {"cert sign", "CSR", "Sign a certificate request",
	"CSR is a file in PEM, or - for standard input. Its self-signature is "
	"verified and its key is taken; names in it are not believed: --name "
	"says whose certificate it is.",
	cert_sign_options, COUNT(cert_sign_options), 1, 1, verb_cert_sign},
    {"cert list", NULL, "List the certificates that were signed", NULL, NULL, 0,
	0, 0, verb_cert_list},
    {"cert show", "FILE|SERIAL", "Show a certificate",
	"Says as well why the gateway would refuse it, but for a "
	"revocation: revoke list.",
	NULL, 0, 1, 1, verb_cert_show},
    {"token issue", "NAME", "Issue a token",
	"The token is good only together with the certificate of --cert.",
	token_issue_options, COUNT(token_issue_options), 1, 1,
	verb_token_issue},
    {"token inspect", "[FILE|-]", "Show a token and whether it is valid",
	"Reads a file or standard input: a token is a secret and no argument. "
	"Exits 1 where this installation would refuse it, but for a "
	"revocation: revoke list.",
	NULL, 0, 0, 1, verb_token_inspect},
    {"token keys", NULL, "List the keys that tokens are verified with",
	"An old one is needed until the last token that it can have signed "
	"has ended.",
	NULL, 0, 0, 0, verb_token_keys},
    {"token rotate", NULL, "Make a new token key beside the old one",
	"From now on the new one signs. The old one still verifies, until it "
	"is dropped.",
	NULL, 0, 0, 0, verb_token_rotate},
    {"token drop", "KEY", "Verify tokens with a key no more",
	"Refused for the one that signs, and without --now while a token that "
	"it has signed can be valid.",
	drop_options, COUNT(drop_options), 1, 1, verb_token_drop},
    {"policy check", "[PATH]", "Check a policy",
	"PATH is a file or a folder; without it, the installation's own. Warns "
	"of rules whose tasks, or whose input, nobody has to sign, that run as "
	"root, are for everybody, any image or any arguments, or can never "
	"allow anything: because they are over, or another rule before them "
	"allows all that they would.",
	NULL, 0, 0, 1, verb_policy_check},
    {"policy explain", "[-- ARG...]", "Explain what a request would get",
	"As any subject, with any roles, at any time; nothing is asked of the "
	"runner, and what depends on what else runs is none of it. Says "
	"whether the request would be allowed, by which rule, and what each "
	"rule that is about the image says: the first condition that fails, "
	"and what would pass. Exits 1 where it would be denied.",
	policy_explain_options, COUNT(policy_explain_options), 0, -1,
	verb_policy_explain},
    {"policy test", "PATH CASES", "Try a policy on a file of cases",
	"CASES says who asks for what, and what is to come of it "
	"(docs/policy.md). Says as well which rules allow none of the cases. "
	"Exits 1 where a case comes out otherwise.",
	NULL, 0, 2, 2, verb_policy_test},
    {"policy diff", "OLD NEW", "Compare two policies, rule by rule",
	"Says which rules were added, removed or changed, member by member, "
	"and which stand in another order, since the first rule that allows "
	"counts. Comments are passed over. Exits 1 where they differ.",
	NULL, 0, 2, 2, verb_policy_diff},
    {"policy replay", "PATH", "Decide recorded requests by a policy",
	"Says which of the calls that are on record, accepted or denied, the "
	"policy of PATH would decide otherwise, by subject, image or named "
	"task, and rule. Each is decided as of its own time, and as if nothing "
	"else had been asked for. Unknown is what depends on a value of which "
	"the log keeps only the hash, and what earlier versions recorded. "
	"Reads the database itself; exits 1 where a call would be decided "
	"otherwise.",
	policy_replay_options, COUNT(policy_replay_options), 1, 1,
	verb_policy_replay},
    {"reload", NULL, "Have runner and gateways read their files again",
	"Certificate, key, CA bundle, token keys, audit key and policy. Each "
	"process takes up all of its files or keeps what it has: a table says "
	"which, and why. Exits 1 where one was refused or did not answer, 8 "
	"where the runner does not.",
	NULL, 0, 0, 0, verb_reload},
    {"status", NULL, "Show how the runner is",
	"Exits 1 where it is not ready, 8 where it does not answer.", NULL, 0,
	0, 0, verb_status},
    {"revoke cert", "FILE|SERIAL|THUMBPRINT", "Revoke a certificate",
	REVOKE_HELP " Other certificates of its subject go on. It stays "
		    "revoked: issue another.",
	revoke_options, COUNT(revoke_options), 1, 1, verb_revoke_cert},
    {"revoke token", "JTI|FILE", "Revoke a token",
	REVOKE_HELP " Other tokens go on. What is the name of a file is read "
		    "as one; - is standard input.",
	revoke_options, COUNT(revoke_options), 1, 1, verb_revoke_token},
    {"revoke subject", "NAME", "Revoke a subject",
	REVOKE_HELP " All certificates and tokens of NAME are refused, also "
		    "those that are issued later.",
	revoke_options, COUNT(revoke_options), 1, 1, verb_revoke_subject},
    {"revoke image", "DIGEST", "Revoke an image",
	REVOKE_HELP " DIGEST is an image id, which stands for the image under "
		    "all its names, or the digest of a reference.",
	revoke_options, COUNT(revoke_options), 1, 1, verb_revoke_image},
    {"revoke list", NULL, "List what is revoked or locked",
	"Tokens leave it when none of that time can be valid any more, "
	"certificates some time after they have expired.",
	NULL, 0, 0, 0, verb_revoke_list},
    {"revoke remove", "subject|image VALUE", "Take a revocation back",
	"From then on the subject may come again, and the image be used. What "
	"was ended stays ended. Certificates and tokens stay revoked.",
	NULL, 0, 2, 2, verb_revoke_remove},
    {"lock", "NAME", "Revoke a subject for a time",
	REVOKE_HELP " When the time is over NAME may come again.", lock_options,
	COUNT(lock_options), 1, 1, verb_lock},
    {"unlock", "NAME", "End a lock before its time", NULL, NULL, 0, 1, 1,
	verb_unlock},
    {"audit tail", NULL, "Show the newest audit records", NULL,
	audit_tail_options, COUNT(audit_tail_options), 0, 0, verb_audit_tail},
    {"audit search", NULL, "Find audit records",
	"Those to which all of the options apply, oldest first. Reads the "
	"database itself, also while the runner writes; the runner is not "
	"asked.",
	audit_search_options, COUNT(audit_search_options), 0, 0,
	verb_audit_search},
    {"audit show", "SEQ|TASK", "Tell what a record, or a task's, are about",
	"In sentences, and with their place in the log: whether what was "
	"signed has them there. -o json gives the proof as well, and the "
	"signed head that it is for. Reads the database itself. Exits 1 where "
	"a record is not what was signed.",
	audit_show_options, COUNT(audit_show_options), 1, 1, verb_audit_show},
    {"audit summary", NULL, "Sum up who did what",
	"Who ran what and how often, what was refused and why, and which "
	"subjects, images and rules had never been seen before: of the last "
	"seven days, or of --since.",
	audit_summary_options, COUNT(audit_summary_options), 0, 0,
	verb_audit_summary},
    {"audit report", "FILE", "Write a report as one HTML page",
	"Activity over time, refusals by reason, who ran what, what is new and "
	"what is unusual: of the last seven days, or of --since. The page "
	"needs no network and has no script. FILE is - for standard output.",
	audit_report_options, COUNT(audit_report_options), 1, 1,
	verb_audit_report},
    {"audit export", NULL, "Write records as JSON lines",
	"With the signed head and the proof that it holds them, in the first "
	"line: audit verify --export verifies it anywhere, with the public key "
	"alone.",
	audit_report_options, COUNT(audit_report_options), 0, 0,
	verb_audit_export},
    {"audit verify", NULL, "Verify that nobody changed the audit log",
	"Reads the database itself, also while the runner writes: every "
	"record, the indexes that searches go by, the tree over the records "
	"and its signed head. That the log was rolled back, "
	"or written anew by who holds the audit key, shows only against a "
	"checkpoint that was kept elsewhere (--from). Exits 1, and says where, "
	"if anything was changed.",
	audit_verify_options, COUNT(audit_verify_options), 0, 0,
	verb_audit_verify},
    {"audit checkpoint", NULL, "Print the signed head of the audit log",
	"A few lines to be kept off the machine, for audit verify --from.",
	audit_checkpoint_options, COUNT(audit_checkpoint_options), 0, 0,
	verb_audit_checkpoint},
    {"audit redact", "SEQ", "Take out what a client wrote in a record",
	"For good: arguments, image and whatever else stands beside the record "
	"under untrusted. The record itself and the salted hash of that part "
	"stay, so that the log still verifies, and who did it and why is on "
	"record. Backups and live copies of the log are not touched.",
	audit_redact_options, COUNT(audit_redact_options), 1, 1,
	verb_audit_redact},
    {"audit rotate", NULL, "Make a new key for the audit log",
	"The old public key stays in audit.pub, behind the new one.", NULL, 0,
	0, 0, verb_audit_rotate},
};

const struct program_spec admin_program = {
    .name = "taskgate-admin",
    .summary = "the operator's tool of taskgate",
    .options = common_options,
    .noptions = COUNT(common_options),
    .commands = commands,
    .ncommands = COUNT(commands),
    .footer = "More: docs/configuration.md and docs/operations.md.",
};
