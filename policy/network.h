/*
 * Networks that a rule may name: one of the operator's making, by its exact
 * name. What leads into the host's own network, another container's or the one
 * that the engine gives to everybody is no name of one.
 */
#ifndef POLICY_NETWORK_H
#define POLICY_NETWORK_H

#include <stdbool.h>

#define NETWORK_NAME_MAX 128 /* bytes, [a-zA-Z0-9][a-zA-Z0-9_.-]* */

bool network_name_is_valid(const char *name);

#endif
