/*
 * libFuzzer target: the user's SID in a PAC's UPN_DNS_INFO.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "synccache/auth/pac.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t bin[DS_SID_BIN_MAX];
	struct ds_sid sid;

	/* What is a SID fits into one, and came from inside. */
	if (dsa_pac_user_sid(data, size, &sid) == 0 &&
	    (sid.count == 0 || sid.count > DS_SID_MAX_SUBAUTHS ||
	     ds_sid_to_bin(&sid, bin) > size))
		abort();
	return 0;
}
