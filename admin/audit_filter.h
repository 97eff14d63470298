/* What the options of a review ask for. */
#ifndef ADMIN_AUDIT_FILTER_H
#define ADMIN_AUDIT_FILTER_H

#include "lib/audit_rows.h"
#include "lib/command.h"

/* --since and --until; --since is `ago_s` before now where it is not given (0:
 * no bound). */
int audit_filter_times(const struct invocation *invocation, int64_t now_ms,
    int64_t ago_s, struct audit_filter *ret, struct err *err);
/* All of search's. */
int audit_filter_read(const struct invocation *invocation, int64_t now_ms,
    struct audit_filter *ret, struct err *err);

#endif
