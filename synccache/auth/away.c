/*
 * The window without a KDC.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "config.h"

#include "synccache/auth/away.h"

#include <stddef.h>
#include <sys/mman.h>

struct dsa_away *dsa_away_new(void)
{
	struct dsa_away *away =
	    mmap(NULL, sizeof(*away), PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return away != MAP_FAILED ? away : NULL;
}

void dsa_away_free(struct dsa_away *away)
{
	if (away != NULL)
		(void)munmap(away, sizeof(*away));
}

bool dsa_away_is(const struct dsa_away *away, int64_t now_ms)
{
	return now_ms < away->until_ms;
}

/* In the same millisecond: who is in doubt asks a KDC. */
bool dsa_away_answered(const struct dsa_away *away, int64_t since_ms)
{
	return away->answered_ms >= since_ms;
}

void dsa_away_answer(struct dsa_away *away, int64_t now_ms)
{
	away->answered_ms = now_ms;
	away->until_ms = 0;
}

void dsa_away_silence(struct dsa_away *away, int64_t began_ms, int64_t now_ms)
{
	if (dsa_away_answered(away, began_ms))
		return;
	away->used_ms = now_ms;
	away->until_ms = now_ms + DSA_AWAY_MS;
}

void dsa_away_used(struct dsa_away *away, int64_t now_ms)
{
	away->used_ms = now_ms;
}

void dsa_away_probed(struct dsa_away *away, int64_t began_ms)
{
	int64_t until_ms = away->used_ms + DSA_AWAY_MS;

	if (!dsa_away_answered(away, began_ms) && until_ms > away->until_ms)
		away->until_ms = until_ms;
}
