/*
 * One line an event on standard error.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "lib/log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES 2048

static struct {
	const char *name;
	enum ds_level threshold;
	bool journal;
} state = { "dssync", DS_LOG_INFO, false };

void ds_log_init(const char *name, enum ds_level threshold)
{
	state.name = name;
	state.threshold = threshold;
	state.journal = getenv("JOURNAL_STREAM") != NULL;
}

static const char *level_name(enum ds_level level)
{
	switch (level) {
	case DS_LOG_ERR:
		return "error";
	case DS_LOG_WARN:
		return "warning";
	case DS_LOG_NOTICE:
		return "notice";
	case DS_LOG_INFO:
		return "info";
	case DS_LOG_DEBUG:
		return "debug";
	}
	return "?";
}

/* "<6>dssync-sync[12]: " for the journal, else with time and level. */
static size_t put_prefix(char *line, size_t cap, enum ds_level level)
{
	struct timespec now;
	struct tm tm;
	char when[32] = "";

	if (state.journal)
		return (size_t)snprintf(line, cap, "<%d>%s[%d]: ", (int)level,
					state.name, (int)getpid());
	clock_gettime(CLOCK_REALTIME, &now);
	if (gmtime_r(&now.tv_sec, &tm))
		strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &tm);
	return (size_t)snprintf(line, cap, "%s.%03ldZ %s[%d] %s: ", when,
				now.tv_nsec / 1000000, state.name,
				(int)getpid(), level_name(level));
}

static void write_line(enum ds_level level, const char *text)
{
	char line[LINE_MAX_BYTES];
	size_t len = put_prefix(line, sizeof(line), level);
	size_t n = strlen(text);

	if (n > sizeof(line) - len - 1)
		n = sizeof(line) - len - 1;
	memcpy(line + len, text, n);
	len += n;
	line[len++] = '\n';
	/* Nobody is left to tell if standard error is gone. */
	if (write(STDERR_FILENO, line, len) < 0)
		return;
}

void ds_log(enum ds_level level, const char *fmt, ...)
{
	char raw[LINE_MAX_BYTES], text[LINE_MAX_BYTES];
	va_list ap;
	int n;

	if (level > state.threshold)
		return;
	va_start(ap, fmt);
	n = vsnprintf(raw, sizeof(raw), fmt, ap);
	va_end(ap);
	if (n >= 0)
		write_line(level, ds_clean(text, sizeof(text), raw));
}

void ds_audit(const char *event, const struct ds_field *fields, size_t count)
{
	char text[LINE_MAX_BYTES - 128];

	write_line(DS_LOG_NOTICE,
		   ds_audit_text(text, sizeof(text), event, fields, count));
}

bool ds_log_is_journal(void)
{
	return state.journal;
}
