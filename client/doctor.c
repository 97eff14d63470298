/*
 * Findings, and the decisions behind them.
 */
#include "client/doctor.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/terminal.h"

#define CERTIFICATE_SOON_S (INT64_C(7) * 86400)
#define TOKEN_SOON_S 300
#define SKEW_WARNING_S 5
#define SKEW_BAD_S 60 /* the leeway for tokens: docs/security */

static const struct {
	const char *word, *colour;
} grades[] = {
    [FINDING_GOOD] = {"ok", "\033[32m"},
    [FINDING_WARNING] = {"warning", "\033[33m"},
    [FINDING_BAD] = {"bad", "\033[31m"},
};

void
findings_add_take(struct findings *findings, const char *check,
    enum finding_grade grade, char *text, char *help)
{
	if (findings->count == FINDINGS_MAX)
		die("doctor: too many findings");
	findings->list[findings->count++] = (struct finding){
	    .check = check,
	    .grade = grade,
	    .text = text,
	    .help = help,
	};
}

void
findings_done(struct findings *findings)
{
	for (size_t i = 0; i < findings->count; i++) {
		free(findings->list[i].text);
		free(findings->list[i].help);
	}
	findings->count = 0;
}

bool
findings_are_good(const struct findings *findings)
{
	for (size_t i = 0; i < findings->count; i++) {
		if (findings->list[i].grade == FINDING_BAD)
			return false;
	}
	return true;
}

json_t *
findings_document(const struct findings *findings)
{
	json_t *checks = json_array();

	for (size_t i = 0; i < findings->count; i++) {
		const struct finding *finding = &findings->list[i];
		auto_free char *text = terminal_neutralise(finding->text);
		json_t *check =
		    json_pack("{s:s, s:s, s:s}", "check", finding->check,
			"result", grades[finding->grade].word, "detail", text);

		if (finding->help != NULL) {
			auto_free char *help =
			    terminal_neutralise(finding->help);

			json_object_set_new(check, "help", json_string(help));
		}
		json_array_append_new(checks, check);
	}
	return json_pack(
	    "{s:b, s:o}", "ok", findings_are_good(findings), "checks", checks);
}

void
findings_print(const struct findings *findings)
{
	bool colour = terminal_has_colour(stdout);

	for (size_t i = 0; i < findings->count; i++) {
		const struct finding *finding = &findings->list[i];
		auto_free char *text = terminal_neutralise(finding->text);

		printf("%s%-8s%s %-12s %s\n",
		    colour ? grades[finding->grade].colour : "",
		    grades[finding->grade].word, colour ? "\033[0m" : "",
		    finding->check, text);
		if (finding->help != NULL) {
			auto_free char *help =
			    terminal_neutralise(finding->help);

			printf("%-21s try: %s\n", "", help);
		}
	}
}

void
doctor_judge_certificate(struct findings *findings, const char *owner,
    const struct certificate_facts *facts, int64_t now_s, const char *help)
{
	char after[CLOCK_TEXT];
	char before[CLOCK_TEXT];

	clock_format(facts->not_after_s * 1000, after);
	clock_format(facts->not_before_s * 1000, before);
	if (now_s > facts->not_after_s)
		findings_add_take(findings, owner, FINDING_BAD,
		    alloc_printf("expired at %s", after), alloc_string(help));
	else if (now_s < facts->not_before_s)
		findings_add_take(findings, owner, FINDING_BAD,
		    alloc_printf("valid only from %s on", before),
		    alloc_string("set this machine's clock"));
	else if (facts->not_after_s - now_s < CERTIFICATE_SOON_S)
		findings_add_take(findings, owner, FINDING_WARNING,
		    alloc_printf("expires soon, at %s", after),
		    alloc_string(help));
	else
		findings_add_take(findings, owner, FINDING_GOOD,
		    alloc_printf("valid until %s", after), NULL);
}

void
doctor_judge_token(struct findings *findings, const struct token_facts *token,
    const struct certificate_facts *certificate, int64_t now_s,
    const char *help)
{
	char expires[CLOCK_TEXT];
	char begins[CLOCK_TEXT];

	clock_format(token->expires_s * 1000, expires);
	clock_format(token->not_before_s * 1000, begins);
	if (strcmp(token->thumbprint, certificate->thumbprint) != 0)
		findings_add_take(findings, "token", FINDING_BAD,
		    alloc_string("issued for another certificate than the "
				 "one in this context"),
		    alloc_string(help));
	else if (now_s >= token->expires_s)
		findings_add_take(findings, "token", FINDING_BAD,
		    alloc_printf("expired at %s", expires), alloc_string(help));
	else if (now_s < token->not_before_s)
		findings_add_take(findings, "token", FINDING_BAD,
		    alloc_printf("valid only from %s on", begins),
		    alloc_string("set this machine's clock"));
	else if (token->expires_s - now_s < TOKEN_SOON_S)
		findings_add_take(findings, "token", FINDING_WARNING,
		    alloc_printf("expires soon, at %s", expires),
		    alloc_string(help));
	else
		findings_add_take(findings, "token", FINDING_GOOD,
		    alloc_printf("valid until %s", expires), NULL);
}

void
doctor_judge_clock(struct findings *findings, int64_t skew_s)
{
	int64_t distance = skew_s < 0 ? -skew_s : skew_s;
	enum finding_grade grade = distance > SKEW_BAD_S ? FINDING_BAD
	    : distance > SKEW_WARNING_S                  ? FINDING_WARNING
							 : FINDING_GOOD;

	if (grade == FINDING_GOOD) {
		findings_add_take(findings, "clock", grade,
		    alloc_string("agrees with the server's"), NULL);
		return;
	}
	findings_add_take(findings, "clock", grade,
	    alloc_printf("the server's is %" PRId64 " s %s of this machine's",
		distance, skew_s > 0 ? "ahead" : "behind"),
	    alloc_string("set the clock that is wrong, by NTP"));
}
