/*
 * What the table of commands says of itself: help, man page, completion.
 * Used by command.c alone.
 */
#ifndef LIB_COMMAND_HELP_H
#define LIB_COMMAND_HELP_H

#include <stdio.h>

#include "lib/command.h"

/* --help, --version: of every program. */
extern const struct option_spec command_standard_options[];
extern const size_t command_nstandard_options;

/* help, completion, man: of every program. */
extern const struct command_spec command_built_in[];
extern const size_t command_nbuilt_in;

void command_help_program(const struct program_spec *program, FILE *stream);
void command_help_command(const struct program_spec *program,
    const struct command_spec *command, FILE *stream);
/* The commands that begin with "group ". */
void command_help_group(
    const struct program_spec *program, const char *group, FILE *stream);
/* roff, for man(1). */
void command_help_man(const struct program_spec *program, FILE *stream);
/* False: not a shell that we know. */
bool command_completion_print(
    const struct program_spec *program, const char *shell, FILE *stream);

#endif
