/* Keys that sign heads of audit logs, always the same ones. */
#ifndef TESTS_UNIT_AUDIT_KEY_H
#define TESTS_UNIT_AUDIT_KEY_H

#include "runner/store.h"

#define AUDIT_ORIGIN "example.com/log"

/* RFC 8032 7.1, test 1, with another first byte of the secret key. The caller
 * frees. */
EVP_PKEY *audit_key_make(uint8_t first);
#define AUDIT_KEY_FIRST 0x9d

/* By the first key; for as long as the test runs. */
const struct store_signer *audit_key_signer(void);

#endif
