/*
 * Role: the operator's tool: holds the CA's and the tokens' keys for as long
 * as one command takes.
 * Trusts its arguments and the files of the installation.
 * Must never leave a key in a core file, an argument or a log.
 */
#include <openssl/crypto.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "admin/commands.h"

static bool
protect_memory(void)
{
	static const struct rlimit none = {0, 0};

	return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0 &&
	    setrlimit(RLIMIT_CORE, &none) == 0;
}

int
main(int argc, char **argv)
{
	umask(022);
	signal(SIGPIPE, SIG_DFL);
	if (!protect_memory()) {
		perror("taskgate-admin: cannot protect its memory");
		return 1;
	}
	/* No environment or system file changes what a signature is. */
	if (OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) != 1) {
		fputs("taskgate-admin: OpenSSL does not start\n", stderr);
		return 1;
	}
	return command_main(&admin_program, argc, argv);
}
