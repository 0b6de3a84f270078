/*
 * status.c with nobody to tell: what it would say is left in s->status.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include <stdarg.h>
#include <stdio.h>

#include "synccache/sync/sync.h"

void dss_status_changed(struct dss_sync *s)
{
	(void)s;
}

void dss_status_state(struct dss_sync *s, enum dss_state state,
		      const char *phase)
{
	s->status.state = state;
	s->status.phase = phase;
}

void dss_status_error(struct dss_sync *s, int err, const char *fmt, ...)
{
	va_list ap;

	(void)err;
	va_start(ap, fmt);
	(void)vsnprintf(s->status.last_error, sizeof(s->status.last_error),
			fmt, ap);
	va_end(ap);
}
