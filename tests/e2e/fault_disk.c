/*
 * A disk that fails, for the real runner: preloaded into it, between SQLite and
 * the C library. What is to fail is in a file that TASKGATE_FAULT_DISK names
 * (harness_disk.py writes it), mapped before the runner closes itself in.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define DESCRIPTORS_MAX 4096

/* errno of each kind of call on the store's files; 0: it works. */
struct faults {
	volatile int write, sync, read;
};

static const struct faults healthy;
static const struct faults *faults = &healthy;
static bool is_store[DESCRIPTORS_MAX];

__attribute__((constructor)) static void
map_faults(void)
{
	const char *path = getenv("TASKGATE_FAULT_DISK");
	int fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	void *at;

	if (fd < 0)
		return;
	at = mmap(NULL, sizeof(*faults), PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (at != MAP_FAILED)
		faults = at;
}

static bool
fails(int fd, int number)
{
	if (number == 0 || fd < 0 || fd >= DESCRIPTORS_MAX || !is_store[fd])
		return false;
	errno = number;
	return true;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

int
open64(const char *path, int flags, ...)
{
	static __typeof__(&open64) real;
	va_list ap;
	mode_t mode;
	int fd;

	if (real == NULL)
		real = REAL(open64);
	va_start(ap, flags);
	mode = (flags & O_CREAT) != 0 ? va_arg(ap, mode_t) : 0;
	va_end(ap);
	fd = real(path, flags, mode);
	if (fd >= 0 && fd < DESCRIPTORS_MAX)
		is_store[fd] = strstr(path, "/store.db") != NULL &&
		    strstr(path, "-shm") == NULL;
	return fd;
}

ssize_t
pwrite64(int fd, const void *data, size_t len, off64_t offset)
{
	static __typeof__(&pwrite64) real;

	if (real == NULL)
		real = REAL(pwrite64);
	return fails(fd, faults->write) ? -1 : real(fd, data, len, offset);
}

ssize_t
pread64(int fd, void *data, size_t len, off64_t offset)
{
	static __typeof__(&pread64) real;

	if (real == NULL)
		real = REAL(pread64);
	return fails(fd, faults->read) ? -1 : real(fd, data, len, offset);
}

int
ftruncate64(int fd, off64_t len)
{
	static __typeof__(&ftruncate64) real;

	if (real == NULL)
		real = REAL(ftruncate64);
	return fails(fd, faults->write) ? -1 : real(fd, len);
}

int
fdatasync(int fd)
{
	static __typeof__(&fdatasync) real;

	if (real == NULL)
		real = REAL(fdatasync);
	return fails(fd, faults->sync) ? -1 : real(fd);
}
