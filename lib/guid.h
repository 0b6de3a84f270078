/*
 * objectGUID (MS-DTYP 2.3.4): 16 bytes as LDAP carries them, the first three
 * fields little-endian, and the registry string form without braces.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DS_GUID_H
#define DS_GUID_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "lib/err.h"

#define DS_GUID_LEN     16
#define DS_GUID_STR_MAX 37 /* 36 characters and the NUL */

struct ds_guid {
	uint8_t b[DS_GUID_LEN];
};

/* Writes "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx" in lower case; returns buf. */
char *ds_guid_to_str(const struct ds_guid *guid, char *buf);
/* Reads that form, any case, all of it; else DS_ERR_FORMAT. */
DS_MUST_CHECK int ds_guid_parse_str(const char *str, struct ds_guid *ret_guid);

static inline bool ds_guid_equal(const struct ds_guid *a,
				 const struct ds_guid *b)
{
	return memcmp(a->b, b->b, DS_GUID_LEN) == 0;
}

#endif
