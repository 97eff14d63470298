/*
 * What may be wrong between a user and a server, found out in the order in
 * which it can be mended.
 */
#ifndef CLIENT_DOCTOR_H
#define CLIENT_DOCTOR_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "client/credential.h"

enum finding_grade { FINDING_GOOD, FINDING_WARNING, FINDING_BAD };

struct finding {
	const char *check;
	enum finding_grade grade;
	char *text;
	char *help; /* or NULL */
};

#define FINDINGS_MAX 16

struct findings {
	struct finding list[FINDINGS_MAX];
	size_t count;
};

/* Takes the strings over. */
void findings_add_take(struct findings *findings, const char *check,
    enum finding_grade grade, char *text, char *help);
void findings_done(struct findings *findings);
bool findings_are_good(const struct findings *findings);
/* {"ok": ..., "checks": [{"check", "result", "detail", "help"}]} */
json_t *findings_document(const struct findings *findings);
/* A line each, with what helps below. */
void findings_print(const struct findings *findings);

/* The decisions; pure. `owner`: "certificate", "CA". */
void doctor_judge_certificate(struct findings *findings, const char *owner,
    const struct certificate_facts *facts, int64_t now_s, const char *help);
void
doctor_judge_token(struct findings *findings, const struct token_facts *token,
    const struct certificate_facts *certificate, int64_t now_s,
    const char *help);
/* skew_s: how far the server's clock is ahead of ours. */
void doctor_judge_clock(struct findings *findings, int64_t skew_s);

#endif
