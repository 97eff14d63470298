/*
 * Audit records. A record's sequence number is known only within the
 * transaction that writes it, so it is put together there.
 */
#include "runner/audit.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/json.h"
#include "lib/merkle.h"
#include "lib/utf8.h"

#define INFO "info"
#define NOTICE "notice"
#define WARNING "warning"

static const struct {
	const char *code;
	const char *severity;
	const char *sentence;
} events[] = {
#define EVENT(name, code, severity, sentence) \
	[EVENT_##name] = {code, severity, sentence},
#include "lib/events.def"
#undef EVENT
};

const char *
event_code(enum event event)
{
	return events[event].code;
}

struct audit_entry *
audit_entry_new(enum event event, int64_t wall_ms, const char *policy_sha256)
{
	struct audit_entry *entry = alloc_zero(1, sizeof(*entry));

	entry->event = event;
	entry->wall_ms = wall_ms;
	if (policy_sha256 != NULL)
		snprintf(entry->policy_sha256, sizeof(entry->policy_sha256),
		    "%s", policy_sha256);
	return entry;
}

void
audit_entry_free(struct audit_entry *entry)
{
	if (entry == NULL)
		return;
	json_decref(entry->principal);
	json_decref(entry->object);
	json_decref(entry->untrusted);
	free(entry->rule);
	free(entry->outcome);
	free(entry->message);
	free(entry);
}

void
audit_set_message(struct audit_entry *entry, const char *format, ...)
{
	char *text = NULL;
	va_list ap;
	int n;

	va_start(ap, format);
	n = vasprintf(&text, format, ap);
	va_end(ap);
	if (n < 0)
		die("audit_set_message: no memory");
	free(entry->message);
	entry->message = text;
}

json_t *
audit_text(const char *text)
{
	auto_buffer neutral = BUFFER_INIT(SIZE_MAX);
	json_t *json;

	utf8_append_neutral(&neutral, text, strlen(text));
	json = json_string(neutral.data != NULL ? neutral.data : "");
	if (json == NULL)
		die("a neutral text that is no UTF-8");
	return json;
}

static void
set_string(json_t *object, const char *name, const char *value)
{
	if (value != NULL && *value != '\0' &&
	    json_object_set_new(object, name, audit_text(value)) != 0)
		die("an audit record's %s cannot be set", name);
}

/* -- what a stranger wrote, where it is too much */

/* No member is longer: of these, the most with which all have room. */
#define MEMBER_MAX (16 * 1024)
#define MEMBER_MIN 1024
/* Of {"dropped_bytes":N}, and what stands around a member. */
#define MARK_MAX 64

static json_t *
mark_dropped(size_t len)
{
	return json_pack("{s:I}", "dropped_bytes", (json_int_t)len);
}

static size_t
measure(const json_t *value)
{
	size_t len = 0;
	auto_free char *text = json_encode_canonical(value, &len);

	return len;
}

/* The leading items that fit, and how much came behind them. New. */
static json_t *
shorten_array(const json_t *array, size_t max, size_t *ret_dropped)
{
	json_t *kept = json_array(), *item = NULL;
	size_t used = 2, dropped = 0, k;

	json_array_foreach(array, k, item)
	{
		size_t len = measure(item);

		used += len + 1;
		if (used <= max)
			json_array_append(kept, item);
		else
			dropped += len;
	}
	json_array_append_new(kept, mark_dropped(dropped));
	*ret_dropped = dropped;
	return kept;
}

/* The order of the members does not matter to it. */
static size_t
choose_member_max(json_t *members, const size_t *lens)
{
	size_t max = 2 * MEMBER_MAX, sum;

	do {
		const char *name = NULL;
		json_t *value = NULL;
		size_t k = 0;

		max /= 2;
		sum = MARK_MAX;
		json_object_foreach(members, name, value)
		{
			sum += strlen(name) + MARK_MAX +
			    (lens[k] < max ? lens[k] : max);
			k++;
		}
	} while (sum > AUDIT_UNTRUSTED_MAX && max > MEMBER_MIN);
	return max;
}

/* Members that are small stay; beside them, how much is gone. New. */
static json_t *
shorten(json_t *members)
{
	auto_free size_t *lens =
	    alloc_zero(json_object_size(members) + 1, sizeof(*lens));
	json_t *kept = json_object(), *value = NULL;
	const char *name = NULL;
	size_t max, all = 0, k = 0;

	json_object_foreach(members, name, value)
	{
		lens[k++] = measure(value);
	}
	max = choose_member_max(members, lens);
	k = 0;
	json_object_foreach(members, name, value)
	{
		size_t dropped = lens[k];

		if (lens[k++] <= max) {
			json_object_set(kept, name, value);
			continue;
		}
		json_object_set_new(kept, name,
		    json_is_array(value) ? shorten_array(value, max, &dropped)
					 : mark_dropped(dropped));
		all += dropped;
	}
	json_object_set_new(
	    kept, "dropped_bytes", json_integer((json_int_t)all));
	return kept;
}

static void
keep_take(struct audit_leaf *leaf, json_t *kept)
{
	json_decref(leaf->kept);
	free(leaf->untrusted);
	leaf->kept = kept;
	leaf->untrusted = json_encode_canonical(kept, &leaf->untrusted_len);
}

/* What is large must not keep what is small out of the log. */
static void
encode_untrusted(const struct audit_entry *entry, struct audit_leaf *ret)
{
	size_t len;

	if (entry->untrusted == NULL)
		return;
	keep_take(ret, json_incref(entry->untrusted));
	len = ret->untrusted_len;
	if (len > AUDIT_UNTRUSTED_MAX)
		keep_take(ret, shorten(entry->untrusted));
	if (ret->untrusted_len > AUDIT_UNTRUSTED_MAX)
		keep_take(ret, mark_dropped(len));
}

/* -- records */

void
audit_render(const struct audit_entry *entry, int64_t seq,
    const uint8_t salt[RECORD_SALT_BYTES], struct audit_leaf *ret)
{
	auto_json *record = json_object();
	char when[CLOCK_TEXT], hex[SHA256_HEX];

	*ret = (struct audit_leaf){0};
	clock_format(entry->wall_ms, when);
	json_object_set_new(record, "seq", json_integer((json_int_t)seq));
	set_string(record, "time", when);
	set_string(record, "event", events[entry->event].code);
	set_string(record, "severity", events[entry->event].severity);
	if (entry->principal != NULL)
		json_object_set(record, "principal", entry->principal);
	if (entry->object != NULL)
		json_object_set(record, "object", entry->object);
	if (entry->is_late)
		json_object_set_new(record, "late", json_true());
	set_string(record, "rule", entry->rule);
	set_string(record, "policy_sha256", entry->policy_sha256);
	set_string(record, "outcome", entry->outcome);
	set_string(record, "message",
	    entry->message != NULL ? entry->message
				   : events[entry->event].sentence);
	encode_untrusted(entry, ret);
	if (ret->untrusted != NULL) {
		record_hash_untrusted(
		    salt, ret->untrusted, ret->untrusted_len, hex);
		set_string(record, "untrusted_sha256", hex);
	}
	ret->record = json_encode_canonical(record, &ret->record_len);
	merkle_hash_leaf(ret->record, ret->record_len, ret->hash);
}

void
audit_leaf_done(struct audit_leaf *leaf)
{
	free(leaf->record);
	free(leaf->untrusted);
	json_decref(leaf->kept);
	*leaf = (struct audit_leaf){0};
}

static int
next_seq(struct database *database, int64_t *ret, struct err *err)
{
	int result = database_begin(database, STATEMENT_AUDIT_NEXT, err, "");

	if (result != 0)
		return -1;
	result = database_next(database, STATEMENT_AUDIT_NEXT, err);
	if (result > 0)
		*ret = database_integer(database, STATEMENT_AUDIT_NEXT, 0);
	database_end(database, STATEMENT_AUDIT_NEXT);
	return result > 0 ? 0 : -1;
}

static const char *
text_of(const json_t *object, const char *name)
{
	return json_string_value(json_object_get(object, name));
}

/* None where nothing was said: as in the record. */
static const char *
or_none(const char *text)
{
	return text != NULL && *text != '\0' ? text : NULL;
}

static int
insert(struct database *database, const struct audit_entry *entry, int64_t seq,
    const struct audit_leaf *leaf, const uint8_t salt[RECORD_SALT_BYTES],
    struct err *err)
{
	const char *own = text_of(entry->object, "image");
	const char *image_id =
	    own != NULL ? own : text_of(entry->object, "image_id");
	const char *image = text_of(leaf->kept, "image");

	/* The client named a task, and its rule the image. */
	if (image == NULL)
		image = text_of(entry->object, "image");
	return database_run(database, STATEMENT_AUDIT_INSERT, err,
	    "iisssbsbssssss", seq, entry->wall_ms, events[entry->event].code,
	    text_of(entry->object, "task"), leaf->record, leaf->hash,
	    sizeof(leaf->hash), leaf->untrusted,
	    leaf->untrusted != NULL ? salt : NULL, (size_t)RECORD_SALT_BYTES,
	    text_of(entry->principal, "subject"),
	    text_of(entry->principal, "thumbprint"), or_none(entry->rule),
	    or_none(entry->outcome), image_id,
	    image != NULL ? image : image_id);
}

int
audit_append(
    struct database *database, const struct audit_entry *entry, struct err *err)
{
	AUTO(audit_leaf_done) struct audit_leaf leaf = {0};
	uint8_t salt[RECORD_SALT_BYTES];
	int64_t seq = 0;

	if (next_seq(database, &seq, err) != 0)
		return -1;
	random_bytes(salt, sizeof(salt));
	audit_render(entry, seq, salt, &leaf);
	return insert(database, entry, seq, &leaf, salt, err);
}

static void
add_hex(struct buffer *lines, const char *name, const void *data, size_t len)
{
	auto_free char *hex = alloc_zero(2 * len + 1, 1);

	hex_encode(data, len, hex);
	buffer_printf(lines, ",\"%s\":\"%s\"", name, hex);
}

/* Of one whose text was dropped; as lib/audit_rows.h has it. */
static void
write_dropped(
    struct database *database, enum statement statement, struct buffer *lines)
{
	char when[CLOCK_TEXT];

	clock_format(database_integer(database, statement, 5), when);
	buffer_printf(lines,
	    "{\"seq\":%" PRId64 ",\"time\":\"%s\",\"dropped\":true",
	    database_integer(database, statement, 0), when);
}

/* The record is an object; what stands beside it goes in before its end. */
static void
write_line(
    struct database *database, enum statement statement, struct buffer *lines)
{
	const char *record = database_text(database, statement, 1);
	const char *untrusted = database_text(database, statement, 3);
	size_t hash_len, salt_len;
	const void *hash = database_blob(database, statement, 2, &hash_len);
	const void *salt = database_blob(database, statement, 4, &salt_len);

	if (*record != '\0')
		buffer_append(lines, record, strlen(record) - 1);
	else
		write_dropped(database, statement, lines);
	if (untrusted != NULL) {
		buffer_printf(lines, ",\"untrusted\":");
		buffer_append_string(lines, untrusted);
		add_hex(lines, "untrusted_salt", salt, salt_len);
	} else if (strstr(record, "\"untrusted_sha256\":") != NULL) {
		buffer_append_string(lines, ",\"redacted\":true");
	}
	add_hex(lines, "leaf", hash, hash_len);
	buffer_append_string(lines, "}\n");
}

static enum statement
choose_statement(const struct audit_query *query)
{
	if (query->task[0] != '\0')
		return query->newest ? STATEMENT_AUDIT_TASK_NEWEST
				     : STATEMENT_AUDIT_TASK_AFTER;
	return query->newest ? STATEMENT_AUDIT_NEWEST : STATEMENT_AUDIT_AFTER;
}

int
audit_select(struct database *database, const struct audit_query *query,
    struct buffer *lines, int64_t *ret_count, int64_t *ret_last,
    struct err *err)
{
	enum statement statement = choose_statement(query);
	int64_t count = 0, last = query->after;
	int result;

	if (query->task[0] != '\0')
		result = database_begin(database, statement, err, "iis",
		    query->after, query->limit, query->task);
	else
		result = database_begin(
		    database, statement, err, "ii", query->after, query->limit);
	if (result != 0)
		return -1;
	while (lines->len < AUDIT_READ_MAX &&
	    (result = database_next(database, statement, err)) > 0) {
		int64_t seq = database_integer(database, statement, 0);

		write_line(database, statement, lines);
		last = seq > last ? seq : last;
		count++;
	}
	database_end(database, statement);
	if (result < 0)
		return -1;
	*ret_count = count;
	*ret_last = last;
	return 0;
}
