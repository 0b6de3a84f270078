/*
 * Extended DNs: where members carry their objectGUID.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "synccache/sync/entry.h"

#include <string.h>
#include <strings.h>

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* 32 hex digits are the 16 bytes as they lie in memory. */
static int guid_hex(const char *s, struct ds_guid *ret_guid)
{
	struct ds_guid guid;

	for (size_t i = 0; i < DS_GUID_LEN; i++) {
		int high = hex_digit(s[2 * i]), low = hex_digit(s[2 * i + 1]);

		if (high < 0 || low < 0)
			return DS_ERR_FORMAT;
		guid.b[i] = (uint8_t)(high << 4 | low);
	}
	*ret_guid = guid;
	return DS_OK;
}

static int guid_part(const char *s, size_t len, struct ds_guid *ret_guid)
{
	char text[DS_GUID_STR_MAX];

	if (len == 2 * DS_GUID_LEN)
		return guid_hex(s, ret_guid);
	if (len != DS_GUID_STR_MAX - 1)
		return DS_ERR_FORMAT;
	memcpy(text, s, len);
	text[len] = 0;
	return ds_guid_parse_str(text, ret_guid);
}

int dss_extdn_parse(const struct dss_value *value, struct ds_guid *ret_guid,
		    const char **ret_dn)
{
	const char *p = (const char *)value->data;
	const char *end = p + value->len;
	struct ds_guid guid;
	bool found = false;

	if (memchr(p, 0, value->len))
		return DS_ERR_FORMAT;
	while (p < end && *p == '<') {
		const char *close = memchr(p, '>', (size_t)(end - p));

		if (!close)
			return DS_ERR_FORMAT;
		if (strncasecmp(p, "<GUID=", 6) == 0) {
			if (found ||
			    guid_part(p + 6, (size_t)(close - p) - 6, &guid))
				return DS_ERR_FORMAT;
			found = true;
		}
		p = close + 1;
		if (p < end && *p == ';')
			p++;
	}
	*ret_dn = p;
	if (!found)
		return DS_ERR_NOTFOUND;
	*ret_guid = guid;
	return DS_OK;
}
