/*
 * `taskgate`, the user's tool. Holds the user's key and token; trusts the
 * context's CA and nobody else. Must never show a secret, take one as an
 * argument, or let what a server says steer the terminal.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "client/exit_code.h"
#include "client/http.h"
#include "client/interrupt.h"
#include "client/verbs.h"
#include "lib/alloc.h"
#include "lib/cleanup.h"

/* Where the command's name stands, or NULL. */
static const char *
find_command(int argc, char **argv)
{
	static const char *const takes_value[] = {
	    "--context", "-o", "--format"};

	for (int i = 1; i < argc; i++) {
		if (argv[i][0] != '-')
			return argv[i];
		for (size_t k = 0; k < COUNT(takes_value); k++)
			i += strcmp(argv[i], takes_value[k]) == 0 ? 1 : 0;
	}
	return NULL;
}

/* `run` exits with the task's codes: what is ours must not look like one of
 * them, not even where the command line was wrong. */
static int
adjust_code(int code, const char *command)
{
	if ((code & EXIT_ATTACHED) != 0)
		return code & ~EXIT_ATTACHED;
	return code == EXIT_USAGE && command != NULL &&
		strcmp(command, "run") == 0
	    ? EXIT_OURS
	    : code;
}

/* A standard stream that is closed would be the next thing that we open: a
 * task's output must not go to our own connection. Writing to what stands
 * there now fails, as it would have. */
static void
occupy_streams(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDONLY);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd < 0)
		die("/dev/null cannot be opened");
	close(fd);
}

int
main(int argc, char **argv)
{
	/* The user's key is in our memory. */
	static const struct rlimit no_core = {0, 0};

	occupy_streams();
	if (setrlimit(RLIMIT_CORE, &no_core) != 0)
		die("no limit can be set");
	interrupt_setup();
	http_setup();
	return adjust_code(command_main(&taskgate_program, argc, argv),
	    find_command(argc, argv));
}
