/*
 * An export of an audit log, read as a stranger's: refused, told what is wrong
 * with it, or all of it is in the log that the key has signed. The key is the
 * one that the seeds are signed with.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "admin/verify_export.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* RFC 8032 7.1, test 1. */
static const uint8_t secret[32] = {0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a,
    0x60, 0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec, 0x2c, 0xc4, 0x44, 0x49, 0xc5,
    0x69, 0x7b, 0x32, 0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f,
    0x60};

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
		question.keys = (struct audit_keys){
		    {EVP_PKEY_new_raw_private_key(
			EVP_PKEY_ED25519, NULL, secret, sizeof(secret))},
		    1};
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
