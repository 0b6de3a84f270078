/*
 * Output for people and for programs.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "dssyncctl/ctl.h"
#include "lib/log.h"
#include "lib/utf8.h"

DS_PRINTF(2, 0)
static void vprint_clean(FILE *out, const char *fmt, va_list ap)
{
	char *raw, *clean;
	size_t cap;

	if (vasprintf(&raw, fmt, ap) < 0)
		return;
	cap = strlen(raw) * 4 + 4;
	clean = malloc(cap);
	if (clean)
		fputs(ds_clean(clean, cap, raw), out);
	free(clean);
	free(raw);
}

void ctl_row(const char *label, const char *fmt, ...)
{
	va_list ap;

	printf("%-16s ", label);
	va_start(ap, fmt);
	vprint_clean(stdout, fmt, ap);
	va_end(ap);
	putchar('\n');
}

void ctl_line(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vprint_clean(stdout, fmt, ap);
	va_end(ap);
	putchar('\n');
}

void ctl_complain(const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	fputs("dssyncctl: ", stderr);
	va_start(ap, fmt);
	vprint_clean(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

int ctl_json(json_t *root)
{
	int bad;

	if (!root) {
		ctl_complain("out of memory");
		return CTL_NO;
	}
	bad = json_dumpf(root, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
	putchar('\n');
	json_decref(root);
	return bad ? CTL_NO : CTL_OK;
}

json_t *ctl_text(const char *s)
{
	json_t *text = json_string(s); /* NULL where it is not UTF-8 */
	size_t cap = strlen(s) * 4 + 4;
	char *clean;

	if (text)
		return text;
	clean = malloc(cap);
	if (!clean)
		return NULL;
	text = json_string(ds_clean(clean, cap, s));
	free(clean);
	return text;
}

const char *ctl_when(int64_t when, char *buf, size_t cap)
{
	static const struct {
		int64_t seconds;
		const char *name;
	} units[] = {
		{ 86400, "d" }, { 3600, "h" }, { 60, "min" }, { 1, "s" }
	};
	int64_t d = (int64_t)time(NULL) - when;
	bool future = d < 0;
	size_t i = 0;

	if (when <= 0)
		return "never";
	d = future ? -d : d;
	while (i < 3 && d < 2 * units[i].seconds)
		i++;
	snprintf(buf, cap, "%s%jd %s%s", future ? "in " : "",
		 (intmax_t)(d / units[i].seconds), units[i].name,
		 future ? "" : " ago");
	return buf;
}

int ctl_open_snapshot(struct ds_snap *ret_snap)
{
	int r = ds_snap_open(DS_PUBLIC_SNAP, DS_SNAP_BASE, 0, ret_snap);

	if (r == DS_ERR_SYS && errno == ENOENT)
		ctl_complain("there is no snapshot yet: nothing was "
			     "synchronized so far; as root, 'dssyncctl "
			     "status' says why");
	else if (r)
		ctl_complain("%s: %s", DS_PUBLIC_SNAP,
			     r == DS_ERR_SYS ? strerror(errno)
					     : ds_strerror(r));
	return r;
}
