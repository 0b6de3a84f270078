/*
 * objectGUID in its string form.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "lib/guid.h"

/* Where each printed byte stands in the LDAP form (MS-DTYP 2.3.4.2). */
static const uint8_t order[DS_GUID_LEN] = { 3, 2, 1,  0,  5,  4,  7,  6,
					    8, 9, 10, 11, 12, 13, 14, 15 };

static int dash_before(int i)
{
	return i == 4 || i == 6 || i == 8 || i == 10;
}

char *ds_guid_to_str(const struct ds_guid *guid, char *buf)
{
	static const char hex[] = "0123456789abcdef";
	char *p = buf;
	int i;

	for (i = 0; i < DS_GUID_LEN; i++) {
		if (dash_before(i))
			*p++ = '-';
		*p++ = hex[guid->b[order[i]] >> 4];
		*p++ = hex[guid->b[order[i]] & 15];
	}
	*p = '\0';
	return buf;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int ds_guid_parse_str(const char *str, struct ds_guid *ret_guid)
{
	struct ds_guid guid;
	int i, high, low;

	for (i = 0; i < DS_GUID_LEN; i++) {
		if (dash_before(i) && *str++ != '-')
			return DS_ERR_FORMAT;
		high = hex_value(str[0]);
		low = high < 0 ? -1 : hex_value(str[1]);
		if (low < 0)
			return DS_ERR_FORMAT;
		guid.b[order[i]] = (uint8_t)(high << 4 | low);
		str += 2;
	}
	if (*str)
		return DS_ERR_FORMAT;
	*ret_guid = guid;
	return DS_OK;
}
