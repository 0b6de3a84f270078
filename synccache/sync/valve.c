/*
 * The rule of valve.h, and the record of what went.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "synccache/sync/valve.h"

#include "lib/buf.h"
#include "synccache/sync/object.h"

#define ALWAYS_ALLOWED 10
#define RECORD         "valve"
#define RECORD_VERSION 1
#define RECORD_LEN     (1 + 8 + 16 * (1 + DSS_FIELDS))

bool dss_valve_allows(size_t deletions, size_t known, uint64_t max_percent)
{
	uint64_t percent = max_percent > 100 ? 100 : max_percent;
	uint64_t limit = (uint64_t)known * percent / 100;

	if (limit < ALWAYS_ALLOWED)
		limit = ALWAYS_ALLOWED;
	return deletions <= limit;
}

void dss_tally_add(struct dss_tally *tally, uint32_t flags)
{
	tally->all++;
	tally->shown += (flags & (DSS_OBJ_IN | DSS_OBJ_KEPT)) != 0;
}

void dss_tally_sum(struct dss_tally *tally, const struct dss_tally *more)
{
	tally->all += more->all;
	tally->shown += more->shown;
}

bool dss_tally_allows(const struct dss_tally *fresh,
		      const struct dss_tally *known,
		      const struct dss_tally *went, uint64_t max_percent)
{
	/* Nothing new: what went before was let go. */
	if (fresh->all == 0)
		return true;
	return dss_valve_allows(fresh->all + went->all, known->all + went->all,
				max_percent) &&
	       dss_valve_allows(fresh->shown + went->shown,
				known->shown + went->shown, max_percent);
}

static void get_tally(struct ds_reader *r, struct dss_tally *tally)
{
	tally->all = ds_get_u64(r);
	tally->shown = ds_get_u64(r);
}

static void put_tally(struct ds_writer *w, const struct dss_tally *tally)
{
	ds_put_u64(w, tally->all);
	ds_put_u64(w, tally->shown);
}

int dss_valve_load(struct dss_txn *txn, struct dss_valve *ret_valve)
{
	struct dss_valve valve = { .since = 0 };
	const uint8_t *data;
	struct ds_reader r;
	size_t len;
	int err = dss_txn_meta_get(txn, RECORD, &data, &len);

	*ret_valve = valve;
	if (err)
		return err == DS_ERR_NOTFOUND ? DS_OK : err;
	ds_reader_init(&r, data, len);
	if (ds_get_u8(&r) != RECORD_VERSION)
		return DS_OK;
	valve.since = ds_get_u64(&r);
	get_tally(&r, &valve.gone);
	for (unsigned i = 0; i < DSS_FIELDS; i++)
		get_tally(&r, &valve.lost[i]);
	if (ds_reader_end(&r) == DS_OK)
		*ret_valve = valve;
	return DS_OK;
}

int dss_valve_save(struct dss_txn *txn, const struct dss_valve *valve)
{
	uint8_t buf[RECORD_LEN];
	struct ds_writer w;

	ds_writer_init(&w, buf, sizeof(buf));
	ds_put_u8(&w, RECORD_VERSION);
	ds_put_u64(&w, valve->since);
	put_tally(&w, &valve->gone);
	for (unsigned i = 0; i < DSS_FIELDS; i++)
		put_tally(&w, &valve->lost[i]);
	return w.err ? w.err : dss_txn_meta_put(txn, RECORD, buf, sizeof(buf));
}
