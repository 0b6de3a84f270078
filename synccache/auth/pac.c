/*
 * UPN_DNS_INFO.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "synccache/auth/pac.h"

/* MS-PAC 2.10; the last four fields are there only with the flag. */
enum {
	AT_FLAGS = 8,
	AT_SID_LENGTH = 16,
	AT_SID_OFFSET = 18,
	SHORT_HEADER = 12,
	LONG_HEADER = 20,
	FLAG_SAM_AND_SID = 0x2,
};

static size_t le16(const uint8_t *p)
{
	return (size_t)p[0] | (size_t)p[1] << 8;
}

int dsa_pac_user_sid(const uint8_t *p, size_t len, struct ds_sid *ret_sid)
{
	size_t offset, length;

	if (len < SHORT_HEADER)
		return DS_ERR_FORMAT;
	if (!(p[AT_FLAGS] & FLAG_SAM_AND_SID))
		return DS_ERR_NOTFOUND;
	if (len < LONG_HEADER)
		return DS_ERR_FORMAT;
	length = le16(p + AT_SID_LENGTH);
	offset = le16(p + AT_SID_OFFSET);
	if (offset < LONG_HEADER || offset > len || length > len - offset)
		return DS_ERR_FORMAT;
	return ds_sid_parse_bin(p + offset, length, ret_sid);
}
