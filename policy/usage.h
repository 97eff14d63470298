/*
 * How people read what a rule allows: "demo/busybox -- fit|crop 16..4096
 * <hello*>{1,20}". Pure. Private to the policy library.
 *
 *	word, 'two words'   exactly this
 *	a|b                 one of these
 *	16..4096            a number in the range
 *	<PATTERN>           what matches the pattern
 *	X{0,20}             X so often
 *	[-e NAME=X]         a variable that may be set
 *	--task NAME         a named task
 *	-p NAME=X           a param of it, in brackets where it may be absent;
 *	                    TEXT: see its members
 */
#ifndef POLICY_USAGE_H
#define POLICY_USAGE_H

#include "policy/rule.h"

#define USAGE_MAX 4096 /* bytes; what is longer is cut, with dots */

void usage_template(const struct template *template, struct buffer *out);
/* What stands behind "taskgate run". The caller frees. */
char *usage_rule(const struct rule *rule);

#endif
