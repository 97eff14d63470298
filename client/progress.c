/*
 * Progress. Says nothing about what is over in a moment.
 */
#include "client/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/terminal.h"

#define FIRST_MS 500
#define EACH_MS 200

static void
format_size(double bytes, char ret[16])
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
	size_t i = 0;

	while (bytes >= 1000 && i + 1 < COUNT(units)) {
		bytes /= 1024;
		i++;
	}
	snprintf(ret, 16, i == 0 ? "%.0f %s" : "%.1f %s", bytes, units[i]);
}

static void
format_time(int64_t s, char ret[24])
{
	if (s >= 3600)
		snprintf(ret, 24, "%" PRId64 ":%02d:%02d", s / 3600,
		    (int)(s / 60 % 60), (int)(s % 60));
	else
		snprintf(ret, 24, "%d:%02d", (int)(s / 60), (int)(s % 60));
}

void
progress_describe(const char *name, int64_t done, int64_t total,
    int64_t elapsed_ms, char ret[PROGRESS_TEXT])
{
	char have[16], want[16], speed[16];
	char left[24] = "-:--";
	double rate =
	    elapsed_ms > 0 ? (double)done * 1000 / (double)elapsed_ms : 0;
	int percent =
	    total > 0 ? (int)((double)done * 100 / (double)total) : 100;

	format_size((double)done, have);
	format_size((double)total, want);
	format_size(rate, speed);
	if (rate > 0 && (double)(total - done) / rate < 360000)
		format_time(
		    (int64_t)((double)(total - done) / rate + 0.999), left);
	snprintf(ret, PROGRESS_TEXT, "%.40s  %3d%%  %s of %s  %s/s  %s left",
	    name, percent, have, want, speed, left);
}

void
progress_begin(
    struct progress *progress, const char *name, int64_t total, bool quiet)
{
	*progress = (struct progress){
	    .name = name,
	    .total = total,
	    .begun_ms = clock_boot_ms(),
	    .shows = !quiet && isatty(STDERR_FILENO) == 1,
	};
}

void
progress_move(struct progress *progress, int64_t done)
{
	int64_t now_ms = clock_boot_ms();
	char line[PROGRESS_TEXT];
	auto_free char *clean = NULL;

	if (!progress->shows || now_ms - progress->begun_ms < FIRST_MS ||
	    now_ms - progress->shown_ms < EACH_MS)
		return;
	progress->shown_ms = now_ms;
	progress_describe(progress->name, done, progress->total,
	    now_ms - progress->begun_ms, line);
	clean = terminal_neutralise(line);
	/* Back to the first column, and the rest of the old line away. */
	fprintf(stderr, "\r%s\033[K", clean);
}

void
progress_end(struct progress *progress)
{
	if (progress->shown_ms != 0)
		fputs("\r\033[K", stderr);
	progress->shown_ms = 0;
}
