/*
 * An export of an audit log, read as a stranger's: refused, told what is wrong
 * with it, or all of it is in the log that the key has signed. The key is the
 * one that the seeds are signed with.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "admin/verify_export.h"
#include "tests/fuzz/signing_key.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool condition)
{
	if (!condition)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct verify_question question;
	struct verify_report report;
	struct err err = {0};
	FILE *file;
	int result;

	if (question.keys.count == 0)
		question.keys = (struct audit_keys){{signing_key()}, 1};
	if (size == 0)
		return 0;
	file = fmemopen((void *)(uintptr_t)data, size, "r");
	require(file != NULL);
	result = verify_export(file, &question, &report, &err);
	fclose(file);
	if (result != 0)
		require(err.detail[0] != '\0');
	else if (report.nfindings == 0)
		require((uint64_t)report.records <= report.head.size);
	return 0;
}
