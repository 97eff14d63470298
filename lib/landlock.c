/*
 * The access rights are the kernel's interface (landlock(7)), written down
 * here because the distribution's headers know the first versions only.
 */
#include "lib/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/cleanup.h"

#define BIT(n) (UINT64_C(1) << (n))

#define READ_FILE BIT(2)
#define READ_DIR BIT(3)
#define WRITE_FILE BIT(1)
#define REMOVE_DIR BIT(4)
#define REMOVE_FILE BIT(5)
#define MAKE_DIR BIT(7)
#define MAKE_REG BIT(8)
#define MAKE_SOCK BIT(9)
#define REFER BIT(13)
#define TRUNCATE BIT(14)
#define RESOLVE_UNIX BIT(16)

/* Of these the first version knows the bits 0 to 12. Without REFER, which
 * came with the second, a file cannot be moved to another folder at all. */
#define ABI_LEAST 2
#define FILES_AT_LEAST (BIT(13) - 1)

#define RULE_PATH_BENEATH 1
#define GET_VERSION 1U

struct ruleset {
	uint64_t files, network, scoped;
};

struct path_beneath {
	uint64_t allowed;
	int32_t parent;
} __attribute__((packed));

/* Which version of the interface brought what. */
static const struct {
	int abi;
	struct ruleset handled;
} versions[] = {
    {1, {.files = FILES_AT_LEAST}},
    {2, {.files = REFER}},
    {3, {.files = TRUNCATE}},
    {4, {.network = BIT(0) | BIT(1)}}, /* bind and connect of TCP */
    {5, {.files = BIT(15)}}, /* ioctl of devices */
    {6, {.scoped = BIT(0) | BIT(1)}}, /* abstract sockets, signals */
    {9, {.files = RESOLVE_UNIX}},
};

static const uint64_t allowed[] = {
    [LANDLOCK_READ] = READ_FILE | READ_DIR,
    [LANDLOCK_WRITE] = READ_FILE | READ_DIR | WRITE_FILE | REMOVE_DIR |
	REMOVE_FILE | MAKE_DIR | MAKE_REG | MAKE_SOCK | REFER | TRUNCATE |
	RESOLVE_UNIX,
    [LANDLOCK_CONNECT] = RESOLVE_UNIX,
};

/* What can be allowed of a file that is no folder. */
#define OF_FILES (READ_FILE | WRITE_FILE | TRUNCATE | RESOLVE_UNIX)

static struct ruleset
handled_by(int abi)
{
	struct ruleset all = {0};

	for (size_t i = 0; i < COUNT(versions); i++) {
		if (versions[i].abi > abi)
			break;
		all.files |= versions[i].handled.files;
		all.network |= versions[i].handled.network;
		all.scoped |= versions[i].handled.scoped;
	}
	return all;
}

int
landlock_open(int newest, struct landlock *ret, struct err *err)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, GET_VERSION);
	struct ruleset handled;
	long fd;

	*ret = (struct landlock){.fd = -1};
	if (abi > newest)
		abi = newest;
	/* ENOSYS: not built in; EOPNOTSUPP: not switched on. */
	if (abi < ABI_LEAST)
		return 0;
	handled = handled_by((int)abi);
	fd = syscall(SYS_landlock_create_ruleset, &handled, sizeof(handled), 0);
	if (fd < 0)
		return err_errno(err, "landlock_create_ruleset");
	*ret = (struct landlock){.fd = (int)fd, .abi = (int)abi};
	return 0;
}

int
landlock_allow(const struct landlock *landlock, const char *path,
    enum landlock_access access, struct err *err)
{
	struct path_beneath rule = {.allowed = allowed[access]};
	auto_fd int fd = -1;
	struct stat st;

	if (landlock->fd < 0)
		return 0;
	fd = open(path, O_PATH | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) != 0)
		return err_errno(err, "open %s", path);
	rule.allowed &= handled_by(landlock->abi).files;
	if (!S_ISDIR(st.st_mode))
		rule.allowed &= OF_FILES;
	rule.parent = fd;
	/* A rule that allows nothing is refused. */
	if (rule.allowed != 0 &&
	    syscall(SYS_landlock_add_rule, landlock->fd, RULE_PATH_BENEATH,
		&rule, 0) != 0)
		return err_errno(err, "landlock_add_rule %s", path);
	return 0;
}

int
landlock_enforce(const struct landlock *landlock, struct err *err)
{
	if (landlock->fd < 0)
		return 0;
	if (syscall(SYS_landlock_restrict_self, landlock->fd, 0) != 0)
		return err_errno(err, "landlock_restrict_self");
	return 0;
}

void
landlock_close(struct landlock *landlock)
{
	if (landlock->fd >= 0)
		close(take_fd(landlock->fd));
}
