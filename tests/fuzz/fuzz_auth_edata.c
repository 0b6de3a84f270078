/*
 * libFuzzer target: the NTSTATUS in a KRB-ERROR's e-data.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "synccache/auth/edata.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint32_t status = dsa_edata_ntstatus(data, size);

	if (status != DSA_NT_NONE && status >> 16 != 0xC000)
		abort();
	return 0;
}
