/*
 * How ids were given out, kept in the store: the settings that decide it and
 * the slices of id_range.  A host that has files must not wake up with other
 * owners because a line of the configuration changed.  A copy goes into each
 * snapshot: it is there when the store is lost.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DSS_PINS_H
#define DSS_PINS_H

#include "lib/snapshot_write.h"
#include "synccache/sync/model.h"
#include "synccache/sync/store.h"

struct dss_pins {
	bool known;           /* ids were given out in this domain before */
	const char *settings; /* ... by these, as text */
	struct dss_slice *slices;
	uint32_t nslices;
};

/*
 * A record that was kept for the domain; strings are the arena's.  Something
 * that is not ours is as good as nothing: known is false.  DS_ERR_NOMEM.
 */
DS_MUST_CHECK int dss_pins_decode(const uint8_t *data, size_t len,
				  const struct ds_sid *domain,
				  struct dss_arena *arena,
				  struct dss_pins *ret_pins);
/* What the store has of it; DS_ERR_NOMEM, or the store's error. */
DS_MUST_CHECK int dss_pins_load(struct dss_txn *txn,
				const struct ds_sid *domain,
				struct dss_arena *arena,
				struct dss_pins *ret_pins);
/* False: the configuration would give other ids than those given out. */
bool dss_pins_agree(const struct dss_pins *pins,
		    const struct ds_config *config, struct dss_arena *arena);
/* The record to keep, from the arena.  DS_ERR_NOMEM. */
DS_MUST_CHECK int dss_pins_encode(const struct dss_model *model,
				  const struct dss_facts *facts,
				  struct dss_arena *arena,
				  const uint8_t **ret_data, size_t *ret_len);
/* The same from a copy in a snapshot; DS_ERR_NOMEM. */
DS_MUST_CHECK int dss_pins_recover(const struct ds_snap *snap,
				   const struct ds_sid *domain,
				   struct dss_arena *arena,
				   struct dss_pins *ret_pins);
/* Leaves the copy there. */
DS_MUST_CHECK int dss_pins_publish(const struct dss_model *model,
				   const struct dss_facts *facts,
				   struct ds_snapw *w);
DS_MUST_CHECK int dss_pins_save(struct dss_store *store, const uint8_t *data,
				size_t len);

#endif
