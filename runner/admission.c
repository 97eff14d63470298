/*
 * The rows of a rule and subject are numbered: the one that must leave a
 * window of N before there is room is found by its number, N before the last.
 */
#include "runner/admission.h"

/* The newest; *ret_seq 0: there is none. Times do not decrease with numbers. */
static int
find_newest(struct database *database, const char *rule, const char *subject,
    int64_t *ret_seq, int64_t *ret_at_ms, struct err *err)
{
	const enum statement find = STATEMENT_ADMISSION_NEWEST;
	int result = database_begin(database, find, err, "ss", rule, subject);

	if (result != 0)
		return -1;
	*ret_seq = 0;
	*ret_at_ms = INT64_MIN;
	result = database_next(database, find, err);
	if (result > 0) {
		*ret_seq = database_integer(database, find, 0);
		*ret_at_ms = database_integer(database, find, 1);
	}
	database_end(database, find);
	return result < 0 ? -1 : 0;
}

/* *ret_at_ms: of the row with this number, or, where it was dropped, of the
 * last before it; INT64_MIN: there is none. */
static int
find_time(struct database *database, const char *rule, const char *subject,
    int64_t seq, int64_t *ret_at_ms, struct err *err)
{
	const enum statement find = STATEMENT_ADMISSION_TIME;
	int result =
	    database_begin(database, find, err, "ssi", rule, subject, seq);

	if (result != 0)
		return -1;
	*ret_at_ms = INT64_MIN;
	result = database_next(database, find, err);
	if (result > 0)
		*ret_at_ms = database_integer(database, find, 0);
	database_end(database, find);
	return result < 0 ? -1 : 0;
}

/* 1: each has room. */
static int
check_windows(struct database *database, const char *rule, const char *subject,
    const struct allowances *allowances, int64_t newest, int64_t now_ms,
    struct admission_refusal *ret, struct err *err)
{
	struct admission_refusal refusal = {.free_ms = now_ms};

	for (size_t k = 0; k < allowances->nwindows; k++) {
		const struct allowance_window *window = &allowances->rate[k];
		int64_t at_ms, free_ms;

		if (find_time(database, rule, subject,
			newest - window->tasks + 1, &at_ms, err) != 0)
			return -1;
		free_ms =
		    at_ms == INT64_MIN ? now_ms : at_ms + 1000 * window->per_s;
		if (free_ms > refusal.free_ms)
			refusal = (struct admission_refusal){*window, free_ms};
	}
	if (refusal.free_ms == now_ms)
		return 1;
	*ret = refusal;
	return 0;
}

int
admission_take(struct database *database, const char *rule, const char *subject,
    const struct allowances *allowances, int64_t now_ms,
    struct admission_refusal *ret, struct err *err)
{
	int64_t kept_ms = 1000 * allowances_longest_s(allowances);
	int64_t newest, newest_ms;
	int result;

	if (find_newest(database, rule, subject, &newest, &newest_ms, err) != 0)
		return -1;
	if (newest_ms > now_ms &&
	    database_run(database, STATEMENT_ADMISSION_SET_BACK, err, "ssii",
		rule, subject, now_ms, now_ms + kept_ms) != 0)
		return -1;
	result = check_windows(
	    database, rule, subject, allowances, newest, now_ms, ret, err);
	if (result <= 0)
		return result;
	if (database_run(database, STATEMENT_ADMISSION_INSERT, err, "ssiii",
		rule, subject, newest + 1, now_ms, now_ms + kept_ms) != 0 ||
	    database_run(
		database, STATEMENT_ADMISSION_FORGET, err, "i", now_ms) != 0)
		return -1;
	return 1;
}
