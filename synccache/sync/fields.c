/*
 * The fields of fields.h.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "synccache/sync/fields.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "lib/utf8.h"

char *dss_fold(struct dss_arena *arena, const char *s)
{
	char *copy = dss_arena_strndup(arena, s, strlen(s));

	for (char *p = copy; p && *p; p++) {
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p + ('a' - 'A'));
	}
	return copy;
}

bool dss_fill_blanks(char *s, char with)
{
	bool any = false;

	for (; *s; s++) {
		if (*s != ' ')
			continue;
		*s = with;
		any = true;
	}
	return any;
}

static char *printable(struct dss_arena *arena, const char *display)
{
	/* Nothing becomes longer. */
	size_t len = 0, max = strnlen(display, DSS_GECOS_MAX);
	char *out = dss_arena_alloc(arena, max + 1, 1);

	while (out && *display) {
		unsigned char c = (unsigned char)*display;
		uint32_t cp;
		size_t n;

		if (c >= 0x20 && c < 0x7f && c != ':' && len < max) {
			out[len++] = *display++;
			continue;
		}
		n = ds_utf8_decode(display, &cp);

		if (n == 0) {
			cp = '?';
		} else if (cp < 0x20 || cp == ':' ||
			   (cp >= 0x7f && cp < 0xa0)) {
			cp = ' ';
		} else {
			if (n > max - len)
				break;
			memcpy(out + len, display, n);
			len += n;
			display += n;
			continue;
		}
		if (len == max)
			break;
		out[len++] = (char)cp;
		display += n ? n : 1;
	}
	return out;
}

char *dss_gecos(struct dss_arena *arena, const char *display, const char *name)
{
	char *gecos = printable(arena, display);

	if (gecos && gecos[strspn(gecos, " ")] == '\0')
		gecos = printable(arena, name);
	return gecos;
}

struct text {
	char buf[DSS_HOME_MAX + 1];
	size_t len;
	bool full;
};

static void add(struct text *t, const char *s, size_t len)
{
	if (len > DSS_HOME_MAX - t->len) {
		t->full = true;
		return;
	}
	memcpy(t->buf + t->len, s, len);
	t->len += len;
	t->buf[t->len] = 0;
}

static bool path_ok(const char *path)
{
	if (path[0] != '/')
		return false;
	for (const char *p = path; *p; p++) {
		unsigned char c = (unsigned char)*p;

		if (c < 0x20 || c == 0x7f || c == ':')
			return false;
	}
	for (const char *p = path; *p == '/';) {
		size_t len = (size_t)(strchrnul(p + 1, '/') - (p + 1));

		if (len == 0 || (len == 1 && p[1] == '.') ||
		    (len == 2 && p[1] == '.' && p[2] == '.'))
			return false;
		p += 1 + len;
	}
	return true;
}

static void add_part(struct text *t, char what, const struct dss_home *with)
{
	char number[16];

	switch (what) {
	case 'u':
		add(t, with->name, strlen(with->name));
		break;
	case 'U':
		add(t, with->name, strcspn(with->name, "@"));
		break;
	case 'd':
		add(t, with->domain, strlen(with->domain));
		break;
	case 'D':
		add(t, with->netbios, strlen(with->netbios));
		break;
	case 'i':
		(void)snprintf(number, sizeof(number), "%u", with->uid);
		add(t, number, strlen(number));
		break;
	case '%':
		add(t, "%", 1);
		break;
	default:
		t->full = true; /* no such part: refused */
	}
}

int dss_home_expand(struct dss_arena *arena, const char *template,
		    const struct dss_home *with, const char **ret_home)
{
	struct text t;
	const char *home;

	t.len = 0;
	t.buf[0] = 0;
	t.full = false;
	for (const char *p = template; *p;) {
		size_t plain = (size_t)(strchrnul(p, '%') - p);

		add(&t, p, plain);
		p += plain;
		if (*p) {
			add_part(&t, p[1], with);
			p += p[1] ? 2 : 1;
		}
		if (t.full)
			return DS_ERR_FORMAT;
	}
	if (!path_ok(t.buf))
		return DS_ERR_FORMAT;
	home = dss_arena_strndup(arena, t.buf, t.len);
	if (!home)
		return DS_ERR_NOMEM;
	*ret_home = home;
	return DS_OK;
}

bool dss_in_list(const char *name, const ds_strv list)
{
	for (char **item = list; *item; item++) {
		/* Most differ at once, in more than the bit of case. */
		if (((*item)[0] ^ name[0]) & ~0x20)
			continue;
		if (strcasecmp(*item, name) == 0)
			return true;
	}
	return false;
}
