/*
 * The safety valve: a broken pull never empties the host.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DSS_VALVE_H
#define DSS_VALVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "synccache/sync/store.h"

/*
 * True if so many deletions at once (objects not held back before), out of
 * `known` objects, may happen: at most the larger of max_percent and 10.
 */
bool dss_valve_allows(size_t deletions, size_t known, uint64_t max_percent);

/* A number of objects, and how many of them the host shows where its
 * configuration has a scope; 0 where it has none. */
struct dss_tally {
	uint64_t all, shown;
};
/* One object more, with these flags (enum dss_object_flags). */
void dss_tally_add(struct dss_tally *tally, uint32_t flags);
void dss_tally_sum(struct dss_tally *tally, const struct dss_tally *more);
/*
 * The rule of the valve, of the whole domain and of what the host shows, with
 * what went shortly before: little by little is not another thing than at
 * once.
 */
bool dss_tally_allows(const struct dss_tally *fresh,
		      const struct dss_tally *known,
		      const struct dss_tally *went, uint64_t max_percent);

#define DSS_FIELDS 32 /* bits of enum dss_field */

/*
 * What went in a stretch of time, kept in the store, so that a restart does
 * not open the valve anew.
 */
struct dss_valve {
	uint64_t since;                    /* epoch seconds; 0: never */
	struct dss_tally gone;             /* objects */
	struct dss_tally lost[DSS_FIELDS]; /* objects, by what they lost */
};
/* Nothing, where there is no record that can be read. */
DS_MUST_CHECK int dss_valve_load(struct dss_txn *txn,
				 struct dss_valve *ret_valve);
DS_MUST_CHECK int dss_valve_save(struct dss_txn *txn,
				 const struct dss_valve *valve);

#endif
