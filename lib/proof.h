/*
 * Merkle proofs (lib/merkle.h) as JSON: an array of hashes in hexadecimal, from
 * the leaf up.
 */
#ifndef LIB_PROOF_H
#define LIB_PROOF_H

#include <jansson.h>

#include "lib/err.h"
#include "lib/merkle.h"

json_t *proof_write(const struct merkle_proof *proof);
/* ERR_UNPROCESSABLE names the hash. NULL is no proof. */
int proof_read(const json_t *array, struct merkle_proof *ret, struct err *err);

#endif
