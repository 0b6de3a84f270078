/*
 * Which names may be published or matched (DESIGN "Names").
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include <string.h>

#include "lib/resolve.h"
#include "lib/utf8.h"

static bool char_ok(uint32_t cp)
{
	if (cp < 0x20 || (cp >= 0x7f && cp < 0xa0)) /* C0, DEL, C1 controls */
		return false;
	return cp != ':' && cp != ',' && cp != '/' && cp != '\\';
}

bool ds_name_ok(const char *name)
{
	const char *p = name;
	uint32_t cp;
	size_t n;

	if (strcmp(name, "") == 0 || strcmp(name, ".") == 0 ||
	    strcmp(name, "..") == 0 ||
	    strnlen(name, DS_NAME_MAX + 1) > DS_NAME_MAX)
		return false;
	for (; *p; p += n) {
		n = ds_utf8_decode(p, &cp);
		if (n == 0 || !char_ok(cp))
			return false;
	}
	return true;
}

bool ds_sam_ok(const char *sam)
{
	return !strchr(sam, '@') && ds_name_ok(sam);
}

bool ds_bare_ok(const char *name)
{
	size_t len = strlen(name);

	if (!ds_sam_ok(name) || strchr("#%+-~!@. ", name[0]) ||
	    name[len - 1] == ' ')
		return false;
	if (name[0] == '0' && (name[1] == 'x' || name[1] == 'X'))
		return false;
	return strspn(name, "0123456789") != len;
}
