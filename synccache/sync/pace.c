/*
 * The arithmetic of waiting.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "synccache/sync/pace.h"

#define BACKOFF_FIRST_MS 2000

int64_t dss_pace_part(int64_t ms, uint32_t chance)
{
	return (int64_t)(((uint64_t)ms * chance) >> 32);
}

int64_t dss_pace_wait(int64_t interval_ms, uint32_t chance)
{
	return interval_ms - dss_pace_part(interval_ms / 2, chance);
}

int64_t dss_pace_start(int64_t interval_ms, bool served, uint32_t chance)
{
	if (!served)
		return 0;
	return dss_pace_part(interval_ms < DSS_PACE_SPREAD_MS
				 ? interval_ms
				 : DSS_PACE_SPREAD_MS,
			     chance);
}

int64_t dss_pace_due(int64_t interval_ms)
{
	return interval_ms - interval_ms / 10;
}

int64_t dss_pace_put_off(int64_t interval_ms, uint32_t chance)
{
	return dss_pace_part(interval_ms / 5, chance);
}

int64_t dss_pace_backoff(unsigned failures, int64_t most_ms, uint32_t chance)
{
	int64_t ms = BACKOFF_FIRST_MS;

	while (failures-- > 1 && ms < most_ms)
		ms *= 2;
	if (ms > most_ms)
		ms = most_ms;
	return ms / 2 + dss_pace_part(ms, chance);
}
