/*
 * An answer of the runner's that is passed on as it was written, in a sealed
 * memfd.
 */
#ifndef GATEWAY_DOCUMENT_H
#define GATEWAY_DOCUMENT_H

#include "gateway/exchange.h"

/* The answer to the exchange's question, refusals too: JSON, or text. */
void document_heard(struct exchange *x, const struct link_answer *answer);
void document_heard_text(struct exchange *x, const struct link_answer *answer);

#endif
