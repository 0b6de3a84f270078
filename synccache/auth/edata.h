/*
 * The NTSTATUS that a KDC hides in the e-data of a KRB-ERROR.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DSA_EDATA_H
#define DSA_EDATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* MS-ERREF 2.3.1; those that say something about an account. */
enum dsa_ntstatus {
	DSA_NT_NONE = 0,
	DSA_NT_LOGON_HOURS = 0xC000006F,
	DSA_NT_WORKSTATION = 0xC0000070,
	DSA_NT_PASSWORD_EXPIRED = 0xC0000071,
	DSA_NT_DISABLED = 0xC0000072,
	DSA_NT_ACCOUNT_EXPIRED = 0xC0000193,
	DSA_NT_MUST_CHANGE = 0xC0000224,
	DSA_NT_LOCKED_OUT = 0xC0000234,
};

/*
 * Reads KERB-EXT-ERROR {status, reserved, flags} (MS-KILE 2.2.1, 12 bytes,
 * little-endian) out of either KERB-ERROR-DATA with type 3 (MS-KILE 2.2.2)
 * or METHOD-DATA with an element of type 3, as Samba sends it.  That number
 * is PA-PW-SALT's too, so only a value that is an error status (severity 3,
 * facility 0) counts.  Returns DSA_NT_NONE if there is none.  Pure; any bytes
 * will do.  e-data is not authenticated: use it for texts and reasons of a
 * refusal, never to let someone in.
 */
uint32_t dsa_edata_ntstatus(const uint8_t *p, size_t len);

#endif
