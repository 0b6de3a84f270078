/*
 * The audit lines: in the journal with a field each, else on standard error;
 * and in a file of JSON lines where one is configured.  What cannot be
 * written changes no decision.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "config.h"

#include "synccache/auth/audit.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>
#ifdef HAVE_SYSTEMD
#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>
#endif

#include "lib/log.h"
#include "synccache/auth/policy.h"

#define FIELDS_MAX 16
#define VALUE_MAX  (4 * DSA_AUDIT_VALUE_MAX)

static struct {
	int fd;            /* -1: none */
	bool torn;         /* its last line has no end */
	unsigned int lost; /* lines since it could be written */
} file = { .fd = -1 };

/* ---- the file ---- */

void dsa_audit_file(int fd)
{
	if (file.fd >= 0)
		(void)close(file.fd);
	file.fd = fcntl(fd, F_DUPFD_CLOEXEC, DS_FD_PAM_USER + 1);
	file.torn = false;
	if (file.fd < 0)
		ds_log(DS_LOG_ERR, "audit_file: %s", strerror(errno));
}

static void note_loss(const char *why)
{
	if (file.lost++ == 0)
		ds_log(DS_LOG_ERR,
		       "audit_file: %s; lines are missing in it until it can "
		       "be written again",
		       why);
}

static void append(char *line)
{
	char end[] = "\n";
	struct iovec parts[] = {
		{ .iov_base = end, .iov_len = file.torn ? 1 : 0 },
		{ .iov_base = line, .iov_len = strlen(line) },
		{ .iov_base = end, .iov_len = 1 },
	};
	size_t len = parts[0].iov_len + parts[1].iov_len + 1;
	ssize_t n = writev(file.fd, parts, 3);

	if (n == (ssize_t)len) {
		if (file.lost > 0)
			ds_log(DS_LOG_NOTICE,
			       "audit_file: written again; %u lines are "
			       "missing",
			       file.lost);
		file.lost = 0;
		file.torn = false;
		return;
	}
	note_loss(n < 0 ? strerror(errno) : "no room for a whole line");
	/* Half a line, which the next one must not continue. */
	file.torn |= n > 0;
}

/* JSON is UTF-8; other bytes are written as \xNN. */
static json_t *json_of(const struct ds_field *field)
{
	char escaped[VALUE_MAX + 1];
	json_t *json;

	if (field->number)
		return json_integer(strtoll(field->value, NULL, 10));
	json = json_string(field->value);
	if (json == NULL)
		json = json_string(
		    ds_escape(escaped, sizeof(escaped), field->value));
	return json;
}

static char *json_line(const char *event, const struct ds_field *fields,
		       size_t count)
{
	struct timespec now;
	char date[32] = "", when[48];
	char *line = NULL;
	struct tm tm;
	json_t *json;
	int bad;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	if (gmtime_r(&now.tv_sec, &tm) != NULL)
		(void)strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
	(void)snprintf(when, sizeof(when), "%s.%03ldZ", date,
		       now.tv_nsec / 1000000);
	json = json_pack("{s:s, s:s}", "time", when, "event", event);
	bad = json == NULL;
	for (size_t i = 0; i < count; i++)
		if (fields[i].value != NULL)
			bad |= json_object_set_new(json, fields[i].key,
						   json_of(&fields[i]));
	if (bad == 0)
		line = json_dumps(json, JSON_COMPACT);
	json_decref(json);
	return line;
}

static void write_file(const char *event, const struct ds_field *fields,
		       size_t count)
{
	char *line;

	if (file.fd < 0)
		return;
	line = json_line(event, fields, count);
	if (line != NULL)
		append(line);
	else
		note_loss("out of memory");
	free(line);
}

/* ---- the journal ---- */

#ifdef HAVE_SYSTEMD
/* "DSSYNC_KEY=value" in a buffer of the caller's. */
static void put_entry(struct iovec *entry, char *buf, size_t cap,
		      const char *key, const char *value)
{
	size_t len = (size_t)snprintf(buf, cap, "DSSYNC_%s=%s", key, value);

	for (char *p = buf; *p != '='; p++)
		if (*p >= 'a' && *p <= 'z')
			*p = (char)(*p - 'a' + 'A');
	*entry = (struct iovec){ .iov_base = buf,
				 .iov_len = len < cap ? len : cap - 1 };
}

static bool write_journal(const char *event, const struct ds_field *fields,
			  size_t count)
{
	char text[2048], message[2048 + 8], priority[] = "PRIORITY=5";
	char facility[] = "SYSLOG_FACILITY=10"; /* authpriv */
	char name[] = "SYSLOG_IDENTIFIER=dssync-auth";
	char buf[FIELDS_MAX + 1][DSA_AUDIT_VALUE_MAX + 32];
	struct iovec entry[FIELDS_MAX + 5];
	int n = 0;

	(void)snprintf(
	    message, sizeof(message), "MESSAGE=%s",
	    ds_audit_text(text, sizeof(text), event, fields, count));
	entry[n++] = (struct iovec){ message, strlen(message) };
	entry[n++] = (struct iovec){ priority, strlen(priority) };
	entry[n++] = (struct iovec){ facility, strlen(facility) };
	entry[n++] = (struct iovec){ name, strlen(name) };
	put_entry(&entry[n++], buf[FIELDS_MAX], sizeof(*buf), "event", event);
	for (size_t i = 0; i < count; i++)
		if (fields[i].value != NULL)
			put_entry(&entry[n++], buf[i], sizeof(*buf),
				  fields[i].key, fields[i].value);
	return sd_journal_sendv(entry, n) == 0;
}
#else
static bool write_journal(const char *event, const struct ds_field *fields,
			  size_t count)
{
	(void)event;
	(void)fields;
	(void)count;
	return false;
}
#endif

/* ---- a decision ---- */

static const char *or_null(const char *text)
{
	return text[0] != '\0' ? text : NULL;
}

void dsa_audit(const char *event, const struct dsa_subject *subject,
	       enum ds_auth_result result, const char *reason, int64_t kdc_ms)
{
	bool known = subject->name[0] != '\0';
	char uid[16], caller[16], ms[24], guid[DS_GUID_STR_MAX];

	(void)snprintf(uid, sizeof(uid), "%" PRIu32, subject->uid);
	(void)snprintf(caller, sizeof(caller), "%lu",
		       (unsigned long)subject->caller);
	(void)snprintf(ms, sizeof(ms), "%" PRId64, kdc_ms);

	const struct ds_field fields[] = {
		{ "user", subject->user },
		{ "name", or_null(subject->name) },
		{ "guid", ds_guid_to_str(&subject->guid, guid) },
		{ "uid", known ? uid : NULL, .number = true },
		{ "result", dsa_result_word(result) },
		{ "reason", or_null(reason) },
		{ "kdc_ms", kdc_ms >= 0 ? ms : NULL, .number = true },
		/* A caller's words: a line has no room for all of any length.
		 */
		{ "service", or_null(subject->service) },
		{ "tty", or_null(subject->tty) },
		{ "rhost", or_null(subject->rhost) },
		{ "ruser", or_null(subject->ruser) },
		{ "caller", subject->caller != 0 ? caller : NULL,
		  .number = true },
	};
	const size_t count = sizeof(fields) / sizeof(*fields);

	_Static_assert(sizeof(fields) / sizeof(*fields) <= FIELDS_MAX,
		       "room for every field");
	if (!ds_log_is_journal() || !write_journal(event, fields, count))
		ds_audit(event, fields, count);
	write_file(event, fields, count);
}
