/*
 * Rules as one line. What a program wants stands beside it, as JSON.
 */
#include "policy/usage.h"

#include <inttypes.h>
#include <string.h>

#define VALUES_MAX 16 /* of an enumeration; the rest is dots */

static bool
is_plain(const char *word)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "abcdefghijklmnopqrstuvwxyz"
				    "0123456789_@%+=:,/.-";

	return *word != '\0' && word[strspn(word, plain)] == '\0';
}

/* As a shell takes it. */
static void
append_word(const char *word, struct buffer *out)
{
	if (is_plain(word)) {
		buffer_append_string(out, word);
		return;
	}
	buffer_append_string(out, "'");
	for (const char *p = word; *p != '\0'; p++) {
		if (*p == '\'')
			buffer_append_string(out, "'\\''");
		else
			buffer_append(out, p, 1);
	}
	buffer_append_string(out, "'");
}

static void
append_values(const struct template *template, struct buffer *out)
{
	for (size_t i = 0; i < template->nvalues; i++) {
		if (i == VALUES_MAX) {
			buffer_append_string(out, "|...");
			return;
		}
		if (i > 0)
			buffer_append_string(out, "|");
		append_word(template->values[i], out);
	}
}

void
usage_template(const struct template *template, struct buffer *out)
{
	switch (template->kind) {
	case TEMPLATE_LITERAL:
		append_word(template->literal, out);
		break;
	case TEMPLATE_ENUM:
		append_values(template, out);
		break;
	case TEMPLATE_INTEGER:
		buffer_printf(
		    out, "%" PRId64 "..%" PRId64, template->min, template->max);
		break;
	case TEMPLATE_PATTERN:
		buffer_printf(out, "<%s>", pattern_text(template->pattern));
		break;
	}
}

static void
append_env(const struct rule *rule, struct buffer *out)
{
	for (size_t i = 0; i < rule->nenv; i++) {
		buffer_printf(out, "[-e %s=", rule->env[i].name);
		usage_template(&rule->env[i].value, out);
		buffer_append_string(out, "] ");
	}
}

static void
append_args(const struct rule *rule, struct buffer *out)
{
	if (rule->nargs > 0 || rule->has_rest)
		buffer_append_string(out, " --");
	for (size_t i = 0; i < rule->nargs; i++) {
		buffer_append_string(out, " ");
		usage_template(&rule->args[i], out);
	}
	if (!rule->has_rest)
		return;
	buffer_append_string(out, " ");
	usage_template(&rule->rest, out);
	buffer_printf(
	    out, "{%" PRId64 ",%" PRId64 "}", rule->rest_min, rule->rest_max);
}

static void
append_param(const struct param *param, struct buffer *out)
{
	bool may_be_absent = param->standard != NULL;

	buffer_printf(out, " %s-p %s=", may_be_absent ? "[" : "", param->name);
	if (param->is_string && !param->has_pattern)
		buffer_append_string(out, "TEXT");
	else
		usage_template(&param->values, out);
	buffer_append_string(out, may_be_absent ? "]" : "");
}

static void
append_task(const struct named_task *task, struct buffer *out)
{
	buffer_printf(out, "--task %s", task->name);
	for (size_t i = 0; i < task->nparams; i++)
		append_param(&task->params[i], out);
}

static void
append_image(const struct rule *rule, struct buffer *out)
{
	buffer_append_string(out,
	    rule->image_pattern != NULL ? pattern_text(rule->image_pattern)
					: rule->image);
	if (rule->digest_required)
		buffer_append_string(out, "@sha256:DIGEST");
	append_args(rule, out);
}

/* Between characters, not within one. */
static void
cut(struct buffer *out)
{
	static const char dots[] = "...";
	size_t len = out->len;

	if (len <= USAGE_MAX)
		return;
	len = USAGE_MAX - (sizeof(dots) - 1);
	while (len > 0 && (out->data[len] & 0xc0) == 0x80)
		len--;
	buffer_cut(out, len);
	buffer_append_string(out, dots);
}

char *
usage_rule(const struct rule *rule)
{
	struct buffer out = BUFFER_INIT(SIZE_MAX / 2);

	append_env(rule, &out);
	if (rule->task.name != NULL)
		append_task(&rule->task, &out);
	else
		append_image(rule, &out);
	cut(&out);
	return buffer_take(&out);
}
