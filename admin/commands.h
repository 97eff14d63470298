/* The table of the operator's tool: parser, help, completion and man page come
 * from it. */
#ifndef ADMIN_COMMANDS_H
#define ADMIN_COMMANDS_H

#include "lib/command.h"

extern const struct program_spec admin_program;

#endif
