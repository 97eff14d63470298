/*
 * Whether one rule allows whatever another would: as far as it can be proved
 * by comparing what they say. Pure. Private to the policy library.
 */
#ifndef POLICY_COVER_H
#define POLICY_COVER_H

#include "policy/rule.h"

/* Whether every value that matches `inner` matches `outer`; false where that
 * is not plain. */
bool cover_template(const struct template *outer, const struct template *inner);
/* The same of rules that are both about the image or task of one request. */
bool cover_rule(const struct rule *outer, const struct rule *inner);

#endif
