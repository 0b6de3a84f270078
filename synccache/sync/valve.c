/*
 * The one rule of valve.h.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "synccache/sync/valve.h"

#define ALWAYS_ALLOWED 10

bool dss_valve_allows(size_t deletions, size_t known, uint64_t max_percent)
{
	uint64_t percent = max_percent > 100 ? 100 : max_percent;
	uint64_t limit = (uint64_t)known * percent / 100;

	if (limit < ALWAYS_ALLOWED)
		limit = ALWAYS_ALLOWED;
	return deletions <= limit;
}
