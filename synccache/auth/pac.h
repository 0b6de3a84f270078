/*
 * The one thing that is read of a PAC: the user's SID (MS-PAC 2.10).
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DSA_PAC_H
#define DSA_PAC_H

#include <stddef.h>
#include <stdint.h>

#include "lib/sid.h"

/*
 * The SID in a buffer of type 12, UPN_DNS_INFO: offsets and lengths at fixed
 * places, little-endian; flag S (0x2) says that there is a SID.
 * DS_ERR_NOTFOUND: there is none; DS_ERR_FORMAT: an offset or a length leaves
 * the buffer, or what lies there is no SID.  Pure; any bytes will do.  Who
 * signed them is the caller's to know.
 */
DS_MUST_CHECK int dsa_pac_user_sid(const uint8_t *p, size_t len,
				   struct ds_sid *ret_sid);

#endif
