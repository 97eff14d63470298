/*
 * What a sandbox shows of the host: looked at before the engine is asked to
 * make it, when task-init has said what it found mounted, and when one that
 * waited is given out. Who asked for the task is told the place in the
 * container; the host's is the operator's to know.
 */
#include <string.h>

#include "lib/log.h"
#include "runner/sandbox_state.h"

static int
find_source(const struct sandbox *sandbox, const struct mount *mount,
    struct control_inode *ret, struct err *err)
{
	static const struct mount_guard none = {.count = 0};
	const struct mount_guard *guard = sandbox->factory->guard;

	return mount_source_find(
	    mount->source, guard != NULL ? guard : &none, ret, err);
}

static int
refuse(const struct sandbox *sandbox, const struct mount *mount,
    const struct err *why, struct err *err)
{
	log_failure(LOG_LEVEL_WARNING, "sandbox.mount_refused", why, "source",
	    mount->source, "target", mount->target, "sandbox", sandbox->id,
	    NULL);
	return err_set(err, ERR_CONFLICT, "what is to be mounted at %s %s",
	    mount->target,
	    why->code == ERR_NOT_FOUND
		? "is not there; the operator has to provide it"
		: "must not be; the runner's log says why");
}

int
sandbox_mounts_open(struct sandbox *sandbox, struct err *err)
{
	struct err why;

	if (mounts_parse(sandbox->mounts_text, &sandbox->asked, err) != 0)
		return -1;
	for (size_t i = 0; i < sandbox->asked.count; i++) {
		const struct mount *mount = &sandbox->asked.list[i];

		if (find_source(sandbox, mount, &sandbox->sources[i], &why) !=
		    0)
			return refuse(sandbox, mount, &why, err);
	}
	return 0;
}

static bool
is_same(const struct control_inode *a, const struct control_inode *b)
{
	return a->device == b->device && a->inode == b->inode;
}

int
sandbox_mounts_check(struct sandbox *sandbox, size_t i,
    const struct control_inode *seen, struct err *err)
{
	const struct mount *mount = &sandbox->asked.list[i];
	struct err why = {0};

	if (find_source(sandbox, mount, &sandbox->sources[i], &why) == 0) {
		if (is_same(&sandbox->sources[i], seen))
			return 0;
		err_set(&why, ERR_CONFLICT,
		    "%s: another thing was mounted than stands there",
		    mount->source);
	}
	sandbox->mount_refused = true;
	return refuse(sandbox, mount, &why, err);
}

int
sandbox_mounts_adopt(
    struct sandbox *sandbox, const struct control_hello *hello, struct err *err)
{
	size_t own;

	if (mounts_parse(sandbox->mounts_text, &sandbox->asked, err) != 0)
		return -1;
	if (hello->nmounts < sandbox->asked.count)
		return err_set(err, ERR_MALFORMED,
		    "task-init sees %u mounts, and the rule alone has %zu",
		    (unsigned)hello->nmounts, sandbox->asked.count);
	/* The rule's stand behind those that every container has. */
	own = hello->nmounts - sandbox->asked.count;
	for (size_t i = 0; i < sandbox->asked.count; i++)
		sandbox->sources[i] = hello->mounts[own + i];
	return 0;
}

bool
sandbox_is_current(const struct sandbox *sandbox)
{
	for (size_t i = 0; i < sandbox->asked.count; i++) {
		struct control_inode now;
		struct err ignored;

		if (find_source(sandbox, &sandbox->asked.list[i], &now,
			&ignored) != 0 ||
		    !is_same(&now, &sandbox->sources[i]))
			return false;
	}
	return true;
}
