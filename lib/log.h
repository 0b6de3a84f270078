/*
 * Logging of the daemons: one line an event on standard error, which the
 * service manager collects.  The modules use nothing but ds_escape(),
 * ds_clean() and ds_audit_text().  Never pass a password, hash, key or ticket.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DS_LOG_H
#define DS_LOG_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/err.h"

/* The numbers are those of syslog(3). */
enum ds_level {
	DS_LOG_ERR = 3,
	DS_LOG_WARN = 4,
	DS_LOG_NOTICE = 5,
	DS_LOG_INFO = 6,
	DS_LOG_DEBUG = 7,
};

/*
 * Names this process in every line, and sets the threshold.  With systemd
 * (JOURNAL_STREAM set) a line starts with "<level>", else with the UTC time.
 */
void ds_log_init(const char *name, enum ds_level threshold);
/*
 * Writes one line with one write(2).  Control bytes and bytes that are not
 * UTF-8 are escaped, so that no foreign string can forge a line.
 */
void ds_log(enum ds_level level, const char *fmt, ...) DS_PRINTF(2, 3);

/* One structured line a login decision: key="value" pairs, quoted. */
struct ds_field {
	const char *key;
	const char *value; /* NULL: left out */
	bool number;       /* a decimal number, where that has its own form */
};
void ds_audit(const char *event, const struct ds_field *fields, size_t count);
/* The text of that line, whole pairs only, in buf, which it returns. */
char *ds_audit_text(char *buf, size_t cap, const char *event,
		    const struct ds_field *fields, size_t count);
/* Whether the journal collects what is logged. */
bool ds_log_is_journal(void);

/*
 * Escapes src for one log line or terminal: control bytes, DEL, C1 controls
 * and invalid UTF-8 become \xNN, '"' and '\' get a backslash.  Cut with "..."
 * if it does not fit cap.  Returns dst.
 */
char *ds_escape(char *dst, size_t cap, const char *src);
/* The same, but '"' and '\' stay as they are: for a terminal. */
char *ds_clean(char *dst, size_t cap, const char *src);

#endif
