#include "admin/verify_report.h"

#include <stdarg.h>
#include <stdio.h>

void
verify_find(struct verify_report *report, int64_t seq, const char *format, ...)
{
	struct verify_finding *finding;
	va_list ap;

	if (report->nfindings++ >= VERIFY_FINDINGS_MAX)
		return;
	finding = &report->findings[report->nfindings - 1];
	finding->seq = seq;
	va_start(ap, format);
	vsnprintf(finding->what, sizeof(finding->what), format, ap);
	va_end(ap);
}
