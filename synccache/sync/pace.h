/*
 * When to come again: so that hosts that wake, lose their server or are
 * notified together do not ask it together, nor stay in step from then on.
 * Pure; the caller brings the chance.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DSS_PACE_H
#define DSS_PACE_H

#include <stdbool.h>
#include <stdint.h>

#define DSS_PACE_SPREAD_MS 30000 /* the most that a start is put off */

/* A part of ms (0 to 2^31 - 1), in proportion to chance / 2^32. */
int64_t dss_pace_part(int64_t ms, uint32_t chance);
/* From one pull to the next: the interval, without up to half of it. */
int64_t dss_pace_wait(int64_t interval_ms, uint32_t chance);
/*
 * From the start to the first pull: part of the interval, of 30 s at most.
 * Not at all where nothing is published (`served`): people wait there.
 */
int64_t dss_pace_start(int64_t interval_ms, bool served, uint32_t chance);
/*
 * From one look at everything to the time when the next is due, which is the
 * interval without a tenth; it is then put off by up to a fifth.  Those for
 * whom it became due while they slept, or had no server, have all found it due
 * at the same moment.
 */
int64_t dss_pace_due(int64_t interval_ms);
int64_t dss_pace_put_off(int64_t interval_ms, uint32_t chance);
/*
 * After so many failures in a row: 2 s, doubled with each, up to most_ms; of
 * that a half to one and a half.
 */
int64_t dss_pace_backoff(unsigned failures, int64_t most_ms, uint32_t chance);

#endif
