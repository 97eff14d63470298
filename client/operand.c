/*
 * Operands. Typed or pasted by the user; nothing of them reaches a URL
 * unchecked.
 */
#include "client/operand.h"

#include <ctype.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"

int
operand_read_id(const char *text, char ret[OPERAND_ID], struct err *err)
{
	char id[OPERAND_ID] = "";

	for (size_t i = 0; strlen(text) == OPERAND_ID - 1 && text[i] != '\0';
	     i++)
		id[i] = (char)tolower((unsigned char)text[i]);
	if (!uuid_is_valid(id))
		return err_set(err, ERR_UNPROCESSABLE,
		    "\"%.64s\" is not a task's id; taskgate ps shows them",
		    text);
	memcpy(ret, id, sizeof(id));
	return 0;
}

int
operand_check_word(const char *what, const char *text, struct err *err)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "abcdefghijklmnopqrstuvwxyz"
				      "0123456789._-";
	size_t len = text != NULL ? strlen(text) : 1;

	if (text != NULL &&
	    (len < 1 || len > 64 || text[strspn(text, allowed)] != '\0'))
		return err_set(err, ERR_UNPROCESSABLE,
		    "%s: \"%.64s\" cannot be one", what, text);
	return 0;
}

/* docs/api.md: what POST /v1/tasks/ID/signal takes. */
static const int signals[] = {SIGHUP, SIGINT, SIGQUIT, SIGKILL, SIGUSR1,
    SIGUSR2, SIGTERM, SIGCONT, SIGSTOP, SIGTSTP, SIGWINCH};

int
operand_read_signal(const char *text, char ret[8], struct err *err)
{
	const char *name = strncasecmp(text, "SIG", 3) == 0 ? text + 3 : text;

	for (size_t i = 0; i < COUNT(signals); i++) {
		const char *known = sigabbrev_np(signals[i]);
		char number[8];

		snprintf(number, sizeof(number), "%d", signals[i]);
		if (strcasecmp(name, known) != 0 && strcmp(text, number) != 0)
			continue;
		snprintf(ret, 8, "%s", known);
		return 0;
	}
	return err_set(err, ERR_UNPROCESSABLE,
	    "\"%.32s\" is not a signal that can be sent: HUP INT QUIT KILL "
	    "USR1 USR2 TERM CONT STOP TSTP WINCH",
	    text);
}
