/*
 * Password change messages.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "config.h"

#include "synccache/auth/kpwmsg.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "lib/utf8.h"

#define HEADER_LEN     6
#define POLICY_LEN     30
#define POLICY_COMPLEX 1u /* DOMAIN_PASSWORD_COMPLEX of MS-SAMR */
#define TICKS_PER_HOUR ((uint64_t)3600 * 10000000)

static uint64_t big_endian(const uint8_t *p, size_t n)
{
	uint64_t v = 0;

	for (size_t i = 0; i < n; i++)
		v = v << 8 | p[i];
	return v;
}

int dsa_kpw_header(uint8_t buf[6], size_t ap_len, size_t priv_len)
{
	size_t len = HEADER_LEN + ap_len + priv_len;

	if (ap_len > UINT16_MAX || priv_len > UINT16_MAX || len > UINT16_MAX)
		return DS_ERR_LIMIT;
	buf[0] = (uint8_t)(len >> 8);
	buf[1] = (uint8_t)len;
	buf[2] = 0;
	buf[3] = DSA_KPW_VERSION;
	buf[4] = (uint8_t)(ap_len >> 8);
	buf[5] = (uint8_t)ap_len;
	return 0;
}

int dsa_kpw_split(const uint8_t *p, size_t len,
		  struct dsa_kpw_parts *ret_parts)
{
	size_t ap_len;

	if (len < HEADER_LEN || big_endian(p, 2) != len)
		return DS_ERR_FORMAT;
	ap_len = (size_t)big_endian(p + 4, 2);
	if (ap_len > len - HEADER_LEN)
		return DS_ERR_FORMAT;
	*ret_parts = (struct dsa_kpw_parts){
		.ap = p + HEADER_LEN,
		.ap_len = ap_len,
		.rest = p + HEADER_LEN + ap_len,
		.rest_len = len - HEADER_LEN - ap_len,
	};
	return 0;
}

int dsa_kpw_code(const uint8_t *p, size_t len, uint16_t *ret_code)
{
	if (len < 2)
		return DS_ERR_FORMAT;
	*ret_code = (uint16_t)big_endian(p, 2);
	return 0;
}

/* ---- words ---- */

struct words {
	char *buf;
	size_t cap, len;
};

/* Whole or not at all. */
static void add(struct words *w, const char *s)
{
	size_t n = strlen(s);

	if (n < w->cap - w->len) {
		memcpy(w->buf + w->len, s, n + 1);
		w->len += n;
	}
}

static void add_rule(struct words *w, uint64_t n, const char *before,
		     const char *unit, const char *after)
{
	char text[160];

	(void)snprintf(text, sizeof(text), " %s %" PRIu64 " %s%s%s.", before,
		       n, unit, n == 1 ? "" : "s", after);
	add(w, text);
}

/*
 * Two zero bytes, then u32 minimum length, u32 history length, u32 properties,
 * u64 maximum age, u64 minimum age, all big-endian; ages in 100 ns.
 */
static void add_policy(struct words *w, const uint8_t *p)
{
	uint64_t length = big_endian(p + 2, 4), history = big_endian(p + 6, 4);
	uint64_t hours = big_endian(p + 22, 8) / TICKS_PER_HOUR;

	add(w, "The domain does not take this password.");
	if (length > 0)
		add_rule(w, length, "It must have at least", "character", "");
	if (history > 0)
		add_rule(w, history, "It must differ from the last",
			 "password", "");
	if (big_endian(p + 10, 4) & POLICY_COMPLEX)
		add(w, " It must mix at least three of upper case, lower "
		       "case, digits and other characters, and must not "
		       "contain your name.");
	if (hours >= 24)
		add_rule(w, hours / 24, "It can be changed again only after",
			 "day", "");
	else if (hours > 0)
		add_rule(w, hours, "It can be changed again only after",
			 "hour", "");
}

/* False: not UTF-8, or nothing to read. */
static bool add_text(struct words *w, const uint8_t *p, size_t len)
{
	char text[512], clean[512];
	size_t n = 0;
	bool any = false;

	if (len >= sizeof(text))
		len = sizeof(text) - 1;
	memcpy(text, p, len);
	text[len] = '\0'; /* one inside ends it, too */
	for (const char *s = text; *s != '\0';) {
		uint32_t cp;
		size_t step = ds_utf8_decode(s, &cp);

		if (step == 0)
			return false;
		if (cp < 0x20 || (cp >= 0x7f && cp < 0xa0)) {
			clean[n++] = ' ';
		} else {
			memcpy(clean + n, s, step);
			n += step;
			any = any || cp != ' ';
		}
		s += step;
	}
	clean[n] = '\0';
	if (any)
		add(w, clean);
	return any;
}

char *dsa_kpw_words(const uint8_t *p, size_t len, char *buf, size_t cap)
{
	struct words w = { .buf = buf, .cap = cap };

	buf[0] = '\0';
	if (len < 2)
		return buf;
	p += 2;
	len -= 2;
	if (len == POLICY_LEN && p[0] == 0 && p[1] == 0)
		add_policy(&w, p);
	else
		(void)add_text(&w, p, len);
	return buf;
}
