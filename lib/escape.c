/*
 * Foreign strings on a log line or a terminal, and a line of them: also for
 * the modules.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "lib/log.h"
#include "lib/utf8.h"

static size_t escape_byte(char *out, unsigned char c)
{
	static const char hex[] = "0123456789abcdef";

	memcpy(out, "\\x", 2);
	out[2] = hex[c >> 4];
	out[3] = hex[c & 15];
	return 4;
}

/* One character of src as printable text in out (at most 8 bytes). */
static size_t escape_one(char *out, const char *src, bool quotes,
			 size_t *ret_used)
{
	uint32_t cp;
	size_t n = ds_utf8_decode(src, &cp), i, len = 0;

	*ret_used = n ? n : 1;
	if (n == 0)
		return escape_byte(out, (unsigned char)*src);
	if (cp < 0x20 || (cp >= 0x7f && cp < 0xa0)) {
		for (i = 0; i < n; i++)
			len += escape_byte(out + len, (unsigned char)src[i]);
		return len;
	}
	if (quotes && (cp == '"' || cp == '\\'))
		out[len++] = '\\';
	memcpy(out + len, src, n);
	return len + n;
}

static char *escape(char *dst, size_t cap, const char *src, bool quotes)
{
	char one[8];
	size_t len = 0, used, n;

	if (cap < 4) { /* no room even for "..." */
		if (cap)
			*dst = '\0';
		return dst;
	}
	for (; *src; src += used, len += n) {
		n = escape_one(one, src, quotes, &used);
		if (cap - len < n + 4) {
			memcpy(dst + len, "...", 3);
			len += 3;
			break;
		}
		memcpy(dst + len, one, n);
	}
	dst[len] = '\0';
	return dst;
}

char *ds_escape(char *dst, size_t cap, const char *src)
{
	return escape(dst, cap, src, true);
}

char *ds_clean(char *dst, size_t cap, const char *src)
{
	return escape(dst, cap, src, false);
}

char *ds_audit_text(char *buf, size_t cap, const char *event,
		    const struct ds_field *fields, size_t count)
{
	char value[1024];
	size_t i, len;
	int n;

	len = (size_t)snprintf(buf, cap, "audit event=%s", event);
	for (i = 0; i < count; i++) {
		if (!fields[i].value)
			continue;
		ds_escape(value, sizeof(value), fields[i].value);
		n = snprintf(buf + len, cap - len, " %s=\"%s\"", fields[i].key,
			     value);
		if (n < 0 || (size_t)n >= cap - len) {
			buf[len] = '\0'; /* whole pairs only */
			break;
		}
		len += (size_t)n;
	}
	return buf;
}
