/*
 * What a container of ours is made of. Security page, requirement 19: each
 * line here is one of its words.
 */
#include "runner/template.h"

#include <string.h>

#include "lib/cleanup.h"
#include "lib/json.h"
#include "policy/network.h"
#include "runner/control.h"

/* Charged to the container's memory like every tmpfs. */
#define SHM_MAX (64 * 1024 * 1024)
/* As many secrets as there can be, each as long as it can be. */
#define SECRETS_SIZE (1024 * 1024)
/* task-init is one process more than the task was granted. */
#define INIT_PIDS 1

/* NanoCpus is a ceiling, CpuShares the share when all want more. */
#define NANO_PER_MILLI 1000000
#define SHARES_PER_CPU 1024
#define SHARES_LEAST 2
#define SHARES_MOST 262144

/*
 * Never nproc: it counts per uid, across containers. core(5): a limit of one
 * byte also keeps a core_pattern with a pipe from starting its program, which
 * would run as root on the host; zero does not.
 */
static const struct {
	const char *name;
	json_int_t soft, hard;
} ULIMITS[] = {
    {"nofile", 1024, 4096},
    {"core", 1, 1},
    {"memlock", 65536, 65536},
};

static json_t *
make_ulimits(void)
{
	json_t *list = json_array();

	for (size_t i = 0; i < COUNT(ULIMITS); i++)
		json_array_append_new(list,
		    json_pack("{s:s, s:I, s:I}", "Name", ULIMITS[i].name,
			"Soft", ULIMITS[i].soft, "Hard", ULIMITS[i].hard));
	return list;
}

/* A rule's mount takes the place of a VOLUME. */
static bool
is_mounted(const struct template_input *input, const char *path)
{
	size_t count = input->mounts != NULL ? input->mounts->count : 0;

	for (size_t i = 0; i < count; i++) {
		if (strcmp(input->mounts->list[i].target, path) == 0)
			return true;
	}
	return false;
}

/* The engine would make the folder for such a VOLUME in what is mounted: on
 * the host. */
static int
check_volumes(const struct template_input *input, struct err *err)
{
	size_t count = input->mounts != NULL ? input->mounts->count : 0;
	const char *path;
	json_t *value;

	json_object_foreach(
	    (json_t *)(uintptr_t)input->image->volumes, path, value)
	{
		for (size_t i = 0; i < count; i++) {
			const char *target = input->mounts->list[i].target;

			if (strcmp(target, path) != 0 &&
			    mount_path_is_within(path, target))
				return err_set(err, ERR_UNPROCESSABLE,
				    "the image has a VOLUME at %s, within what "
				    "its rule mounts at %s",
				    path, target);
		}
	}
	return 0;
}

static json_t *
make_tmpfs(const struct template_input *input)
{
	json_t *tmpfs = json_object();
	long long size = input->limits[LIMIT_TMP];
	const char *path;
	json_t *value;

	json_object_foreach(
	    (json_t *)(uintptr_t)input->image->volumes, path, value)
	{
		if (is_mounted(input, path))
			continue;
		json_object_set_new(tmpfs, path,
		    json_sprintf("rw,nosuid,nodev,noexec,size=%lld,mode=0755,"
				 "uid=%lld,gid=%lld",
			size, (long long)input->uid, (long long)input->gid));
	}
	if (input->has_secrets)
		json_object_set_new(tmpfs, CONTROL_SECRETS_PATH,
		    json_sprintf("rw,nosuid,nodev,noexec,size=%d,mode=0700,"
				 "uid=%lld,gid=%lld",
			SECRETS_SIZE, (long long)input->uid,
			(long long)input->gid));
	json_object_set_new(tmpfs, "/tmp",
	    json_sprintf("rw,nosuid,nodev,noexec,size=%lld,mode=1777", size));
	return tmpfs;
}

/* Nothing else that is mounted below it comes along: a bind mount that is
 * read-only would leave that writable. */
static json_t *
make_rule_mount(const struct mount *mount)
{
	return json_pack("{s:s, s:s, s:s, s:b, s:{s:s, s:b}}", "Type", "bind",
	    "Source", mount->source, "Target", mount->target, "ReadOnly",
	    mount->read_only, "BindOptions", "Propagation", "rprivate",
	    "NonRecursive", 1);
}

static json_t *
make_mount(const char *source, const char *target)
{
	return json_pack("{s:s, s:s, s:s, s:b, s:{s:s}}", "Type", "bind",
	    "Source", source, "Target", target, "ReadOnly", 1, "BindOptions",
	    "Propagation", "rprivate");
}

/* The targets are on task-init's command line: it says what it finds there. */
static json_t *
make_mounts(const struct template_input *input)
{
	json_t *mounts = json_array();

	json_array_append_new(
	    mounts, make_mount(input->control_folder, CONTROL_FOLDER_PATH));
	json_array_append_new(
	    mounts, make_mount(input->init_path, CONTROL_INIT_PATH));
	/* Without a network the engine writes none; with one it does. */
	if (input->network == NULL)
		json_array_append_new(
		    mounts, make_mount(input->hosts_path, "/etc/hosts"));
	for (size_t i = 0; input->mounts != NULL && i < input->mounts->count;
	     i++)
		json_array_append_new(
		    mounts, make_rule_mount(&input->mounts->list[i]));
	return mounts;
}

static json_int_t
limit_processors(json_int_t milli, json_int_t processors)
{
	json_int_t most = processors * 1000;

	/* The engine refuses more than there are. */
	return milli < most ? milli : most;
}

static json_int_t
weigh_processors(json_int_t milli)
{
	json_int_t shares = milli * SHARES_PER_CPU / 1000;

	if (shares < SHARES_LEAST)
		return SHARES_LEAST;
	return shares > SHARES_MOST ? SHARES_MOST : shares;
}

json_t *
template_limits(const int64_t *limits, int64_t processors)
{
	json_int_t memory = limits[LIMIT_MEMORY];
	json_int_t milli = limit_processors(limits[LIMIT_CPUS], processors);

	/* Memory and swap together: equal, so there is no swap. */
	return json_pack("{s:I, s:I, s:I, s:I, s:I}", "Memory", memory,
	    "MemorySwap", memory, "NanoCpus", milli * NANO_PER_MILLI,
	    "CpuShares", weigh_processors(milli), "PidsLimit",
	    (json_int_t)limits[LIMIT_PIDS] + INIT_PIDS);
}

static void
set_resources(json_t *host, const struct template_input *input)
{
	json_int_t memory = input->limits[LIMIT_MEMORY];
	auto_json *limits = template_limits(input->limits, input->processors);

	json_object_update(host, limits);
	json_object_set_new(
	    host, "ShmSize", json_integer(memory < SHM_MAX ? memory : SHM_MAX));
	json_object_set_new(host, "Ulimits", make_ulimits());
	json_object_set_new(host, "Tmpfs", make_tmpfs(input));
}

static json_t *
make_host(const struct template_input *input)
{
	json_t *host = json_pack(
	    "{s:s, s:{s:s, s:{}}, s:[s], s:[], s:[s, o], s:b, s:b, s:b,"
	    " s:s, s:s, s:s, s:s, s:b, s:b, s:{s:s, s:i}, s:[]}",
	    "NetworkMode", input->network != NULL ? input->network : "none",
	    "LogConfig", "Type", "none", "Config", "CapDrop", "ALL", "CapAdd",
	    "SecurityOpt", "no-new-privileges",
	    json_sprintf("seccomp=%s", input->seccomp), "ReadonlyRootfs", 1,
	    "Privileged", 0, "AutoRemove", 0, "IpcMode", "private",
	    "CgroupnsMode", "private", "PidMode", "", "UTSMode", "", "Init", 0,
	    "PublishAllPorts", 0, "RestartPolicy", "Name", "no",
	    "MaximumRetryCount", 0, "Devices");

	set_resources(host, input);
	json_object_set_new(host, "Mounts", make_mounts(input));
	return host;
}

/* task-init and what it is to look at. */
static json_t *
make_command(const struct template_input *input)
{
	json_t *command =
	    json_pack("[s, s]", CONTROL_FOLDER_PATH, CONTROL_INIT_PATH);

	if (input->network == NULL)
		json_array_append_new(command, json_string("/etc/hosts"));
	for (size_t i = 0; input->mounts != NULL && i < input->mounts->count;
	     i++)
		json_array_append_new(
		    command, json_string(input->mounts->list[i].target));
	return command;
}

int
template_compose(
    const struct template_input *input, json_t **ret, struct err *err)
{
	auto_json *body = NULL;

	if (input->network != NULL && !network_name_is_valid(input->network))
		return err_set(err, ERR_UNPROCESSABLE,
		    "\"%s\" is not a network that a task may have",
		    input->network);
	if (check_volumes(input, err) != 0)
		return -1;
	body = json_pack("{s:s, s:o, s:[s], s:o, s:s, s:s, s:b, s:{s:[s]},"
			 " s:b, s:b, s:b, s:b, s:b, s:b,"
			 " s:{s:s, s:s}, s:o}",
	    "Image", input->image->id, "User",
	    json_sprintf(
		"%lld:%lld", (long long)input->uid, (long long)input->gid),
	    "Entrypoint", CONTROL_INIT_PATH, "Cmd", make_command(input),
	    "WorkingDir",
	    *input->image->folder != '\0' ? input->image->folder : "/",
	    "Hostname", TEMPLATE_HOSTNAME, "NetworkDisabled",
	    input->network == NULL, "Healthcheck", "Test", "NONE", "Tty", 0,
	    "OpenStdin", 0, "StdinOnce", 0, "AttachStdin", 0, "AttachStdout", 0,
	    "AttachStderr", 0, "Labels", TEMPLATE_LABEL_RUNNER, input->runner,
	    TEMPLATE_LABEL_SANDBOX, input->sandbox, "HostConfig",
	    make_host(input));
	if (body == NULL)
		return err_set(err, ERR_UNPROCESSABLE,
		    "the container's description is not valid UTF-8");
	*ret = take(body);
	return 0;
}
