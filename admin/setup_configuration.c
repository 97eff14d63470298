/*
 * Role: composes gateway.json, runner.json and an empty policy.
 * Trusts the operator's options and what stands in a file already.
 * Must never let the two files disagree on issuer, audience or uids.
 */
#include <pwd.h>
#include <string.h>
#include <unistd.h>

#include "admin/setup.h"
#include "admin/tool.h"
#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/clock.h"

#define LIBEXEC TASKGATE_LIBEXEC
#define DATA TASKGATE_DATA
#define UID_MOST INT64_C(4294967294)
/* Above what distributions give to accounts, below 2^31 for old tools. */
#define TASK_UID 64123

enum setting_kind { SETTING_TEXT, SETTING_PATH, SETTING_UID };

/* A member of a file that an option gives. */
struct setting {
	const char *member;
	const char *option;
	enum setting_kind kind;
	const char *fallback;
};

static const struct setting gateway_settings[] = {
    {"listen", "listen", SETTING_TEXT, "127.0.0.1:8443"},
    {"operations", "operations", SETTING_TEXT, "127.0.0.1:8444"},
    {"token_lifetime_max", "token-lifetime-max", SETTING_TEXT, "24h"},
};

static const struct setting runner_settings[] = {
    {"state", "state", SETTING_PATH, "/var/lib/taskgate"},
    {"run", "run", SETTING_PATH, "/run/taskgate"},
    {"engine", "engine", SETTING_TEXT, "unix:///run/docker.sock"},
    {"task_init", "task-init", SETTING_PATH, LIBEXEC "/task-init"},
    {"seccomp", "seccomp", SETTING_PATH, DATA "/seccomp.json"},
    {"token_lifetime_max", "token-lifetime-max", SETTING_TEXT, "24h"},
};

static const json_t *
existing(const json_t *file, const char *member)
{
	return file != NULL ? json_object_get(file, member) : NULL;
}

/* The one that a file names already. */
static int
keep_uid(const struct setup *setup, const char *option, const json_t *known,
    uid_t *ret, struct err *err)
{
	json_int_t stands = json_integer_value(known);
	long long given;

	if (!json_is_integer(known) || stands < 0 || stands > UID_MOST)
		return err_set(err, ERR_UNPROCESSABLE,
		    "the configuration names no uid where --%s belongs",
		    option);
	if (option_integer(setup->invocation, option, stands, 0, UID_MOST,
		&given, err) != 0)
		return -1;
	if (given != stands)
		tool_note("the configuration stands and names uid %lld: --%s "
			  "has no effect",
		    (long long)stands, option);
	*ret = (uid_t)stands;
	return 0;
}

static int
read_uid(const struct setup *setup, const char *option, const json_t *known,
    const char *account, uid_t *ret, struct err *err)
{
	long long fallback = -1;
	long long value;

	if (known != NULL)
		return keep_uid(setup, option, known, ret, err);
	if (geteuid() != 0)
		fallback = (long long)geteuid();
	else if (getpwnam(account) != NULL)
		fallback = (long long)getpwnam(account)->pw_uid;
	if (option_integer(setup->invocation, option, fallback, 1, UID_MOST,
		&value, err) != 0)
		return -1;
	if (value < 0)
		return err_set(err, ERR_UNPROCESSABLE,
		    "there is no account %s: name its uid with --%s", account,
		    option);
	*ret = (uid_t)value;
	return 0;
}

int
setup_find_users(struct setup *setup, struct err *err)
{
	if (read_uid(setup, "gateway-uid",
		existing(setup->runner, "gateway_uid"), "taskgate-gateway",
		&setup->gateway_uid, err) != 0 ||
	    read_uid(setup, "runner-uid",
		existing(setup->gateway, "runner_uid"), "taskgate-runner",
		&setup->runner_uid, err) != 0)
		return -1;
	if (geteuid() != 0 &&
	    (setup->gateway_uid != geteuid() || setup->runner_uid != geteuid()))
		return err_set(err, ERR_DENIED,
		    "the keys are to belong to other users: run this as root");
	return 0;
}

/* The caller frees. */
static char *
absolute(const char *path)
{
	if (path[0] == '/')
		return alloc_string(path);
	auto_free char *here = getcwd(NULL, 0);
	if (here == NULL)
		die("getcwd failed");
	return alloc_printf("%s/%s", here, path);
}

static void
apply(const struct setup *setup, const struct setting *setting, json_t *file)
{
	const char *given = option_value(setup->invocation, setting->option);
	const char *value = given != NULL ? given : setting->fallback;
	auto_free char *text = setting->kind == SETTING_PATH
	    ? absolute(value)
	    : alloc_string(value);

	json_object_set_new(file, setting->member, json_string(text));
}

/* A file that is there is not changed; an option that asks for something else
 * must not seem to have worked. */
static void
note_difference(const struct setup *setup, const struct setting *setting,
    const json_t *file, const char *name)
{
	const char *given = option_value(setup->invocation, setting->option);

	if (given == NULL)
		return;
	auto_free char *text = setting->kind == SETTING_PATH
	    ? absolute(given)
	    : alloc_string(given);
	const char *stands =
	    json_string_value(json_object_get(file, setting->member));
	if (stands == NULL || strcmp(stands, text) != 0)
		tool_note("%s stands and was not changed: --%s has no effect "
			  "on it; edit %s there",
		    name, setting->option, setting->member);
}

static int
write_file(
    struct setup *setup, const char *name, const json_t *json, struct err *err)
{
	auto_free char *text = json_dumps(json, JSON_INDENT(2));
	auto_free char *line = alloc_printf("%s\n", text);

	return setup_text(setup, name, line, err);
}

/* Issuer and audience: an option's, else the other file's, else made up. */
static void
set_shared(const struct setup *setup, json_t *file, const char *member,
    const char *fallback)
{
	const json_t *known = existing(setup->gateway, member);
	const char *given = option_value(setup->invocation, member);

	if (known == NULL)
		known = existing(setup->runner, member);
	if (known != NULL)
		json_object_set(file, member, (json_t *)known);
	else
		json_object_set_new(file, member,
		    json_string(given != NULL ? given : fallback));
}

static void
set_text(json_t *file, const char *member, const char *value)
{
	json_object_set_new(file, member, json_string(value));
}

static json_t *
compose_gateway(const struct setup *setup, const char *audience)
{
	json_t *file = json_object();
	const char *run = json_string_value(existing(setup->runner, "run"));
	auto_free char *asked =
	    absolute(option_value(setup->invocation, "run") != NULL
		    ? option_value(setup->invocation, "run")
		    : "/run/taskgate");
	auto_free char *socket =
	    alloc_printf("%s/gateway.sock", run != NULL ? run : asked);

	for (size_t k = 0; k < COUNT(gateway_settings); k++)
		apply(setup, &gateway_settings[k], file);
	set_text(file, "certificate", "gateway/server.crt");
	set_text(file, "key", "gateway/server.key");
	set_text(file, "ca", "ca.crt");
	set_text(file, "token_keys", "token-keys");
	set_shared(setup, file, "issuer", "taskgate-admin");
	set_shared(setup, file, "audience", audience);
	set_text(file, "policy", "policy.json");
	set_text(file, "runner_socket", socket);
	json_object_set_new(
	    file, "runner_uid", json_integer((json_int_t)setup->runner_uid));
	return file;
}

/* A pair that no account of this host uses: who shares the uid on the host
 * could reach into the containers. */
static int
set_task_user(const struct setup *setup, json_t *file, struct err *err)
{
	long long uid = TASK_UID;
	long long gid;

	while (getpwuid((uid_t)uid) != NULL)
		uid++;
	if (option_integer(setup->invocation, "task-uid", uid, 1, UID_MOST,
		&uid, err) != 0 ||
	    option_integer(setup->invocation, "task-gid", uid, 1, UID_MOST,
		&gid, err) != 0)
		return -1;
	if (getpwuid((uid_t)uid) != NULL)
		tool_note("uid %lld is an account's on this host: who has it "
			  "can reach into the containers",
		    uid);
	json_object_set_new(file, "task_uid", json_integer(uid));
	json_object_set_new(file, "task_gid", json_integer(gid));
	return 0;
}

static int
compose_runner(const struct setup *setup, const char *id, const char *audience,
    json_t *file, struct err *err)
{
	set_text(file, "id", id);
	for (size_t k = 0; k < COUNT(runner_settings); k++)
		apply(setup, &runner_settings[k], file);
	json_object_set_new(
	    file, "gateway_uid", json_integer((json_int_t)setup->gateway_uid));
	json_object_set_new(
	    file, "admin_uids", json_pack("[I]", (json_int_t)geteuid()));
	set_text(file, "policy", "policy.json");
	set_text(file, "ca", "ca.crt");
	set_text(file, "token_keys", "token-keys");
	set_shared(setup, file, "issuer", "taskgate-admin");
	set_shared(setup, file, "audience", audience);
	set_text(file, "audit_key", "runner/audit.key");
	return set_task_user(setup, file, err);
}

int
setup_configuration(struct setup *setup, struct err *err)
{
	char id[UUID_TEXT];

	uuid_make(setup->now_s * 1000, id);
	/* A token names the one installation that it is for. */
	auto_free char *audience = alloc_printf("urn:uuid:%s", id);
	json_t *gateway = compose_gateway(setup, audience);
	json_t *runner = json_object();
	int result = compose_runner(setup, id, audience, runner, err);
	if (result == 0)
		result = write_file(setup, "gateway.json", gateway, err);
	if (result == 0)
		result = write_file(setup, "runner.json", runner, err);
	json_decref(gateway);
	json_decref(runner);
	if (result != 0)
		return -1;
	for (size_t k = 0;
	     setup->gateway != NULL && k < COUNT(gateway_settings); k++)
		note_difference(setup, &gateway_settings[k], setup->gateway,
		    "gateway.json");
	for (size_t k = 0; setup->runner != NULL && k < COUNT(runner_settings);
	     k++)
		note_difference(
		    setup, &runner_settings[k], setup->runner, "runner.json");
	return 0;
}

int
setup_policy(struct setup *setup, struct err *err)
{
	return setup_text(setup, "policy.json",
	    "{\n"
	    "  \"//\": \"Nobody may run anything until a rule says so.\",\n"
	    "  \"version\": 1,\n"
	    "  \"rules\": []\n"
	    "}\n",
	    err);
}
