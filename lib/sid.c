/*
 * Security identifiers: parsing and printing.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "lib/sid.h"

#include <string.h>

#define SID_REVISION 1

static uint32_t le32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
	       (uint32_t)p[3] << 24;
}

int ds_sid_parse_bin(const void *buf, size_t len, struct ds_sid *ret_sid)
{
	const uint8_t *p = buf;
	struct ds_sid sid = { 0 };
	int i;

	if (len < 8 || p[0] != SID_REVISION)
		return DS_ERR_FORMAT;
	sid.count = p[1];
	if (sid.count < 1 || sid.count > DS_SID_MAX_SUBAUTHS ||
	    len != 8 + 4 * (size_t)sid.count)
		return DS_ERR_FORMAT;
	for (i = 2; i < 8; i++) /* the authority alone is big-endian */
		sid.authority = sid.authority << 8 | p[i];
	for (i = 0; i < sid.count; i++)
		sid.sub[i] = le32(p + 8 + 4 * i);
	*ret_sid = sid;
	return DS_OK;
}

/* Reads decimal digits, at most max; NULL if there are none or too many. */
static const char *parse_number(const char *s, uint64_t max, uint64_t *ret)
{
	uint64_t v = 0;
	const char *start = s;

	for (; *s >= '0' && *s <= '9'; s++) {
		v = v * 10 + (uint64_t)(*s - '0');
		if (v > max)
			return NULL;
	}
	if (s == start)
		return NULL;
	*ret = v;
	return s;
}

int ds_sid_parse_str(const char *str, struct ds_sid *ret_sid)
{
	struct ds_sid sid = { 0 };
	uint64_t v;
	const char *s;

	if (strncmp(str, "S-1-", 4) != 0)
		return DS_ERR_FORMAT;
	s = parse_number(str + 4, 0xffffffffffff, &sid.authority);
	while (s && *s == '-') {
		if (sid.count == DS_SID_MAX_SUBAUTHS)
			return DS_ERR_FORMAT;
		s = parse_number(s + 1, UINT32_MAX, &v);
		if (s)
			sid.sub[sid.count++] = (uint32_t)v;
	}
	if (!s || *s || sid.count == 0)
		return DS_ERR_FORMAT;
	*ret_sid = sid;
	return DS_OK;
}

size_t ds_sid_to_bin(const struct ds_sid *sid, uint8_t *buf)
{
	uint8_t *p = buf + 8;
	int i;

	buf[0] = SID_REVISION;
	buf[1] = sid->count;
	for (i = 0; i < 6; i++)
		buf[2 + i] = (uint8_t)(sid->authority >> (8 * (5 - i)));
	for (i = 0; i < sid->count; i++, p += 4) {
		p[0] = (uint8_t)sid->sub[i];
		p[1] = (uint8_t)(sid->sub[i] >> 8);
		p[2] = (uint8_t)(sid->sub[i] >> 16);
		p[3] = (uint8_t)(sid->sub[i] >> 24);
	}
	return (size_t)(p - buf);
}

/* Without stdio: a mirror spells the SIDs of all its objects each time. */
static char *put_number(char *p, uint64_t n)
{
	char digits[20];
	size_t count = 0;

	do
		digits[count++] = (char)('0' + n % 10);
	while (n /= 10);
	while (count)
		*p++ = digits[--count];
	return p;
}

char *ds_sid_to_str(const struct ds_sid *sid, char *buf)
{
	char *p = buf;
	int i;

	memcpy(p, "S-1-", 4);
	p = put_number(p + 4, sid->authority);
	for (i = 0; i < sid->count && i < DS_SID_MAX_SUBAUTHS; i++) {
		*p++ = '-';
		p = put_number(p, sid->sub[i]);
	}
	*p = '\0';
	return buf;
}

bool ds_sid_equal(const struct ds_sid *a, const struct ds_sid *b)
{
	return a->authority == b->authority && a->count == b->count &&
	       memcmp(a->sub, b->sub, a->count * sizeof(a->sub[0])) == 0;
}

int ds_sid_split(const struct ds_sid *sid, struct ds_sid *ret_domain,
		 uint32_t *ret_rid)
{
	struct ds_sid domain = *sid;

	if (sid->count < 2)
		return DS_ERR_FORMAT;
	domain.count--;
	domain.sub[domain.count] = 0;
	*ret_rid = sid->sub[domain.count];
	*ret_domain = domain;
	return DS_OK;
}

int ds_sid_join(const struct ds_sid *domain, uint32_t rid,
		struct ds_sid *ret_sid)
{
	struct ds_sid sid = *domain;

	if (sid.count >= DS_SID_MAX_SUBAUTHS)
		return DS_ERR_LIMIT;
	sid.sub[sid.count++] = rid;
	*ret_sid = sid;
	return DS_OK;
}
