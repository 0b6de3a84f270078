/*
 * Which names may be published or matched: resolve.h.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include <string.h>

#include "lib/blocks.h"
#include "lib/resolve.h"
#include "lib/utf8.h"

/* Valid UTF-8 without C1 controls. */
static bool is_text(const char *p)
{
	uint32_t cp;
	size_t n;

	for (; *p; p += n) {
		n = ds_utf8_decode(p, &cp);
		if (n == 0 || (cp >= 0x80 && cp < 0xa0))
			return false;
	}
	return true;
}

bool ds_name_ok(const char *name)
{
	size_t len = strnlen(name, DS_NAME_MAX + 1);
	struct ds_name_scan scan;

	if (len == 0 || len > DS_NAME_MAX)
		return false;
	scan = ds_scan_name(name, len);
	return !ds_any16(scan.bad) &&
	       (!ds_any16(scan.high) || is_text(name)) &&
	       strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

bool ds_sam_ok(const char *sam)
{
	return !strchr(sam, '@') && ds_name_ok(sam);
}

static bool is_number(const char *name)
{
	while (*name >= '0' && *name <= '9')
		name++;
	return !*name;
}

bool ds_bare_ok(const char *name)
{
	size_t len = strlen(name);

	if (!ds_sam_ok(name) || strchr("#%+-~!@. ", name[0]) ||
	    name[len - 1] == ' ')
		return false;
	if (name[0] == '0' && (name[1] == 'x' || name[1] == 'X'))
		return false;
	return !is_number(name);
}
