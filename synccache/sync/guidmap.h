/*
 * A hash map from GUIDs to numbers, for the hundreds of thousands of members
 * that are looked up with each publication: the keys are in the slots, and
 * hashed by one multiplication.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DSS_GUIDMAP_H
#define DSS_GUIDMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"
#include "lib/guid.h"

struct dss_guidmap_slot;
struct dss_guidmap {
	struct dss_guidmap_slot *slot; /* all zero: empty */
	size_t cap, used;
};

/* Adds guid -> value unless it is there; *ret_new says so.  DS_ERR_NOMEM. */
DS_MUST_CHECK int dss_guidmap_add(struct dss_guidmap *map,
				  const struct ds_guid *guid, uint32_t value,
				  bool *ret_new);
bool dss_guidmap_find(const struct dss_guidmap *map,
		      const struct ds_guid *guid, uint32_t *ret_value);
/* Says that the GUID is looked for soon. */
void dss_guidmap_ahead(const struct dss_guidmap *map,
		       const struct ds_guid *guid);
/* Takes the GUID out, if it is there. */
void dss_guidmap_remove(struct dss_guidmap *map, const struct ds_guid *guid);
/* Shows each value, which may be changed, in no order. */
void dss_guidmap_each(struct dss_guidmap *map,
		      void (*visit)(void *arg, uint32_t *value), void *arg);
void dss_guidmap_done(struct dss_guidmap *map);

#endif
