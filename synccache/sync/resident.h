/*
 * The mirror in memory: the store's objects and the model made of them, kept
 * from one publication to the next, so that a small change costs little.
 *
 * The objects borrow from the store's map by way of a reading transaction
 * that stays open; the next one shows what changed meanwhile, exactly.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DSS_RESIDENT_H
#define DSS_RESIDENT_H

#include "synccache/sync/model.h"
#include "synccache/sync/store.h"

struct dss_resident {
	struct dss_txn *txn; /* NULL: nothing is kept */
	/* Oldest first; behind them who came since.  One that went leaves one
	 * of no kind behind. */
	struct dss_object *objs;
	size_t nobjs, cap;
	uint32_t *by_guid; /* the indices of all that are there, by GUID */
	size_t count;
	struct dss_model model;
	size_t built_size; /* bytes of the model when it was built */
	/* For the status and for tests: how often it was built, and how often
	 * it was only brought up to date. */
	uint64_t builds, updates;
};

/*
 * Brings it to what `txn` shows, which is taken over in any case; `facts` are
 * those of the last time, or nothing is kept.  `expected`: so many objects
 * there must be.  DS_ERR_FORMAT: the store is damaged; whatever fails, nothing
 * is kept then.
 */
DS_MUST_CHECK int dss_resident_load(struct dss_resident *r,
				    struct dss_txn *txn, size_t expected,
				    const struct dss_facts *facts);

/* Forgets everything but the counters. */
void dss_resident_done(struct dss_resident *r);

#endif
