/*
 * Which names may be published or matched: resolve.h.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include <string.h>

#include "lib/resolve.h"
#include "lib/utf8.h"

/* The good ones of ASCII, as bits: no controls, no DEL, none of : , / \ */
#define BIT(c) ((uint64_t)1 << ((c)&63))
static const uint64_t ascii_ok[2] = {
	0xffffffff00000000u & ~(BIT(':') | BIT(',') | BIT('/')),
	~(BIT('\\') | BIT(0x7f)),
};

bool ds_name_ok(const char *name)
{
	const char *p = name;
	uint32_t cp;
	size_t n;

	while (*p) {
		unsigned char c = (unsigned char)*p;

		/* Every name of every object comes by here. */
		if (c < 0x80 && ((ascii_ok[c >> 6] >> (c & 63)) & 1)) {
			p++;
			continue;
		}
		n = c < 0x80 ? 0 : ds_utf8_decode(p, &cp);
		/* C1 controls are the two-byte forms C2 80 to C2 9F. */
		if (n == 0 || cp < 0xa0)
			return false;
		p += n;
	}
	n = (size_t)(p - name);
	return n > 0 && n <= DS_NAME_MAX && strcmp(name, ".") != 0 &&
	       strcmp(name, "..") != 0;
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
