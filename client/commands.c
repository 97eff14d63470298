/*
 * The verbs and options of `taskgate`, declared once.
 */
#include "client/audit_path.h"
#include "client/evidence.h"
#include "client/order.h"
#include "client/verbs.h"
#include "lib/cleanup.h"

static const struct option_spec common_options[] = {
    /* No letter: "run IMAGE sh -c ..." without the "--" must not mean it. */
    {"context", 0, "NAME|PATH", "TASKGATE_CONTEXT",
	"The context to use, by name or folder (the current one)", false},
    SHOW_OPTION,
    {"quiet", 'q', NULL, "TASKGATE_QUIET",
	"Say nothing beyond results and errors", false},
};

#define INTERACTIVE_OPTION                                                 \
	{                                                                  \
		"interactive", 'i', NULL, "TASKGATE_INTERACTIVE",          \
		    "Stream our standard input to the task while it runs", \
		    false                                                  \
	}

static const struct option_spec run_options[] = {INTERACTIVE_OPTION,
    {"receipt", 0, "FILE", "TASKGATE_RECEIPT",
	"Fetch the task's receipt to FILE, once it has ended, and compare it "
	"with what was asked for and what came",
	false},
    KEY_OPTION, ORDER_OPTIONS};

static const struct option_spec can_i_options[] = {
    INTERACTIVE_OPTION, ORDER_OPTIONS};

static const struct option_spec submit_options[] = {ORDER_OPTIONS};

static const struct option_spec ps_options[] = {
    {"all", 'a', NULL, "TASKGATE_ALL", "Those that have ended, too", false},
    {"state", 0, "STATE", "TASKGATE_TASK_STATE",
	"Only those: waiting_approval, queued, starting, running or finished",
	false},
    {"subject", 0, "NAME", "TASKGATE_TASK_SUBJECT",
	"Another's tasks; needs the scope tasks:read:all", false},
    {"limit", 'n', "N", "TASKGATE_LIMIT", "The newest N, at most 200 (50)",
	false},
};

static const struct option_spec logs_options[] = {
    {"follow", 'f', NULL, "TASKGATE_FOLLOW", "Go on until the task has ended",
	false},
    {"stream", 0, "NAME", "TASKGATE_STREAM", "stdout or stderr alone", false},
    {"offset", 0, "BYTES", "TASKGATE_OFFSET",
	"Begin behind the first BYTES of each stream", false},
};

static const struct option_spec wait_options[] = {
    {"timeout", 't', "DURATION", "TASKGATE_WAIT_TIMEOUT",
	"Give up after this long, with exit code 9", false},
    {"output", 0, "NAME[=FILE]", "TASKGATE_TASK_OUTPUT",
	"Fetch what the one task keeps of its /tmp/NAME, to FILE", true},
};

static const struct option_spec cancel_options[] = {
    {"grace", 'g', "DURATION", "TASKGATE_GRACE",
	"From TERM to KILL, 0 to 300 s (10s)", false},
};

static const struct option_spec receipt_options[] = {
    {"save", 0, "FILE", "TASKGATE_SAVE", "Write it to FILE as well", false},
    KEY_OPTION,
};

static const struct option_spec receipt_verify_options[] = {
    {"checkpoint", 0, "FILE", "TASKGATE_CHECKPOINT",
	"Hold it against this checkpoint of the log, too", true},
    {"proof", 0, "FILE", "TASKGATE_PROOF",
	"From the receipt's checkpoint to another, as \"receipt prove\" gives "
	"it",
	true},
    {"stdout", 0, "FILE", "TASKGATE_TASK_STDOUT",
	"That FILE is what the task wrote to its stdout", false},
    {"stderr", 0, "FILE", "TASKGATE_TASK_STDERR",
	"That FILE is what the task wrote to its stderr", false},
    KEY_OPTION,
};

static const struct option_spec receipt_prove_options[] = {
    {"checkpoint", 0, "FILE", "TASKGATE_CHECKPOINT", "The newer checkpoint",
	false},
    KEY_OPTION,
};

static const struct option_spec audit_search_options[] = {
    AUDIT_FILTER_OPTIONS,
    {"limit", 'n', "N", "TASKGATE_AUDIT_LIMIT", "The last N records (100)",
	false},
    KEY_OPTION,
};

static const struct option_spec audit_options[] = {KEY_OPTION};

static const struct option_spec audit_verify_options[] = {
    {"from", 0, "CHECKPOINT", "TASKGATE_AUDIT_FROM",
	"A checkpoint that was kept: the log begins with all that it has",
	false},
    KEY_OPTION,
};

static const struct option_spec audit_checkpoint_options[] = {
    {"out", 0, "FILE", "TASKGATE_AUDIT_OUT", "Write it to FILE", false},
    {"from", 0, "CHECKPOINT", "TASKGATE_AUDIT_FROM",
	"One that was kept: the new one has all that it has", false},
    KEY_OPTION,
};

#define REASON_OPTION                                                 \
	{                                                             \
		"reason", 0, "TEXT", "TASKGATE_REASON",               \
		    "Why, for the task's owner and the record", false \
	}

static const struct option_spec approve_options[] = {
    {"yes", 'y', NULL, "TASKGATE_YES", "Do not ask", false},
    REASON_OPTION,
};

static const struct option_spec deny_options[] = {REASON_OPTION};

static const struct option_spec import_options[] = {
    {"name", 'n', "NAME", "TASKGATE_CONTEXT_NAME",
	"What to call it here (the subject's name)", false},
    {"replace", 0, NULL, "TASKGATE_REPLACE",
	"Take the place of the one that has the name", false},
};

static const struct command_spec commands[] = {
    {"run", "IMAGE [-- ARG...] | TASK --param NAME=VALUE...",
	"Run a task and be attached to it",
	"Shows the task's output as it is written and exits with its exit "
	"code: 128+n if signal n killed it, 124 if its time was up, 126 or "
	"127 if the command could not be started, 137 if its memory was not "
	"enough, 130 if it was cancelled, and 125 if there was no task at all "
	"(denied, no such image, nobody to be reached).\n"
	"The first ^C cancels the task, with TERM and ten seconds of grace; "
	"the second kills it; the third leaves it to the server. HUP, QUIT, "
	"USR1 and USR2 are passed on. A connection that breaks is taken up "
	"again without losing a byte.\n"
	"With --param or --task the operand is a named task, whose image and "
	"arguments the policy fixes.\n"
	"Without -i or --stdin the task reads nothing. The rule must allow "
	"either: --stdin goes along with the order and is bounded by what an "
	"order holds; -i streams as much as the task may read.\n"
	"--input and --output may be given more than once. An output that "
	"cannot be had is told, and makes the exit code of a task that "
	"succeeded 125; what stands in its place is replaced whole or not at "
	"all.",
	run_options, COUNT(run_options), 1, -1, verb_run},
    {"submit", "IMAGE [-- ARG...] | TASK --param NAME=VALUE...",
	"Submit a task and print its id",
	"\"taskgate wait --output NAME=FILE ID\" fetches what --output has "
	"it keep.",
	submit_options, COUNT(submit_options), 1, -1, verb_submit},
    {"ps", NULL, "List tasks that have not ended",
	"Among them, with the scope tasks:approve, what waits for you to "
	"approve it.",
	ps_options, COUNT(ps_options), 0, 0, verb_ps},
    {"status", "[ID]", "Show one task, or how the server is",
	"Without an id it exits 1 where the server is not ready.", NULL, 0, 0,
	1, verb_status},
    {"logs", "ID", "Show a task's output",
	"Its stdout goes to stdout and its stderr to stderr, byte for byte.",
	logs_options, COUNT(logs_options), 1, 1, verb_logs},
    {"wait", "ID...", "Wait until tasks have ended",
	"Exits as run would have: with the task's own code, or the first that "
	"is not 0; 125 where it cannot be known, 9 where the time was up "
	"first.",
	wait_options, COUNT(wait_options), 1, -1, verb_wait},
    {"cancel", "ID...", "End tasks",
	"A queued task is dropped; one that runs gets TERM, and KILL after "
	"the grace.",
	cancel_options, COUNT(cancel_options), 1, -1, verb_cancel},
    {"approve", "ID", "Let another's task run that waits for it",
	"Shows what the task is and asks; what was shown is signed along with "
	"the answer. Needs the scope tasks:approve, and tasks:read to see it; "
	"\"taskgate ps --state waiting_approval\" lists what waits. Nobody "
	"approves a task of their own.",
	approve_options, COUNT(approve_options), 1, 1, verb_approve},
    {"deny", "ID", "End another's task that waits for approval",
	"It never runs: its outcome is rejected.", deny_options,
	COUNT(deny_options), 1, 1, verb_deny},
    {"signal", "ID SIGNAL", "Send a signal to a task",
	"HUP INT QUIT KILL USR1 USR2 TERM CONT STOP TSTP or WINCH.", NULL, 0, 2,
	2, verb_signal},
    {"can-i run", "IMAGE [-- ARG...] | TASK --param NAME=VALUE...",
	"Say whether a task would be allowed",
	"Takes what run takes; nothing runs, and nothing is uploaded. Exits 0 "
	"where the policy allows it, and 1 where not: then each rule that is "
	"for you and the image says which condition failed first, and what "
	"would pass.",
	can_i_options, COUNT(can_i_options), 1, -1, verb_can_i},
    {"catalog", "[RULE]", "List what you may run, or show one rule of it",
	"In USAGE a|b is one of these, 1..9 a number in the range, <PATTERN> "
	"what matches the pattern, X{0,20} X so often, [-e NAME=X] a "
	"variable that may be set, and [-p NAME=X] a param of a task.",
	NULL, 0, 0, 1, verb_catalog},
    /* Shells try them in this order: the longer names first. */
    {"receipt verify", "FILE", "Verify a receipt, without a connection",
	"Needs the audit public key alone: the context's, or --key. Exits 1 "
	"where the receipt does not hold. A checkpoint with another number of "
	"records than the receipt's needs a --proof.",
	receipt_verify_options, COUNT(receipt_verify_options), 1, 1,
	verb_receipt_verify},
    {"receipt prove", "FILE",
	"Fetch the proof that a newer checkpoint has all of a receipt's log",
	NULL, receipt_prove_options, COUNT(receipt_prove_options), 1, 1,
	verb_receipt_prove},
    {"receipt", "ID", "Show what became of a task, as the audit log proves it",
	"The receipt is verified with the audit public key that came with the "
	"context before anything of it is shown. Keep it with --save, or with "
	"-o json as it is: it is the bytes that are verified.",
	receipt_options, COUNT(receipt_options), 1, 1, verb_receipt},
    {"audit search", NULL, "Find audit records; needs the scope audit:read",
	"Those to which all of the options apply, oldest first. Each is "
	"proved to be in the signed log before it is shown; that none was "
	"kept back is for audit verify to say. That you read the log is on "
	"record.",
	audit_search_options, COUNT(audit_search_options), 0, 0,
	verb_audit_search},
    {"audit show", "SEQ|TASK", "Show one audit record, or those of a task",
	NULL, audit_options, COUNT(audit_options), 1, 1, verb_audit_show},
    {"audit export", NULL, "Print the audit log as JSON lines",
	"First a line with the signed head, then all records that it has. "
	"\"taskgate-admin audit verify --export FILE\" verifies it once more, "
	"with the public key alone. Exits 1 where what came is not what was "
	"signed: then it is no evidence.",
	audit_options, COUNT(audit_options), 0, 0, verb_audit_export},
    {"audit verify", NULL, "Verify the whole audit log, from here",
	"Every record is fetched, and the tree over them is made anew: it "
	"must be the one that was signed. Exits 1 where it is not, or does "
	"not begin with all that a checkpoint has that was kept (--from).",
	audit_verify_options, COUNT(audit_verify_options), 0, 0,
	verb_audit_verify},
    {"audit checkpoint", NULL, "Print the signed head of the audit log",
	"A few lines to be kept: audit verify --from, or receipt verify "
	"--checkpoint.",
	audit_checkpoint_options, COUNT(audit_checkpoint_options), 0, 0,
	verb_audit_checkpoint},
    {"whoami", NULL, "Show who you are to the server", NULL, NULL, 0, 0, 0,
	verb_whoami},
    {"context list", NULL, "List the contexts", NULL, NULL, 0, 0, 0,
	verb_context_list},
    {"context show", "[NAME|PATH]", "Show a context", NULL, NULL, 0, 0, 1,
	verb_context_show},
    {"context use", "NAME", "Make a context the current one", NULL, NULL, 0, 1,
	1, verb_context_use},
    {"context import", "PATH", "Take over what an operator handed out",
	"PATH is the folder or the bundle that \"taskgate-admin enroll\" "
	"made. The first context becomes the current one.",
	import_options, COUNT(import_options), 1, 1, verb_context_import},
    {"context remove", "NAME", "Remove a context, with its key and token", NULL,
	NULL, 0, 1, 1, verb_context_remove},
    {"doctor", NULL, "Find out what is wrong, and what helps",
	"Looks at the context's files, certificate, token, server, clock and "
	"access. Exits 1 where something is bad.",
	NULL, 0, 0, 0, verb_doctor},
};

const struct program_spec taskgate_program = {
    .name = "taskgate",
    .summary = "run container tasks through a gate",
    .options = common_options,
    .noptions = COUNT(common_options),
    .commands = commands,
    .ncommands = COUNT(commands),
    .footer = "More: docs/api.md says what is behind it.",
};
